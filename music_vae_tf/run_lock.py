"""One training at a time in a run directory: a lock that a crash does not leave behind.

`run_dir/train/lock.json` names the process that trains. On the same machine it holds
while that process lives. On another one, which may share the directory over a network,
it holds while its time of change is renewed every few seconds.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from music_vae_tf.errors import UserFacingError

NAME = "lock.json"
HEARTBEAT_S = 10
STALE_AFTER_S = 90  # without a heartbeat, on another machine
_HELD: set[Path] = set()  # the locks of this process


class RunInUse(UserFacingError, RuntimeError):
    """A run directory in which another process trains."""


@contextlib.contextmanager
def held(directory: Path) -> Iterator[None]:
    """Keeps other trainings out of a directory, which is there, while it lasts.

    Raises:
        RunInUse: another one is in it; names its process, machine and start.
    """
    path = directory / NAME
    _take(path)
    ended = threading.Event()
    heartbeat = threading.Thread(target=_beat, args=(path, ended), daemon=True)
    heartbeat.start()
    try:
        yield
    finally:
        ended.set()
        heartbeat.join()
        _HELD.discard(path.resolve())
        # One that cannot be removed holds no longer, as it is not among those held.
        with contextlib.suppress(OSError):
            path.unlink()


def _take(path: Path) -> None:
    while True:
        with contextlib.suppress(FileExistsError):
            with open(path, "x", encoding="utf-8") as file:
                json.dump(_own(), file)
            _HELD.add(path.resolve())
            return
        owner = _read(path)
        if owner is not None and _is_alive(owner, path):
            raise RunInUse(
                f"{path.parent.parent} is in use by another training: process "
                f"{owner.get('process')} on {owner.get('host')}, since "
                f"{owner.get('since')}. Wait for its end or stop it, or name another "
                f"run_dir. If it is gone, remove {path}."
            )
        _remove_stale(path, owner)


def _own() -> dict[str, Any]:
    return {
        "host": socket.gethostname(),
        "process": os.getpid(),
        "since": time.strftime("%Y-%m-%d %H:%M:%S"),
        "machine": _machine(),
        "started": _start_of(os.getpid()),
    }


def _read(path: Path) -> dict[str, Any] | None:
    """None: it is gone, or was never written to its end."""
    try:
        owner = json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return None
    return owner if isinstance(owner, dict) else None


def _is_alive(owner: dict[str, Any], path: Path) -> bool:
    if owner.get("machine") == _machine():
        number = owner.get("process")
        started = _start_of(number) if isinstance(number, int) else None
        if started is None or started != owner.get("started"):
            return False
        return number != os.getpid() or path.resolve() in _HELD
    return _age_s(path) < STALE_AFTER_S


def _remove_stale(path: Path, owner: dict[str, Any] | None) -> None:
    """Removes a lock, unless another process has taken it over in the meantime."""
    if owner is None and _age_s(path) < 1:
        time.sleep(0.1)  # it is being written
        return
    aside = path.with_name(f"{NAME}.{os.getpid()}-{threading.get_ident()}")
    with contextlib.suppress(FileNotFoundError):
        os.rename(path, aside)
        if _read(aside) != owner:
            with contextlib.suppress(FileExistsError):
                os.link(aside, path)
        aside.unlink()


def _age_s(path: Path) -> float:
    """Seconds since a file's change, by the clock of the machine that stores it."""
    probe = path.with_name(f"{NAME}.now-{os.getpid()}-{threading.get_ident()}")
    try:
        probe.touch()
        return probe.stat().st_mtime - path.stat().st_mtime
    except FileNotFoundError:  # the lock is gone
        return float("inf")
    finally:
        probe.unlink(missing_ok=True)


def _beat(path: Path, ended: threading.Event) -> None:
    while not ended.wait(HEARTBEAT_S):
        with contextlib.suppress(OSError):  # the storage may be away for a while
            os.utime(path)


def _machine() -> str:
    """What numbers of processes are counted in: a boot of a machine, a container."""
    parts = [socket.gethostname()]
    with contextlib.suppress(OSError):
        parts.append(Path("/proc/sys/kernel/random/boot_id").read_text().strip())
        parts.append(os.readlink("/proc/self/ns/pid"))
    return " ".join(parts)


def _start_of(process: int) -> str | None:
    """When a process of this machine started, as no later one with its number did;
    None if there is none."""
    try:
        stat = Path(f"/proc/{process}/stat").read_bytes()
        fields = stat.rpartition(b")")[2].split()
        return None if fields[0] == b"Z" else fields[19].decode()
    except (FileNotFoundError, ProcessLookupError):
        if Path("/proc/self/stat").exists():
            return None
    return _start_without_proc(process)


def _start_without_proc(process: int) -> str | None:
    """On macOS; Windows has no signal 0, and its locks hold until they are removed."""
    if os.name == "nt":
        return "unknown"
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return None
    except PermissionError:  # another user's
        pass
    return "unknown"

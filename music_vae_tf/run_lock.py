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
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from music_vae_tf.errors import UserFacingError
from music_vae_tf.json_files import BadJson, read_json

NAME = "lock.json"
HEARTBEAT_S = 10
STALE_AFTER_S = 90  # without a heartbeat, on another machine
MAX_BYTES = 10_000  # of a lock; others are none of ours
LARGEST_PROCESS = 2**31
LONGEST_SHOWN = 80  # characters


class _Lock(NamedTuple):
    """A lock that this process holds."""

    path: Path
    own: dict[str, Any]  # what was written into it
    lost: threading.Event  # another training has taken it over


_HELD: dict[Path, _Lock] = {}
_TAKING = threading.Lock()  # of several threads, one takes or gives back at a time


class RunInUse(UserFacingError, RuntimeError):
    """A run directory in which another process trains."""


@contextlib.contextmanager
def held(directory: Path) -> Iterator[None]:
    """Keeps other trainings out of a directory, which is there, while it lasts.

    Raises:
        RunInUse: another one is in it; names its process, machine and start.
    """
    path = directory / NAME
    with _TAKING:
        lock = _take(path)
    ended = threading.Event()
    heartbeat = threading.Thread(target=_beat, args=(lock, ended), daemon=True)
    heartbeat.start()
    try:
        yield
    finally:
        ended.set()
        heartbeat.join()
        with _TAKING:
            _HELD.pop(path.resolve(), None)
            # One that cannot be removed holds no longer: it is not among those held.
            with contextlib.suppress(OSError):
                if _read(path) == lock.own:
                    path.unlink()


def check_held(directory: Path, now: bool = False) -> None:
    """Checks that a lock which this process took is still its own.

    Another training takes over the lock of a process that was stopped for long, or
    whose lock someone removed.

    Args:
        now: look at the file; without it, as the last heartbeat found it.

    Raises:
        RunInUse: another training is in the directory. Nothing may be written there.
    """
    lock = _HELD.get((directory / NAME).resolve()) if _HELD else None
    if lock is None:
        return
    if now:
        _look(lock)
    if lock.lost.is_set():
        raise RunInUse(
            f"{lock.path} is not of this training any more: another one has begun in "
            f"{directory.parent}, {_described(_read(lock.path) or {})}. This one "
            "stops, and its steps since the last checkpoint are lost."
        )


def _take(path: Path) -> _Lock:
    while True:
        lock = _Lock(path, _own(), threading.Event())
        with contextlib.suppress(FileExistsError):
            _create(lock)
            _HELD[path.resolve()] = lock
            return lock
        owner = _read(path)
        if owner is not None and _is_alive(owner, path):
            raise RunInUse(
                f"{path.parent.parent} is in use by another training: "
                f"{_described(owner)}. Wait for its end or stop it, or name another "
                f"run_dir. If it is gone, remove {path}."
            )
        _remove_stale(path, owner)


def _create(lock: _Lock) -> None:
    """Writes a lock, whole or not at all.

    Raises:
        FileExistsError: one is there.
        OSError: it cannot be written, as on a full disk; names the file.
    """
    file = open(lock.path, "x", encoding="utf-8")  # noqa: SIM115
    try:
        with file:
            json.dump(lock.own, file)
    except BaseException as error:
        with contextlib.suppress(OSError):
            lock.path.unlink()
        if isinstance(error, OSError) and error.filename is None:
            raise type(error)(error.errno, error.strerror, str(lock.path)) from error
        raise


def _described(owner: dict[str, Any]) -> str:
    process, host, since = (
        "".join(c for c in str(owner.get(key)) if c.isprintable())[:LONGEST_SHOWN]
        for key in ("process", "host", "since")
    )
    return f"process {process} on {host}, since {since}"


def _own() -> dict[str, Any]:
    return {
        "host": socket.gethostname(),
        "process": os.getpid(),
        "since": time.strftime("%Y-%m-%d %H:%M:%S"),
        "machine": _machine(),
        "started": _start_of(os.getpid()),
        "id": uuid.uuid4().hex,  # of this lock, not of the next one of this process
    }


def _read(path: Path) -> dict[str, Any] | None:
    """None: it is gone, or was never written to its end."""
    try:
        return read_json(path, dict, MAX_BYTES)
    except (FileNotFoundError, BadJson):
        return None


def _is_alive(owner: dict[str, Any], path: Path) -> bool:
    if owner.get("machine") == _machine():
        number = owner.get("process")
        if type(number) is not int or not 0 < number < LARGEST_PROCESS:
            return False
        started = _start_of(number)
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


def _beat(lock: _Lock, ended: threading.Event) -> None:
    while not ended.wait(HEARTBEAT_S):
        _look(lock)
        with contextlib.suppress(OSError):  # the storage may be away for a while
            if not lock.lost.is_set():
                os.utime(lock.path)


def _look(lock: _Lock) -> None:
    """Notices that a lock is another's; writes it again where someone removed it."""
    with contextlib.suppress(OSError):  # nothing is known, or the folder is gone
        owner = _read(lock.path)
        if owner is None:
            _create(lock)  # unless it is there, and just being written
        elif owner != lock.own:
            lock.lost.set()


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

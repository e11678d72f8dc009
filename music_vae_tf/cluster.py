"""The workers that TF_CONFIG names, checked before TensorFlow waits for them."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from music_vae_tf.errors import UserFacingError

log = logging.getLogger("music_vae_tf")
EXAMPLE = (
    '{"cluster": {"worker": ["host1:port", "host2:port"]}, '
    '"task": {"type": "worker", "index": 0}}'
)
ADDRESS = re.compile(r"(?:[\w.-]+|\[[0-9a-fA-F:.]+\]):(\d{1,5})")
TRAINS = ("chief", "worker")  # kinds of tasks that take steps
KINDS = (*TRAINS, "ps", "evaluator")  # all that TensorFlow knows
FIRST_WARNING_S, NEXT_WARNING_S = 30, 120
PROBE_S = 2


class StrategyError(UserFacingError, ValueError):
    """Devices that cannot train together as asked."""


def workers() -> list[str]:
    """The addresses of all workers, the chief first; none without TF_CONFIG.

    Raises:
        StrategyError: TF_CONFIG makes no sense.
    """
    text = os.environ.get("TF_CONFIG")
    if not text:
        return []
    return _addresses(_parsed(text).get("cluster", {}))


def check_task() -> None:
    """Checks that this process is one that trains, where TF_CONFIG names any.

    One that TF_CONFIG starts for another task, such as a parameter server, would train
    all by itself.

    Raises:
        StrategyError: it is not, or TF_CONFIG makes no sense.
    """
    config = _parsed(os.environ.get("TF_CONFIG") or "{}")
    _addresses(config.get("cluster", {}))
    if any(config.get("cluster", {}).values()):
        _check_task(config)


def peers() -> list[str]:
    """The addresses of all workers but this one.

    Raises:
        StrategyError: TF_CONFIG does not say which one this is.
    """
    config = _parsed(os.environ["TF_CONFIG"])
    addresses = _addresses(config.get("cluster", {}))
    _check_task(config)
    task = config["task"]
    own = config["cluster"][task["type"]][int(task["index"])]
    return [address for address in addresses if address != own]


def _parsed(text: str) -> dict[str, Any]:
    try:
        config = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise _misfit(f"it is not JSON: {error}") from error
    if not isinstance(config, dict):
        raise _misfit(f"it is a {type(config).__name__}")
    return config


def _addresses(cluster: Any) -> list[str]:
    if not isinstance(cluster, dict):
        raise _misfit("`cluster` should give lists of addresses by kinds of tasks")
    for kind, listed in cluster.items():
        _check_kind(kind, listed)
    every = [address for listed in cluster.values() for address in listed]
    if len(set(every)) < len(every):
        raise _misfit("duplicate address")
    if len(cluster.get("chief", [])) > 1:
        raise _misfit("there is more than one chief")
    return [address for kind in TRAINS for address in cluster.get(kind, [])]


def _check_kind(kind: str, listed: Any) -> None:
    if kind not in KINDS:
        known = ", ".join(KINDS)
        raise _misfit(
            f"cluster > {kind[:100]!r} is not a kind of task; known are {known}"
        )
    if not isinstance(listed, list):
        raise _misfit(f"cluster > {kind} should be a list of addresses")
    for address in listed:
        match = ADDRESS.fullmatch(address) if isinstance(address, str) else None
        if match is None or not 0 < int(match[1]) < 65536:
            raise _misfit(f"{address!r} is not an address, such as host1:2222")


def _check_task(config: dict[str, Any]) -> None:
    task, cluster = config.get("task"), config.get("cluster", {})
    trains = [kind for kind in TRAINS if kind in cluster]
    if not isinstance(task, dict) or task.get("type") not in trains:
        kinds = " or ".join(trains or TRAINS)
        raise _misfit(f"task > type should be {kinds}, the kind of this process")
    count, index = len(cluster[task["type"]]), task.get("index")
    is_index = isinstance(index, (int, str)) and re.fullmatch(r"\d{1,9}", str(index))
    if not is_index or not int(index) < count:
        raise _misfit(
            f"task > index is {index!r}; there are {count} of {task['type']}, counted "
            "from 0"
        )


def _misfit(why: str) -> StrategyError:
    return StrategyError(f"TF_CONFIG cannot be understood: {why}. Expected: {EXAMPLE}")


@contextlib.contextmanager
def waiting_for_peers(addresses: list[str]) -> Iterator[None]:
    """While it lasts, workers that do not answer are named in warnings.

    By a process of its own: TensorFlow waits without letting other threads run. Nor do
    Python's handlers of signals run, and TensorFlow takes SIGTERM for itself, so Ctrl-C
    ends this process at once, and the other one ends it when SIGTERM is pending.
    Nothing is written before the workers have met.
    """
    watch = None
    if addresses and log.isEnabledFor(logging.WARNING):
        command = [sys.executable, "-m", __name__, str(os.getpid()), *addresses]
        watch = subprocess.Popen(command, stdin=subprocess.DEVNULL)
    try:
        with _ended_by_ctrl_c(), sigterm_pending():
            yield
    finally:
        if watch is not None:
            watch.kill()
            watch.wait()


@contextlib.contextmanager
def _ended_by_ctrl_c() -> Iterator[None]:
    """While it lasts, Ctrl-C ends the process, also where Python does not run."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, signal.SIG_DFL)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


@contextlib.contextmanager
def sigterm_pending() -> Iterator[None]:
    """While it lasts, SIGTERM waits, for this thread and those that it starts.

    Around imports whose libraries start threads, it leaves SIGTERM to the main thread.
    """
    if os.name == "nt":
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _watch(process: int, addresses: list[str]) -> None:
    """Warns on stderr until the process that waits has ended."""
    began, wait = time.monotonic(), FIRST_WARNING_S
    while True:
        if not _lives_for(process, wait):
            return
        absent = [address for address in addresses if not _answers(address)]
        if absent:
            print(
                f"warning: still waiting for {' and '.join(absent)}: no answer after "
                f"{time.monotonic() - began:.0f} s. Is it started, and is its address "
                "in TF_CONFIG right?",
                file=sys.stderr,
            )
        wait = NEXT_WARNING_S


def _lives_for(process: int, seconds: float) -> bool:
    """Whether the process that waits still does after so many seconds.

    Ends it when it is asked to end.
    """
    until = time.monotonic() + seconds
    while os.getppid() == process and time.monotonic() < until:
        if _sigterm_is_pending(process):
            print("interrupted while waiting for other workers", file=sys.stderr)
            os.kill(process, signal.SIGKILL)
            return False
        time.sleep(min(seconds, 1))
    return os.getppid() == process


def _sigterm_is_pending(process: int) -> bool:
    """On Linux; elsewhere it is not known."""
    try:
        status = Path(f"/proc/{process}/status").read_text()
    except OSError:
        return False
    pending = re.search(r"^ShdPnd:\s*([0-9a-f]+)", status, re.MULTILINE)
    return bool(pending and int(pending[1], 16) >> (signal.SIGTERM - 1) & 1)


def _answers(address: str) -> bool:
    host, _, port = address.rpartition(":")
    try:
        with socket.create_connection((host.strip("[]"), int(port)), PROBE_S):
            return True
    except OSError:
        return False


if __name__ == "__main__":
    _watch(int(sys.argv[1]), sys.argv[2:])

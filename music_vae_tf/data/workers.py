"""Work spread over processes, where the death of one costs only what it held.

An item that takes too long or too much memory is given up; the others go on.
"""

from __future__ import annotations

import collections
import contextlib
import errno
import importlib
import math
import multiprocessing
import os
import pickle
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from multiprocessing import connection, spawn
from typing import NamedTuple

from music_vae_tf.errors import UserFacingError
from music_vae_tf.machine import usable_cores


class CannotWork(UserFacingError, RuntimeError):
    """Processes that cannot work at all; no item is at fault."""

    @classmethod
    def from_import(cls, reason: str) -> CannotWork:
        """For an import that failed: `No module named 'note_seq'`."""
        return cls(
            f"a process that shares the work cannot import what it needs: {reason}. "
            "The installation is at fault, not the files: install music_vae_tf again "
            "with pip, for the Python that runs this command. A folder or file of that "
            "name in the current folder may also hide the package"
        )

    @classmethod
    def from_end(cls, reason: str) -> CannotWork:
        """For a process that ended before its first item: `ended by SIGKILL`."""
        return cls(
            f"a process that shares the work {reason} before its first file, so no "
            "file is at fault. What it wrote is above; --num_workers=1 needs the least "
            "memory, and installing music_vae_tf again mends a broken installation"
        )


class Died(NamedTuple):
    """In place of a result: the process that was to give it ended or failed."""

    reason: str
    is_over_limit: bool = False

    @property
    def problem(self) -> str:
        """What is wrong with the item: its kind, and after a colon the details."""
        if self.is_over_limit:
            return f"beyond a limit: {self.reason}"
        return f"crash: the process that read it {self.reason}"


class Limits(NamedTuple):
    """What one item may take; 0 is without limit."""

    seconds: float = 10
    megabytes: float = 1000  # on top of what the process has before its first item
    command: str = ""  # whose flags allow more, with a space; "" is the one that runs

    @property
    def too_slow(self) -> Died:
        return Died(
            f"more than {self.seconds:g} s ({self.command}"
            "--max_seconds_per_file allows more)",
            True,
        )

    @property
    def too_large(self) -> Died:
        return Died(
            f"more than {self.megabytes:g} MB of memory ({self.command}"
            "--max_mb_per_file allows more)",
            True,
        )


UNLIMITED = Limits(0, 0)


class _MissingImport(NamedTuple):
    """In place of a result: what the process could not import."""

    reason: str


class _CannotWrite(NamedTuple):
    """In place of a result: the error of a disk, which the next item would meet too."""

    number: int | None
    reason: str | None
    path: str | None


FULL = (errno.ENOSPC, errno.EDQUOT, errno.EROFS)
LONGEST_WAIT_S = 3600
FILES_A_WORKER = 50  # a process more takes as long as so many small files
_ONE_AT_A_TIME = threading.Lock()
READY = "ready"  # what a process sends once it has imported all that it needs


def map_files(
    function: Callable, files: Sequence, preload: list[str], limits: Limits
) -> Iterator:
    """`function(file)` of all files, in their order; of several, as `map_in_processes`.

    There are as many processes as pay.
    """
    num_workers = min(usable_cores(), 1 + len(files) // FILES_A_WORKER)
    yield from map_in_processes(function, files, num_workers, preload, limits)


def map_in_processes(
    function: Callable,
    items: Iterable,
    num_workers: int | None,
    preload: list[str],
    limits: Limits = UNLIMITED,
) -> Iterator:
    """`function(item)` of all items, in their order, or `Died`.

    `function`, items and results travel between processes, so they can be pickled.
    The modules in `preload` are imported once, not once per process. The limit of
    memory holds on Linux.

    Args:
        num_workers: how many processes; one for each core if None.

    Raises:
        CannotWork: a process does not start, or an import fails in it.
        OSError: `function` found the disk full, or not to be written to.
    """
    waiting = collections.deque(enumerate(items))
    num_workers = num_workers or usable_cores()
    start = _starter(function, preload, limits)
    busy, results = [], {}
    try:
        for index in range(len(waiting)):
            while waiting and len(busy) < num_workers:
                busy.append(start())
                busy[-1].give(*waiting.popleft())
            while index not in results:
                _collect(busy, waiting, results)
            yield results.pop(index)
    finally:
        for worker in busy:
            worker.stop()


def _collect(busy, waiting, results):
    """Waits for a result; a worker that lives goes on with what is waiting."""
    for worker in _ready(busy):
        result = results[worker.index] = worker.take()
        if waiting and not isinstance(result, Died):
            worker.give(*waiting.popleft())
        else:
            worker.stop()
            busy.remove(worker)


def _starter(function, preload, limits):
    # A forked copy of a process with threads may hang, and a spawned one imports
    # everything anew; a fork server does neither.
    methods = multiprocessing.get_all_start_methods()
    method = "forkserver" if "forkserver" in methods else "spawn"
    context = multiprocessing.get_context(method)
    if method == "forkserver":
        context.set_forkserver_preload(preload)
    # What runs a script anew in each process needs a guard in it.
    needs_main = b"__main__" in pickle.dumps(function)
    around = contextlib.nullcontext if needs_main else _without_main

    def start():
        with around():
            return _Worker(context, function, preload, limits)

    return start


@contextlib.contextmanager
def _without_main():
    """While it lasts, processes start without the script that runs here.

    Otherwise each would run the script from its beginning, where that has no
    `if __name__ == "__main__"`.
    """
    with _ONE_AT_A_TIME:
        whole = spawn.get_preparation_data

        def without_main(name):
            facts = whole(name)
            return {k: v for k, v in facts.items() if not k.startswith("init_main")}

        spawn.get_preparation_data = without_main
        try:
            yield
        finally:
            spawn.get_preparation_data = whole


class _Worker:
    """A process that turns one item at a time into a result."""

    def __init__(self, context, function, modules, limits):
        self.index = None  # of the item in work
        self._limits, self._deadline = limits, math.inf
        self.pipe, far_end = context.Pipe()
        self._process = context.Process(
            target=_serve, args=(far_end, function, modules, limits), daemon=True
        )
        self._process.start()
        far_end.close()
        if isinstance(answer := self.take(), Died):
            raise CannotWork.from_end(answer.reason)

    def give(self, index, item):
        self.index = index
        self._deadline = time.monotonic() + (self._limits.seconds or math.inf)
        with contextlib.suppress(BrokenPipeError):  # `take` will tell
            self.pipe.send(item)

    @property
    def seconds_left(self):
        return max(self._deadline - time.monotonic(), 0.0)

    def take(self):
        """The result of the item in work, which is ready, or too late."""
        if not self.seconds_left and not self.pipe.poll():
            self._process.kill()
            return self._limits.too_slow
        try:
            answer = self.pipe.recv()
        except (EOFError, ConnectionResetError):
            self._process.join()
            return Died(_last_words(self._process.exitcode))
        if isinstance(answer, _MissingImport):
            raise CannotWork.from_import(answer.reason)
        if isinstance(answer, _CannotWrite):
            raise OSError(*answer)
        return answer

    def stop(self):
        self.pipe.close()
        self._process.terminate()
        self._process.join()


def _ready(workers):
    """Those with a result, and those whose time is over."""
    left = min(worker.seconds_left for worker in workers)
    ready = connection.wait(
        [worker.pipe for worker in workers],
        None if left == math.inf else min(left, LONGEST_WAIT_S),
    )
    return [w for w in workers if w.pipe in ready or not w.seconds_left]


def _serve(pipe, function, modules, limits):
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to handle
    with contextlib.suppress(EOFError, BrokenPipeError):
        try:
            for module in modules:  # a fork server ignores what it cannot import
                importlib.import_module(module)
            pipe.send(READY)
            _limit_memory(limits.megabytes)
            while True:
                _send(pipe, _result(function, pipe.recv(), limits), limits)
        except ImportError as error:
            pipe.send(_MissingImport(str(error)))


def _send(pipe, result, limits):
    """Sends a result; what does not fit into the memory a second time is too large."""
    try:
        pipe.send(result)
    except MemoryError:
        del result
        pipe.send(limits.too_large)


def _result(function, item, limits):
    try:
        return function(item)
    except ImportError:
        raise
    except MemoryError:
        return limits.too_large
    except Exception as error:
        if isinstance(error, OSError) and error.errno in FULL:
            path = None if error.filename is None else os.fsdecode(error.filename)
            return _CannotWrite(error.errno, error.strerror, path)
        return Died(f"raised {type(error).__name__}: {error}")


def _limit_memory(megabytes):
    """Limits the address space that this process may add; only on Linux."""
    try:
        import resource

        with open("/proc/self/statm", "rb") as file:
            pages = int(file.read().split()[0])
    except (ImportError, OSError):
        return
    if megabytes:
        limit = pages * resource.getpagesize() + int(megabytes * 1e6)
        _, hard = resource.getrlimit(resource.RLIMIT_AS)
        if limit < (sys.maxsize if hard == resource.RLIM_INFINITY else hard):
            resource.setrlimit(resource.RLIMIT_AS, (limit, hard))


def _last_words(exit_code):
    if exit_code >= 0:
        return f"ended with exit status {exit_code}"
    name = signal.Signals(-exit_code).name
    hint = " (perhaps for want of memory)" if name == "SIGKILL" else ""
    return f"ended by {name}{hint}"

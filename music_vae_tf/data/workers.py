"""Work spread over processes, where the death of one costs only what it held."""

from __future__ import annotations

import collections
import contextlib
import importlib
import multiprocessing
import signal
from collections.abc import Callable, Iterable, Iterator
from multiprocessing import connection
from typing import NamedTuple

from music_vae_tf.errors import UserFacingError


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
    """In place of a result: the process that was to give it ended."""

    reason: str


class _MissingImport(NamedTuple):
    """In place of a result: what the process could not import."""

    reason: str


READY = "ready"  # what a process sends once it has imported all that it needs


def map_in_processes(
    function: Callable, items: Iterable, num_workers: int, preload: list[str]
) -> Iterator:
    """`function(item)` of all items, in their order, or `Died`.

    `function`, items and results travel between processes, so they can be pickled.
    The modules in `preload` are imported once, not once per process.

    Raises:
        CannotWork: a process does not start, or an import fails in it.
    """
    waiting = collections.deque(enumerate(items))
    start = _starter(function, preload)
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


def _starter(function, preload):
    # A forked copy of a process with threads may hang, and a spawned one imports
    # everything anew; a fork server does neither.
    methods = multiprocessing.get_all_start_methods()
    method = "forkserver" if "forkserver" in methods else "spawn"
    context = multiprocessing.get_context(method)
    if method == "forkserver":
        context.set_forkserver_preload(preload)
    return lambda: _Worker(context, function, preload)


class _Worker:
    """A process that turns one item at a time into a result."""

    def __init__(self, context, function, modules):
        self.index = None  # of the item in work
        self.pipe, far_end = context.Pipe()
        self._process = context.Process(
            target=_serve, args=(far_end, function, modules), daemon=True
        )
        self._process.start()
        far_end.close()
        if isinstance(answer := self.take(), Died):
            raise CannotWork.from_end(answer.reason)

    def give(self, index, item):
        self.index = index
        with contextlib.suppress(BrokenPipeError):  # `take` will tell
            self.pipe.send(item)

    def take(self):
        try:
            answer = self.pipe.recv()
        except (EOFError, ConnectionResetError):
            self._process.join()
            return Died(_last_words(self._process.exitcode))
        if isinstance(answer, _MissingImport):
            raise CannotWork.from_import(answer.reason)
        return answer

    def stop(self):
        self.pipe.close()
        self._process.terminate()
        self._process.join()


def _ready(workers):
    ready = connection.wait([worker.pipe for worker in workers])
    return [worker for worker in workers if worker.pipe in ready]


def _serve(pipe, function, modules):
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to handle
    with contextlib.suppress(EOFError, BrokenPipeError):
        try:
            for module in modules:  # a fork server ignores what it cannot import
                importlib.import_module(module)
            pipe.send(READY)
            while True:
                pipe.send(function(pipe.recv()))
        except ImportError as error:
            pipe.send(_MissingImport(str(error)))


def _last_words(exit_code):
    if exit_code >= 0:
        return f"ended with exit status {exit_code}"
    name = signal.Signals(-exit_code).name
    hint = " (perhaps for want of memory)" if name == "SIGKILL" else ""
    return f"ended by {name}{hint}"

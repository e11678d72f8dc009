"""Work spread over processes, where the death of one costs only what it held."""

from __future__ import annotations

import collections
import contextlib
import multiprocessing
import signal
from collections.abc import Callable, Iterable, Iterator
from multiprocessing import connection
from typing import NamedTuple


class Died(NamedTuple):
    """In place of a result: the process that was to give it ended."""

    reason: str


def map_in_processes(
    function: Callable, items: Iterable, num_workers: int, preload: list[str]
) -> Iterator:
    """`function(item)` of all items, in their order, or `Died`.

    `function`, items and results travel between processes, so they can be pickled.
    The modules in `preload` are imported once, not once per process.
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
    return lambda: _Worker(context, function)


class _Worker:
    """A process that turns one item at a time into a result."""

    def __init__(self, context, function):
        self.index = None  # of the item in work
        self.pipe, far_end = context.Pipe()
        self._process = context.Process(
            target=_serve, args=(far_end, function), daemon=True
        )
        self._process.start()
        far_end.close()

    def give(self, index, item):
        self.index = index
        with contextlib.suppress(BrokenPipeError):  # `take` will tell
            self.pipe.send(item)

    def take(self):
        try:
            return self.pipe.recv()
        except (EOFError, ConnectionResetError):
            self._process.join()
            return Died(_last_words(self._process.exitcode))

    def stop(self):
        self.pipe.close()
        self._process.terminate()
        self._process.join()


def _ready(workers):
    ready = connection.wait([worker.pipe for worker in workers])
    return [worker for worker in workers if worker.pipe in ready]


def _serve(pipe, function):
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to handle
    with contextlib.suppress(EOFError, BrokenPipeError):
        while True:
            pipe.send(function(pipe.recv()))


def _last_words(exit_code):
    if exit_code >= 0:
        return f"ended with exit status {exit_code}"
    name = signal.Signals(-exit_code).name
    hint = " (perhaps for want of memory)" if name == "SIGKILL" else ""
    return f"ended by {name}{hint}"

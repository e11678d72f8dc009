"""One thread that works for all requests in turn, and a limit to its queue."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from music_vae_tf.serve.errors import Busy

MOST_WAITING = 64


class Stopped(Exception):
    """The server ends while this work is being done."""


class Worker:
    """A queue of work. Only its thread uses models, whose draws have an order."""

    def __init__(self, most_waiting: int = MOST_WAITING):
        """most_waiting: jobs, with the one that is being done."""
        self._executor = ThreadPoolExecutor(1, "music_vae_serve")
        self._most, self._jobs, self._stopped = most_waiting, 0, False

    async def do(self, work: Callable, *arguments: Any) -> Any:
        """The result of `work(*arguments)`, in its turn.

        Raises:
            Busy: the queue is full.
        """
        if self._jobs >= self._most:
            raise Busy(
                f"the server is busy: {self._jobs} requests wait already. Try again in "
                "a moment"
            )
        self._jobs += 1
        try:
            loop = asyncio.get_running_loop()
            return await loop.run_in_executor(self._executor, work, *arguments)
        finally:
            self._jobs -= 1

    def check(self, *_: Any) -> None:
        """Is called in the course of long work.

        Raises:
            Stopped: nobody waits for it any more.
        """
        if self._stopped:
            raise Stopped

    def stop(self) -> None:
        """Drops all work that has not begun; what has, ends at its next `check`."""
        self._stopped = True
        self._executor.shutdown(wait=False, cancel_futures=True)

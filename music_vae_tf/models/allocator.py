"""The C library's memory, of which a training on a CPU is to keep less.

What it says here is of GNU's. Others than that have no such functions, and are left as
they are.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import sys
import threading

M_ARENA_MAX = -8  # as in malloc.h
GIVEN_BACK_EVERY_S = 0.1


def share_arenas(number: int) -> None:
    """So many arenas at most, where there would be eight for each core.

    Each thread takes memory from an arena of its own, and each arena keeps what was
    free at one time of a step: 40 MiB on two cores, which are needed at no time. Who
    has set their number in the environment has decided already.
    """
    if "MALLOC_ARENA_MAX" not in os.environ and (mallopt := _function("mallopt")):
        mallopt(M_ARENA_MAX, number)


@contextlib.contextmanager
def giving_back():
    """While it lasts, and at its end, memory that is free goes back to the system.

    For the first step, which TensorFlow compiles: what that leaves lies scattered, too
    small for the tensors of a step, 50 MiB of it.
    """
    malloc_trim = _function("malloc_trim")
    if malloc_trim is None:
        yield
        return
    is_over = threading.Event()

    def give_back():
        while not is_over.wait(GIVEN_BACK_EVERY_S):
            malloc_trim(0)

    thread = threading.Thread(target=give_back, daemon=True)
    thread.start()
    try:
        yield
    finally:
        is_over.set()
        thread.join()
        malloc_trim(0)


def _function(name):
    """That function of the C library, if it has it."""
    return getattr(ctypes.CDLL(None), name, None) if sys.platform == "linux" else None

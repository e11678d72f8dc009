"""A batch divided among the cores of a CPU.

The products of a recurrent network, one after the other over time, are too small to be
divided themselves: two threads that share each of them take longer than one alone
(measured at a batch of 64 and 256 units). So TensorFlow is told to give each operation
one core (`one_core_each`), and a batch goes through the loops in as many lanes as there
are cores.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import sys
from collections.abc import Callable

import tensorflow as tf

M_ARENA_MAX = -8  # as in malloc.h
SMALLEST_LANE = 16  # examples; with fewer, a product is mostly reading its weights
# Of TensorFlow's rewriters of graphs, those that find next to nothing in a step's.
IDLE_REWRITERS = (
    "layout_optimizer",
    "loop_optimization",
    "remapping",
    "shape_optimization",
)


def one_core_each() -> None:
    """Gives each operation of this process one core, and each core an operation.

    Once TensorFlow has computed something, it is too late, and all stays as it is. Who
    has set TensorFlow's own variables of the environment for this has decided already.
    """
    if {"TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS"} & set(os.environ):
        return
    with contextlib.suppress(RuntimeError):
        tf.config.threading.set_intra_op_parallelism_threads(1)
        tf.config.threading.set_inter_op_parallelism_threads(_cores())


def set_up_training() -> None:
    """TensorFlow as a training on a CPU wants it."""
    one_core_each()
    share_free_memory()
    compile_quickly()


def share_free_memory() -> None:
    """Gives the C library's `malloc` one arena a core instead of eight.

    Each thread takes memory from an arena of its own, and each arena keeps what was
    free at one time of a step: 40 MiB on two cores, which are needed at no time. Other
    C libraries than GNU's have no arenas; who has set their number has decided.
    """
    if sys.platform == "linux" and "MALLOC_ARENA_MAX" not in os.environ:
        with contextlib.suppress(AttributeError):
            ctypes.CDLL(None).mallopt(M_ARENA_MAX, _cores())


def compile_quickly() -> None:
    """Leaves out `IDLE_REWRITERS`: they would look for a third of a second, a tenth of
    the time to the first step."""
    tf.config.optimizer.set_experimental_options(dict.fromkeys(IDLE_REWRITERS, False))


def _cores() -> int:
    """That this process may run on."""
    if hasattr(os, "sched_getaffinity"):  # not on macOS
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def lanes(batch_size: int | None, cores_taken: int = 1) -> int:
    """Into how many parts a batch is best divided here.

    batch_size: B, None if it is not known; cores_taken: by each part.
    """
    threading = tf.config.threading
    if batch_size is None or threading.get_intra_op_parallelism_threads() != 1:
        return 1
    most = threading.get_inter_op_parallelism_threads() // cores_taken
    most = min(most, batch_size // SMALLEST_LANE)
    return next((n for n in range(most, 1, -1) if batch_size % n == 0), 1)


def in_lanes(number: int, function: Callable, *batches):
    """The function of each part of the batches, side by side.

    function: (part number, *parts) -> tensors, nested, that begin with the batch.
    batches: tensors [B, ...].
    """
    if number == 1:
        return function(0, *batches)
    parts = zip(*(tf.split(batch, number) for batch in batches))
    results = [function(i, *part) for i, part in enumerate(parts)]
    return tf.nest.map_structure(lambda *lane: tf.concat(lane, axis=0), *results)

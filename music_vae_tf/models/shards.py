"""Shards of a batch, side by side on the cores of a CPU.

The products of one step of a recurrent network are too small to be divided themselves.
Two threads that share each product take longer than one alone (measured with a batch of
64 and 256 units). So each operation gets one core (`one_core_each`), and the batch is
divided into as many shards as there are cores.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import sys
from collections.abc import Callable
from typing import Any

import tensorflow as tf

from music_vae_tf.machine import usable_cores

M_ARENA_MAX = -8  # as in malloc.h
SMALLEST_SHARD = 16  # examples; with fewer, products mostly wait for their weights


def one_core_each() -> None:
    """Sets one intra-op thread, and as many inter-op threads as there are cores.

    It has no effect after TensorFlow's first operation, or if TensorFlow's own
    environment variables for this are set.
    """
    if {"TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS"} & set(os.environ):
        return
    with contextlib.suppress(RuntimeError):
        tf.config.threading.set_intra_op_parallelism_threads(1)
        tf.config.threading.set_inter_op_parallelism_threads(usable_cores())


def limit_malloc_arenas() -> None:
    """Limits `malloc` of the GNU C library to one arena per core, instead of eight.

    Each arena keeps memory that was free at some time of a step. With two cores, a
    training of groovae_4bar then holds 950 MiB instead of 983 MiB. It has no effect
    with another C library, or if MALLOC_ARENA_MAX is set.
    """
    if sys.platform == "linux" and "MALLOC_ARENA_MAX" not in os.environ:
        with contextlib.suppress(AttributeError):
            ctypes.CDLL(None).mallopt(M_ARENA_MAX, usable_cores())


def num_shards(batch_size: int | None, cores_taken: int = 1) -> int:
    """Number of shards into which a batch is best divided on this machine.

    Args:
        batch_size: B, None if it is not known.
        cores_taken: by each shard.
    """
    threading = tf.config.threading
    if batch_size is None or threading.get_intra_op_parallelism_threads() != 1:
        return 1
    most = threading.get_inter_op_parallelism_threads() // cores_taken
    most = min(most, batch_size // SMALLEST_SHARD)
    return next((n for n in range(most, 1, -1) if batch_size % n == 0), 1)


def in_shards(number: int, function: Callable, *batches: tf.Tensor) -> Any:
    """Applies a function to shards of the batches, and joins the results.

    Args:
        function: (index of the shard, *shards) -> nested tensors [B', ...].
        batches: tensors [B, ...].
    """
    if number == 1:
        return function(0, *batches)
    # [B, ...] -> N times [B / N, ...]
    shards = zip(*(tf.split(batch, number) for batch in batches))
    results = [function(i, *shard) for i, shard in enumerate(shards)]
    # N times [B / N, ...] -> [B, ...]
    return tf.nest.map_structure(lambda *parts: tf.concat(parts, axis=0), *results)

"""What a step of an autoregressive decoder reads of the rows before it.

Shapes: T steps, B examples, D columns of a row, K = D / 3 drums, R columns that are
read, A anchors, L steps of lookback. A memory is a tuple of tensors [B, M], the state
of a loop: what later steps read. Rows before the first are zeros.
"""

from __future__ import annotations

import abc
from typing import Any, NamedTuple

import tensorflow as tf


class Earlier(NamedTuple):
    """What a step, or all steps of a sequence, read."""

    read: tf.Tensor  # [..., R], an input of the first layer
    anchors: tf.Tensor | None = None  # [..., A, D], rows that an output starts from


class EarlierRows(abc.ABC):
    """What a step reads of the rows before it."""

    size: int  # R
    memory_sizes: tuple[int, ...] = ()  # M of each tensor

    @abc.abstractmethod
    def read(
        self, previous: tf.Tensor, memory: tuple[tf.Tensor, ...]
    ) -> tuple[Earlier, tuple[tf.Tensor, ...]]:
        """The row before a step, [B, D] -> what it reads, and the memory after it."""

    @abc.abstractmethod
    def read_all(self, previous: tf.Tensor) -> Earlier:
        """The rows before all steps, [T, B, D] -> what each step reads, [T, B, ...]."""

    def memory(self, batch_size: Any) -> tuple[tf.Tensor, ...]:
        """The memory before the first step."""
        return tuple(tf.zeros([batch_size, size]) for size in self.memory_sizes)


class RowBefore(EarlierRows):
    """The row before the step, as in Magenta."""

    def __init__(self, depth: int):
        self.size = depth

    def read(
        self, previous: tf.Tensor, memory: tuple[tf.Tensor, ...]
    ) -> tuple[Earlier, tuple[tf.Tensor, ...]]:
        return Earlier(previous), memory

    def read_all(self, previous: tf.Tensor) -> Earlier:
        return Earlier(previous)


class EarlierHits(EarlierRows):
    """The row before the step of a groove, and the row L steps before it.

    A drummer plays a hit much like the same hit of the bar before, and like the drum's
    last hit, and the kit is early or late for a while. An LSTM does not keep velocities
    and offsets exactly enough for that. So there are three anchors: the row L steps
    before, the last hit of each drum, and the last step with a hit. Of that step, each
    drum gets the means.

    Source: the lookback RNN of Magenta, Waite 2016, "Generating Long-Term Structure in
    Songs and Stories", which reads events of one and two bars before, as classes.
    Magenta's MusicVAE has nothing of the kind.
    """

    num_anchors = 3

    def __init__(self, depth: int, lookback: int):
        """lookback: L, at least 2."""
        self.depth, self.size = depth, 2 * depth
        # L - 1 rows, the oldest first; the last hits; the last step with a hit.
        self.memory_sizes = (lookback - 1) * depth, depth, depth

    def read(
        self, previous: tf.Tensor, memory: tuple[tf.Tensor, ...]
    ) -> tuple[Earlier, tuple[tf.Tensor, ...]]:
        rows, last, sounding = memory
        last = _last_hits(previous, last)
        sounding = _last_sounding(previous, sounding)
        before = rows[:, : self.depth]
        rows = tf.concat([rows[:, self.depth :], previous], axis=-1)
        anchors = tf.stack([before, last, sounding], axis=-2)  # [B, A, D]
        read = tf.concat([previous, before], axis=-1)  # [B, 2 D]
        return Earlier(read, anchors), (rows, last, sounding)

    def read_all(self, previous: tf.Tensor) -> Earlier:
        num_steps, batch_size = tf.unstack(tf.shape(previous)[:2])
        array = lambda *shape: tf.TensorArray(
            tf.float32, num_steps, element_shape=[None, *shape]
        )

        def step(t, memory, read, anchors):
            earlier, memory = self.read(previous[t], memory)
            read = read.write(t, earlier.read)
            return t + 1, memory, read, anchors.write(t, earlier.anchors)

        _, _, read, anchors = tf.while_loop(
            lambda t, *_: t < num_steps,
            step,
            (
                tf.constant(0),
                self.memory(batch_size),
                array(self.size),
                array(self.num_anchors, self.depth),
            ),
        )
        return Earlier(read.stack(), anchors.stack())


def _last_hits(row, last):
    """The drums' last hits [B, D], after a row [B, D]."""
    hits = tf.split(row, 3, axis=-1)[0]
    return tf.where(tf.tile(hits > 0, [1, 3]), row, last)


def _last_sounding(row, last):
    """The means of the last step with a hit as a row [B, D], after a row [B, D]."""
    hits, velocities, offsets = tf.split(row, 3, axis=-1)
    number = tf.reduce_sum(hits, axis=-1, keepdims=True)  # [B, 1]
    means = [
        tf.reduce_sum(values * hits, axis=-1, keepdims=True) / tf.maximum(number, 1.0)
        for values in (hits, velocities, offsets)
    ]
    spread = [tf.repeat(mean, hits.shape[-1], axis=-1) for mean in means]
    return tf.where(number > 0, tf.concat(spread, axis=-1), last)

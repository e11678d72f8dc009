"""What a step of an autoregressive decoder reads of the rows before it.

Shapes: T steps, B examples, D columns of a row, L steps of lookback, R columns that are
read. A memory is a tuple of tensors, the state of a loop. It holds the rows that later
steps read. Rows before the first are zeros.
"""

from __future__ import annotations

import abc
from typing import Any

import tensorflow as tf


def earlier_rows(depth: int, lookback: int | None) -> EarlierRows:
    """lookback: L, at least 2; None, a step reads the row before it alone."""
    return RowBefore(depth) if lookback is None else RowsBefore(depth, lookback)


class EarlierRows(abc.ABC):
    """The rows that a step reads."""

    size: int  # R
    memory_size: int  # numbers in the memory of an example

    @abc.abstractmethod
    def of_all_steps(self, previous: tf.Tensor) -> tf.Tensor:
        """The row before each step, [B, T, D] -> what each step reads, [B, T, R]."""

    @abc.abstractmethod
    def memory(self, batch_size: Any) -> tuple[tf.Tensor, ...]:
        """The memory before the first step."""

    @abc.abstractmethod
    def read(self, previous: tf.Tensor, memory: tuple) -> tuple[tf.Tensor, tuple]:
        """The row before a step, [B, D] -> what it reads, [B, R], and the memory after
        it."""

    @abc.abstractmethod
    def memory_of(self, numbers: tf.Tensor) -> tuple[tf.Tensor, ...]:
        """The memory of its numbers side by side, [B, memory_size]."""


class RowBefore(EarlierRows):
    """The row before the step."""

    memory_size = 0

    def __init__(self, depth: int):
        self.size = depth

    def of_all_steps(self, previous: tf.Tensor) -> tf.Tensor:
        return previous

    def memory(self, batch_size: Any) -> tuple[tf.Tensor, ...]:
        return ()

    def read(self, previous: tf.Tensor, memory: tuple) -> tuple[tf.Tensor, tuple]:
        return previous, memory

    def memory_of(self, numbers: tf.Tensor) -> tuple[tf.Tensor, ...]:
        return ()


class RowsBefore(EarlierRows):
    """The row before the step, and the one L steps before it.

    Music repeats itself from bar to bar. An LSTM does not keep a row exactly enough for
    that.

    Source: the lookback RNN of Magenta, Waite 2016, "Generating Long-Term Structure in
    Songs and Stories", which reads events of one and two bars before, as classes.
    Magenta's MusicVAE has nothing of the kind.
    """

    def __init__(self, depth: int, lookback: int):
        self.depth, self.lookback = depth, lookback
        self.size = 2 * depth
        self.memory_size = (lookback - 1) * depth

    def of_all_steps(self, previous: tf.Tensor) -> tf.Tensor:
        before = self.lookback - 1
        padded = tf.pad(previous, [(0, 0), (before, 0), (0, 0)])
        earlier = padded[:, : tf.shape(previous)[1]]  # [B, T, D]
        return tf.concat([previous, earlier], axis=-1)

    def memory(self, batch_size: Any) -> tuple[tf.Tensor, ...]:
        return (tf.zeros([batch_size, self.lookback - 1, self.depth]),)

    def read(self, previous: tf.Tensor, memory: tuple) -> tuple[tf.Tensor, tuple]:
        (rows,) = memory  # [B, L - 1, D], the oldest first
        read = tf.concat([previous, rows[:, 0]], axis=-1)  # [B, 2 D]
        return read, (tf.concat([rows[:, 1:], previous[:, None]], axis=1),)

    def memory_of(self, numbers: tf.Tensor) -> tuple[tf.Tensor, ...]:
        return (tf.reshape(numbers, [-1, self.lookback - 1, self.depth]),)

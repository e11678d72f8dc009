"""The one door between data and models: examples, batches, and their letters.

Everywhere in this code:

    B  examples in a batch
    T  steps of a sequence (16 a bar in most configs)
    S  segments of a hierarchical sequence (bars, or instruments)
    D  columns of one step: D_in into the encoder, D_out at the decoder, D_c controls
    Z  size of the latent vector
    P  parameters that a decoder emits for one step

An `Example` is *compact*: a one-hot row is kept as its class number, a row of bits is
packed. A `Layout` says how compact rows unfold into the dense rows a model reads; this
happens in the batch, so that caches and shuffle buffers hold a fraction of the bytes.
"""

from __future__ import annotations

import abc
import dataclasses
import functools
from typing import NamedTuple

import numpy as np


class Layout(abc.ABC):
    """How dense rows `[..., D]` are kept as compact rows `[..., width]`."""

    depth: int  # D, columns of a dense row
    width: int  # columns of a compact row
    dtype: np.dtype  # of the compact rows
    padding: float  # a compact value that unfolds to zeros

    @abc.abstractmethod
    def pack(self, dense: np.ndarray) -> np.ndarray:
        """Dense rows `[..., D]` -> compact rows `[..., width]`."""

    @abc.abstractmethod
    def unpack(self, compact: np.ndarray) -> np.ndarray:
        """Compact rows `[..., width]` -> dense rows `[..., D]`: float32, or reals as
        they are kept."""

    @abc.abstractmethod
    def unpack_tensor(self, compact):
        """`unpack` as TensorFlow operations, always to float32."""


@dataclasses.dataclass(frozen=True, init=False)
class OneHot(Layout):
    """Some one-hot vectors side by side, kept as class numbers; -1 is all zeros."""

    depths: tuple[int, ...]

    def __init__(self, *depths: int):
        object.__setattr__(self, "depths", depths)

    dtype = np.dtype(np.int16)
    padding = -1

    @property
    def depth(self):
        return sum(self.depths)

    @property
    def width(self):
        return len(self.depths)

    def pack(self, dense):
        parts = np.split(np.asarray(dense), np.cumsum(self.depths)[:-1], axis=-1)
        classes = [np.where(p.any(-1), p.argmax(-1), self.padding) for p in parts]
        return np.stack(classes, axis=-1).astype(self.dtype)

    def unpack(self, compact):
        dense = np.zeros([*compact.shape[:-1], self.depth], np.float32)
        rows, first = dense.reshape(-1, self.depth), 0
        for column, depth in zip(compact.reshape(-1, self.width).T, self.depths):
            (is_class,) = np.nonzero((column >= 0) & (column < depth))
            rows[is_class, column[is_class].astype(int) + first] = 1
            first += depth
        return dense

    def unpack_tensor(self, compact):
        import tensorflow as tf

        parts = [
            tf.one_hot(tf.cast(compact[..., i], tf.int32), depth)
            for i, depth in enumerate(self.depths)
        ]
        return parts[0] if len(parts) == 1 else tf.concat(parts, axis=-1)


@dataclasses.dataclass(frozen=True)
class Classes(Layout):
    """Columns of class numbers, for models that look them up; -1 is none."""

    depth: int

    dtype = np.dtype(np.int16)
    padding = -1

    @property
    def width(self):
        return self.depth

    def pack(self, dense):
        return np.asarray(dense, self.dtype)

    def unpack(self, compact):
        return compact.astype(np.float32)

    def unpack_tensor(self, compact):
        import tensorflow as tf

        return tf.cast(compact, tf.float32)


@dataclasses.dataclass(frozen=True)
class Bits(Layout):
    """Columns that are 0 or 1, eight to a byte."""

    depth: int

    dtype = np.dtype(np.uint8)
    padding = 0

    @property
    def width(self):
        return -(-self.depth // 8)

    def pack(self, dense):
        return np.packbits(np.asarray(dense) != 0, axis=-1, bitorder="little")

    def unpack(self, compact):
        bits = np.unpackbits(compact, axis=-1, count=self.depth, bitorder="little")
        return bits.astype(np.float32)

    def unpack_tensor(self, compact):
        import tensorflow as tf

        byte, bit = np.divmod(np.arange(self.depth), 8)
        bytes_of_columns = tf.gather(compact, byte, axis=-1)
        shifted = tf.bitwise.right_shift(bytes_of_columns, bit.astype(self.dtype))
        return tf.cast(tf.bitwise.bitwise_and(shifted, self.dtype.type(1)), tf.float32)


@dataclasses.dataclass(frozen=True)
class TwoBit(Layout):
    """Columns that are whole numbers from 0 to 3, four to a byte."""

    depth: int  # a multiple of 4

    dtype = np.dtype(np.uint8)
    padding = 0

    @property
    def width(self):
        return self.depth // 4

    def pack(self, dense):
        dense = np.asarray(dense, self.dtype)
        quarters = dense.reshape(*dense.shape[:-1], self.width, 4)
        return np.bitwise_or.reduce(quarters << _QUARTER_BITS, axis=-1)

    def unpack(self, compact):
        quarters = compact[..., None] >> _QUARTER_BITS & 3
        return quarters.reshape(*compact.shape[:-1], self.depth).astype(np.float32)

    def unpack_tensor(self, compact):
        import tensorflow as tf

        shifted = tf.bitwise.right_shift(compact[..., None], _QUARTER_BITS)
        quarters = tf.bitwise.bitwise_and(shifted, self.dtype.type(3))
        shape = tf.concat([tf.shape(compact)[:-1], [self.depth]], axis=0)
        dense = tf.reshape(tf.cast(quarters, tf.float32), shape)
        return tf.ensure_shape(dense, [*compact.shape[:-1], self.depth])


_QUARTER_BITS = np.arange(0, 8, 2, dtype=np.uint8)


@dataclasses.dataclass(frozen=True)
class Reals(Layout):
    """Columns of real numbers, kept as they are."""

    depth: int
    dtype: np.dtype = np.dtype(np.float32)

    padding = 0.0

    @property
    def width(self):
        return self.depth

    def pack(self, dense):
        return np.asarray(dense, self.dtype)

    def unpack(self, compact):
        return compact

    def unpack_tensor(self, compact):
        import tensorflow as tf

        return tf.cast(compact, tf.float32)


@dataclasses.dataclass(frozen=True, eq=False)
class Grammar:
    """Which rows a sequence of one-hot rows may go on with: a finite automaton.

    It is in state 0 where a sequence begins, and again when it is over; from each state
    a sequence can come to its end.

    successors: `[states, D]`, the state after each class; -1 where it may not be said.
    """

    successors: np.ndarray

    @functools.cached_property
    def steps_needed(self) -> np.ndarray:
        """`[states, D]`: with how many rows a sequence can be over at the earliest if
        it goes on with this class, which is one of them."""
        unreachable = np.iinfo(np.int32).max // 2
        to_the_end = np.full(len(self.successors), unreachable)
        to_the_end[0] = 0
        while True:
            needed = 1 + np.where(
                self.successors < 0, unreachable, to_the_end[self.successors]
            )
            shorter = np.minimum(to_the_end, needed.min(axis=1))
            if (shorter == to_the_end).all():
                return needed
            to_the_end = shorter

    def allowed(self, states, remaining):
        """States `[B]`, the number of rows that are left -> bool `[B, D]`: what can be
        said now so that the sequence can be over in time. TensorFlow."""
        import tensorflow as tf

        return tf.gather(tf.constant(self.steps_needed, tf.int32), states) <= remaining

    def after(self, states, rows):
        """States `[B]`, rows `[B, D]` -> states `[B]`. TensorFlow."""
        import tensorflow as tf

        successors = tf.constant(self.successors, tf.int32)
        said = tf.argmax(rows, axis=-1, output_type=tf.int32)
        return tf.gather_nd(successors, tf.stack([states, said], axis=1))


class Example(NamedTuple):
    """One training example, compact.

    `inputs` is None where the encoder reads what the decoder shall say (`targets`), and
    `controls` is None without controls. `length` is the number of steps, or an int32
    array `[S]` of them for hierarchical examples, whose segments are padded each.
    """

    targets: np.ndarray
    length: int | np.ndarray
    inputs: np.ndarray | None = None
    controls: np.ndarray | None = None


class Batch(NamedTuple):
    """B examples, dense and padded with zeros."""

    inputs: object  # float32 [B, T, D_in]
    targets: object  # float32 [B, T, D_out]
    controls: object  # float32 [B, T, D_c]; D_c is 0 without controls
    lengths: object  # int32 [B] or [B, S]

"""The interface between data and models: examples, batches, and the names of axes.

Throughout the package:

    B  examples in a batch
    T  steps of a sequence (16 a bar in most configs)
    S  segments of a hierarchical sequence (bars, or instruments)
    D  columns of one step: D_in into the encoder, D_out at the decoder, D_c controls
    Z  size of the latent vector
    P  parameters of the distribution that a decoder emits for one step

An `Example` is *compact*: a one-hot row is stored as its class number, a row of bits is
packed. A `Layout` unpacks compact rows into the dense rows that a model reads. This
happens in the batch, so that caches and shuffle buffers hold a fraction of the bytes.
"""

from __future__ import annotations

import abc
import dataclasses
import functools
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

if TYPE_CHECKING:
    import tensorflow as tf


class Layout(abc.ABC):
    """Packs dense rows `[..., D]` into compact rows `[..., width]`."""

    depth: int  # D, columns of a dense row
    width: int  # columns of a compact row
    dtype: np.dtype  # of the compact rows
    padding: float  # a compact value that unpacks to zeros

    @abc.abstractmethod
    def pack(self, dense: np.ndarray) -> np.ndarray:
        """Dense rows `[..., D]` -> compact rows `[..., width]`."""

    @abc.abstractmethod
    def unpack(self, compact: np.ndarray) -> np.ndarray:
        """Compact rows `[..., width]` -> dense rows `[..., D]`, float32.

        Reals keep their type.
        """

    def unpack_tensor(self, compact: tf.Tensor) -> tf.Tensor:
        """`unpack` as TensorFlow operations, always to float32.

        By default, compact rows are dense rows of another type.
        """
        import tensorflow as tf

        return tf.cast(compact, tf.float32)


@dataclasses.dataclass(frozen=True, init=False)
class OneHot(Layout):
    """One-hot vectors side by side, stored as class numbers; -1 is all zeros."""

    depths: tuple[int, ...]

    def __init__(self, *depths: int):
        object.__setattr__(self, "depths", depths)

    dtype = np.dtype(np.int16)
    padding = -1

    @property
    def depth(self) -> int:
        return sum(self.depths)

    @property
    def width(self) -> int:
        return len(self.depths)

    def pack(self, dense: np.ndarray) -> np.ndarray:
        parts = np.split(np.asarray(dense), np.cumsum(self.depths)[:-1], axis=-1)
        # width times [..., depth] -> width times [...]
        classes = [np.where(p.any(-1), p.argmax(-1), self.padding) for p in parts]
        return np.stack(classes, axis=-1).astype(self.dtype)

    def unpack(self, compact: np.ndarray) -> np.ndarray:
        dense = np.zeros([*compact.shape[:-1], self.depth], np.float32)
        rows, first = dense.reshape(-1, self.depth), 0
        for column, depth in zip(compact.reshape(-1, self.width).T, self.depths):
            (is_class,) = np.nonzero((column >= 0) & (column < depth))
            rows[is_class, column[is_class].astype(int) + first] = 1
            first += depth
        return dense

    def unpack_tensor(self, compact: tf.Tensor) -> tf.Tensor:
        import tensorflow as tf

        parts = [  # width times [..., depth]
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
    def width(self) -> int:
        return self.depth

    def pack(self, dense: np.ndarray) -> np.ndarray:
        return np.asarray(dense, self.dtype)

    def unpack(self, compact: np.ndarray) -> np.ndarray:
        return compact.astype(np.float32)


@dataclasses.dataclass(frozen=True)
class Bits(Layout):
    """Columns that are 0 or 1, eight to a byte."""

    depth: int

    dtype = np.dtype(np.uint8)
    padding = 0

    @property
    def width(self) -> int:
        return -(-self.depth // 8)

    def pack(self, dense: np.ndarray) -> np.ndarray:
        return np.packbits(np.asarray(dense) != 0, axis=-1, bitorder="little")

    def unpack(self, compact: np.ndarray) -> np.ndarray:
        bits = np.unpackbits(compact, axis=-1, count=self.depth, bitorder="little")
        return bits.astype(np.float32)

    def unpack_tensor(self, compact: tf.Tensor) -> tf.Tensor:
        import tensorflow as tf

        byte, bit = np.divmod(np.arange(self.depth), 8)
        bytes_of_columns = tf.gather(compact, byte, axis=-1)  # [..., D]
        shifted = tf.bitwise.right_shift(bytes_of_columns, bit.astype(self.dtype))
        return tf.cast(tf.bitwise.bitwise_and(shifted, self.dtype.type(1)), tf.float32)


@dataclasses.dataclass(frozen=True)
class TwoBit(Layout):
    """Columns of whole numbers from 0 to 3, in two bits each: four to a byte."""

    depth: int  # a multiple of 4

    dtype = np.dtype(np.uint8)
    padding = 0

    @property
    def width(self) -> int:
        return self.depth // 4

    def pack(self, dense: np.ndarray) -> np.ndarray:
        dense = np.asarray(dense, self.dtype)
        groups = dense.reshape(*dense.shape[:-1], self.width, 4)  # [..., width, 4]
        return np.bitwise_or.reduce(groups << _SHIFTS, axis=-1)

    def unpack(self, compact: np.ndarray) -> np.ndarray:
        values = compact[..., None] >> _SHIFTS & 3  # [..., width, 4]
        return values.reshape(*compact.shape[:-1], self.depth).astype(np.float32)

    def unpack_tensor(self, compact: tf.Tensor) -> tf.Tensor:
        import tensorflow as tf

        # [..., width, 4] -> [..., D]
        shifted = tf.bitwise.right_shift(compact[..., None], _SHIFTS)
        values = tf.bitwise.bitwise_and(shifted, self.dtype.type(3))
        shape = tf.concat([tf.shape(compact)[:-1], [self.depth]], axis=0)
        dense = tf.reshape(tf.cast(values, tf.float32), shape)
        return tf.ensure_shape(dense, [*compact.shape[:-1], self.depth])


_SHIFTS = np.arange(0, 8, 2, dtype=np.uint8)


@dataclasses.dataclass(frozen=True)
class Reals(Layout):
    """Columns of real numbers, stored as they are."""

    depth: int
    dtype: np.dtype = np.dtype(np.float32)

    padding = 0.0

    @property
    def width(self) -> int:
        return self.depth

    def pack(self, dense: np.ndarray) -> np.ndarray:
        return np.asarray(dense, self.dtype)

    def unpack(self, compact: np.ndarray) -> np.ndarray:
        return compact


@dataclasses.dataclass(frozen=True, eq=False)
class Grammar:
    """A finite automaton that restricts sequences of one-hot rows.

    Its state is 0 at the beginning of a sequence, and again at its end. The end can be
    reached from each state.

    successors: `[states, D]`, the state after each class; -1 if it is not allowed.
    """

    successors: np.ndarray

    @functools.cached_property
    def steps_needed(self) -> np.ndarray:
        """`[states, D]`: the least number of rows to the end, if this class comes next.

        The row of this class is one of them.
        """
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

    def allowed(self, states: tf.Tensor, remaining: tf.Tensor) -> tf.Tensor:
        """Classes after which the sequence can still end in time: bool `[B, D]`.

        Args:
            states: `[B]`.
            remaining: number of rows left, a scalar.
        """
        import tensorflow as tf

        return tf.gather(tf.constant(self.steps_needed, tf.int32), states) <= remaining

    def after(self, states: tf.Tensor, rows: tf.Tensor) -> tf.Tensor:
        """States after rows: `[B]`, `[B, D]` -> `[B]`, as TensorFlow operations."""
        import tensorflow as tf

        successors = tf.constant(self.successors, tf.int32)
        classes = tf.argmax(rows, axis=-1, output_type=tf.int32)
        return tf.gather_nd(successors, tf.stack([states, classes], axis=1))


class Example(NamedTuple):
    """One training example, compact.

    `inputs` is None if the encoder reads the decoder's targets, and `controls` is None
    without controls. `length` is the number of steps, or an int32 array `[S]` for
    hierarchical examples, each of whose segments has its own padding.
    """

    targets: np.ndarray
    length: int | np.ndarray
    inputs: np.ndarray | None = None
    controls: np.ndarray | None = None


class Batch(NamedTuple):
    """B examples, dense and padded with zeros."""

    inputs: Any  # float32 [B, T, D_in]
    targets: Any  # float32 [B, T, D_out]
    controls: Any  # float32 [B, T, D_c]; D_c is 0 without controls
    lengths: Any  # int32 [B] or [B, S]

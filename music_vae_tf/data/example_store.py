"""Compact examples in memory, the rows of all of them end to end."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from music_vae_tf.batch import Example, Layout, Reals
from music_vae_tf.data.converters.base import Converter


@dataclass(frozen=True, eq=False)
class SparseRows:
    """Rows `[N, width]` of numbers that are mostly zeros, as those that are not.

    They lie row by row, as in the compressed sparse row format. Grooves, of whose
    numbers an eighth are not zero, take a quarter of the bytes.
    """

    starts: np.ndarray  # int64 [N + 1], the first number of each row, and the end
    columns: np.ndarray  # [numbers], the column of each
    numbers: np.ndarray
    width: int

    @classmethod
    def of(cls, dense: np.ndarray) -> SparseRows:
        """Those of an array `[N, width]`."""
        # A negative zero is a number: it comes back as it was.
        rows, columns = np.nonzero((dense != 0) | np.signbit(dense))
        counts = np.bincount(rows, minlength=len(dense))
        return cls(
            np.concatenate([[0], np.cumsum(counts)]),
            columns.astype(np.min_scalar_type(dense.shape[1])),
            dense[rows, columns],
            dense.shape[1],
        )

    @classmethod
    def end_to_end(cls, parts: list[SparseRows]) -> SparseRows:
        """The rows of all parts, in their order; there is at least one part."""
        firsts = np.cumsum([0, *(part.starts[-1] for part in parts)])
        starts = [part.starts[:-1] + first for part, first in zip(parts, firsts)]
        return cls(
            np.concatenate([*starts, firsts[-1:]]),
            np.concatenate([part.columns for part in parts]),
            np.concatenate([part.numbers for part in parts]),
            parts[0].width,
        )

    def __getitem__(self, rows: slice) -> np.ndarray:
        """Some rows one after the other, dense."""
        begin, end, _ = rows.indices(len(self.starts) - 1)
        starts = self.starts[begin : end + 1]
        there = slice(starts[0], starts[-1])
        dense = np.zeros([end - begin, self.width], self.numbers.dtype)
        of_rows = np.repeat(np.arange(end - begin), np.diff(starts))
        dense[of_rows, self.columns[there]] = self.numbers[there]
        return dense

    @property
    def nbytes(self) -> int:
        return self.starts.nbytes + self.columns.nbytes + self.numbers.nbytes

    def reader(self) -> Callable:
        """-> function: numbers of rows, int64 `[...]` -> these rows `[..., width]`."""
        import tensorflow as tf

        from music_vae_tf import raw_ops

        starts, columns = tf.constant(self.starts), tf.constant(self.columns)
        numbers, width = tf.constant(self.numbers), self.width

        def read(rows):
            flat = tf.reshape(rows, [-1])
            count = tf.size(flat, tf.int64)
            begin, end = tf.gather(starts, flat), tf.gather(starts, flat + 1)
            there = raw_ops.ragged_range(begin, end)
            of_rows = tf.repeat(tf.range(count), end - begin)
            places = of_rows * width + tf.cast(tf.gather(columns, there), tf.int64)
            values = tf.gather(numbers, there)
            dense = tf.scatter_nd(places[:, None], values, [count * width])
            dense = tf.reshape(dense, tf.concat([tf.shape(rows), [width]], axis=0))
            return tf.ensure_shape(dense, [*rows.shape, width])

        return read


@dataclass(frozen=True, eq=False)
class ExampleStore:
    """Compact examples in memory."""

    layouts: dict[str, Layout]  # of each array that the examples have
    arrays: dict[str, np.ndarray | SparseRows]  # `[steps of all N examples, width]`
    starts: np.ndarray  # int64 [N + 1], the first row of each example, and the end
    lengths: np.ndarray  # int32 [N] or [N, S]

    def __len__(self) -> int:
        return len(self.lengths)

    def __getitem__(self, index: int) -> Example:
        rows = slice(*self.starts[index : index + 2])
        arrays = {name: array[rows] for name, array in self.arrays.items()}
        return Example(length=self.lengths[index], **arrays)

    @property
    def nbytes(self) -> int:
        """Bytes of all examples together."""
        arrays = [*self.arrays.values(), self.starts, self.lengths]
        return sum(array.nbytes for array in arrays)

    def gatherer(self) -> Callable:
        """-> function: numbers of examples `[B]` -> padded compact arrays by name
        `[B, T, width]`, and lengths. TensorFlow."""
        import tensorflow as tf

        with tf.device("CPU"):  # where the pipeline runs
            readers = {name: _reader(array) for name, array in self.arrays.items()}
            starts, ends = tf.constant(self.starts[:-1]), tf.constant(self.starts[1:])
            lengths = tf.constant(self.lengths)
        steps, layouts = np.unique(np.diff(self.starts)), self.layouts

        def gather(examples):
            first, end = tf.gather(starts, examples), tf.gather(ends, examples)
            # Where all examples are equally long, T is known to those who compile.
            longest = steps[0] if len(steps) == 1 else tf.reduce_max(end - first)
            rows = first[:, None] + tf.range(longest, dtype=tf.int64)
            padded = {
                name: _padded(readers[name], rows, end, layout)
                for name, layout in layouts.items()
            }
            return padded, tf.gather(lengths, examples)

        return gather


def _reader(array):
    """-> function: numbers of rows -> these rows."""
    import tensorflow as tf

    if isinstance(array, SparseRows):
        return array.reader()
    tensor = tf.constant(array)
    return lambda rows: tf.gather(tensor, rows)


def _padded(read, rows, end, layout):
    """What is in these rows `[B, T]`, and padding from each example's end on."""
    import tensorflow as tf

    is_there = rows < end[:, None]
    padded = read(tf.where(is_there, rows, 0))
    padding = tf.constant(layout.padding, padded.dtype)
    return tf.where(is_there[..., None], padded, padding)


def layouts_of(converter: Converter) -> dict[str, Layout]:
    """The arrays that the converter's examples have, by their name in Example."""
    layouts = {"targets": converter.targets}
    if not converter.inputs_are_targets:
        layouts["inputs"] = converter.inputs
    if converter.controls is not None:
        layouts["controls"] = converter.controls
    return layouts


class StoreBuilder:
    """Collects examples, sequence by sequence."""

    def __init__(self, converter: Converter):
        self._layouts = layouts_of(converter)
        self._arrays = {
            name: [_kept(np.zeros([0, layout.width], layout.dtype), layout)]
            for name, layout in self._layouts.items()
        }
        self._steps = [0]
        self._lengths = []
        self._length_shape = converter.length_shape

    def add(self, examples: list[Example]) -> None:
        """The examples of one sequence."""
        if not examples:
            return
        # One array for all of a sequence: each weighs a hundred bytes beside its rows.
        for name, arrays in self._arrays.items():
            rows = np.concatenate([getattr(example, name) for example in examples])
            arrays.append(_kept(rows, self._layouts[name]))
        self._steps += [len(example.targets) for example in examples]
        self._lengths += [example.length for example in examples]

    def build(self) -> ExampleStore:
        return ExampleStore(
            self._layouts,
            {name: _end_to_end(arrays) for name, arrays in self._arrays.items()},
            np.cumsum(self._steps, dtype=np.int64),
            np.array(self._lengths, np.int32).reshape(-1, *self._length_shape),
        )


def _kept(rows, layout):
    """Rows as a store holds them: of real numbers, those that are not zero."""
    return SparseRows.of(rows) if isinstance(layout, Reals) else rows


def _end_to_end(arrays):
    sparse = isinstance(arrays[0], SparseRows)
    return SparseRows.end_to_end(arrays) if sparse else np.concatenate(arrays)

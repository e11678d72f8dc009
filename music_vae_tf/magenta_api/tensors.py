"""What Magenta's converters return, and small helpers for it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np

from music_vae_tf.data.converters import base


class _FourLists(NamedTuple):
    inputs: Sequence
    outputs: Sequence
    controls: Sequence
    lengths: Sequence


class ConverterTensors(_FourLists):
    """What `to_tensors` makes of a NoteSequence: lists with an item per example.

    Attributes:
        inputs, outputs: arrays `[T, D_in]` and `[T, D_out]`.
        controls: arrays `[T, D_c]`; without controls `D_c` is 0.
        lengths: numbers of steps, or arrays `[S]` of those of segments.
    """

    def __new__(cls, inputs=None, outputs=None, controls=None, lengths=None):
        inputs = [] if inputs is None else inputs
        outputs = [] if outputs is None else outputs
        lengths = [len(rows) for rows in inputs] if lengths is None else lengths
        controls = controls or [np.zeros([length, 0]) for length in lengths]
        return super().__new__(cls, inputs, outputs, controls, lengths)


def maybe_sample_items(seq: Sequence, sample_size: int | None, randomize: bool):
    """At most so many items: the first, or a random choice; all if None."""
    return base.sample_items(seq, sample_size, np.random if randomize else None)


def combine_converter_tensors(
    converter_tensors: Iterable[ConverterTensors],
    max_num_tensors: int | None = None,
    randomize_sample: bool = True,
) -> ConverterTensors:
    """The examples of several, as far as there is room."""
    examples = [example for tensors in converter_tensors for example in zip(*tensors)]
    chosen = maybe_sample_items(examples, max_num_tensors, randomize_sample)
    return ConverterTensors(*zip(*chosen))


def np_onehot(indices, depth: int, dtype=bool) -> np.ndarray:
    """Class numbers `[T]` -> one-hot rows `[T, depth]`."""
    return np.eye(depth, dtype=dtype)[np.asarray(indices, int)]

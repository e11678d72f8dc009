"""The one example of a NoteSequence that a model encodes."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any

import numpy as np

from music_vae_tf.data.converters.drum_parts import TAKEN_AS_DRUMS
from music_vae_tf.data.tempo import ended_after
from music_vae_tf.errors import UserFacingError

log = logging.getLogger("music_vae_tf")


class NoExtractedExamplesError(UserFacingError, ValueError):
    """A NoteSequence that gives no example; the message has the reason."""


class MultipleExtractedExamplesError(UserFacingError, ValueError):
    """A NoteSequence from which the converter extracts several examples.

    `sequences` are these as NoteSequences of their own, of one example each.
    """

    def __init__(self, message: str, sequences: list):
        super().__init__(message)
        self.sequences = sequences


def only_example(converter: Any, sequence: Any, name: str) -> Any:
    """The one example that a converter makes of a NoteSequence, dense.

    Says so where notes are drums only by their looks.

    Raises:
        NoExtractedExamplesError, MultipleExtractedExamplesError: it makes none of it,
            or several.
    """
    examples, left_out = converter.extract(sequence)
    if not examples:
        reasons = "; ".join(left_out) or "it has no notes of the kind"
        raise NoExtractedExamplesError(
            f"No examples extracted from {name}: {reasons}. One is needed."
        )
    if TAKEN_AS_DRUMS in left_out:
        log.info("%s: %s", name, TAKEN_AS_DRUMS)
    dense = [converter.unpack(example) for example in examples]
    if len(dense) > 1:
        quarters = converter.quarters(len(dense[0].targets))
        length = f", of {quarters:g} quarter notes" if quarters else ""
        raise MultipleExtractedExamplesError(
            f"Multiple ({len(dense)}) examples extracted from {name}. One is needed"
            f"{length}.",
            [_sequence_of(converter, example) for example in dense],
        )
    return dense[0]


def music_of(converter: Any, example: Any) -> Any:
    """The NoteSequence of a dense example."""
    controls = example.controls if converter.controls else None
    return converter.to_sequence(example.targets, controls)


def encode(model: Any, examples: Sequence[Any]) -> tuple[np.ndarray, np.ndarray]:
    """Means and deviations of dense examples' posteriors, [N, Z] each."""
    _, mu, sigma = model.encode_tensors(
        [example.inputs for example in examples],
        [example.length for example in examples],
        [example.controls for example in examples],
    )
    return mu, sigma


def _sequence_of(converter, example):
    """A dense example as the NoteSequence that it stands for, as long as its bars."""
    sequence = music_of(converter, example)
    quarters = converter.quarters(len(example.targets))
    return ended_after(sequence, quarters) if quarters else sequence

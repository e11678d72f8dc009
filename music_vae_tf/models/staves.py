"""Inputs, outputs and sizes of the networks of both staves of piano music."""

from __future__ import annotations

from typing import NamedTuple

import tensorflow as tf

NUM_PITCHES = 128


class StaffInput(NamedTuple):
    """Input of a staff before an event: the previous event, and the moment."""

    classes: tf.Tensor  # of note and duration, [..., 2]
    pitches: tf.Tensor  # of the same event, 0 or 1, [..., 128]
    clock: tf.Tensor  # classes of the moment, [..., columns]
    other_staff: tf.Tensor  # pitches of the other staff, now and next, [..., 2 * 128]


class Logits(NamedTuple):
    """Unnormalised log probabilities of a staff's next event."""

    notes: tf.Tensor  # [..., note classes]
    durations: tf.Tensor  # [..., duration classes]


class StaffSizes(NamedTuple):
    """Sizes of a staff's network, and the chords of its note classes."""

    note_counts: tuple[int, ...]  # occurrences of each class in training
    duration_counts: tuple[int, ...]
    chords: tuple[tuple[int, ...], ...]  # pitches of each note class
    clock: tuple[int, ...]  # classes of each column of the clock
    is_accompaniment: bool  # whether it reads the other staff


def one_hot(classes: tf.Tensor, depth: int) -> tf.Tensor:
    """Integers [...] -> [..., depth], zeros below 0.

    `OneHot` of ONNX counts negative classes from the end, so that none is passed.
    """
    return tf.one_hot(tf.maximum(classes, -1) + 1, depth + 1)[..., 1:]

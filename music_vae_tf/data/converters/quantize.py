"""Times in seconds -> steps of a grid, equal to note_seq's to the last bit.

note_seq's quantize_note_sequence writes into a copy of the protocol buffer; this works
on the arrays of a `Score`, and says in a user's words why a score does not fit a grid.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from music_vae_tf.data.converters.base import NotConvertible
from music_vae_tf.data.converters.score import (
    COMMON_TIME,
    DEFAULT_QPM,
    Change,
    Score,
)


class Quantized(NamedTuple):
    """The notes of a score on a grid."""

    notes: np.ndarray  # [N] of score.NOTE
    start_steps: np.ndarray  # [N]
    end_steps: np.ndarray  # [N], at least a step after the start
    total_steps: int
    qpm: float

    def where(self, mask: np.ndarray) -> Quantized:
        """The same with the notes that a mask `[N]` chooses; as long as before."""
        return self._replace(
            notes=self.notes.compress(mask),
            start_steps=self.start_steps[mask],
            end_steps=self.end_steps[mask],
        )


def quantize(score: Score, steps_per_quarter: int, quarters_per_bar: int) -> Quantized:
    """A score of one tempo and one metre on a grid of steps.

    Raises:
        NotConvertible: tempo or metre change, a bar is not `quarters_per_bar` long, or
            something happens before the beginning.
    """
    metre = _constant(score.metres, COMMON_TIME)
    if metre is None:
        raise NotConvertible("metre changes")
    qpm = _constant(score.tempos, DEFAULT_QPM)
    if qpm is None:
        raise NotConvertible("tempo changes")
    if not fills_bar(metre, steps_per_quarter, quarters_per_bar):
        raise NotConvertible("time signature {}/{}".format(*metre))
    if qpm == 0:  # note_seq lets it pass; everything would happen in step 0
        raise NotConvertible("tempo 0")
    return _on_grid(score, qpm, steps_per_quarter * qpm / 60.0)


def to_steps(seconds, steps_per_second: float) -> np.ndarray:
    """The nearest step of each time; halves go up, negatives towards 0 (as in note_seq:
    up to 1.5 steps before 0 is step 0)."""
    return (np.asarray(seconds) * steps_per_second + 0.5).astype(np.int64)


def _on_grid(score: Score, qpm: float, steps_per_second: float) -> Quantized:
    start_steps = to_steps(score.notes["start_seconds"], steps_per_second)
    end_steps = to_steps(score.notes["end_seconds"], steps_per_second)
    end_steps += end_steps == start_steps
    first_event = to_steps(score.earliest_event_seconds(), steps_per_second)
    if min(start_steps.min(initial=0), end_steps.min(initial=0), first_event) < 0:
        raise NotConvertible("negative time")
    last = to_steps(score.total_seconds, steps_per_second)
    total_steps = end_steps.max(initial=last)
    return Quantized(score.notes, start_steps, end_steps, int(total_steps), qpm)


def _constant(changes: list[Change], default):
    """The one value that holds throughout, or None if it changes.

    As in note_seq, the first change of the *list* is what the others are compared with,
    and the earliest in *time* is compared with nothing if it is at 0 seconds.
    """
    if not changes:
        return default
    earliest, *others = sorted(changes, key=lambda change: change.seconds)
    value = changes[0].value
    implicit_change = earliest.seconds != 0 and earliest.value != default
    if implicit_change or any(other.value != value for other in others):
        return None
    return value


def fills_bar(metre, steps_per_quarter: int, quarters_per_bar: int) -> bool:
    """Whether a bar of `metre` (numerator, denominator) has so many quarters."""
    numerator, denominator = metre
    if denominator <= 0 or denominator & (denominator - 1):
        return False
    steps_per_bar = steps_per_quarter * (4.0 / denominator * numerator)
    return steps_per_bar == steps_per_quarter * quarters_per_bar

"""Times in seconds -> steps of a grid, equal to note_seq's to the last bit.

note_seq's quantize_note_sequence writes into a copy of the protocol buffer. This works
on the arrays of a `Score`, and its errors are in a user's words.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from music_vae_tf.data.converters.base import NotConvertible
from music_vae_tf.data.converters.score import (
    COMMON_TIME,
    DEFAULT_QPM,
    Change,
    Score,
)

SAME_TEMPO = 0.01  # BPM
NEARLY = 1e-3  # bars: a change this little before a bar line is on it


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
    end = _end(score)
    metre = _constant("time signature", score, score.metres, COMMON_TIME, end)
    qpm = _constant("tempo", score, score.tempos, DEFAULT_QPM, end)
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


def _constant(what, score, changes: list[Change], default, end: float):
    """The one value that holds throughout.

    As in note_seq, the others are compared with the first change of the *list*. The
    earliest in *time* is compared with nothing if it is at 0 seconds. Unlike in
    note_seq, changes at the end of the score or behind it do not count, and tempos that
    differ by less than a hundredth of a BPM are equal.

    Raises:
        NotConvertible: it changes; the message has the bar and both values.
    """
    changes = [c for c in changes if c.seconds <= 0 or c.seconds < end]
    if not changes:
        return default
    value = changes[0].value
    first, *others = sorted(changes, key=lambda change: change.seconds)
    if first.seconds != 0 and not _is_same(first.value, default):
        raise _refusal(what, score, default, first)
    before = first.value
    for other in others:
        if not _is_same(other.value, value):
            raise _refusal(what, score, before, other)
        before = other.value
    return value


def _is_same(value, other):
    if isinstance(value, tuple):
        return value == other
    return abs(value - other) < SAME_TEMPO


def _end(score):
    """When the score and its last note are over; a drum may end before it begins."""
    if not len(score.notes):
        return math.inf
    starts, ends = score.notes["start_seconds"], score.notes["end_seconds"]
    return max(score.total_seconds, starts.max(), ends.max())


def _refusal(what, score, before, change):
    before, after = (
        "{}/{}".format(*value) if isinstance(value, tuple) else f"{value:.5g}"
        for value in (before, change.value)
    )
    bar = _bar_at(score, change.seconds)
    return NotConvertible(f"{what} changes from {before} to {after} at bar {bar}")


def _bar_at(score, seconds):
    """The number of the bar in which a time is, counted from 1."""
    changes = [(c.seconds, "qpm", c.value) for c in score.tempos]
    changes += [(c.seconds, "metre", c.value) for c in score.metres]
    now, last, bars = {"qpm": DEFAULT_QPM, "metre": COMMON_TIME}, 0.0, 0.0
    for start, kind, value in [*sorted(changes), (seconds, "end", None)]:
        start = min(max(start, 0.0), seconds)
        numerator, denominator = now["metre"]
        quarters = (start - last) * now["qpm"] / 60
        bars += quarters * denominator / (4 * numerator) if numerator else 0
        now[kind], last = value, start
    return int(bars + NEARLY) + 1


def fills_bar(metre, steps_per_quarter: int, quarters_per_bar: int) -> bool:
    """Whether a bar of `metre` (numerator, denominator) has so many quarters."""
    numerator, denominator = metre
    if denominator <= 0 or denominator & (denominator - 1):
        return False
    steps_per_bar = steps_per_quarter * (4.0 / denominator * numerator)
    return steps_per_bar == steps_per_quarter * quarters_per_bar


def to_bins(values: np.ndarray, low: float, high: float, bins: int) -> np.ndarray:
    """Numbers `[..., 1]` -> one-hot vectors `[..., bins]`.

    Bin i ends at the i-th of evenly spaced edges, so the first holds `low` alone. The
    last edge is a little above `high`, as in Magenta; what is beyond counts as there.
    """
    edges = np.linspace(low, high + 0.0001, bins)
    return np.searchsorted(edges[:-1], values) == np.arange(bins)

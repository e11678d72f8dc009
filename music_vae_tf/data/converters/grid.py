"""A whole piece on a grid of steps: all its stretches of one tempo and metre at once.

note_seq does one stretch after the other. Expressive MIDI can have hundreds of tempo
changes, and then the number of NumPy calls, not of notes, determines the time.
"""

from __future__ import annotations

import itertools
from collections import Counter
from typing import NamedTuple

import numpy as np

from music_vae_tf.data.converters.quantize import fills_bar, quantize, to_steps
from music_vae_tf.data.converters.score import (
    COMMON_TIME,
    DEFAULT_QPM,
    Score,
    split_times,
)

BACKWARDS = "notes that end before they start"


class Stretch(NamedTuple):
    """As much of a piece as keeps tempo and metre; times in it count from its start."""

    start_seconds: float
    end_seconds: float
    total_seconds: float  # until the last of its notes ends
    qpm: float
    metre: tuple[int, int]


class Grid(NamedTuple):
    """The notes of a piece on a grid, stretch after stretch.

    Rows of notes are chosen with `take` and `compress`: NumPy indexes structured arrays
    with arrays some ten times slower.
    """

    notes: np.ndarray  # [N] of score.NOTE, seconds from the start of the stretch
    stretch: np.ndarray  # [N], which one a note is in; ascending
    start_steps: np.ndarray  # [N]
    end_steps: np.ndarray  # [N], at least a step after the start
    stretches: list[Stretch]
    steps_per_quarter: int

    def take(self, indices: np.ndarray) -> Grid:
        """The same with some of its notes, in this order; as long as before."""
        return self._replace(
            notes=self.notes.take(indices),
            stretch=self.stretch[indices],
            start_steps=self.start_steps[indices],
            end_steps=self.end_steps[indices],
        )

    def where(self, mask: np.ndarray) -> Grid:
        """The same with the notes that a mask `[N]` chooses."""
        return self.take(np.flatnonzero(mask))

    def within(self, number: int) -> Grid:
        """The notes of one stretch."""
        if len(self.stretches) == 1:
            return self
        first, last = np.searchsorted(self.stretch, [number, number + 1])
        return self.take(np.arange(first, last))

    def steps_per_second(self, number: int) -> float:
        return self.steps_per_quarter * self.stretches[number].qpm / 60.0

    def total_steps(self, number: int) -> int:
        """Steps of a stretch: to the end of its longest note, also of those that are
        not on the grid any more."""
        total_seconds = self.stretches[number].total_seconds
        total = to_steps(total_seconds, self.steps_per_second(number))
        return int(self.within(number).end_steps.max(initial=int(total)))


class Pieces(NamedTuple):
    """The notes of a piece in its stretches, before they are on a grid."""

    notes: np.ndarray  # [N] of score.NOTE, seconds from the start of the stretch
    stretch: np.ndarray  # [N], which one a note is in; ascending
    stretches: list[Stretch]


def in_stretches(
    score: Score, steps_per_quarter: int, quarters_per_bar: int
) -> tuple[Pieces, Counter[str]]:
    """The notes of all stretches whose bars are `quarters_per_bar` long; and why others
    are not among them.

    Notes are cut at the end of their stretch.
    """
    times = split_times(score)
    notes, stretch = cut(_in_order(score.notes), times)
    stretches = _stretches(score, times, notes, stretch)
    fits = {
        metre: fills_bar(metre, steps_per_quarter, quarters_per_bar)
        for metre in {s.metre for s in stretches}
    }
    is_fit = np.array([fits[s.metre] and s.qpm != 0 for s in stretches], bool)[stretch]
    if is_fit.all() and len(notes) == len(score.notes):
        return Pieces(notes, stretch, stretches), Counter()
    pieces = Pieces(notes.compress(is_fit), stretch[is_fit], stretches)
    return pieces, _refusals(score, stretches, fits)


def on_grid(
    score: Score, steps_per_quarter: int, quarters_per_bar: int
) -> tuple[Grid, Counter[str]]:
    """All stretches on a grid, as `in_stretches` finds them."""
    pieces, left_out = in_stretches(score, steps_per_quarter, quarters_per_bar)
    qpm = np.array([stretch.qpm for stretch in pieces.stretches])
    steps = note_steps(pieces.notes, (steps_per_quarter * qpm / 60.0)[pieces.stretch])
    grid = Grid(
        pieces.notes, pieces.stretch, *steps, pieces.stretches, steps_per_quarter
    )
    return grid, left_out


def on_one_grid(
    score: Score, steps_per_quarter: int, quarters_per_bar: int
) -> tuple[Grid, Counter[str]]:
    """The same for a score that keeps its tempo and metre; notes stay as they are.

    Raises:
        NotConvertible: as `quantize` does.
    """
    notes = _in_order(score.notes)
    whole = quantize(score._replace(notes=notes), steps_per_quarter, quarters_per_bar)
    metre = score.metres[0].value if score.metres else COMMON_TIME
    total = score.total_seconds
    grid = Grid(
        notes=notes,
        stretch=np.zeros(len(notes), np.int64),
        start_steps=whole.start_steps,
        end_steps=whole.end_steps,
        stretches=[Stretch(0.0, total, total, whole.qpm, metre)],
        steps_per_quarter=steps_per_quarter,
    )
    return grid, +Counter({BACKWARDS: len(score.notes) - len(notes)})


def cut(notes: np.ndarray, times) -> tuple[np.ndarray, np.ndarray]:
    """Pieces of music between ascending times (seconds).

    Returns the notes that start in a piece, sorted by their start, and the number of
    the piece of each. Notes end with their piece at the latest, and their times are
    from its beginning. Equal to note_seq's split_note_sequence.
    """
    times = np.asarray(times)
    notes = notes.take(np.argsort(notes["start_seconds"], kind="stable"))
    piece = np.searchsorted(times, notes["start_seconds"], side="right") - 1
    inside = (piece >= 0) & (piece < len(times) - 1)
    notes, piece = notes.compress(inside), piece[inside]
    start, end = times[piece], times[piece + 1]
    notes["start_seconds"] -= start
    notes["end_seconds"] = np.minimum(notes["end_seconds"], end) - start
    return notes, piece


def parts_of(group: np.ndarray, instrument: np.ndarray) -> np.ndarray:
    """The part that each note is in, `[N]`: what an instrument plays in a group of
    notes (groups ascend), numbered group by group.

    Instruments of a group are in the order of a Python set, as in Magenta; this is
    ascending as a rule.
    """
    key = group * (instrument.max(initial=0) + 1) + instrument
    if not len(key) or key.min() == key.max():
        return np.zeros(len(key), np.int64)
    _, first, part = np.unique(key, return_index=True, return_inverse=True)
    group, instrument = group[first].tolist(), instrument[first].tolist()
    order = []
    for _, members in itertools.groupby(np.argsort(first).tolist(), group.__getitem__):
        members = list(members)
        played = [instrument[member] for member in members]
        order += [members[played.index(one)] for one in set(played)]
    return np.argsort(order)[part]


def _in_order(notes: np.ndarray) -> np.ndarray:
    """Without notes that end before they start, which note_seq cannot handle; the end
    of a drum means nothing."""
    ends_later = notes["end_seconds"] >= notes["start_seconds"]
    return notes.compress(ends_later | notes["is_drum"])


def note_steps(notes: np.ndarray, steps_per_second) -> tuple[np.ndarray, np.ndarray]:
    """Where notes start and end, `[N]` each; the end is after the start."""
    start_steps = to_steps(notes["start_seconds"], steps_per_second)
    end_steps = to_steps(notes["end_seconds"], steps_per_second)
    return start_steps, end_steps + (end_steps == start_steps)


def _stretches(score: Score, times, notes, stretch) -> list[Stretch]:
    total_seconds = np.zeros(len(times) - 1)
    np.maximum.at(total_seconds, stretch, notes["end_seconds"])
    qpms = _in_force(score.tempos, times[:-1], DEFAULT_QPM)
    metres = _in_force(score.metres, times[:-1], COMMON_TIME)
    return list(map(Stretch, times, times[1:], total_seconds.tolist(), qpms, metres))


def _in_force(changes, times, default) -> list:
    """The value of a metre or tempo at each time."""
    changes = sorted(changes, key=lambda change: change.seconds)
    values = [default, *(change.value for change in changes)]
    seconds = [change.seconds for change in changes]
    return [values[i] for i in np.searchsorted(seconds, times, side="right").tolist()]


def _refusals(score: Score, stretches: list[Stretch], fits: dict) -> Counter[str]:
    """Why stretches or notes are not on the grid."""
    end = stretches[-1].end_seconds if stretches else 0.0
    starts = score.notes["start_seconds"]
    outside = np.count_nonzero((starts < 0) | (starts >= end))
    backwards = len(score.notes) - len(_in_order(score.notes))
    refusals = Counter(
        "time signature {}/{}".format(*s.metre) for s in stretches if not fits[s.metre]
    )
    refusals.update("tempo 0" for s in stretches if fits[s.metre] and s.qpm == 0)
    refusals.update(
        {
            "notes outside the sequence's total_time": outside,
            BACKWARDS: backwards,
        }
    )
    return +refusals

"""Notes of a MIDI file -> whole ticks of a 24th of a quarter note.

Where notes begin, `grids` decides, quarter by quarter and part by part. They end where
the nearest sixteenth or triplet is, or on the tick that the file means exactly.
"""

from __future__ import annotations

import itertools
from bisect import bisect_right
from fractions import Fraction
from typing import NamedTuple

import numpy as np

from music_vae_tf.data.clefs import TICKS_PER_QUARTER, grids
from music_vae_tf.data.clefs.timing import Timing, timing_of

# Quarter notes. Files whose ticks are rounded, or shifted by a few, are scores all the
# same; more than the largest and triplets cannot be distinguished from sixteenths.
DEVIATIONS = (0.01, 0.05)
ASSUMED_DEVIATION = 0.04  # before it is measured: 20 ms at 120 BPM
EXACT = 0.01  # quarter notes: an end so near a tick is meant to be there
END_POINTS = tuple(sorted({Fraction(i, n) for n in (3, 4) for i in range(n + 1)}))
DIGITS = 3  # of a position in its quarter; more would only defeat the cache


class Note(NamedTuple):
    """A note; times are in the caller's unit."""

    start: float
    end: float
    pitch: int
    velocity: int


class Quantized(NamedTuple):
    """The notes of each part in ticks, and how they lay in the file."""

    parts: list[list[Note]]
    timing: Timing
    deviation: float  # quarter notes: standard deviation from the plain grids


def quantize(
    parts: list[list[Note]], origins: list[float], timed: list[bool] | None = None
) -> Quantized:
    """The notes of all parts on their grids.

    Args:
        parts: notes in quarter notes since the beginning.
        timed: which parts the timing is measured of; all of them if None.
        origins: where metres, and their beats, begin: quarter notes, ascending.
    """
    chosen = [True] * len(parts) if timed is None else timed
    timing = timing_of(
        [note.start for part, its in zip(parts, chosen) if its for note in part]
    )
    late = [[_earlier(note, timing.latency) for note in part] for part in parts]
    deviation = DEVIATIONS[0] if timing.is_exact else _deviation(late, origins)
    return Quantized(
        [_quantized_part(part, origins, deviation) for part in late], timing, deviation
    )


def _earlier(note, latency):
    return note._replace(start=note.start - latency, end=note.end - latency)


def _deviation(parts, origins):
    """Of the first of all notes from the plain grids, within sensible bounds."""
    squares = [
        (float(point) - place) ** 2
        for part in parts
        for cell in _cells(part, origins, grids.NEAR)
        for place, point in zip(
            cell.places,
            grids.best_points(cell.places, ASSUMED_DEVIATION, grids.PLAIN),
        )
    ]
    measured = float(np.sqrt(np.mean(squares))) if squares else 0.0
    return float(np.clip(measured, *DEVIATIONS))


def _quantized_part(part, origins, deviation):
    gap = max(grids.NEAR, grids.CHORD_DEVIATIONS * deviation)
    ticks = _onset_ticks(part, origins, deviation, gap)
    notes = [_quantized_note(note, ticks[note.start], origins) for note in part]
    return _one_at_a_time(notes)


class _Cell(NamedTuple):
    """A quarter with notes in it."""

    start: float  # quarter notes
    firsts: tuple[float, ...]  # first onset of each moment, in quarter notes
    places: tuple[float, ...]  # of the moments in the quarter, 0 to 1


def _cells(part, origins, gap):
    """The quarters of a part. The first moment of the next is in each, too, where it is
    so near that another may be drawn to it."""
    onsets = sorted({note.start for note in part})
    cells = []
    for start, group in itertools.groupby(
        grids.moments(onsets, gap), key=lambda moment: _quarter(moment[1], origins)
    ):
        firsts, means = zip(*group)
        cells.append(_Cell(start, firsts, tuple(_place(m, start) for m in means)))
    return [
        cell._replace(places=cell.places + _just_after(cell, following))
        for cell, following in itertools.zip_longest(cells, cells[1:])
    ]


def _place(position, start):
    return round(min(position - start, 1.0), DIGITS)


def _just_after(cell, following):
    is_near = following and following.firsts[0] - cell.start < 1 + grids.NEAR
    return (1.0,) if is_near else ()


def _quarter(position, origins):
    """Where the quarter around a position begins, as its metre counts them."""
    origin = origins[max(bisect_right(origins, position) - 1, 0)] if origins else 0.0
    return origin + (position - origin) // 1


def _onset_ticks(part, origins, deviation, gap):
    """Onset in quarter notes -> tick."""
    ticks, firsts = {}, []
    for cell in _cells(part, origins, gap):
        points = grids.best_points(cell.places, deviation)
        for first, point in zip(cell.firsts, points):
            ticks[first] = _tick(cell.start, point)
        firsts += cell.firsts
    _keep_distinct(ticks, firsts)
    for note in part:
        ticks[note.start] = ticks[firsts[bisect_right(firsts, note.start) - 1]]
    return ticks


def _keep_distinct(ticks, firsts):
    """Moments on both sides of a beat may be drawn to it: they get the ticks that are
    nearest to them instead, in their order."""
    before = -1
    for early, late in itertools.pairwise(firsts):
        if ticks[late] <= ticks[early]:
            nearest = [round(place * TICKS_PER_QUARTER) for place in (early, late)]
            ticks[early] = max(min(ticks[early], nearest[0]), before + 1)
            ticks[late] = max(nearest[1], ticks[early] + 1)
        before = ticks[early]


def _tick(start, point):
    """Quarters may begin beside a tick, where a metre does."""
    return max(round(start * TICKS_PER_QUARTER) + round(point * TICKS_PER_QUARTER), 0)


def _quantized_note(note, start, origins):
    end = _end_tick(note.end, origins)
    if end <= start:
        length = round((note.end - note.start) * TICKS_PER_QUARTER)
        end = start + max(length, 1)
    return note._replace(start=start, end=end)


def _end_tick(end, origins):
    ticks = end * TICKS_PER_QUARTER
    if abs(ticks - round(ticks)) < EXACT * TICKS_PER_QUARTER:
        return round(ticks)
    start = _quarter(end, origins)
    point = min(END_POINTS, key=lambda point: abs(start + point - end))
    return _tick(start, point)


def _one_at_a_time(notes):
    """The notes without what a key cannot do: begin twice, or while it is down."""
    kept = {}
    for note in sorted(notes, key=lambda note: (note.start, -note.end)):
        kept.setdefault((note.pitch, note.start), note)
    latest = {}
    for key, note in kept.items():
        before = latest.get(note.pitch)
        if before is not None and kept[before].end > note.start:
            kept[before] = kept[before]._replace(end=note.start)
        latest[note.pitch] = key
    return list(kept.values())

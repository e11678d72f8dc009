"""How far the notes of a file are off the beats that the file itself writes down.

A file's ticks count quarter notes. In a score, and in a performance whose tempo map
follows its beats, the notes begin near simple fractions of them. In a performance that
was recorded without a metronome they begin anywhere.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

# Of a quarter note: the grids that notes are compared with. A 24th is none of them: in
# files of 24 ticks a quarter it would be exact for whatever was played.
PARTS = (1, 2, 3, 4, 5, 6, 7, 8, 12, 16)
# The share of chance, see `Timing.off`, from which on the ticks mean no beats. The 88
# performances of piano-midi.de, whose tempo maps follow the beat, have 0.22 at most;
# sixteenths beside a click 0.5 with a standard deviation of 0.04 quarter notes; 200
# notes at random 0.87 in the most ordered of a hundred cases.
OFF_THE_BEATS = 0.8
MIN_ONSETS = 16  # with fewer, chance alone may be on a grid, or off it
# A latency, by which all notes are late, halves the distance at least when it is taken
# away; where a score is concerned, nothing does.
LATENCY_GAIN = 0.5
AS_NEAR = 0.02  # of what chance gives
# Most notes of a score are on fractions of a quarter, but for the rounding of its
# ticks; by chance 17 % are.
EXACT_PARTS = (5, 7, 16, 24)
EXACT, EXACT_SHARE = 0.002, 0.8


class Timing(NamedTuple):
    """Where notes begin, beside the beats."""

    off: float  # mean distance from the best grid, by that of notes at random: 0 to 1
    latency: float  # quarter notes that all are late by
    is_exact: bool  # whether it was written, not played

    @property
    def is_free(self) -> bool:
        """Whether the notes do not keep to the beats at all."""
        return self.off > OFF_THE_BEATS

    def __str__(self):
        """`90 % of what chance gives`."""
        return f"{self.off:.0%} of what chance gives".replace("%", " %")


def timing_of(onsets) -> Timing:
    """The timing of notes that begin at these positions, in quarter notes."""
    onsets = np.asarray(onsets, float)
    if len(onsets) < MIN_ONSETS:
        return Timing(0.0, 0.0, _is_exact(onsets))
    strict = min(_off(onsets, parts) for parts in PARTS)
    late, latency = _best_latency(onsets)
    if late < LATENCY_GAIN * strict:
        return Timing(late, latency, _is_exact(onsets - latency))
    return Timing(strict, 0.0, _is_exact(onsets))


def _is_exact(onsets):
    distances = [np.abs(onsets - np.round(onsets * n) / n) for n in EXACT_PARTS]
    near = np.min(distances, axis=0) < EXACT
    return bool(np.mean(near) >= EXACT_SHARE) if len(near) else True


def _off(onsets, parts):
    """1 for notes at random: their mean distance is a quarter of the grid's step."""
    scaled = onsets * parts
    return float(4 * np.abs(scaled - np.round(scaled)).mean())


def _best_latency(onsets):
    """The least distance after a latency is taken away, and that latency: of grids that
    are as near, the coarsest one's, as any latency is small beside a fine grid."""
    lags = [_latency(onsets, parts) for parts in PARTS]
    offs = [_off(onsets - lag, parts) for lag, parts in zip(lags, PARTS)]
    best = min(offs)
    return next((off, lag) for off, lag in zip(offs, lags) if off <= best + AS_NEAR)


def _latency(onsets, parts):
    """The circular mean of the distances from a grid."""
    mean = np.exp(2j * np.pi * parts * onsets).mean()
    return float(np.angle(mean) / (2 * np.pi * parts))

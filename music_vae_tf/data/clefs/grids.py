"""Which grid of a quarter note the notes of a part lie on.

Notes in a file that was typed or exported lie on simple fractions of a quarter, those
that were played lie beside them. Each quarter gets the grid of highest posterior
probability: a note is normally distributed about a point of its grid, with the standard
deviation that the whole file shows, and all points of a grid are equally probable.

    cost = sum of distance^2 / 2 deviation^2 + log(points)  over its notes, - log prior

Positions are in quarter notes, results in ticks of a 24th of a quarter.
"""

from __future__ import annotations

import bisect
import functools
import math
from collections.abc import Sequence
from fractions import Fraction
from typing import NamedTuple

from music_vae_tf.data.clefs import TICKS_PER_QUARTER

# Two moments that are distinct in the file should be so in the score, or a run becomes
# chords of seconds. In nats: a note 4.5 deviations from its point costs half of this.
COLLISION = 20.0
# Moments this near are one chord: half a tick, where a score cannot tell them apart.
NEAR = 0.5 / TICKS_PER_QUARTER
# Moments nearer than so many deviations are one chord that was played, not a run.
CHORD_DEVIATIONS = 1.5
# A quintuplet or septuplet is one only where so many of its inner points are played;
# else a swung eighth at 3/5 would be of a quintuplet.
MIN_INNER = 3


class Grid(NamedTuple):
    """Points of a quarter note where notes may begin."""

    points: tuple[Fraction, ...]  # from 0 to 1, both of them in it
    cost: float  # nats: -log of how probable it is before the notes are seen
    min_inner: int = 0  # points within the quarter that have to be played


def _even(parts, cost, min_inner=0):
    points = tuple(Fraction(i, parts) for i in range(parts + 1))
    return Grid(points, cost, min_inner)


def _halves(first, second, cost):
    """One grid for the first eighth, another for the second; counts are per quarter."""
    lower = {Fraction(i, first) for i in range(first // 2 + 1)}
    upper = {Fraction(i, second) for i in range(second // 2, second + 1)}
    return Grid(tuple(sorted(lower | upper)), cost)


# The costs are a ranking, chosen by hand: the finer and the rarer a grid, the more the
# notes have to gain by it.
PLAIN = (
    _even(1, 0.0),
    _even(2, 0.0),
    _even(4, 0.5),  # sixteenths
    _even(3, 1.5),  # triplets of eighths
    _even(8, 2.5),  # thirty-seconds
    _even(6, 2.5),  # triplets of sixteenths
)
MIXED = (
    _halves(4, 6, 4.0),
    _halves(6, 4, 4.0),
    _halves(8, 6, 5.0),
    _halves(6, 8, 5.0),
    _even(5, 4.0, MIN_INNER),
    _even(7, 5.0, MIN_INNER),
    _even(12, 5.0),  # triplets against sixteenths, and triplets of 32nds
    _even(24, 7.0),  # all that a tick can tell apart
)


def moments(positions: Sequence[float], gap: float) -> list[tuple[float, float]]:
    """Ascending positions -> first and mean of each run of them closer than `gap`."""
    runs: list[list[float]] = []
    for position in positions:
        if runs and position - runs[-1][0] < gap:
            runs[-1].append(position)
        else:
            runs.append([position])
    return [(run[0], sum(run) / len(run)) for run in runs]


@functools.lru_cache(maxsize=100_000)
def best_points(
    places: tuple[float, ...], deviation: float, grids: tuple[Grid, ...] = PLAIN + MIXED
) -> tuple[Fraction, ...]:
    """Ascending places in a quarter, from 0 to 1 -> the point of the grid for each."""
    candidates = (_fit(places, deviation, grid) for grid in grids)
    return min(candidates, key=lambda fit: fit[0])[1]


def _fit(places, deviation, grid):
    """The cost of a grid, and the nearest of its points to each place."""
    points = tuple(_nearest(grid.points, place) for place in places)
    inner = {point for point in points if 0 < point < 1}
    if len(inner) < grid.min_inner:
        return math.inf, points
    squares = sum(float(p - x) ** 2 for p, x in zip(points, places))
    collisions = len(points) - len(set(points))
    cost = (
        squares / (2 * deviation**2)
        + len(points) * math.log(len(grid.points) - 1)
        + collisions * COLLISION
        + grid.cost
    )
    return cost, points


def _nearest(points, place):
    i = bisect.bisect_left(points, place)
    around = points[max(i - 1, 0) : i + 1]
    return min(around, key=lambda point: abs(point - place))

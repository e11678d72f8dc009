"""Players without a network, fitted on the windows of a training split.

Where the task holds the hits, they play these. Otherwise each requested drum is hit as
often as training drummers hit it on that sixteenth of the bar, given whether the input
has a hit there. The nearest neighbours vote.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from music_vae_tf.analysis.groove_windows import (
    STEPS_PER_BAR,
    Playing,
    Windows,
    as_midi,
    with_given,
)

NEIGHBOURS = 10
AT_A_TIME = 500  # windows whose distances are in memory


class Table(NamedTuple):
    """What training drummers do on each sixteenth of the bar: `[16, K]` each."""

    hit_rates: np.ndarray  # [2, 16, K]: nothing given on that step, and something
    velocities: np.ndarray  # means
    offsets: np.ndarray
    mean_velocity: float  # of all hits


def table(training: Windows) -> Table:
    """Means per drum and position; where a drum is never hit, its mean, else all's."""
    drummers = training.drummers
    mean_velocity = float(drummers.velocities[drummers.hits].mean())
    mean_offset = float(drummers.offsets[drummers.hits].mean())
    return Table(
        _hit_rates(training),
        _means(drummers.hits, drummers.velocities, mean_velocity),
        _means(drummers.hits, drummers.offsets, mean_offset),
        mean_velocity,
    )


def _by_position(cells):
    """`[N, T, K] -> [16, K]`, sums."""
    windows, steps, drums = cells.shape
    by_bar = cells.reshape(windows * steps // STEPS_PER_BAR, STEPS_PER_BAR, drums)
    return by_bar.sum(axis=0, dtype=float)


def _means(hits, values, of_all):
    sums, counts = _by_position(values * hits), _by_position(hits)
    of_drums = _divided(sums.sum(axis=0), counts.sum(axis=0), of_all)
    return _divided(sums, counts, of_drums)


def _divided(part, whole, otherwise):
    otherwise = np.broadcast_to(otherwise, part.shape).astype(float)
    return np.divide(part, whole, out=otherwise.copy(), where=whole > 0)


def _hit_rates(training):
    given = training.given.any(axis=2, keepdims=True)
    hits = training.drummers.hits
    return np.stack(
        [
            _divided(
                _by_position(hits & (given == something)),
                _by_position(np.broadcast_to(given == something, hits.shape)),
                0.0,
            )
            for something in (False, True)
        ]
    )


def _positions(windows: Windows) -> np.ndarray:
    return np.arange(windows.given.shape[1]) % STEPS_PER_BAR


def _rates(fitted: Table, windows: Windows) -> np.ndarray:
    """How probable each cell's hit is: `[N, T, K]`."""
    given = windows.given.any(axis=2).astype(int)
    return fitted.hit_rates[given, _positions(windows)[None]]


def _usual_hits(fitted, windows, holds_hits):
    if holds_hits:
        return windows.drummers.hits
    return _rates(fitted, windows) >= 0.5


def quantised(fitted: Table, windows: Windows, holds_hits: bool) -> Playing:
    """All on the grid, all with the mean velocity of training."""
    hits = _usual_hits(fitted, windows, holds_hits)
    return _played(windows, hits, fitted.mean_velocity, 0.0)


def mean(fitted: Table, windows: Windows, holds_hits: bool) -> Playing:
    """The mean velocity and offset of the drum on that sixteenth of the bar."""
    hits = _usual_hits(fitted, windows, holds_hits)
    at = _positions(windows)
    return _played(windows, hits, fitted.velocities[at], fitted.offsets[at])


def histogram_draw(
    fitted: Table, windows: Windows, holds_hits: bool, training: Windows, seed: int
) -> Playing:
    """The velocity of some training hit of the drum on that sixteenth of the bar, and
    the offset of another: distributions are right, what depends on what is lost."""
    rng = np.random.default_rng(seed)
    hits = windows.drummers.hits
    if not holds_hits:
        hits = rng.random(hits.shape) < _rates(fitted, windows)
    at = _positions(windows)
    velocities = np.broadcast_to(fitted.velocities[at], hits.shape).copy()
    offsets = np.broadcast_to(fitted.offsets[at], hits.shape).copy()
    pools = _pools(training)
    for (position, drum), (of_velocities, of_offsets) in pools.items():
        cells = np.zeros(hits.shape, bool)
        cells[:, at == position, drum] = hits[:, at == position, drum]
        velocities[cells] = rng.choice(of_velocities, cells.sum())
        offsets[cells] = rng.choice(of_offsets, cells.sum())
    return _played(windows, hits, velocities, offsets)


def _pools(training):
    """`{(position, drum): (velocities, offsets)}` of all training hits there."""
    drummers = training.drummers
    at = _positions(training)
    pools = {}
    for position in range(STEPS_PER_BAR):
        of_position = Playing(*(f[:, at == position] for f in drummers))
        for drum in np.flatnonzero(of_position.hits.any(axis=(0, 1))):
            hits = of_position.hits[:, :, drum]
            pools[position, int(drum)] = (
                of_position.velocities[:, :, drum][hits],
                of_position.offsets[:, :, drum][hits],
            )
    return pools


def nearest_neighbours(
    fitted: Table, windows: Windows, holds_hits: bool, training: Windows, k: int
) -> Playing:
    """The mean of the k training windows whose given hits differ in the fewest cells.

    A neighbour counts for the cells that it hits; where none does, `mean` plays. Hits
    that are not held are those of at least half of the neighbours.
    """
    k = min(k, len(training.given))
    starts = range(AT_A_TIME, len(windows.given), AT_A_TIME)
    parts = [
        _of_neighbours(training.drummers, _nearest(given, training.given, k))
        for given in np.split(windows.given, starts)
    ]
    counts, velocities, offsets = (np.concatenate(sums) for sums in zip(*parts))
    at = _positions(windows)
    hits = windows.drummers.hits if holds_hits else counts >= k / 2
    return _played(
        windows,
        hits,
        _divided(velocities, counts, fitted.velocities[at]),
        _divided(offsets, counts, fitted.offsets[at]),
    )


def _nearest(given, of_training, k):
    """The k training windows that differ from each in the fewest cells: `[N, k]`; of
    equals the first."""
    ours, theirs = (
        x.reshape(len(x), -1).astype(np.float32) for x in (given, of_training)
    )
    differing = ours.sum(axis=1)[:, None] + theirs.sum(axis=1) - 2 * ours @ theirs.T
    return np.argsort(differing, axis=1, kind="stable")[:, :k]


def _of_neighbours(drummers, nearest):
    """How many of them hit each cell, and the sums of velocities and offsets there."""
    hits = drummers.hits[nearest]  # [N, k, T, K]
    return [hits.sum(axis=1)] + [
        (feature[nearest] * hits).sum(axis=1)
        for feature in (drummers.velocities, drummers.offsets)
    ]


def _played(windows, hits, velocities, offsets):
    """Hits of the drums that are asked for; the others as the drummers played them."""
    return with_given(windows, as_midi(hits, velocities, np.asarray(offsets)))


def baselines(
    training: Windows,
    windows: Windows,
    holds_hits: bool,
    seed: int,
    k: int = NEIGHBOURS,
) -> dict[str, Playing]:
    """What each of the players without a network makes of the windows."""
    fitted = table(training)
    return {
        "quantised": quantised(fitted, windows, holds_hits),
        "mean": mean(fitted, windows, holds_hits),
        "histogram draw": histogram_draw(fitted, windows, holds_hits, training, seed),
        f"{k} nearest": nearest_neighbours(fitted, windows, holds_hits, training, k),
    }

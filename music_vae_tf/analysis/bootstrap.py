"""Bootstrap intervals over performances.

Windows of one performance resemble each other, so performances are what is drawn
again, with replacement (a cluster bootstrap).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

RESAMPLES = 1000
LEVEL = 0.95
AT_A_TIME = 100  # resamples in memory


class Estimate(NamedTuple):
    """A figure with its 95 % interval; NaN where there is nothing to measure."""

    value: float
    low: float
    high: float


def resampled_counts(num_performances: int, seed: int) -> np.ndarray:
    """How often each performance is drawn in each resample: int `[R, P]`."""
    rng = np.random.default_rng(seed)
    even = np.full(num_performances, 1 / num_performances)
    return rng.multinomial(num_performances, even, size=RESAMPLES)


def estimates(
    sums: np.ndarray, figures: Callable, seed: int, bounds=(0.0, np.inf)
) -> list[Estimate]:
    """Figures that are functions of sums over performances.

    Args:
        sums: `[P, ...]`, what each performance adds.
        figures: sums `[R, ...]` -> F figures of each, `[R, F]`.
        bounds: the least and the largest that a figure can be.
    """
    counts = resampled_counts(len(sums), seed)
    of_resamples = [
        figures(np.tensordot(part, sums, axes=1))
        for part in np.split(counts, range(AT_A_TIME, RESAMPLES, AT_A_TIME))
    ]
    values = figures(sums.sum(axis=0, keepdims=True))[0]
    return [
        with_interval(*column, bounds)
        for column in zip(values, np.concatenate(of_resamples).T)
    ]


def with_interval(value: float, of_resamples: np.ndarray, bounds) -> Estimate:
    """A figure between the 2.5th and 97.5th percentile of those of its resamples.

    Both are moved by the difference of the figure and the median of the resamples:
    resamples hold duplicates, which makes divergences larger throughout. They are
    clipped to the bounds. Resamples that give NaN are left out.
    """
    of_resamples = of_resamples[~np.isnan(of_resamples)]
    if not of_resamples.size or np.isnan(value):
        return Estimate(float(value), float("nan"), float("nan"))
    tail = 100 * (1 - LEVEL) / 2
    low, middle, high = np.percentile(of_resamples, [tail, 50, 100 - tail])
    low, high = np.clip([value + low - middle, value + high - middle], *bounds)
    return Estimate(float(value), float(low), float(high))

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


def estimate(sums: np.ndarray, value: Callable, seed: int) -> Estimate:
    """A figure that is a function of sums over performances.

    Args:
        sums: `[P, ...]`, what each performance adds.
        value: sums `[R, ...]` -> figures `[R]`.

    Returns:
        The figure of all performances, and the 2.5th and 97.5th percentile of the
        figures of 1,000 resamples.
    """
    counts = resampled_counts(len(sums), seed)
    figures = [
        value(np.tensordot(part, sums, axes=1))
        for part in np.split(counts, range(AT_A_TIME, RESAMPLES, AT_A_TIME))
    ]
    return with_interval(value(sums.sum(axis=0)[None])[0], np.concatenate(figures))


def with_interval(value: float, figures: np.ndarray) -> Estimate:
    """A figure, and percentiles of those of its resamples; NaN ones are left out."""
    figures = figures[~np.isnan(figures)]
    if not figures.size or np.isnan(value):
        return Estimate(float(value), float("nan"), float("nan"))
    tail = 100 * (1 - LEVEL) / 2
    low, high = np.percentile(figures, [tail, 100 - tail])
    return Estimate(float(value), float(low), float(high))

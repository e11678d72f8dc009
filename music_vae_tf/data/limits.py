"""How much of a piece is read at most: whatever has more is left out, and says so.

A file of 45 bytes can claim thousands of hours, and models have a row for each moment.
Limits are checked on arrays of a piece, before anything of its length is allocated.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np

from music_vae_tf.errors import UserFacingError

MAX_HOURS = 6
MAX_SECONDS = 3600 * MAX_HOURS
MAX_QUARTERS = 100_000  # 25,000 bars of 4/4; 6 hours at 277 BPM
MAX_BARS = 100_000  # some time signatures have bars of a 32,768th
MAX_NOTES = 200_000  # a symphony has some 50,000
MAX_CHANGES = 50_000  # of tempo and metre together
LEFT_OUT = "pieces left out: "  # how the reasons for whole pieces begin


class BeyondLimits(UserFacingError, ValueError):
    """A piece that is too long, too large, or impossible; the message has the limit."""


def check_count(number: int, limit: int, what: str) -> None:
    """
    Raises:
        BeyondLimits: there are more than the limit.
    """
    if number > limit:
        raise BeyondLimits(f"more than {limit:,} {what}")


def check_times(seconds: Iterable[float] | np.ndarray, of: str) -> None:
    """
    Raises:
        BeyondLimits: one is not a number, or further from 0 than MAX_SECONDS.
    """
    seconds = np.asarray(seconds, np.float64)
    if not np.isfinite(seconds).all():
        raise BeyondLimits(f"times of {of} that are not finite")
    if np.abs(seconds).max(initial=0) > MAX_SECONDS:
        raise BeyondLimits(f"longer than {MAX_HOURS} hours")


def check_range(values: np.ndarray, low: int, high: int, what: str) -> None:
    """
    Raises:
        BeyondLimits: a value is below `low` or above `high`.
    """
    if len(values) and (values.min() < low or values.max() > high):
        outside = values[(values < low) | (values > high)][0]
        raise BeyondLimits(f"{what} {outside}, where {low} to {high} exist")


def check_tempos(tempos: list[tuple[float, float]], end_seconds: float) -> None:
    """Tempos as pairs (seconds, BPM), in any order.

    Raises:
        BeyondLimits: one is impossible, or there are more than MAX_QUARTERS.
    """
    if not all(math.isfinite(qpm) and qpm >= 0 for _, qpm in tempos):
        raise BeyondLimits("tempos that are negative or not finite")
    if num_quarters(tempos, end_seconds) > MAX_QUARTERS:
        raise BeyondLimits(f"more than {MAX_QUARTERS:,} quarter notes long")


def num_quarters(tempos: list[tuple[float, float]], end_seconds: float) -> float:
    """How many quarter notes pass until the end; the first tempo is 120 BPM."""
    quarters, last, now = 0.0, 0.0, 120.0
    for seconds, qpm in [*sorted(tempos, key=lambda t: t[0]), (end_seconds, 0.0)]:
        start = min(max(seconds, 0.0), end_seconds)
        quarters += max(start - last, 0.0) * now / 60
        last, now = start, qpm
    return quarters

"""How much of what was heard is said back: shares that are right, by group of columns.

Rows are `[B, T, D]`, of which `[B, T]` count: `said` is what a model says, `there` what
it was to say. Shares of batches add up.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

# How far a velocity (of 1) or an offset (of 1 as well, which is half a step) may be
# from the truth to be right. At 120 quarters a minute, 0.1 of an offset of sixteenths
# is 6 ms, which few hear; 0.1 of a velocity is 13 of 127.
TOLERANCE = 0.1


class Share(NamedTuple):
    """So much of something, as numbers that add up."""

    part: float
    whole: float

    @classmethod
    def of(cls, values, counted) -> Share:
        """The mean of values where `counted` says so: arrays of one shape."""
        counted = np.broadcast_to(counted, values.shape)
        return cls(float(values[counted].sum()), float(counted.sum()))

    @property
    def value(self) -> float:
        """NaN of nothing."""
        return self.part / self.whole if self.whole else float("nan")


def added(one: Mapping[str, Share], other: Mapping[str, Share]) -> dict[str, Share]:
    """Shares of two batches together, by name."""
    nothing = Share(0.0, 0.0)
    return {
        name: Share(*np.add(one.get(name, nothing), other.get(name, nothing)).tolist())
        for name in {**one, **other}
    }


def of_grooves(said, there, counted) -> dict[str, Share]:
    """Hits, velocities and offsets, a third of the columns each.

    `hits` is the share of all cells, and high where drums rest most of the time;
    `hits F1` is 2 * right / (said + there), of hits alone. Velocities and offsets are
    right within TOLERANCE, and `error` is how far they are from the truth in the mean,
    both where there are hits in truth.
    """
    hit, velocity, offset = np.split(said, 3, axis=-1)
    true_hit, true_velocity, true_offset = np.split(there, 3, axis=-1)
    counted = counted[..., None]
    shares = _of_bits(hit, true_hit, counted, "hits")
    struck = counted & (true_hit > 0.5)
    for name, values, truth in (
        ("velocities", velocity, true_velocity),
        ("offsets", offset, true_offset),
    ):
        error = np.abs(values - truth)
        shares[name] = Share.of(error <= TOLERANCE, struck)
        shares[f"{name} error"] = Share.of(error, struck)
    return shares


def of_reals(said, there, counted) -> dict[str, Share]:
    """Columns of real numbers: the share within TOLERANCE, and the mean error."""
    error = np.abs(said - there)
    counted = counted[..., None]
    return {
        "values": Share.of(error <= TOLERANCE, counted),
        "values error": Share.of(error, counted),
    }


def of_bits(said, there, counted) -> dict[str, Share]:
    """Columns that are 0 or 1: the share of all of them, and F1 of the ones."""
    return _of_bits(said, there, counted[..., None], "columns")


def _of_bits(said, there, counted, name):
    said, there = said > 0.5, there > 0.5
    ones = Share.of(said & there, counted).part
    of_both = Share.of(said, counted).part + Share.of(there, counted).part
    return {
        name: Share.of(said == there, counted),
        f"{name} F1": Share(2 * ones, of_both),
    }


def of_classes(said, there, counted, depths: Sequence[int]) -> dict[str, Share]:
    """One-hot vectors side by side, of these depths: the share of right classes.

    Rows of zeros are of no class, and never right.
    """
    ends = np.cumsum(depths)[:-1]
    columns = zip(np.split(said, ends, axis=-1), np.split(there, ends, axis=-1))
    shares = {}
    for number, (said, there) in enumerate(columns):
        right = (said.argmax(-1) == there.argmax(-1)) & said.any(-1) & there.any(-1)
        name = "classes" if len(depths) == 1 else f"classes of part {number}"
        shares[name] = Share.of(right, counted)
    return shares


def of_tokens(said, there, counted, tokens: Sequence[str]) -> dict[str, Share]:
    """One-hot rows that are tokens: all together, and those of each kind.

    tokens: their names, `Pitch_36`, which begin with the kind.
    """
    kinds = np.array([token.split("_")[0] for token in tokens])
    right = (said.argmax(-1) == there.argmax(-1)) & said.any(-1)
    kind_there = kinds[there.argmax(-1)]
    shares = {"tokens": Share.of(right, counted)}
    for kind in sorted(set(kind_there[counted].tolist())):
        shares[f"tokens of {kind}"] = Share.of(right, counted & (kind_there == kind))
    return shares

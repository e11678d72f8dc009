"""Samples of a model beside real examples: how far apart their distributions are.

Samples have no counterpart note by note, so distributions are compared. How far halves
of the real pieces are from each other says which distances mean little.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from music_vae_tf.analysis.attributes import (
    ATTRIBUTES,
    NAMES,
    QUARTERS_PER_BAR,
    STEPS_PER_QUARTER,
    Onsets,
    table,
)

PITCHES = 128
STEPS_PER_BAR = QUARTERS_PER_BAR * STEPS_PER_QUARTER
WASSERSTEIN, VARIATION = "wasserstein", "total_variation"
SPLITS = 10


class Figure(NamedTuple):
    """One figure of samples, NaN where there is nothing to measure."""

    metric: str
    unit: str
    value: float


def describe(examples: Sequence[Onsets]) -> Iterator[Figure]:
    """Examples by themselves: the share of silent ones, and means of attributes."""
    silent = [not len(onsets.starts) for onsets in examples]
    yield Figure("silent", "%", 100 * float(np.mean(silent)))
    for name, unit, values in _columns(examples):
        yield Figure(f"{name}_mean", unit, _mean(values))


def compare(samples: Sequence[Onsets], examples: Sequence[Onsets]) -> Iterator[Figure]:
    """How far samples are from examples; 0 is the same distribution.

    The Wasserstein-1 distance of an attribute is the mean distance, in the unit of the
    attribute, that its values have to be moved to get those of the examples. The total
    variation distance is the share of notes, 0 to 1, that would have to be at another
    place (`positions`: sixteenths of the bar; `pitches`: MIDI pitches).
    """
    for (name, unit, ours), (*_, theirs) in zip(_columns(samples), _columns(examples)):
        distance = _wasserstein(ours, theirs)
        yield Figure(f"{name}_{WASSERSTEIN}", unit, distance)
    for name, unit, of in _NOTES:
        distance = _wasserstein(_joined(samples, of), _joined(examples, of))
        yield Figure(f"{name}_{WASSERSTEIN}", unit, distance)
    for name, of, count in (
        ("positions", _positions, STEPS_PER_BAR),
        ("pitches", _pitches, 2 * PITCHES),
    ):
        distance = _total_variation(_joined(samples, of), _joined(examples, of), count)
        yield Figure(f"{name}_{VARIATION}", "0 to 1", distance)


def compare_halves(
    pieces: Sequence[Sequence[Onsets]], splits: int = SPLITS, seed: int = 0
) -> list[Figure]:
    """The distances of `compare` between two halves of pieces, the mean of some random
    splits; none of one piece. All examples of a piece are in one half.

    pieces: the examples of each.
    """
    if len(pieces) < 2:
        return []
    rng = np.random.default_rng(seed)
    by_split = []
    for _ in range(splits):
        order = rng.permutation(len(pieces))
        halves = (order[::2], order[1::2])
        ours, theirs = ([x for i in half for x in pieces[i]] for half in halves)
        by_split.append(list(compare(ours, theirs)))
    return [
        same[0]._replace(value=_mean(np.array([figure.value for figure in same])))
        for same in zip(*by_split)
    ]


def copies(samples: Sequence[Onsets], known: Sequence[Onsets]) -> Figure:
    """Share of the samples that sound whose pitches and sixteenths are those of a known
    example."""
    theirs = {_rhythm(onsets) for onsets in known}
    ours = [_rhythm(onsets) for onsets in samples if len(onsets.starts)]
    share = 100 * float(np.mean([one in theirs for one in ours])) if ours else np.nan
    return Figure("copies_of_training", "%", share)


def _wasserstein(ours: np.ndarray, theirs: np.ndarray) -> float:
    """Of two samples of numbers; NaN ones are left out."""
    from scipy.stats import wasserstein_distance  # takes a second to import

    ours, theirs = (some[~np.isnan(some)] for some in (ours, theirs))
    if not (len(ours) and len(theirs)):
        return np.nan
    return float(wasserstein_distance(ours, theirs))


def _total_variation(ours, theirs, count) -> float:
    if not (len(ours) and len(theirs)):
        return np.nan
    shares = [np.bincount(some, minlength=count) / len(some) for some in (ours, theirs)]
    return float(np.abs(shares[0] - shares[1]).sum() / 2)


def _columns(examples) -> Iterator[tuple[str, str, np.ndarray]]:
    """Name, unit and values [N] of each attribute, and the number of pitches."""
    for name, values in zip(NAMES, table(examples).T):
        yield name, ATTRIBUTES[name].unit, values
    pitches = [float(len(np.unique(_pitches(onsets)))) for onsets in examples]
    yield "different_pitches", "pitches", np.array(pitches)


def _joined(examples, of) -> np.ndarray:
    """What all notes of all examples have, end to end."""
    return np.concatenate([of(onsets) for onsets in examples])


def _steps(onsets) -> np.ndarray:
    return np.round(onsets.starts * STEPS_PER_QUARTER).astype(int)


def _pitches(onsets) -> np.ndarray:
    """MIDI pitches, those of drums apart: a kick differs from a bass note."""
    return onsets.pitches + PITCHES * onsets.is_drum


def _positions(onsets) -> np.ndarray:
    return _steps(onsets) % STEPS_PER_BAR


def _offsets(onsets) -> np.ndarray:
    return onsets.starts * STEPS_PER_QUARTER - _steps(onsets)


_NOTES = (
    ("offsets", "sixteenths", _offsets),
    ("velocities", "MIDI velocity", lambda onsets: onsets.velocities),
)


def _rhythm(onsets) -> frozenset:
    return frozenset(zip(_steps(onsets).tolist(), _pitches(onsets).tolist()))


def _mean(values) -> float:
    values = values[~np.isnan(values)]
    return float(values.mean()) if len(values) else np.nan

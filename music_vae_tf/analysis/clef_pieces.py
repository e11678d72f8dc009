"""How well events of two staves are predicted, and how like real music new ones are.

Sequences here are arrays of classes; a *line* is a staff's events in their order, each
with `onset`, `duration` (ticks) and `pitches` (MIDI numbers).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np

PASSAGE = 8  # events
# Semitones, octaves aside: unison, thirds, fifth, sixths. A fourth above the bass is
# none.
CONSONANT = frozenset({0, 3, 4, 7, 8, 9})


# Prediction.


class Prediction(NamedTuple):
    """How well each event of some sequences was predicted."""

    nats: np.ndarray  # negative log likelihood [N]
    right: np.ndarray  # bool [N], whether the argmax is correct

    @classmethod
    def joined(cls, parts: Iterable[Prediction]) -> Prediction:
        """Those of several sequences together."""
        return cls(*map(np.concatenate, zip(*parts)))

    @property
    def accuracy(self) -> float:
        """Share of right predictions."""
        return float(np.mean(self.right))

    @property
    def mean_nats(self) -> float:
        """Mean negative log likelihood."""
        return float(np.mean(self.nats))


def predicted(log_probabilities, targets) -> Prediction:
    """How well log probabilities [N, classes] predict targets [N].

    The last class is that of all rare words. It has its likelihood, but is never a
    guess, nor is a guess ever right where it comes: it cannot be played.
    """
    log_probabilities, targets = np.asarray(log_probabilities), np.asarray(targets)
    nats = -np.take_along_axis(log_probabilities, targets[:, None], 1)[:, 0]
    return Prediction(nats, log_probabilities[:, :-1].argmax(1) == targets)


class Unigram:
    """Frequencies of classes, each counted once more than it came."""

    def __init__(self, sequences: Sequence[np.ndarray], num_classes: int):
        counts = np.bincount(np.concatenate(sequences), minlength=num_classes) + 1.0
        self._log = np.log(counts / counts.sum())

    def predict(self, sequence: np.ndarray) -> Prediction:
        """Each class of a sequence."""
        return predicted(np.tile(self._log, (len(sequence), 1)), sequence)

    @property
    def probabilities(self):
        """Of the classes."""
        return np.exp(self._log)


class Bigram:
    """Frequencies of classes after the class before.

    They are mixed with those of a unigram, the more so the fewer different classes were
    seen often after a class (Witten and Bell 1991, with a factor).
    """

    FACTORS = (0.1, 0.3, 0.5, 1.0, 2.0, 3.0, 5.0, 10.0)

    def __init__(self, sequences, num_classes: int, factor: float = 1.0):
        """factor: how much the unigram counts."""
        self._unigram = Unigram(sequences, num_classes)
        pairs = np.zeros([num_classes, num_classes])
        for sequence in sequences:
            np.add.at(pairs, (sequence[:-1], sequence[1:]), 1)
        total = pairs.sum(1, keepdims=True)
        kinds = factor * np.maximum((pairs > 0).sum(1, keepdims=True), 1)
        mixed = (pairs + kinds * self._unigram.probabilities) / (total + kinds)
        self._log = np.log(mixed)

    @classmethod
    def tuned(cls, sequences, num_classes: int, held_out) -> Bigram:
        """With the factor that predicts held-out sequences best."""
        models = [cls(sequences, num_classes, factor) for factor in cls.FACTORS]
        if not held_out:
            return cls(sequences, num_classes)
        return min(
            models,
            key=lambda model: Prediction.joined(map(model.predict, held_out)).mean_nats,
        )

    def predict(self, sequence: np.ndarray) -> Prediction:
        """Each class of a sequence; the first as the unigram does."""
        first = self._unigram.predict(sequence[:1])
        return Prediction.joined(
            [first, predicted(self._log[sequence[:-1]], sequence[1:])]
        )


# Likeness.


def pitch_class_shares(lines: Iterable[Sequence]) -> np.ndarray:
    """How much of all sounding time each of the twelve tones has: [12], sums to 1."""
    shares = np.zeros(12)
    for event in (event for line in lines for event in line):
        for pitch in event.pitches:
            shares[pitch % 12] += event.duration
    return shares / max(shares.sum(), 1)


def duration_shares(lines: Iterable[Sequence]) -> dict[int, float]:
    """How many of all events have each duration, {ticks: share}."""
    counts = Counter(event.duration for line in lines for event in line)
    return {ticks: count / counts.total() for ticks, count in counts.items()}


def total_variation(one: dict, other: dict) -> float:
    """The distance of two distributions, from 0 (equal) to 1 (nothing in common): the
    share that would have to move."""
    keys = one.keys() | other.keys()
    return sum(abs(one.get(key, 0) - other.get(key, 0)) for key in keys) / 2


def passages(line: Sequence) -> set[tuple]:
    """All passages of eight events in a row: chords with their durations."""
    events = [(tuple(event.pitches), event.duration) for event in line]
    return {tuple(events[i : i + PASSAGE]) for i in range(len(events) - PASSAGE + 1)}


def copied_share(lines: Iterable[Sequence], originals: Iterable[Sequence]) -> float:
    """Which share of the passages of some lines is also in the originals."""
    known = set().union(*map(passages, originals))
    of_lines = [passages(line) for line in lines]
    total = sum(map(len, of_lines))
    return sum(len(its & known) for its in of_lines) / max(total, 1)


def consonant_share(upper: Sequence, lower: Sequence) -> tuple[int, int]:
    """Of the intervals between notes of two staves, whenever one of them begins: how
    many are consonant, and how many there are."""
    consonant = total = 0
    for above, below in _together(upper, lower):
        intervals = [(a - b) % 12 for a in above for b in below]
        consonant += sum(interval in CONSONANT for interval in intervals)
        total += len(intervals)
    return consonant, total


def _together(upper, lower):
    """The pitches of both staves at each moment where an event of either begins."""
    moments = sorted({event.onset for line in (upper, lower) for event in line})
    places = [
        np.searchsorted([event.onset for event in line], moments, side="right") - 1
        for line in (upper, lower)
    ]
    for moment, *both in zip(moments, *places):
        events = [line[i] for line, i in zip((upper, lower), both)]
        if all(i >= 0 for i in both) and all(
            event.onset + event.duration > moment for event in events
        ):
            yield tuple(event.pitches for event in events)

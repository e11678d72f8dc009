"""Metrics of class rolls: of reconstructions and of samples.

Rolls are whole numbers [N, T, 128]: 0 where nothing sounds, else the class that does.
Cells of all rolls have equal weight. Shares are from 0 to 1. Uniqueness is a
percentage, as it was published.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

SILENT = 0
ROLLS_AT_A_TIME = 256


def class_accuracy(predictions, targets) -> float:
    """Share of all cells whose class is correct, silent ones included.

    It is uninformative: silence everywhere scores the share of silent cells.
    """
    return float(np.mean(predictions == targets))


def activity_accuracy(predictions, targets) -> float:
    """Share of all cells that are correctly sounding or silent, whatever the class.

    It is as uninformative as the class accuracy.
    """
    return float(np.mean((predictions != SILENT) == (targets != SILENT)))


def silent_accuracy(targets) -> float:
    """Class accuracy and activity accuracy of predicting silence everywhere."""
    return float(np.mean(targets == SILENT))


class CellCounts(NamedTuple):
    """Counts of sounding cells."""

    correct: int  # predicted with the class of the target
    predicted: int
    target: int

    @property
    def precision(self) -> float:
        """Share of predicted cells that are correct; 0 if none is predicted."""
        return self.correct / self.predicted if self.predicted else 0.0

    @property
    def recall(self) -> float:
        """Share of target cells that are predicted correctly; 0 if there are none."""
        return self.correct / self.target if self.target else 0.0

    @property
    def f1(self) -> float:
        """The harmonic mean of both: 2 * correct / (predicted + target)."""
        both = self.predicted + self.target
        return 2 * self.correct / both if both else 0.0


def count_cells(predictions, targets, number: int | None = None) -> CellCounts:
    """Sounding cells of one class, or of all; a cell is correct if its class is."""
    predicted, target = (
        rolls != SILENT if number is None else rolls == number
        for rolls in (predictions, targets)
    )
    correct = target & (predictions == targets)
    return CellCounts(*(int(np.count_nonzero(c)) for c in (correct, predicted, target)))


def conditions(rolls, num_classes: int) -> np.ndarray:
    """Classes of each roll, silence included: bool [N, num_classes]."""
    return np.stack([(rolls == n).any(axis=(1, 2)) for n in range(num_classes)], axis=1)


def condition_accuracy(samples, condition) -> float:
    """Share of samples whose sounding classes match their condition exactly.

    condition: bool [N, num_classes]; its column of silence is ignored.
    """
    has = conditions(samples, condition.shape[1])
    return float(np.mean((has[:, 1:] == condition[:, 1:]).all(axis=1)))


class NoteLengths(NamedTuple):
    """How long the notes of rolls are: runs of a class at a pitch."""

    notes_a_roll: float
    mean_steps: float  # 0 without notes
    single_steps: float  # share of notes that last one step; 0 without notes

    @classmethod
    def from_rolls(cls, rolls: np.ndarray) -> NoteLengths:
        """rolls: [N, T, 128], N above 0."""
        padded = np.pad(np.asarray(rolls, np.int8), [(0, 0), (1, 1), (0, 0)])
        changes = padded[:, 1:] != padded[:, :-1]  # [N, T + 1, 128]
        begins = changes & (padded[:, 1:] != SILENT)
        ends = changes & (padded[:, :-1] != SILENT)
        # Runs by pitch, in order: the first beginning and the first end are one note.
        by_pitch = (0, 2, 1)
        *_, first = np.nonzero(begins.transpose(by_pitch))
        *_, end = np.nonzero(ends.transpose(by_pitch))
        if not len(first):
            return cls(0.0, 0.0, 0.0)
        steps = end - first
        return cls(len(steps) / len(rolls), steps.mean(), float(np.mean(steps == 1)))


# Uniqueness.


def uniqueness(samples, training) -> float:
    """100 * (1 - the highest Jaccard similarity to a training roll), averaged.

    The similarity of two rolls is the number of cells that sound in both, divided by
    the number that sound in either, whatever the classes. It is 1 for two silent rolls.
    So 0 is a copy, and 100 shares no cell with any training roll.
    """
    ours = _sounding(samples)
    sizes = ours.sum(axis=1)
    highest = np.zeros(len(ours))
    for start in range(0, len(training), ROLLS_AT_A_TIME):
        theirs = _sounding(training[start : start + ROLLS_AT_A_TIME])
        both = ours @ theirs.T
        either = sizes[:, None] + theirs.sum(axis=1) - both
        similarity = np.where(either, both / np.maximum(either, 1), 1.0)
        highest = np.maximum(highest, similarity.max(axis=1))
    return float(100 * np.mean(1 - highest))


class Plane(NamedTuple):
    """The two principal components of sounding cells of training rolls."""

    mean: np.ndarray  # float32 [cells]
    axes: np.ndarray  # float32 [cells, 2], orthonormal

    @classmethod
    def from_rolls(cls, training, seed: int = 0, iterations: int = 8) -> Plane:
        """The axes of the highest variance, by subspace iteration."""
        rng = np.random.default_rng(seed)
        cells = training[0].size
        mean = np.zeros(cells, np.float32)
        for part in _parts(training):
            mean += part.sum(axis=0) / len(training)
        axes = rng.standard_normal([cells, 6]).astype(np.float32)
        for _ in range(iterations):
            axes, _ = np.linalg.qr(axes)
            axes = sum(c.T @ (c @ axes) for c in (p - mean for p in _parts(training)))
        axes, _ = np.linalg.qr(axes)
        projected = np.concatenate([(p - mean) @ axes for p in _parts(training)])
        _, _, rotation = np.linalg.svd(projected, full_matrices=False)
        return cls(mean, axes @ rotation[:2].T)

    def project(self, rolls) -> np.ndarray:
        """Coordinates of rolls in the plane, [N, 2]."""
        return np.concatenate([(p - self.mean) @ self.axes for p in _parts(rolls)])


def plane_uniqueness(sample_points, training_points) -> float:
    """The uniqueness of points of a `Plane`, [N, 2] each, instead of cells.

    The similarity of two points is 1 / (1 + their distance). The published number is
    from such a plane, but its similarity is not known. Two of some thousand dimensions
    describe little of a roll.
    """
    distances = np.linalg.norm(sample_points[:, None] - training_points[None], axis=-1)
    return float(100 * np.mean(1 - 1 / (1 + distances.min(axis=1))))


def _parts(rolls):
    for start in range(0, len(rolls), ROLLS_AT_A_TIME):
        yield _sounding(rolls[start : start + ROLLS_AT_A_TIME])


def _sounding(rolls) -> np.ndarray:
    """1 for cells that sound, float32 [N, T * 128]."""
    return (rolls != SILENT).reshape(len(rolls), -1).astype(np.float32)


# The baseline.


class PitchFrequencies(NamedTuple):
    """A baseline that predicts each pitch from its frequency in training rolls.

    At each pitch it predicts the most frequent class of the condition throughout, if
    its frequency reaches a threshold. The threshold of a condition is the one with the
    highest F1 on the training rolls. So no prediction from the condition alone is
    better.
    """

    conditions: np.ndarray  # bool [K, classes], of the training rolls
    rows: np.ndarray  # [K, 128], the prediction for each step

    @classmethod
    def from_rolls(cls, training, has) -> PitchFrequencies:
        """
        Args:
            training: rolls [N, T, 128].
            has: their conditions, bool [N, classes].
        """
        seen = np.unique(has, axis=0)
        rows = [
            _best_row(training[(has == one).all(axis=1)], has.shape[1]) for one in seen
        ]
        return cls(seen, np.stack(rows))

    def predict(self, has, num_steps: int) -> np.ndarray:
        """Rolls [N, T, 128] for conditions [N, classes]; silence for those not seen."""
        rolls = np.zeros([len(has), num_steps, self.rows.shape[1]], np.uint8)
        for one, row in zip(self.conditions, self.rows):
            rolls[(has == one).all(axis=1)] = row
        return rolls


def _best_row(rolls, num_classes) -> np.ndarray:
    """The class to predict at each pitch, [128], for the highest F1 on these rolls."""
    classes = range(1, num_classes)
    frequencies = np.stack([(rolls == n).mean(axis=(0, 1)) for n in classes])
    most_frequent, frequency = frequencies.argmax(axis=0) + 1, frequencies.max(axis=0)
    order = np.argsort(-frequency, kind="stable")
    correct = np.cumsum(frequency[order])  # per step, for each number of pitches
    f1 = 2 * correct / (np.arange(1, len(order) + 1) + frequencies.sum())
    predicted = order[: f1.argmax() + 1]
    row = np.zeros(len(frequency), np.uint8)
    row[predicted] = most_frequent[predicted]
    return row

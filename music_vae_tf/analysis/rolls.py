"""How good class rolls are: measures of rolls said back and of rolls made up.

Rolls are whole numbers [N, T, 128]: 0 where nothing sounds, else the class that does.
`said` is what a model says, `there` the music that it heard. Cells of all rolls count
alike. Shares are from 0 to 1, uniqueness is a percentage as it was published.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

SILENT = 0
ROLLS_AT_A_TIME = 256


def class_accuracy(said, there) -> float:
    """Share of all cells, silent ones too, whose class is right.

    Says little: a roll of silence has it as high as the share of silent cells.
    """
    return float(np.mean(said == there))


def presence_accuracy(said, there) -> float:
    """Share of all cells of which it is right whether they sound, whatever the class.

    Says as little as the class accuracy.
    """
    return float(np.mean((said != SILENT) == (there != SILENT)))


def silent_accuracy(there) -> float:
    """Class accuracy, and presence accuracy as well, of predicting silence alone."""
    return float(np.mean(there == SILENT))


class Hits(NamedTuple):
    """Counts of sounding cells."""

    right: int  # of the class that is there
    said: int
    there: int

    @property
    def precision(self) -> float:
        """Share of right cells among those said; 0 where none is said."""
        return self.right / self.said if self.said else 0.0

    @property
    def recall(self) -> float:
        """Share of those there that are said right; 0 where none is there."""
        return self.right / self.there if self.there else 0.0

    @property
    def f1(self) -> float:
        """The harmonic mean of precision and recall: 2 right / (said + there)."""
        both = self.said + self.there
        return 2 * self.right / both if both else 0.0


def hits(said, there, number: int | None = None) -> Hits:
    """Sounding cells of one class, or of all; a cell is right if its class is."""
    is_said, is_there = (
        rolls != SILENT if number is None else rolls == number
        for rolls in (said, there)
    )
    right = is_there & (said == there)
    return Hits(*(int(np.count_nonzero(cells)) for cells in (right, is_said, is_there)))


def conditions(rolls, num_classes: int) -> np.ndarray:
    """Which classes each roll has, silence too: bool [N, num_classes]."""
    return np.stack([(rolls == n).any(axis=(1, 2)) for n in range(num_classes)], axis=1)


def condition_obedience(generated, asked) -> float:
    """Share of generated rolls whose sounding classes are exactly those asked for.

    asked: bool [N, num_classes]; what it says of silence does not matter.
    """
    has = conditions(generated, asked.shape[1])
    return float(np.mean((has[:, 1:] == asked[:, 1:]).all(axis=1)))


# Uniqueness.


def uniqueness(generated, training) -> float:
    """100 * mean over generated rolls of 1 - the highest Jaccard similarity to any
    training roll.

    That of two rolls is the number of cells which sound in both over that of those
    which sound in either, whatever the classes; 1 of two silent ones. So 0 is a copy,
    and 100 shares no cell with anything.
    """
    ours = _sounding(generated)
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
    def of(cls, training, seed: int = 0, iterations: int = 8) -> Plane:
        """By subspace iteration: the axes are those of the highest variance."""
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
        """Where rolls lie in the plane, [N, 2]."""
        return np.concatenate([(p - self.mean) @ self.axes for p in _parts(rolls)])


def plane_uniqueness(generated_points, training_points) -> float:
    """The uniqueness with points of a `Plane`, [N, 2] each, instead of cells.

    The similarity of two points is 1 / (1 + their distance). The published number came
    of such a plane, its similarity is not known; two of some thousand dimensions say
    little of a roll.
    """
    distances = np.linalg.norm(
        generated_points[:, None] - training_points[None], axis=-1
    )
    return float(100 * np.mean(1 - 1 / (1 + distances.min(axis=1))))


def _parts(rolls):
    for start in range(0, len(rolls), ROLLS_AT_A_TIME):
        yield _sounding(rolls[start : start + ROLLS_AT_A_TIME])


def _sounding(rolls) -> np.ndarray:
    """1 for cells that sound, float32 [N, T * 128]."""
    return (rolls != SILENT).reshape(len(rolls), -1).astype(np.float32)


# The baseline.


class PitchFrequencies(NamedTuple):
    """Predicts each pitch by how often it sounds in training rolls of a condition.

    At each pitch it says the most frequent class of that condition throughout, if that
    sounds there at least as often as a threshold: the one of highest F1 on the training
    rolls, for each condition its own. So it is as good as a prediction can be that
    knows the condition alone.
    """

    conditions: np.ndarray  # bool [K, classes], those seen in training
    rows: np.ndarray  # [K, 128], what is said at each step

    @classmethod
    def of(cls, training, has) -> PitchFrequencies:
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
    """What to say at each pitch, [128], for the highest F1 on these rolls."""
    classes = range(1, num_classes)
    frequencies = np.stack([(rolls == n).mean(axis=(0, 1)) for n in classes])
    likeliest, frequency = frequencies.argmax(axis=0) + 1, frequencies.max(axis=0)
    order = np.argsort(-frequency, kind="stable")
    right = np.cumsum(frequency[order])  # a step, if so many pitches are said
    f1 = 2 * right / (np.arange(1, len(order) + 1) + frequencies.sum())
    said = order[: f1.argmax() + 1]
    row = np.zeros(len(frequency), np.uint8)
    row[said] = likeliest[said]
    return row

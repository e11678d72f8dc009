"""Metrics of reconstructions: accuracies and errors, by group of columns.

Predictions and targets are rows `[B, T, D]`; a mask, bool `[B, T]`, leaves out padding.
Ratios of batches add up.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

# How far a velocity (of 1) or an offset (of 1, which is half a step) may be from the
# target to be accurate. At 120 BPM, 0.1 of an offset of sixteenths is 6 ms, which few
# listeners notice; 0.1 of a velocity is 13 of 127.
TOLERANCE = 0.1
STEPS_PER_OFFSET = 0.5  # an offset of 1 is half a step


class Ratio(NamedTuple):
    """A numerator and a denominator that add up over batches."""

    part: float
    whole: float
    is_error: bool = False  # an error in some unit; otherwise a share from 0 to 1

    @classmethod
    def from_values(cls, values, mask, *, is_error: bool = False) -> Ratio:
        """The mean of values where the mask, broadcast to them, holds."""
        mask = np.broadcast_to(mask, values.shape)
        return cls(float(values[mask].sum()), float(mask.sum()), is_error)

    def plus(self, other: Ratio) -> Ratio:
        """The ratio of both batches together."""
        return self._replace(
            part=self.part + other.part, whole=self.whole + other.whole
        )

    @property
    def value(self) -> float:
        """NaN if the denominator is 0."""
        return self.part / self.whole if self.whole else float("nan")


def merge(one: Mapping[str, Ratio], other: Mapping[str, Ratio]) -> dict[str, Ratio]:
    """Metrics of two batches together, by name."""
    merged = dict(one)
    for name, ratio in other.items():
        merged[name] = merged[name].plus(ratio) if name in merged else ratio
    return merged


def compare_grooves(predictions, targets, mask) -> dict[str, Ratio]:
    """Hits, velocities and offsets, a third of the columns each.

    `hit accuracy` is over all cells, and high where drums rest most of the time.
    `hit F1` is 2 * correct / (predicted + target hits). Velocities and offsets are
    compared at target hits alone: the share within the tolerance, and the mean absolute
    error (MAE), of velocities in [0, 1] and of offsets in steps.
    """
    hits, velocities, offsets = np.split(predictions, 3, axis=-1)
    target_hits, target_velocities, target_offsets = np.split(targets, 3, axis=-1)
    mask = mask[..., None]
    metrics = _compare_bits(hits, target_hits, mask, "hit")
    at_hits = mask & (target_hits > 0.5)
    mean = Ratio.from_values
    error = np.abs(velocities - target_velocities)
    metrics[f"velocity accuracy within {TOLERANCE}"] = mean(error <= TOLERANCE, at_hits)
    metrics["velocity MAE"] = mean(error, at_hits, is_error=True)
    error = np.abs(offsets - target_offsets)
    accuracy = f"onset offset accuracy within {TOLERANCE}"
    metrics[accuracy] = mean(error <= TOLERANCE, at_hits)
    error *= STEPS_PER_OFFSET
    metrics["onset offset MAE, in steps"] = mean(error, at_hits, is_error=True)
    return metrics


def compare_reals(predictions, targets, mask) -> dict[str, Ratio]:
    """Columns of real numbers: the share within the tolerance, and the MAE."""
    error = np.abs(predictions - targets)
    mask = mask[..., None]
    return {
        f"accuracy within {TOLERANCE}": Ratio.from_values(error <= TOLERANCE, mask),
        "MAE": Ratio.from_values(error, mask, is_error=True),
    }


def compare_bits(predictions, targets, mask) -> dict[str, Ratio]:
    """Columns that are 0 or 1: the accuracy over all of them, and F1 of the ones."""
    return _compare_bits(predictions, targets, mask[..., None], "column")


def _compare_bits(predictions, targets, mask, name):
    predictions, targets = predictions > 0.5, targets > 0.5
    true_positives = Ratio.from_values(predictions & targets, mask).part
    predicted = Ratio.from_values(predictions, mask).part
    positives = Ratio.from_values(targets, mask).part
    return {
        f"{name} accuracy": Ratio.from_values(predictions == targets, mask),
        f"{name} F1": Ratio(2 * true_positives, predicted + positives),
    }


def compare_classes(
    predictions, targets, mask, depths: Sequence[int]
) -> dict[str, Ratio]:
    """One-hot vectors side by side, of these depths: the accuracy of each.

    Rows of zeros have no class, and are never correct.
    """
    ends = np.cumsum(depths)[:-1]
    columns = zip(
        np.split(predictions, ends, axis=-1), np.split(targets, ends, axis=-1)
    )
    metrics = {}
    for number, (predicted, target) in enumerate(columns):
        correct = predicted.argmax(-1) == target.argmax(-1)
        correct &= predicted.any(-1) & target.any(-1)
        name = "class" if len(depths) == 1 else f"part {number} class"
        metrics[f"{name} accuracy"] = Ratio.from_values(correct, mask)
    return metrics


def compare_tokens(
    predictions, targets, mask, tokens: Sequence[str]
) -> dict[str, Ratio]:
    """One-hot rows that are tokens: the accuracy of all, and of each kind.

    tokens: their names, such as `Pitch_36`, which begin with the kind.
    """
    kinds = np.array([token.split("_")[0] for token in tokens])
    correct = (predictions.argmax(-1) == targets.argmax(-1)) & predictions.any(-1)
    target_kinds = kinds[targets.argmax(-1)]
    metrics = {"token accuracy": Ratio.from_values(correct, mask)}
    for kind in sorted(set(target_kinds[mask].tolist())):
        of_kind = mask & (target_kinds == kind)
        metrics[f"{kind} token accuracy"] = Ratio.from_values(correct, of_kind)
    return metrics


Comparison = Callable[[np.ndarray, np.ndarray, np.ndarray], dict[str, Ratio]]

# {`row_kind` of a converter: (the converter) -> what compares its rows}
COMPARISONS: dict[str, Callable[[Any], Comparison]] = {
    "bits": lambda converter: compare_bits,
    "classes": lambda converter: functools.partial(
        compare_classes, depths=converter.targets.depths
    ),
    "grooves": lambda converter: compare_grooves,
    "reals": lambda converter: compare_reals,
    "tokens": lambda converter: functools.partial(
        compare_tokens, tokens=converter.token_vocabulary.tokens
    ),
}


def comparison(converter: Any) -> Comparison:
    """A function of predictions, targets and mask, for the rows of a converter.

    Raises:
        ValueError: its `row_kind` is none of `COMPARISONS`.
    """
    if converter.row_kind not in COMPARISONS:
        raise ValueError(
            f"rows of kind {converter.row_kind!r} cannot be compared; expected one of "
            f"{', '.join(COMPARISONS)}"
        )
    return COMPARISONS[converter.row_kind](converter)

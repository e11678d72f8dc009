"""Directions of a latent space that move one attribute each, and how well they do.

Letters: N examples, Z latent dimensions, K attributes, A amounts, B base points.
"""

from __future__ import annotations

import warnings
from typing import NamedTuple

import numpy as np

RIDGE = 0.3  # of the variance that a prior N(0, 1) gives to each dimension
SMALLEST_DEVIATION = 1e-6
LEAST_DEFINED = 0.5  # share of the examples of which an attribute is a number


class Effects(NamedTuple):
    """What moving along each attribute's vector does to all attributes."""

    correlations: np.ndarray  # [K, K], Spearman's, of the amount with the change
    moved: np.ndarray  # [K, K], by an amount of +1, in standard deviations

    @property
    def leaks(self) -> np.ndarray:
        """[K], the mean size of the correlation with the other attributes."""
        size = np.abs(self.correlations)
        others = max(len(size) - 1, 1)
        return (size.sum(axis=1) - np.diag(size)) / others


def are_varied(measured: np.ndarray) -> np.ndarray:
    """Which attributes are defined of most examples, and differ: [N, K] -> bool [K]."""
    if not len(measured):
        return np.zeros(measured.shape[1], bool)
    defined = np.isfinite(measured).mean(axis=0) >= LEAST_DEFINED
    deviations = np.zeros(measured.shape[1])
    deviations[defined] = np.nanstd(measured[:, defined], axis=0)
    return deviations > SMALLEST_DEVIATION


def directions(z: np.ndarray, measured: np.ndarray) -> np.ndarray:
    """Vectors [K, Z] along which one attribute changes by one standard deviation, and
    the others do not, as far as they are linear.

    Each standardised attribute is regressed on z (ridge): weights W [K, Z]. Of all V
    with W V^T = I, this is the one that moves as the data does, V = (W S W^T)^-1 W S
    with the covariance S of z. It leaks less than the difference of the means of
    examples with high and low values (see docs/play/attributes.md).

    Args:
        z: latent vectors [N, Z].
        measured: attributes of what was decoded from them [N, K], NaN where one is not
            defined; each varies (`are_varied`).
    """
    centred = z - z.mean(axis=0)
    covariance = centred.T @ centred / len(z)
    product = centred.T @ _standardised(measured) / len(z)
    weights = np.linalg.solve(covariance + RIDGE * np.eye(z.shape[1]), product).T
    patterns = weights @ covariance
    return np.linalg.lstsq(patterns @ weights.T, patterns, rcond=None)[0]


def _standardised(measured):
    """Of mean 0 and deviation 1; 0 where it is not defined."""
    centred = measured - np.nanmean(measured, axis=0)
    return np.nan_to_num(centred / np.nanstd(measured, axis=0))


def correlations(amounts: np.ndarray, change: np.ndarray) -> np.ndarray:
    """Spearman's correlation of amounts [A] with changes of attributes [B, A, K]: [K],
    0 where an attribute does not change."""
    every = np.broadcast_to(amounts, change.shape[:2])
    return np.array([_spearman(every, change[..., k]) for k in range(change.shape[-1])])


def _spearman(x, y) -> float:
    from scipy import stats

    defined = np.isfinite(y)
    x, y = x[defined], y[defined]
    if len(y) < 3 or np.ptp(y) < SMALLEST_DEVIATION or not np.ptp(x):
        return 0.0
    return float(stats.spearmanr(x, y)[0])


def slopes(low: np.ndarray, high: np.ndarray, deviations: np.ndarray) -> np.ndarray:
    """The mean change for an amount of +1, by what is measured at -1 and at +1.

    [B, K] twice, [K] -> [K] in standard deviations; 0 where it is never defined.
    """
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Mean of empty slice", RuntimeWarning)
        change = np.nanmean(high - low, axis=0) / 2
    return np.nan_to_num(change / deviations)

"""How far a player is from the drummers, in numbers that performances add up to.

A metric is two functions: `sums` of each performance and drum class `[P, K, S]`, and
the `values` of such sums, `[..., S] -> [...]`. So a class, the whole kit, and each
resample of a bootstrap are one sum away.

Where a metric compares hit with hit, it does so in the cells in which both the drummer
and the player hit: in all cells of the drummer's where the task holds the hits.
"""

from __future__ import annotations

import abc
from typing import ClassVar

import numpy as np

from music_vae_tf.analysis.groove_windows import Playing, Windows

POOLED, AVERAGED = "pooled", "averaged"


class Metric(abc.ABC):
    """One figure about a player beside the drummers."""

    name: ClassVar[str]
    unit: ClassVar[str]
    bounds: ClassVar[tuple[float, float]] = (0.0, np.inf)
    of_classes: ClassVar[bool] = True  # has a figure for each drum class too
    # How "all" drum classes make one figure: their hits together, or the mean of the
    # figures of the classes that have one.
    all_classes: ClassVar[str] = POOLED

    @abc.abstractmethod
    def sums(self, windows: Windows, played: Playing) -> np.ndarray:
        """What each performance adds: `[P, K, S]`; of a whole kit, K is 1."""

    @abc.abstractmethod
    def values(self, sums: np.ndarray) -> np.ndarray:
        """`[..., S] -> [...]`; NaN where there is nothing to measure."""

    def figures(self, sums: np.ndarray) -> np.ndarray:
        """`[R, K, S] -> [R, 1 + K]`: of all drum classes, then of each; or of all
        alone, `[R, 1]`."""
        if not self.of_classes:
            return self.values(sums.sum(axis=1, keepdims=True))
        values = self.values(sums)
        if self.all_classes == POOLED:
            of_all = self.values(sums.sum(axis=1))
        else:
            is_figure = ~np.isnan(values)
            total = np.where(is_figure, values, 0).sum(axis=1)
            of_all = _ratio(total, is_figure.sum(axis=1))
        return np.concatenate([of_all[:, None], values], axis=1)


class _MeanOverHits(Metric):
    """The mean of something over the cells that both hit; lower is better."""

    def sums(self, windows, played):
        both = windows.drummers.hits & played.hits
        errors = self._errors(windows, played)
        return _by_performance(windows, np.stack([errors * both, both], axis=-1))

    def values(self, sums):
        return _ratio(sums[..., 0], sums[..., 1])

    @abc.abstractmethod
    def _errors(self, windows, played):
        """Of each cell: `[N, T, K]`."""


class TimingMae(_MeanOverHits):
    """Mean absolute difference of the onsets, at the tempo of the performance.

    Unit: milliseconds. Over cells that both hit. Lower is better.
    """

    name, unit = "timing_mae", "ms"

    def _errors(self, windows, played):
        steps = np.abs(played.offsets - windows.drummers.offsets)
        return steps * windows.step_ms[:, None, None]


class TimingMse(_MeanOverHits):
    """Mean squared difference of the offsets from the grid.

    Unit: sixteenths squared. Over cells that both hit. Lower is better.
    """

    name, unit = "timing_mse", "sixteenths squared"

    def _errors(self, windows, played):
        return np.square(played.offsets - windows.drummers.offsets)


class VelocityMae(_MeanOverHits):
    """Mean absolute difference of the velocities.

    Unit: MIDI velocities, 0 to 127. Over cells that both hit. Lower is better.
    """

    name, unit = "velocity_mae", "MIDI velocity"

    def _errors(self, windows, played):
        return np.abs(played.velocities - windows.drummers.velocities)


class HitsF1(Metric):
    """2 * (cells that both hit) / (hits of the player + hits of the drummer).

    Unit: none, 0 to 1. Higher is better; 1 means the same hits.
    """

    name, unit, bounds = "hits_f1", "0 to 1", (0.0, 1.0)

    def sums(self, windows, played):
        hits = windows.drummers.hits, played.hits
        both = hits[0] & hits[1]
        return _by_performance(windows, np.stack([both, *hits], axis=-1))

    def values(self, sums):
        return _ratio(2 * sums[..., 0], sums[..., 1] + sums[..., 2])


class _Distribution(Metric):
    """Compares two histograms; subclasses say of what, and how.

    Its sums are the counts of the drummers' bins, then those of the player's.
    """

    lowest: ClassVar[float]  # middle of the first bin
    highest: ClassVar[float]  # of the last; what is beyond counts as there
    width: ClassVar[float]  # of a bin

    @property
    def num_bins(self) -> int:
        return round((self.highest - self.lowest) / self.width) + 1

    def sums(self, windows, played):
        both = [self._counts(windows, one) for one in (windows.drummers, played)]
        return np.concatenate(both, axis=-1)

    def _counts(self, windows, playing):
        """How many hits of each performance and class are in each bin: [P, K, bins]."""
        cells = np.nonzero(playing.hits)
        places = (self._measured(windows, playing)[cells] - self.lowest) / self.width
        bins = np.clip(np.floor(places + 0.5), 0, self.num_bins - 1).astype(int)
        classes = playing.hits.shape[2]
        counts = np.zeros([windows.num_performances, classes, self.num_bins])
        np.add.at(counts, (windows.performances[cells[0]], cells[2], bins), 1)
        return counts

    @abc.abstractmethod
    def _measured(self, windows, playing):
        """Of each cell: `[N, T, K]`."""


class _OfOffsets(_Distribution):
    def _measured(self, windows, playing):
        return playing.offsets * windows.step_ms[:, None, None]


class _OfVelocities(_Distribution):
    def _measured(self, windows, playing):
        return playing.velocities


class _Wasserstein(_Distribution):
    """Wasserstein-1, the least mean distance by which the one distribution is moved
    onto the other: the area between their cumulative distributions.

    NaN where one of the two has no hits. Lower is better.
    """

    def values(self, sums):
        drummers, played = np.split(sums, 2, axis=-1)
        gaps = np.abs(_cumulative(drummers) - _cumulative(played))
        return self.width * gaps.sum(axis=-1)


class _Divergence(_Distribution):
    """Kullback-Leibler divergence of the player's distribution from the drummers'.

    It is the sum over bins of p ln(p / q), p the drummers' and q the player's. It is
    large where drummers play what the player does not.

    Each bin of both histograms has one hit added before they are normalised. NaN where
    the drummers have no hits. Unit: nats. Lower is better.
    """

    unit = "nats"

    def values(self, sums):
        p, q = (
            (counts + 1) / (counts + 1).sum(axis=-1, keepdims=True)
            for counts in np.split(sums, 2, axis=-1)
        )
        divergence = (p * np.log(p / q)).sum(axis=-1)
        of_drummers = sums[..., : self.num_bins].sum(axis=-1)
        return np.where(of_drummers > 0, divergence, np.nan)


class OffsetWasserstein(_Wasserstein, _OfOffsets):
    """Wasserstein-1 of the offsets' distributions, on a grid of 1 ms from -250 to 250.

    Unit: milliseconds. `all`: the mean over drum classes. Lower is better.
    """

    name, unit = "offset_wasserstein", "ms"
    lowest, highest, width = -250.0, 250.0, 1.0
    all_classes = AVERAGED


class VelocityWasserstein(_Wasserstein, _OfVelocities):
    """Wasserstein-1 of the velocities' distributions, in bins of 1.

    Unit: MIDI velocities. `all`: the mean over drum classes. Lower is better.
    """

    name, unit = "velocity_wasserstein", "MIDI velocity"
    lowest, highest, width = 0.0, 127.0, 1.0
    all_classes = AVERAGED


class OffsetDivergence(_Divergence, _OfOffsets):
    """KL divergence of the offsets, drummers from player, in bins of 5 ms from -100 to
    100 ms; what is beyond is in the outermost. One hit is added to each bin.

    Unit: nats. `all`: the mean over drum classes. Lower is better.
    """

    name = "offset_kl"
    lowest, highest, width = -100.0, 100.0, 5.0
    all_classes = AVERAGED


class VelocityDivergence(_Divergence, _OfVelocities):
    """KL divergence of the velocities, drummers from player, in 16 bins of 8 from
    0-7 to 120-127. One hit is added to each bin.

    Unit: nats. `all`: the mean over drum classes. Lower is better.
    """

    name = "velocity_kl"
    lowest, highest, width = 3.5, 123.5, 8.0
    all_classes = AVERAGED


class PooledOffsetWasserstein(OffsetWasserstein):
    """As `OffsetWasserstein`, of the hits of all drum classes together."""

    name, of_classes = "offset_wasserstein_pooled", False


class PooledVelocityWasserstein(VelocityWasserstein):
    """As `VelocityWasserstein`, of the hits of all drum classes together."""

    name, of_classes = "velocity_wasserstein_pooled", False


class PooledOffsetDivergence(OffsetDivergence):
    """As `OffsetDivergence`, of the hits of all drum classes together."""

    name, of_classes = "offset_kl_pooled", False


class PooledVelocityDivergence(VelocityDivergence):
    """As `VelocityDivergence`, of the hits of all drum classes together."""

    name, of_classes = "velocity_kl_pooled", False


class OffsetAutocorrelation(Metric):
    """Lag-one autocorrelation of the kit's mean offset: does it breathe as one player?

    The series of a window is the mean offset of all drums of a step, for the steps that
    sound, less the series' mean. Pairs (x, y) are neighbours in it. The figure is their
    correlation over all windows: sum xy / sqrt(sum xx * sum yy).

    Unit: none, -1 to 1. Neither high nor low is better: near the drummers' own is. NaN
    where no offset differs, as when all is on the grid.
    """

    name, unit, bounds = "offset_autocorrelation", "-1 to 1", (-1.0, 1.0)
    of_classes = False

    def sums(self, windows, played):
        products = [_lag_one_products(*one) for one in zip(played.hits, played.offsets)]
        sums = np.zeros([windows.num_performances, 1, 3])
        np.add.at(sums[:, 0], windows.performances, np.reshape(products, [-1, 3]))
        return sums

    def values(self, sums):
        return _ratio(sums[..., 0], np.sqrt(sums[..., 1] * sums[..., 2]))


def _lag_one_products(hits, offsets):
    """The sums xy, xx and yy of a window `[T, K]`."""
    sounding = hits.any(axis=1)
    means = (offsets * hits).sum(axis=1)[sounding] / hits.sum(axis=1)[sounding]
    if not len(means) or np.ptp(means) == 0:
        return np.zeros(3)
    means -= means.mean()
    x, y = means[:-1], means[1:]
    return np.array([x @ y, x @ x, y @ y])


def _by_performance(windows, cells):
    """Sums over windows and steps: [N, T, K, S] -> [P, K, S]."""
    sums = np.zeros([windows.num_performances, *cells.shape[2:]])
    np.add.at(sums, windows.performances, cells.sum(axis=1, dtype=float))
    return sums


def _cumulative(counts):
    return _ratio(counts.cumsum(axis=-1), counts.sum(axis=-1, keepdims=True))


def _ratio(part, whole):
    """NaN where the whole is nothing."""
    part, whole = np.broadcast_arrays(part, whole)
    return np.divide(part, whole, out=np.full(part.shape, np.nan), where=whole > 0)


ON_HITS = (TimingMae(), TimingMse(), VelocityMae())
OF_DISTRIBUTIONS = (
    OffsetWasserstein(),
    PooledOffsetWasserstein(),
    OffsetDivergence(),
    PooledOffsetDivergence(),
    VelocityWasserstein(),
    PooledVelocityWasserstein(),
    VelocityDivergence(),
    PooledVelocityDivergence(),
)
OF_KITS = (OffsetAutocorrelation(),)

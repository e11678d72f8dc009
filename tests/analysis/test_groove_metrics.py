"""Metrics of grooves, against numbers that can be worked out by hand."""

import numpy as np
import pytest

from music_vae_tf.analysis import groove_metrics as metrics
from music_vae_tf.analysis.bootstrap import estimates
from music_vae_tf.analysis.groove_windows import Playing, Windows, as_midi

STEPS, DRUMS = 32, 2


def playing(num_windows, *notes):
    """Notes are (window, step, drum, velocity, offset in sixteenths)."""
    hits = np.zeros([num_windows, STEPS, DRUMS], bool)
    velocities, offsets = np.zeros([2, num_windows, STEPS, DRUMS])
    for window, step, drum, velocity, offset in notes:
        cell = window, step, drum
        hits[cell], velocities[cell], offsets[cell] = True, velocity, offset
    return Playing(hits, velocities, offsets)


def windows_of(drummers, performances, qpm):
    asked = np.ones(DRUMS, bool)
    arrays = np.array(performances), np.array(qpm, float), asked
    return Windows(drummers, drummers.hits, *arrays)


# Two performances of a window each: at 150 BPM a sixteenth is 100 ms, at
# 75 it is 200 ms.
DRUMMERS = playing(
    2,
    *((0, 0, 0, 100, 0.1), (0, 4, 1, 60, -0.2), (0, 8, 0, 90, 0.0)),
    *((1, 0, 0, 50, 0.25), (1, 2, 1, 40, 0.0)),
)
WINDOWS = windows_of(DRUMMERS, [0, 1], [150, 75])
PLAYED = playing(
    2,
    *((0, 0, 0, 110, 0.0), (0, 4, 1, 60, 0.1), (0, 9, 0, 90, 0.0)),
    *((1, 0, 0, 80, 0.0), (1, 2, 1, 40, 0.0), (1, 3, 1, 127, 0.5)),
)


def figures(metric, played=PLAYED, windows=WINDOWS):
    """Of all drums, then of each."""
    return metric.figures(metric.sums(windows, played)[None].sum(axis=1))[0]


def test_a_sixteenth_lasts_as_long_as_the_tempo_says():
    np.testing.assert_allclose(WINDOWS.step_ms, [100, 200])


def test_timing_is_compared_where_both_hit():
    # Cells that both hit: differences of 10 and 30 ms, and of 50 and 0 ms.
    np.testing.assert_allclose(figures(metrics.TimingMae()), [22.5, 30, 15])
    np.testing.assert_allclose(
        figures(metrics.TimingMse()),
        [(0.01 + 0.09 + 0.0625) / 4, (0.01 + 0.0625) / 2, 0.045],
    )


def test_velocities_are_compared_where_both_hit():
    np.testing.assert_allclose(figures(metrics.VelocityMae()), [10, 20, 0])


def test_f1_counts_hits_that_both_have():
    # 4 in common of 5 and 6; 2 of 3 and 3 of the first drum, 2 of 2 and 3 of the other.
    np.testing.assert_allclose(figures(metrics.HitsF1()), [8 / 11, 4 / 6, 4 / 5])


def test_figures_without_a_hit_are_not_numbers():
    silence = playing(2)
    assert np.isnan(figures(metrics.TimingMae(), silence)).all()
    assert (figures(metrics.HitsF1(), silence) == 0).all()
    assert np.isnan(figures(metrics.OffsetWasserstein(), silence)).all()
    assert not np.isnan(figures(metrics.OffsetDivergence(), silence)).any()


def test_the_wasserstein_distance_is_how_far_hits_are_moved():
    # The first drum: 100, 90, 50 onto 110, 90, 80. The second: halves at 40 and 60 onto
    # thirds at 40, 60 and 127.
    first = (10 + 0 + 30) / 3
    second = (1 / 2 - 1 / 3) * 20 + (1 / 3) * 67
    np.testing.assert_allclose(
        figures(metrics.VelocityWasserstein()), [(first + second) / 2, first, second]
    )


def test_offsets_are_moved_in_milliseconds():
    # The first drum: 10, 0 and 50 ms onto 0. The second: halves at -20 and 0 onto
    # thirds at 0, 10 and 100.
    first = 60 / 3
    second = 20 / 2 + 10 * 2 / 3 + 90 / 3
    np.testing.assert_allclose(
        figures(metrics.OffsetWasserstein()), [(first + second) / 2, first, second]
    )


def test_pooled_distances_are_of_all_hits_together():
    metric = metrics.PooledVelocityWasserstein()
    drummers, played = [100, 60, 90, 50, 40], [110, 60, 90, 80, 40, 127]
    grid = np.arange(128)
    gaps = [
        abs(np.mean(np.array(drummers) <= v) - np.mean(np.array(played) <= v))
        for v in grid
    ]
    np.testing.assert_allclose(figures(metric), [sum(gaps)])


def test_the_divergence_adds_one_hit_to_each_bin():
    # 16 bins of 8: the second drum has 60 and 40 in bins 7 and 5; so has the player,
    # and 127 in bin 15.
    p = np.ones(16)
    p[[7, 5]] += 1
    q = p.copy()
    q[15] += 1
    p, q = p / p.sum(), q / q.sum()
    expected = (p * np.log(p / q)).sum()
    assert figures(metrics.VelocityDivergence())[2] == pytest.approx(expected)


def test_the_divergence_is_large_where_the_player_lacks_what_drummers_do():
    varied = windows_of(
        playing(1, *((0, t, 0, 8 * t % 128, 0) for t in range(32))), [0], [120]
    )
    flat = playing(1, *((0, t, 0, 64, 0) for t in range(32)))
    assert figures(metrics.VelocityDivergence(), varied.drummers, varied)[1] == 0
    assert figures(metrics.VelocityDivergence(), flat, varied)[1] > 0.5


def test_the_last_bins_hold_what_is_beyond():
    far = windows_of(playing(1, (0, 0, 0, 64, -0.5)), [0], [20])  # 375 ms early
    counts = metrics.OffsetDivergence().sums(far, far.drummers)
    assert counts.shape == (1, DRUMS, 2 * 41)
    assert counts[0, 0, 0] == counts[0, 0, 41] == 1


def test_autocorrelation_follows_the_mean_of_the_kit_from_step_to_step():
    # Steps that sound have the means 0.1, 0.3, 0.2, less their mean 0.2: x y of the
    # pairs (-0.1, 0.1) and (0.1, 0).
    notes = ((0, 0, 0, 9, 0.2), (0, 0, 1, 9, 0.0), (0, 3, 0, 9, 0.3), (0, 9, 1, 9, 0.2))
    windows = windows_of(playing(1, *notes), [0], [120])
    (figure,) = figures(metrics.OffsetAutocorrelation(), windows.drummers, windows)
    assert figure == pytest.approx(-0.01 / np.sqrt(0.02 * 0.01))


def test_drifting_is_autocorrelated_and_the_grid_is_not():
    drift = [(0, t, 0, 9, np.sin(t / 5) / 4) for t in range(32)]
    windows = windows_of(playing(1, *drift), [0], [120])
    assert figures(metrics.OffsetAutocorrelation(), windows.drummers, windows) > 0.9
    on_grid = playing(1, *((0, t, 0, 9, 0) for t in range(32)))
    assert np.isnan(figures(metrics.OffsetAutocorrelation(), on_grid, windows))


def test_intervals_are_over_performances():
    metric = metrics.VelocityMae()
    all_drums, first, second = estimates(
        metric.sums(WINDOWS, PLAYED), metric.figures, seed=0
    )
    # Of two performances, a resample is the one twice, the other twice, or both.
    assert all_drums == (10, 5, 15)
    assert first == (20, 10, 30)
    assert second == (0, 0, 0)


def test_intervals_hold_the_figure_and_nothing_that_it_cannot_be():
    rng = np.random.default_rng(0)
    notes = [(w, t, 0, rng.integers(40, 90), 0) for w in range(40) for t in range(4)]
    windows = windows_of(playing(40, *notes), range(40), [120] * 40)
    like = playing(40, *((*n[:3], rng.integers(40, 90), 0) for n in notes))
    metric = metrics.VelocityDivergence()
    sums = metric.sums(windows, like)
    figure, *_ = estimates(sums, metric.figures, 0, metric.bounds)
    assert 0 <= figure.low < figure.value < figure.high


def test_the_same_seed_gives_the_same_interval():
    rng = np.random.default_rng(0)
    sums = np.stack([rng.random([30, 1]), np.ones([30, 1])], axis=-1)
    of_seed = lambda seed: estimates(sums, metrics.TimingMae().figures, seed)
    assert of_seed(1) == of_seed(1) != of_seed(2)


def test_what_a_midi_file_keeps():
    kept = as_midi(
        np.array([True, False]), np.array([60.4, 9]), np.array([0.1234, 0.2])
    )
    np.testing.assert_allclose(kept.velocities, [60, 0])
    np.testing.assert_allclose(kept.offsets, [15 / 120, 0])

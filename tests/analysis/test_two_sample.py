"""The classifier two-sample test: what it must tell, and what it cannot."""

import numpy as np
import pytest

from music_vae_tf.analysis import groove_features, two_sample
from music_vae_tf.analysis.groove_windows import Playing, Windows, as_midi

STEPS, DRUMS = 32, 3


def drummers(seed, num_windows=48):
    rng = np.random.default_rng(seed)
    hits = rng.random([num_windows, STEPS, DRUMS]) < 0.3
    velocities = rng.normal(80, 15, hits.shape)
    offsets = rng.normal(0, 0.1, hits.shape)
    return as_midi(hits, velocities, offsets)


def windows_of(playing):
    performances = np.arange(len(playing.hits)) // 3
    qpm, asked = np.full(len(performances), 120.0), np.ones(DRUMS, bool)
    return Windows(playing, playing.hits, performances, qpm, asked)


WINDOWS = windows_of(drummers(0))


def areas(kind, played, seed=0):
    return dict(two_sample.areas(kind, WINDOWS, {"model": played}, seed))["model"]


def test_the_area_counts_pairs_in_the_right_order():
    scores, labels = np.array([0.1, 0.4, 0.35, 0.8]), np.array([0, 0, 1, 1])
    np.testing.assert_allclose(
        two_sample.roc_auc(scores, labels, np.ones([1, 4])), 0.75
    )


def test_equal_scores_count_half():
    scores, labels = np.array([0.5, 0.5, 0.5]), np.array([0, 1, 1])
    np.testing.assert_allclose(two_sample.roc_auc(scores, labels, np.ones([1, 3])), 0.5)


def test_weights_repeat_what_they_weigh():
    scores, labels = np.array([0.1, 0.4, 0.35, 0.8]), np.array([0, 0, 1, 1])
    weights = np.array([[1, 2, 1, 1], [1, 0, 1, 1], [1, 1, 0, 0]])
    areas = two_sample.roc_auc(scores, labels, weights)
    np.testing.assert_allclose(areas, [4 / 6, 1, np.nan])


@pytest.mark.parametrize("kind", two_sample.KINDS, ids=lambda kind: kind.name)
def test_a_machine_is_detected_and_the_like_of_a_drummer_is_not(kind):
    grid = as_midi(WINDOWS.drummers.hits, np.full([1, 1, 1], 80), np.zeros([1, 1, 1]))
    assert areas(kind, grid).value > 0.9
    like = areas(kind, drummers(1))
    assert 0.25 < like.value < 0.75
    assert like.low < like.value < like.high


@pytest.mark.parametrize("kind", two_sample.KINDS, ids=lambda kind: kind.name)
def test_the_same_seed_gives_the_same_area(kind):
    played = drummers(1)
    assert areas(kind, played) == areas(kind, played)


def test_a_player_who_plays_just_as_the_drummers_cannot_be_told():
    for kind in two_sample.KINDS:
        assert areas(kind, WINDOWS.drummers).value == 0.5


def test_too_few_performances_give_no_number():
    few = windows_of(drummers(0, num_windows=9))
    ((_, area),) = two_sample.areas(
        two_sample.KINDS[0], few, {"model": few.drummers}, seed=0
    )
    assert all(map(np.isnan, area))


def test_features_of_silence_are_numbers():
    silence = Playing(*(np.zeros_like(feature) for feature in WINDOWS.drummers))
    assert np.isfinite(groove_features.hand_made(silence)).all()


def test_features_notice_what_goes_with_what():
    """Two windows with the same velocities and offsets, in another order."""
    hits = np.zeros([2, STEPS, DRUMS], bool)
    hits[:, :, 0] = True
    ramp = np.linspace(-0.4, 0.4, STEPS)
    velocities, offsets = np.zeros([2, *hits.shape])
    velocities[:, :, 0] = 60 + 100 * ramp
    offsets[0, :, 0], offsets[1, :, 0] = ramp, ramp[::-1]
    one, other = groove_features.hand_made(Playing(hits, velocities, offsets))
    correlations = np.flatnonzero(np.isclose(one, 1) & np.isclose(other, -1))
    assert len(correlations) == 1

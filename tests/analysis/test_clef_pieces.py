"""Baselines predict what counting says, and likeness is measured as by hand."""

from typing import NamedTuple

import numpy as np
import pytest

from music_vae_tf.analysis import clef_pieces as analysis


class Event(NamedTuple):
    onset: int
    duration: int
    pitches: tuple


def line_of(*events):
    """Events of (duration, pitches), one after the other."""
    onset, line = 0, []
    for duration, pitches in events:
        line.append(Event(onset, duration, pitches))
        onset += duration
    return line


def test_predictions_are_likelihoods_and_hits():
    chances = np.array([[0.5, 0.3, 0.2], [0.1, 0.2, 0.7], [0.2, 0.3, 0.5]])
    found = analysis.predicted(np.log(chances), [0, 1, 2])
    np.testing.assert_allclose(found.nats, -np.log([0.5, 0.2, 0.5]))
    # The last class is no guess, so the second is right, and the third cannot be.
    assert list(found.right) == [True, True, False]
    assert found.accuracy == pytest.approx(2 / 3)


def test_a_unigram_counts():
    model = analysis.Unigram([np.array([0, 0, 1]), np.array([0])], num_classes=3)
    np.testing.assert_allclose(model.probabilities, np.array([4, 2, 1]) / 7)
    found = model.predict(np.array([0, 2]))
    np.testing.assert_allclose(found.nats, -np.log(np.array([4, 1]) / 7))
    assert list(found.right) == [True, False]


def test_a_bigram_counts_what_follows_and_mixes_in_the_unigram():
    train = [np.array([0, 1, 0, 1, 0, 0])]
    model = analysis.Bigram(train, num_classes=3, factor=1.0)
    unigram = np.array([5, 3, 1]) / 9
    after_0 = (np.array([1, 2, 0]) + 2 * unigram) / (3 + 2)
    after_1 = (np.array([2, 0, 0]) + 1 * unigram) / (2 + 1)
    found = model.predict(np.array([0, 1, 0]))
    np.testing.assert_allclose(
        found.nats, -np.log([unigram[0], after_0[1], after_1[0]])
    )
    assert list(found.right) == [True, True, True]


def test_a_bigram_is_tuned_on_what_it_has_not_seen():
    rng = np.random.default_rng(0)
    train = [rng.integers(6, size=60)]
    held_out = [rng.integers(6, size=200)]
    tuned = analysis.Bigram.tuned(train, 7, held_out).predict(held_out[0]).mean_nats
    others = [
        analysis.Bigram(train, 7, factor).predict(held_out[0]).mean_nats
        for factor in analysis.Bigram.FACTORS
    ]
    assert tuned == min(others) < max(others)


def test_pitch_classes_count_by_the_time_they_sound():
    shares = analysis.pitch_class_shares([line_of((24, (60, 64)), (48, (72,)))])
    assert shares[0] == pytest.approx(72 / 96) and shares[4] == pytest.approx(24 / 96)


def test_durations_count_by_events():
    lines = [line_of((24, (60,)), (12, ())), line_of((24, (60,)))]
    assert analysis.duration_shares(lines) == {24: 2 / 3, 12: 1 / 3}


def test_the_distance_of_distributions_is_what_would_have_to_move():
    one, other = {1: 0.5, 2: 0.5}, {2: 0.25, 3: 0.75}
    assert analysis.total_variation(one, other) == pytest.approx(0.75)
    assert analysis.total_variation(one, one) == 0


def test_copied_passages_are_found_in_whatever_line_they_stand():
    original = line_of(*((12, (60 + i,)) for i in range(12)))
    copy = line_of((24, ()), *((12, (60 + i,)) for i in range(9)))
    # Of the copy's three passages, the first has its own beginning.
    assert analysis.copied_share([copy], [[], original]) == pytest.approx(2 / 3)
    slower = line_of(*((24, (60 + i,)) for i in range(12)))
    assert analysis.copied_share([slower], [original]) == 0
    assert analysis.copied_share([line_of((12, (60,)))], [original]) == 0


def test_intervals_count_whenever_either_staff_begins():
    upper = line_of((24, (64,)), (24, (65,)))  # E, F
    lower = line_of((36, (48,)), (12, (50, 53)))  # C, then D and F
    # E over C, F over C, F over D, F over F.
    assert analysis.consonant_share(upper, lower) == (3, 4)
    assert analysis.consonant_share(upper, line_of((48, ()))) == (0, 0)

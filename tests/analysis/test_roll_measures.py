"""Measures of class rolls against their definitions, written out cell by cell."""

import itertools

import numpy as np
import pytest

from music_vae_tf.analysis import rolls


def random_rolls(count, seed, share=0.1, steps=3, pitches=8):
    rng = np.random.default_rng(seed)
    shape = [count, steps, pitches]
    return (rng.integers(1, 4, shape) * (rng.random(shape) < share)).astype(np.uint8)


THERE = random_rolls(4, 1, 0.5)
# What is there, where a third of all cells is something else.
SAID = np.where(random_rolls(4, 2, 1 / 3), random_rolls(4, 0, 0.3), THERE)


def test_accuracies_count_all_cells():
    cells = list(zip(SAID.ravel(), THERE.ravel()))
    right = sum(a == b for a, b in cells) / len(cells)
    present = sum((a > 0) == (b > 0) for a, b in cells) / len(cells)
    assert rolls.class_accuracy(SAID, THERE) == pytest.approx(right)
    assert rolls.presence_accuracy(SAID, THERE) == pytest.approx(present)


def test_silence_has_the_accuracy_of_its_share():
    silence = np.zeros_like(THERE)
    expected = rolls.silent_accuracy(THERE)
    assert rolls.class_accuracy(silence, THERE) == expected
    assert rolls.presence_accuracy(silence, THERE) == expected


@pytest.mark.parametrize("number", [None, 1, 2, 3])
def test_hits_are_sounding_cells_of_the_right_class(number):
    is_it = lambda cell: cell > 0 if number is None else cell == number
    cells = list(zip(SAID.ravel(), THERE.ravel()))
    hits = rolls.hits(SAID, THERE, number)
    assert hits.right == sum(a == b and is_it(b) for a, b in cells)
    assert hits.said == sum(is_it(a) for a, _ in cells)
    assert hits.there == sum(is_it(b) for _, b in cells)
    both = 1 / hits.precision + 1 / hits.recall
    assert hits.f1 == pytest.approx(2 / both)


def test_where_nothing_sounds_shares_are_zero():
    silence = np.zeros_like(THERE)
    hits = rolls.hits(silence, silence)
    assert (hits.precision, hits.recall, hits.f1) == (0, 0, 0)


def test_obedient_rolls_have_exactly_the_classes_asked_for():
    generated = np.zeros([4, 2, 8], int)
    generated[0, 0, 0], generated[1, 0, :2], generated[2, 1, 1] = 1, [1, 3], 2
    asked = np.array([[1, 1, 0, 0], [1, 1, 0, 0], [1, 0, 1, 0], [1, 0, 0, 1]], bool)
    assert rolls.condition_obedience(generated, asked) == 2 / 4


# Uniqueness


def test_uniqueness_is_one_minus_the_highest_jaccard_similarity():
    generated, training = random_rolls(5, 2, 0.2), random_rolls(600, 3, 0.2)
    sets = lambda some: [set(np.flatnonzero(roll)) for roll in some]
    expected = [
        1 - max(len(a & b) / len(a | b) for b in sets(training))
        for a in sets(generated)
    ]
    result = rolls.uniqueness(generated, training)
    assert result == pytest.approx(100 * np.mean(expected), abs=1e-4)


def test_copies_are_not_unique_and_strangers_are():
    training = random_rolls(3, 4)
    assert rolls.uniqueness(training[1:], training) == pytest.approx(0)
    stranger = np.where(training.any(axis=0), 0, 1)[None]
    assert rolls.uniqueness(stranger, training) == 100
    silence = np.zeros_like(training)
    assert rolls.uniqueness(silence, silence[:1]) == 0


def test_the_plane_has_the_two_principal_components():
    some = random_rolls(400, 5, 0.4)
    some[:200, :, :4] = 0  # a direction of high variance
    some[::2, 0] = 1  # and another one
    plane = rolls.Plane.of(some)
    cells = (some > 0).reshape(400, -1).astype(float)
    centred = cells - cells.mean(axis=0)
    _, _, axes = np.linalg.svd(centred, full_matrices=False)
    agreement = np.abs(axes[:2] @ plane.axes)
    np.testing.assert_allclose(agreement, np.eye(2), atol=1e-3)
    np.testing.assert_allclose(plane.project(some), centred @ plane.axes, atol=1e-4)


def test_uniqueness_in_the_plane_grows_with_the_distance():
    training = np.array([[0, 0], [10, 0]])
    assert rolls.plane_uniqueness(np.array([[0, 0], [10, 0]]), training) == 0
    assert rolls.plane_uniqueness(np.array([[0, 3], [9, 0]]), training) == (75 + 50) / 2


# The baseline


def test_the_baseline_says_what_has_the_highest_f1_in_training():
    training = random_rolls(6, 6, 0.5, steps=2, pitches=4)
    training[training == 2] = 1
    training[:3] = np.minimum(training[:3], 1)  # the piano alone
    training[3:, 0, :2] = [1, 3]  # the piano and the bass
    has = rolls.conditions(training, 4)
    said = rolls.PitchFrequencies.of(training, has).predict(has, 2)
    for part in (slice(0, 3), slice(3, 6)):
        best = max(
            rolls.hits(np.broadcast_to(row, [3, 2, 4]), training[part]).f1
            for row in itertools.product(range(4), repeat=4)
        )
        assert rolls.hits(said[part], training[part]).f1 == pytest.approx(best)


def test_a_condition_not_seen_in_training_is_predicted_silent():
    frequencies = rolls.PitchFrequencies.of(
        np.ones([1, 2, 4], int), np.array([[0, 1, 0, 0]], bool)
    )
    said = frequencies.predict(np.array([[0, 1, 0, 0], [1, 0, 0, 1]], bool), 3)
    assert said[0].all() and not said[1].any()

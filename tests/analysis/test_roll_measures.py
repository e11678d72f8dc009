"""Measures of class rolls against their definitions, written out cell by cell."""

import itertools

import numpy as np
import pytest

from music_vae_tf.analysis import rolls


def random_rolls(count, seed, share=0.1, steps=3, pitches=8):
    rng = np.random.default_rng(seed)
    shape = [count, steps, pitches]
    return (rng.integers(1, 4, shape) * (rng.random(shape) < share)).astype(np.uint8)


TARGETS = random_rolls(4, 1, 0.5)
# The targets, with a third of all cells replaced.
PREDICTIONS = np.where(random_rolls(4, 2, 1 / 3), random_rolls(4, 0, 0.3), TARGETS)


def test_accuracies_count_all_cells():
    cells = list(zip(PREDICTIONS.ravel(), TARGETS.ravel()))
    right = sum(a == b for a, b in cells) / len(cells)
    active = sum((a > 0) == (b > 0) for a, b in cells) / len(cells)
    assert rolls.class_accuracy(PREDICTIONS, TARGETS) == pytest.approx(right)
    assert rolls.activity_accuracy(PREDICTIONS, TARGETS) == pytest.approx(active)


def test_silence_has_the_accuracy_of_its_share():
    silence = np.zeros_like(TARGETS)
    expected = rolls.silent_accuracy(TARGETS)
    assert rolls.class_accuracy(silence, TARGETS) == expected
    assert rolls.activity_accuracy(silence, TARGETS) == expected


@pytest.mark.parametrize("number", [None, 1, 2, 3])
def test_correct_cells_sound_with_the_class_of_the_target(number):
    is_it = lambda cell: cell > 0 if number is None else cell == number
    cells = list(zip(PREDICTIONS.ravel(), TARGETS.ravel()))
    counts = rolls.count_cells(PREDICTIONS, TARGETS, number)
    assert counts.correct == sum(a == b and is_it(b) for a, b in cells)
    assert counts.predicted == sum(is_it(a) for a, _ in cells)
    assert counts.target == sum(is_it(b) for _, b in cells)
    both = 1 / counts.precision + 1 / counts.recall
    assert counts.f1 == pytest.approx(2 / both)


def test_where_nothing_sounds_shares_are_zero():
    silence = np.zeros_like(TARGETS)
    counts = rolls.count_cells(silence, silence)
    assert (counts.precision, counts.recall, counts.f1) == (0, 0, 0)


def test_notes_are_runs_of_a_class_at_a_pitch():
    some = random_rolls(5, 3, 0.6, steps=9, pitches=4)
    runs = [
        len(list(run))
        for roll in some
        for pitch in roll.T
        for number, run in itertools.groupby(pitch)
        if number
    ]
    lengths = rolls.NoteLengths.from_rolls(some)
    assert lengths.notes_a_roll == len(runs) / 5
    assert lengths.mean_steps == pytest.approx(np.mean(runs))
    assert lengths.single_steps == pytest.approx(runs.count(1) / len(runs))
    assert rolls.NoteLengths.from_rolls(some * 0) == (0, 0, 0)


def test_condition_accuracy_is_an_exact_match():
    generated = np.zeros([4, 2, 8], int)
    generated[0, 0, 0], generated[1, 0, :2], generated[2, 1, 1] = 1, [1, 3], 2
    condition = np.array([[1, 1, 0, 0], [1, 1, 0, 0], [1, 0, 1, 0], [1, 0, 0, 1]], bool)
    assert rolls.condition_accuracy(generated, condition) == 2 / 4


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
    plane = rolls.Plane.from_rolls(some)
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


def test_the_baseline_predicts_what_has_the_highest_f1_in_training():
    training = random_rolls(6, 6, 0.5, steps=2, pitches=4)
    training[training == 2] = 1
    training[:3] = np.minimum(training[:3], 1)  # the piano alone
    training[3:, 0, :2] = [1, 3]  # the piano and the bass
    has = rolls.conditions(training, 4)
    predictions = rolls.PitchFrequencies.from_rolls(training, has).predict(has, 2)
    for part in (slice(0, 3), slice(3, 6)):
        best = max(
            rolls.count_cells(np.broadcast_to(row, [3, 2, 4]), training[part]).f1
            for row in itertools.product(range(4), repeat=4)
        )
        assert rolls.count_cells(predictions[part], training[part]).f1 == pytest.approx(
            best
        )


def test_a_condition_not_seen_in_training_is_predicted_silent():
    frequencies = rolls.PitchFrequencies.from_rolls(
        np.ones([1, 2, 4], int), np.array([[0, 1, 0, 0]], bool)
    )
    predictions = frequencies.predict(np.array([[0, 1, 0, 0], [1, 0, 0, 1]], bool), 3)
    assert predictions[0].all() and not predictions[1].any()

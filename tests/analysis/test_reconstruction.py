"""Metrics of reconstructions, by group of columns."""

import numpy as np
import pytest

from music_vae_tf.analysis import reconstruction
from music_vae_tf.analysis.reconstruction import Ratio

EVERYTHING = np.ones([1, 2], bool)


def values(ratios):
    return {name: ratio.value for name, ratio in ratios.items()}


def test_grooves_are_compared_in_hits_and_where_they_are_in_velocity_and_offset():
    #                   hits    velocities   offsets
    targets = np.array([[[1, 0, 0.5, 0.0, 0.3, 0.0], [1, 1, 0.9, 0.2, -1.0, 0.0]]])
    predictions = np.array(
        [[[1, 1, 0.55, 0.7, 0.5, 0.9], [0, 1, 0.6, 0.2, -0.95, 0.0]]]
    )
    got = values(reconstruction.compare_grooves(predictions, targets, EVERYTHING))
    assert got == {
        "hit accuracy": 2 / 4,
        "hit F1": pytest.approx(2 * 2 / (3 + 3)),
        "velocity accuracy within 0.1": pytest.approx(2 / 3),
        "velocity MAE": pytest.approx((0.05 + 0.3 + 0.0) / 3),
        "onset offset accuracy within 0.1": pytest.approx(2 / 3),
        "onset offset MAE, in steps": pytest.approx((0.2 + 0.05 + 0.0) / 3 / 2),
    }


def test_padding_does_not_count():
    targets = np.array([[[1, 0.5, 0.0], [0, 0.0, 0.0]]])
    predictions = np.array([[[1, 0.5, 0.0], [1, 0.9, 0.9]]])
    mask = np.array([[True, False]])
    got = values(reconstruction.compare_grooves(predictions, targets, mask))
    assert (got["hit accuracy"], got["hit F1"], got["velocity MAE"]) == (1, 1, 0)


def test_bits_are_compared_column_by_column():
    targets, predictions = np.array([[[1, 0], [0, 0]]]), np.array([[[1, 1], [0, 0]]])
    got = values(reconstruction.compare_bits(predictions, targets, EVERYTHING))
    assert got == {"column accuracy": 3 / 4, "column F1": pytest.approx(2 / 3)}


def one_hot(depth, *classes):
    """-1 is all zeros."""
    return np.eye(depth + 1, depth)[list(classes)][None]


def test_a_row_without_a_class_is_never_correct():
    targets, predictions = one_hot(3, 0, 2), one_hot(3, -1, 2)
    got = values(reconstruction.compare_classes(predictions, targets, EVERYTHING, (3,)))
    assert got == {"class accuracy": 1 / 2}


def test_classes_side_by_side_are_compared_each():
    targets = np.concatenate([one_hot(3, 0, 2), one_hot(2, 1, 1)], axis=-1)
    predictions = np.concatenate([one_hot(3, 0, 2), one_hot(2, 0, 1)], axis=-1)
    got = values(
        reconstruction.compare_classes(predictions, targets, EVERYTHING, (3, 2))
    )
    assert got == {"part 0 class accuracy": 1.0, "part 1 class accuracy": 1 / 2}


def test_tokens_are_compared_by_their_kind_too():
    tokens = ("PAD_None", "Pitch_36", "Pitch_38", "Bar_None")
    targets, predictions = one_hot(4, 1, 2, 3), one_hot(4, 1, 1, 3)
    mask = np.ones([1, 3], bool)
    got = values(reconstruction.compare_tokens(predictions, targets, mask, tokens))
    assert got == {
        "token accuracy": pytest.approx(2 / 3),
        "Bar token accuracy": 1.0,
        "Pitch token accuracy": 1 / 2,
    }


def test_ratios_of_batches_add_up():
    one, other = {"a": Ratio(1, 2), "b": Ratio(1, 1)}, {"a": Ratio(2, 3)}
    assert reconstruction.merge(one, other) == {"a": Ratio(3, 5), "b": Ratio(1, 1)}
    assert np.isnan(Ratio(0, 0).value)

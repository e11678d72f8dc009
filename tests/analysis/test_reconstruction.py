"""Shares of what is said back right, by group of columns."""

import numpy as np
import pytest

from music_vae_tf.analysis import reconstruction
from music_vae_tf.analysis.reconstruction import Share

EVERYTHING = np.ones([1, 2], bool)


def values(shares):
    return {name: share.value for name, share in shares.items()}


def test_grooves_are_compared_in_hits_and_where_they_are_in_velocity_and_offset():
    #                   hits    velocities   offsets
    there = np.array([[[1, 0, 0.5, 0.0, 0.3, 0.0], [1, 1, 0.9, 0.2, -1.0, 0.0]]])
    said = np.array([[[1, 1, 0.55, 0.7, 0.5, 0.9], [0, 1, 0.6, 0.2, -0.95, 0.0]]])
    got = values(reconstruction.of_grooves(said, there, EVERYTHING))
    assert got == {
        "hits": 2 / 4,
        "hits F1": pytest.approx(2 * 2 / (3 + 3)),
        "velocities": pytest.approx(2 / 3),
        "velocities error": pytest.approx((0.05 + 0.3 + 0.0) / 3),
        "offsets": pytest.approx(2 / 3),
        "offsets error": pytest.approx((0.2 + 0.05 + 0.0) / 3),
    }


def test_padding_does_not_count():
    there = np.array([[[1, 0.5, 0.0], [0, 0.0, 0.0]]])
    said = np.array([[[1, 0.5, 0.0], [1, 0.9, 0.9]]])
    counted = np.array([[True, False]])
    got = values(reconstruction.of_grooves(said, there, counted))
    assert (got["hits"], got["hits F1"], got["velocities error"]) == (1, 1, 0)


def test_bits_are_compared_column_by_column():
    there, said = np.array([[[1, 0], [0, 0]]]), np.array([[[1, 1], [0, 0]]])
    got = values(reconstruction.of_bits(said, there, EVERYTHING))
    assert got == {"columns": 3 / 4, "columns F1": pytest.approx(2 / 3)}


def one_hot(depth, *classes):
    """-1 is all zeros."""
    return np.eye(depth + 1, depth)[list(classes)][None]


def test_a_row_of_no_class_is_never_right():
    there, said = one_hot(3, 0, 2), one_hot(3, -1, 2)
    got = values(reconstruction.of_classes(said, there, EVERYTHING, (3,)))
    assert got == {"classes": 1 / 2}


def test_classes_side_by_side_are_compared_each():
    there = np.concatenate([one_hot(3, 0, 2), one_hot(2, 1, 1)], axis=-1)
    said = np.concatenate([one_hot(3, 0, 2), one_hot(2, 0, 1)], axis=-1)
    got = values(reconstruction.of_classes(said, there, EVERYTHING, (3, 2)))
    assert got == {"classes of part 0": 1.0, "classes of part 1": 1 / 2}


def test_tokens_are_compared_by_their_kind_too():
    tokens = ("PAD_None", "Pitch_36", "Pitch_38", "Bar_None")
    there, said = one_hot(4, 1, 2, 3), one_hot(4, 1, 1, 3)
    counted = np.ones([1, 3], bool)
    got = values(reconstruction.of_tokens(said, there, counted, tokens))
    assert got == {
        "tokens": pytest.approx(2 / 3),
        "tokens of Bar": 1.0,
        "tokens of Pitch": 1 / 2,
    }


def test_shares_of_batches_add_up():
    one, other = {"a": Share(1, 2), "b": Share(1, 1)}, {"a": Share(2, 3)}
    assert reconstruction.added(one, other) == {"a": Share(3, 5), "b": Share(1, 1)}
    assert np.isnan(Share(0, 0).value)

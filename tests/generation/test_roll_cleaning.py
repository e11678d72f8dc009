"""Flicker in class rolls is joined, and what is too short is removed."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from music_vae_tf.generation.roll_cleaning import Cleaning, cleaned

PIANO, BASS = 1, 3
CLEANING = Cleaning(start=0.5, hold=0.3, shortest=2)


def line(sounding, number=PIANO):
    """Probabilities of one pitch, [1, T, 1, 4], of one class beside silence."""
    probabilities = np.zeros([1, len(sounding), 1, 4])
    probabilities[0, :, 0, number] = sounding
    probabilities[..., 0] = 1 - probabilities.sum(axis=-1)
    return probabilities


def classes(probabilities, cleaning=CLEANING):
    return cleaned(probabilities, cleaning)[0, :, 0].tolist()


def test_a_note_that_flickers_around_one_half_is_one_note():
    assert classes(line([0, 0.6, 0.4, 0.55, 0.35, 0.6, 0])) == [0, 1, 1, 1, 1, 1, 0]


def test_a_note_begins_where_it_is_more_probable_than_not():
    assert classes(line([0.4, 0.4, 0.7, 0.4, 0.2])) == [0, 0, 1, 1, 0]


def test_what_is_never_probable_is_silent():
    assert classes(line([0.4, 0.49, 0.4])) == [0, 0, 0]


def test_a_single_step_is_removed():
    assert classes(line([0, 0.9, 0, 0.9, 0.9])) == [0, 0, 0, 1, 1]


def test_notes_at_both_ends_are_kept():
    assert classes(line([0.9, 0.9, 0, 0.9, 0.9])) == [1, 1, 0, 1, 1]


def test_a_note_has_the_class_that_is_most_probable_on_average():
    both = line([0.2, 0.5, 0.5]) + line([0.6, 0.3, 0.4], BASS)
    both[..., 0] = 1 - both[..., 1:].sum(axis=-1)
    assert classes(both) == [BASS] * 3


@settings(max_examples=50, deadline=None)
@given(arrays(float, (2, 7, 3, 4), elements=st.floats(0.01, 1)))
def test_every_note_is_long_enough_and_has_one_class(weights):
    probabilities = weights / weights.sum(axis=-1, keepdims=True)
    rolls = cleaned(probabilities, CLEANING)
    sounding = 1 - probabilities[..., 0]
    assert (sounding[rolls > 0] >= CLEANING.hold).all()
    for roll in rolls.transpose(0, 2, 1).reshape(-1, 7):
        runs = np.split(roll, np.flatnonzero(np.diff(roll > 0)) + 1)
        for run in runs:
            if run[0]:
                assert len(run) >= 2 and len(set(run)) == 1

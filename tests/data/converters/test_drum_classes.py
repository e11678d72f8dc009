"""Presets of drum pitch classes, and one's own."""

import numpy as np
import pytest
from note_seq import drums_encoder_decoder

from music_vae_tf.data.converters import drum_classes
from music_vae_tf.data.converters.drum_classes import UnknownDrums, classes


def test_reduced_is_note_seqs_default():
    ours = [list(pitches) for pitches in classes("reduced")]
    assert ours == drums_encoder_decoder.DEFAULT_DRUM_TYPE_PITCHES


def test_full_is_every_sound_of_general_midi_once():
    pitches = [pitch for (pitch,) in classes("full")]
    assert len(pitches) == 61
    assert sorted(pitches) == list(range(27, 88))
    assert pitches[:4] == [36, 35, 38, 27] and pitches[-1] == 82


def test_the_nine_columns_have_the_same_drums_in_both_presets():
    names = [c.name for c in drum_classes.ROLAND]
    assert names == [c.name for c in drum_classes.REDUCED]
    assert names[drum_classes.KICK] == "kick"
    assert names[drum_classes.OPEN_HIHAT] == "open hi-hat"
    assert names[drum_classes.RIDE] == "ride"


@pytest.mark.parametrize("preset", drum_classes.PRESETS)
def test_the_lookup_table_is_the_inverse_of_the_lists(preset):
    table = drum_classes.class_of_pitch(classes(preset))
    held = {p: i for i, pitches in enumerate(classes(preset)) for p in pitches}
    assert {p: c for p, c in enumerate(table) if c >= 0} == held


def test_a_pitch_in_two_classes_belongs_to_the_later():
    table = drum_classes.class_of_pitch(classes([[36, 38], [38]]))
    assert table[36] == 0 and table[38] == 1
    assert np.count_nonzero(table >= 0) == 2


def test_an_unknown_preset_names_the_known_ones():
    with pytest.raises(UnknownDrums, match="'rolnd'; there are roland, reduced, full"):
        classes("rolnd")


@pytest.mark.parametrize("lists", [[], [[36], []], [[128]], [36, 38], [["kick"]], None])
def test_lists_that_are_not_classes_are_refused(lists):
    with pytest.raises(UnknownDrums, match="lists of MIDI pitches"):
        classes(lists)

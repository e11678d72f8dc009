"""Notes read many at once are those that are read one by one."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from note_seq.protobuf.music_pb2 import NoteSequence

from music_vae_tf.data.converters import score, wire


def one_by_one(sequence):
    notes = [score._note_fields(note) for note in sequence.notes]
    return np.array(notes, score.NOTE)


def assert_same(columns, sequence):
    expected = one_by_one(sequence)
    for name in score.NOTE.names:
        np.testing.assert_array_equal(columns[name], expected[name])


def drums(count, **changed):
    sequence = NoteSequence(id="/id/midi/x", filename="x.mid", total_time=9.5)
    sequence.tempos.add(qpm=100)
    sequence.control_changes.add(control_number=4)
    for i in range(count):
        fields = {"start_time": i / 4, "end_time": i / 4 + 0.1, "is_drum": True}
        sequence.notes.add(pitch=36 + i % 9, velocity=1 + i % 127, **fields)
    for name, value in changed.items():
        setattr(sequence.notes[count // 2], name, value)
    return sequence


def read_columns(sequence):
    return wire.read_columns(sequence, score.NOTE_FIELD_NUMBERS, score.NOTE)


@pytest.mark.parametrize(
    "changed",
    [{}, {"instrument": 3, "program": 7}, {"end_time": 0.0}, {"quantized_end_step": 5}],
)
def test_notes_of_the_usual_kind_are_read_as_columns(changed):
    for count in (0, 1, 150, 300):
        sequence = drums(count, **changed if count else {})
        assert_same(read_columns(sequence), sequence)


@pytest.mark.parametrize(
    "changed", [{"instrument": 128}, {"quantized_start_step": 300}]
)
def test_numbers_of_several_bytes_are_left_to_others(changed):
    sequence = drums(200, **changed)
    with pytest.raises(wire.NotInRows):
        read_columns(sequence)
    assert_same(score.read(sequence).notes, sequence)


def test_notes_that_keep_changing_are_left_to_others():
    sequence = drums(200)
    for note in sequence.notes[::2]:
        note.instrument = 1
    with pytest.raises(wire.NotInRows):
        read_columns(sequence)
    assert_same(score.read(sequence).notes, sequence)


def test_nothing_else_in_a_sequence_is_taken_for_notes():
    sequence = NoteSequence(id="B" * 66, filename="B\x18" * 40, ticks_per_quarter=66)
    sequence.total_time = 66.0
    assert len(read_columns(sequence)) == 0


NOTES = st.fixed_dictionaries(
    {},
    optional={
        "pitch": st.sampled_from([0, 36, 127]),
        "velocity": st.integers(0, 127),
        "start_time": st.sampled_from([0.0, -0.0, -0.5, 1.25]),
        "end_time": st.sampled_from([0.0, 2.0]),
        "instrument": st.sampled_from([0, 1, 9, 66, 127, 300]),
        "program": st.sampled_from([0, 1, 127]),
        "is_drum": st.booleans(),
        "quantized_start_step": st.sampled_from([0, 66, 1000]),
        "voice": st.sampled_from([0, 1]),
        "pitch_name": st.sampled_from([0, 3]),
    },
)


@given(runs=st.lists(st.tuples(NOTES, st.integers(1, 90)), max_size=6))
@settings(deadline=None)
def test_any_notes_are_read_as_they_are(runs):
    sequence = NoteSequence()
    for fields, count in runs:
        sequence.notes.extend([NoteSequence.Note(**fields)] * count)
    assert_same(score.read(sequence).notes, sequence)
    try:
        columns = read_columns(sequence)
    except wire.NotInRows:
        return
    assert_same(columns, sequence)

"""Grids equal note_seq's, of whole sequences and of stretches, made and real."""

import hypothesis
import note_seq
import numpy as np
import pytest
from hypothesis import strategies as st
from note_seq import sequences_lib

from music_vae_tf.data.converters.base import NotConvertible
from music_vae_tf.data.converters.grid import on_grid
from music_vae_tf.data.converters.quantize import Quantized, quantize, to_steps
from music_vae_tf.data.converters.score import read

FEW_TIMES = [0.0, 0.0, 0.0625, 1.0, 2.5]
times = st.floats(0, 6) | st.sampled_from(FEW_TIMES)


@st.composite
def sequences(draw):
    """NoteSequences with anything that note_seq's quantiser looks at."""
    sequence = note_seq.NoteSequence()
    for _ in range(draw(st.integers(0, 6))):
        start = draw(times | st.floats(-0.3, 0))
        sequence.notes.add(
            pitch=draw(st.integers(0, 127)),
            velocity=draw(st.integers(0, 127)),
            start_time=start,
            end_time=start + draw(st.floats(-0.1, 2)),
            instrument=draw(st.integers(0, 3)),
            program=draw(st.integers(0, 127)),
            is_drum=draw(st.booleans()),
        )
    for _ in range(draw(st.integers(0, 2))):
        qpm = draw(st.sampled_from([120.0, 97.3, 60.0]))
        sequence.tempos.add(time=draw(st.sampled_from(FEW_TIMES)), qpm=qpm)
    for _ in range(draw(st.integers(0, 2))):
        numerator, denominator = draw(
            st.sampled_from([(4, 4), (2, 2), (3, 4), (3, 3), (0, 4), (4, 0)])
        )
        sequence.time_signatures.add(
            time=draw(st.sampled_from(FEW_TIMES)),
            numerator=numerator,
            denominator=denominator,
        )
    if draw(st.booleans()):
        sequence.control_changes.add(time=draw(st.floats(-0.3, 1)))
    sequence.total_time = draw(times)
    return sequence


def theirs(sequence, steps_per_quarter):
    """note_seq's grid, or None where a converter for 4/4 refuses the sequence."""
    try:
        quantized = sequences_lib.quantize_note_sequence(sequence, steps_per_quarter)
    except (
        note_seq.BadTimeSignatureError,
        note_seq.MultipleTempoError,
        note_seq.MultipleTimeSignatureError,
        note_seq.NegativeTimeError,
    ):
        return None
    steps_per_bar = sequences_lib.steps_per_bar_in_quantized_sequence(quantized)
    return quantized if steps_per_bar == 4 * steps_per_quarter else None


def without_unheard_changes(sequence):
    """A copy without changes at the end or behind it, which are none for us."""
    heard = note_seq.NoteSequence.FromString(sequence.SerializeToString())
    times = [time for n in sequence.notes for time in (n.start_time, n.end_time)]
    end = max(times + [sequence.total_time]) if times else np.inf
    for changes in (heard.tempos, heard.time_signatures):
        kept = [c for c in changes if c.time < end or not c.time]
        del changes[:]
        changes.extend(kept)
    return heard


def ours(score, steps_per_quarter):
    try:
        return quantize(score, steps_per_quarter, quarters_per_bar=4)
    except NotConvertible:
        return None


def assert_same_grid(quantized, expected):
    assert (quantized is None) == (expected is None)
    if expected is None:
        return
    notes = expected.notes
    assert quantized.start_steps.tolist() == [n.quantized_start_step for n in notes]
    assert quantized.end_steps.tolist() == [n.quantized_end_step for n in notes]
    assert quantized.total_steps == expected.total_quantized_steps
    assert quantized.qpm == expected.tempos[0].qpm


def assert_same_stretches(sequence):
    """Our grid of all stretches against note_seq's of one after the other."""
    grid, _ = on_grid(read(sequence), 4, quarters_per_bar=4)
    parts = sequences_lib.split_note_sequence_on_time_changes(sequence)
    assert len(grid.stretches) == len(parts)
    for number, part in enumerate(parts):
        stretch, expected = grid.within(number), theirs(part, 4)
        if expected is None or not expected.notes:
            assert not len(stretch.notes)
            continue
        assert stretch.notes.tolist() == read(part).notes.tolist()
        total_steps, qpm = grid.total_steps(number), grid.stretches[number].qpm
        steps = stretch.start_steps, stretch.end_steps
        assert_same_grid(Quantized(stretch.notes, *steps, total_steps, qpm), expected)


@hypothesis.given(sequences(), st.sampled_from([1, 3, 4, 8]))
@hypothesis.settings(deadline=None)
def test_the_grid_is_note_seqs(sequence, steps_per_quarter):
    assert_same_grid(
        ours(read(sequence), steps_per_quarter),
        theirs(without_unheard_changes(sequence), steps_per_quarter),
    )


@hypothesis.given(sequences())
@hypothesis.settings(deadline=None)
def test_the_grids_of_stretches_are_note_seqs(sequence):
    notes = [note for note in sequence.notes if note.end_time >= note.start_time]
    del sequence.notes[:]
    sequence.notes.extend(notes)
    assert_same_stretches(sequence)


def test_real_files_are_split_and_quantised_as_by_note_seq(golden):
    for serialized in golden.notesequences.values():
        sequence = note_seq.NoteSequence.FromString(serialized)
        expected = theirs(without_unheard_changes(sequence), 4)
        assert_same_grid(ours(read(sequence), 4), expected)
        assert_same_stretches(sequence)


def test_halves_go_up_and_negatives_towards_zero():
    steps = to_steps(np.array([0.49, 0.5, 1.5, -0.4, -1.4, -1.5]), 1.0)
    assert steps.tolist() == [0, 1, 2, 0, 0, -1]


def sequence_with(**fields):
    sequence = note_seq.NoteSequence(total_time=4.0)
    sequence.notes.add(pitch=36, velocity=80, start_time=0.0, end_time=0.1)
    for field, values in fields.items():
        for value in values:
            getattr(sequence, field).add(**value)
    return sequence


@pytest.mark.parametrize(
    "fields, reason",
    [
        ({"time_signatures": [{"numerator": 3, "denominator": 4}]}, "signature 3/4"),
        ({"time_signatures": [{"numerator": 3, "denominator": 3}]}, "signature 3/3"),
        (
            {"time_signatures": [{"time": 1, "numerator": 3, "denominator": 4}]},
            "time signature changes",
        ),
        ({"tempos": [{"qpm": 90}, {"qpm": 91, "time": 2}]}, "tempo changes"),
        ({"tempos": [{"qpm": 90, "time": 2}]}, "tempo changes"),
        ({"tempos": [{"qpm": 0}]}, "tempo 0"),
        ({"notes": [{"start_time": -1, "end_time": 1}]}, "negative time"),
        ({"control_changes": [{"time": -1}]}, "negative time"),
        ({"text_annotations": [{"time": -1}]}, "negative time"),
    ],
)
def test_a_score_that_fits_no_grid_says_why(fields, reason):
    with pytest.raises(NotConvertible, match=reason):
        quantize(read(sequence_with(**fields)), 4, 4)


def test_a_repeated_tempo_is_not_a_change():
    tempos = [{"qpm": 90}, {"qpm": 90, "time": 2}]
    assert quantize(read(sequence_with(tempos=tempos)), 4, 4).qpm == 90


def test_choosing_notes_keeps_the_length():
    quantized = quantize(read(sequence_with()), 4, 4).where(np.array([False]))
    assert len(quantized.notes) == 0 and len(quantized.start_steps) == 0
    assert quantized.total_steps == 32

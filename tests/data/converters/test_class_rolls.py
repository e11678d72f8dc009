"""Class rolls: notes to cells and back, within a step of where they were."""

from pathlib import Path

import numpy as np
import pytest
from note_seq.protobuf.music_pb2 import NoteSequence

from music_vae_tf.data.converters.piano_roll import (
    BASS,
    GUITAR,
    NONE,
    PIANO,
    ClassRoll,
    NotARoll,
    PianoRollConverter,
    roll_to_notes,
)
from music_vae_tf.data.midi import read_midi
from music_vae_tf.data.midi_writer import write_midi

STEP_S = 0.1
CONVERTER = PianoRollConverter(STEP_S, 300, 200, 250, 300)
SMALL = PianoRollConverter(STEP_S, 6, 4, 5, 6)


def sequence_of(*notes, is_drum=False):
    """Notes (pitch, start, end, program), in seconds."""
    sequence = NoteSequence()
    for pitch, start, end, program in notes:
        sequence.notes.add(
            pitch=pitch,
            velocity=70,
            start_time=start,
            end_time=end,
            program=program,
            instrument=program,
            is_drum=is_drum,
        )
    sequence.total_time = max((note[2] for note in notes), default=0)
    return sequence


def column(*notes, pitch=60):
    """The classes at a pitch, and what models read there, of (start, end, program)."""
    sequence = sequence_of(*((pitch, *note) for note in notes))
    roll, _ = CONVERTER.roll(sequence)
    return roll.classes[:, pitch].tolist(), roll.cells()[:, pitch].tolist()


# NoteSequence -> roll


def test_a_note_fills_the_cells_nearest_to_its_edges():
    assert column((0.16, 0.44, 0))[0] == [NONE, NONE, PIANO, PIANO]


@pytest.mark.parametrize("start, end", [(0.1, 0.11), (0.13, 0.14), (0.16, 0.18)])
def test_a_note_shorter_than_a_step_has_the_cell_it_lies_in(start, end):
    assert column((start, end, 0))[0] == [NONE, PIANO]


@pytest.mark.parametrize(
    "program, number",
    [(0, PIANO), (7, PIANO), (24, GUITAR), (31, GUITAR), (32, BASS), (39, BASS)],
)
def test_program_families_are_classes(program, number):
    assert column((0, 0.1, program))[0] == [number]


@pytest.mark.parametrize("program", [8, 23, 40, 127])
def test_other_programs_are_left_out_and_counted(program):
    _, left_out = CONVERTER.roll(sequence_of((60, 0, 1, program)))
    assert left_out == {"notes of other instruments": 1}


def test_drums_are_left_out_and_counted():
    roll, left_out = CONVERTER.roll(sequence_of((60, 0, 1, 0), is_drum=True))
    assert left_out == {"drum notes": 1}
    assert not roll.classes.any()


def test_of_notes_that_begin_in_one_cell_the_bass_is_kept_then_the_guitar():
    piano, guitar, bass = (0, 0.4, 0), (0, 0.3, 24), (0.04, 0.2, 32)
    assert column(piano, guitar, bass)[0] == [BASS] * 2
    assert column(piano, guitar)[0] == [GUITAR] * 3


def test_of_notes_of_one_family_that_begin_in_one_cell_the_longest_is_kept():
    assert column((0, 0.2, 0), (0, 0.4, 1), (0, 0.3, 2))[0] == [PIANO] * 4


def test_a_note_ends_where_the_next_of_its_pitch_begins_whoever_plays_it():
    assert column((0, 0.6, 32), (0.2, 0.4, 0))[0] == [BASS, BASS, PIANO, PIANO]


def test_a_repeated_note_has_a_silent_cell_before_it_in_what_models_read():
    classes, cells = column((0, 0.3, 0), (0.3, 0.5, 0))
    assert classes == [PIANO] * 5
    assert cells == [PIANO, PIANO, NONE, PIANO, PIANO]


def test_after_a_single_cell_the_repeated_note_begins_a_cell_later():
    assert column((0, 0.1, 0), (0.1, 0.4, 0))[1] == [PIANO, NONE, PIANO, PIANO]


def test_no_note_loses_both_of_its_cells():
    cells = column((0, 0.1, 0), (0.1, 0.3, 0), (0.3, 0.5, 0))[1]
    assert cells == [PIANO, PIANO, NONE, PIANO, PIANO]


def test_a_note_of_another_class_needs_no_silent_cell():
    assert column((0, 0.2, 0), (0.2, 0.4, 32))[1] == [PIANO, PIANO, BASS, BASS]


# Roll -> notes


def test_onsets_of_repeated_notes_come_back():
    roll, _ = CONVERTER.roll(sequence_of((60, 0, 0.1, 0), (60, 0.1, 0.4, 0)))
    notes = roll_to_notes(roll)
    assert notes.start_step.tolist() == [0, 1]
    assert notes.end_step.tolist() == [1, 4]


def test_runs_of_cells_are_notes():
    cells = np.zeros([6, 128], int)
    cells[[0, 1, 3, 4], 50] = [PIANO, PIANO, PIANO, BASS]
    cells[5, 127] = GUITAR
    notes = roll_to_notes(ClassRoll.of_cells(cells))
    assert notes.pitch.tolist() == [50, 50, 50, 127]
    assert notes.start_step.tolist() == [0, 3, 4, 5]
    assert notes.end_step.tolist() == [2, 4, 5, 6]
    assert notes.classes.tolist() == [PIANO, PIANO, BASS, GUITAR]


@pytest.mark.parametrize("seed", range(3))
def test_random_rolls_come_back_from_their_sequences(seed):
    cells = np.random.default_rng(seed).integers(0, 4, [40, 128])
    sequence = CONVERTER.to_sequence(cells)
    roll, left_out = CONVERTER.roll(sequence)
    np.testing.assert_array_equal(roll.classes[:40], cells[: len(roll.classes)])
    assert not left_out and not roll.repeats.any()


def test_rolls_are_written_with_the_first_program_of_each_family():
    cells = np.zeros([2, 128], int)
    cells[0, [40, 50, 60]] = [BASS, GUITAR, PIANO]
    notes = CONVERTER.to_sequence(cells).notes
    programs = {note.pitch: note.program for note in notes}
    assert programs == {40: 32, 50: 24, 60: 0}


@pytest.mark.parametrize("shape", [(128, 300), (300, 127), (300,), (1, 300, 128)])
def test_arrays_of_a_wrong_shape_are_not_rolls(shape):
    with pytest.raises(NotARoll, match=r"shape \[steps, 128\]; got"):
        ClassRoll.of_cells(np.zeros(shape))


@pytest.mark.parametrize("value", [-1, 4, 0.5, np.nan])
def test_other_values_than_classes_are_not_rolls(value):
    with pytest.raises(NotARoll, match="classes 0 to 3"):
        ClassRoll.of_cells(np.full([2, 128], value))


# Windows


def windows_of(seconds, converter=SMALL):
    return converter.extract(sequence_of((60, 0.5, 0.5 + seconds, 0)))


def test_windows_begin_with_the_first_note_and_hop():
    examples, _ = windows_of(1.6)
    assert [example.length for example in examples] == [10, 10, 6]
    assert all(example.targets.shape == (10, 32) for example in examples)
    assert SMALL.targets.unpack(examples[0].targets)[0, 60] == PIANO


def test_behind_the_end_of_a_piece_is_silence():
    examples, _ = windows_of(0.8)
    rows = SMALL.targets.unpack(examples[0].targets)
    assert examples[0].length == 8
    assert rows[:8, 60].all() and not rows[8:].any()


def test_less_music_than_the_shortest_is_left_out_with_the_reason():
    examples, left_out = windows_of(29.5, CONVERTER)
    assert not examples
    assert left_out == {"pieces with less than 30 s of music": 1}


def test_a_window_that_begins_with_silence_throughout_is_left_out():
    sequence = sequence_of((60, 0, 0.1, 0), (60, 1.3, 1.4, 0))
    examples, left_out = SMALL.extract(sequence)
    assert len(examples) == 1
    assert left_out["windows whose part to be encoded is silent"] == 1


def test_pieces_of_other_instruments_give_nothing_and_say_so():
    examples, left_out = CONVERTER.extract(sequence_of((60, 0, 60, 73)))
    assert not examples
    assert left_out["pieces without piano, guitar or bass"] == 1


def test_one_roll_is_laid_over_another():
    over = ClassRoll.of_cells(np.eye(4, 128, dtype=int) * BASS)
    under = ClassRoll.of_cells(np.ones([4, 128], int))
    cells = over.over(under).cells()
    assert (np.diag(cells) == BASS).all()
    assert np.count_nonzero(cells == PIANO) == 4 * 127


# MIDI -> roll -> MIDI


def written_back(sequence, path):
    """The sequence after a roll and a MIDI file."""
    roll, _ = CONVERTER.roll(sequence)
    write_midi(CONVERTER.roll_to_sequence(roll, 90), path)
    return read_midi(path)


def assert_within_a_step(before, after):
    """Each note begins where it was, and ends there or where the next of its pitch
    begins; of notes of a pitch that begin within a step, the beginnings are."""
    edges, starts = {}, {}
    for note in after.notes:
        edges.setdefault(note.pitch, []).append((note.start_time, note.end_time))
    for note in before.notes:
        starts.setdefault(note.pitch, []).append(note.start_time)
    for note in before.notes:
        others = np.array(starts[note.pitch]) - note.start_time
        next_start = note.start_time + others[others > 0].min(initial=np.inf)
        wanted = np.array([note.start_time, min(note.end_time, next_start)])
        is_alone = np.count_nonzero(np.abs(others) < STEP_S) == 1
        distances = np.abs(np.array(edges[note.pitch]) - wanted)[:, : 1 + is_alone]
        assert distances.max(axis=1).min() <= STEP_S + 1e-3, note


def test_a_piece_of_three_families_is_written_back_within_a_step(tmp_path):
    rng = np.random.default_rng(3)
    notes = []
    for part, program in enumerate((4, 26, 35)):
        # Each family has pitches of its own, so that none is in another's way.
        pitches = rng.integers(10, 35, 200) * 3 + part
        starts = np.cumsum(rng.uniform(0.05, 0.6, 200))
        ends = starts + rng.uniform(0.02, 1.5, 200)
        rows = zip(pitches.tolist(), starts.tolist(), ends.tolist())
        notes += [(*row, program) for row in rows]
    sequence = sequence_of(*notes)
    back = written_back(sequence, tmp_path / "back.mid")
    assert_within_a_step(sequence, back)
    programs = {note.pitch % 3: note.program for note in back.notes}
    assert programs == {0: 0, 1: 24, 2: 32}
    assert back.tempos[0].qpm == pytest.approx(90)


def test_rests_are_kept(tmp_path):
    sequence = sequence_of((60, 2, 3, 0), (60, 7, 8, 0))
    back = written_back(sequence, tmp_path / "back.mid")
    times = [(note.start_time, note.end_time) for note in back.notes]
    np.testing.assert_allclose(times, [(2, 3), (7, 8)], atol=1e-3)


def test_converted_pieces_are_written_back_within_a_step(golden, tmp_path):
    files = sorted(Path(golden.path("midi", "piano")).rglob("*.mid"))
    files = [file for file in files if file.name != "silent.mid"]
    assert files
    for file in files:
        sequence = read_midi(file)
        assert_within_a_step(sequence, written_back(sequence, tmp_path / "back.mid"))

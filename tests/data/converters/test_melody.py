"""MelodyConverter: Magenta's tensors, note_seq's melodies, and what is left out."""

import hypothesis
import note_seq
import numpy as np
import pytest
from golden_converters import (
    arguments,
    assert_decoding,
    assert_depths,
    assert_examples,
    sequence_of,
)
from hypothesis import strategies as st

from music_vae_tf.data.converters.base import NotConvertible
from music_vae_tf.data.converters.grid import on_grid
from music_vae_tf.data.converters.melody import BadMelodyOptions, MelodyConverter
from music_vae_tf.data.converters.melody_extraction import extract_melodies
from music_vae_tf.data.converters.score import read
from music_vae_tf.errors import UserFacingError

VARIANTS = [
    "config_cat-mel_2bar_med_chords",
    "config_cat-mel_2bar_small",
    "config_hier-mel_16bar",
    "melody_chords_and_key",
    "melody_chords_end_token",
    "melody_end_token",
    "melody_gap_pad_total",
    "melody_key",
    "melody_majmin_chords",
    "melody_no_dedupe",
    "melody_range_programs",
    "melody_skip_polyphony",
]
# What is said of a piece, by the error that Magenta raises.
REASONS = {
    "MultipleTempoError": "tempo changes from ",
    "MultipleTimeSignatureError": "time signature changes from ",
}


@pytest.mark.parametrize("variant", VARIANTS)
def test_tensors_and_sequences_are_magentas(golden, variant):
    options = arguments(golden, variant) | {"max_tensors_per_notesequence": None}
    converter = MelodyConverter(**options)
    assert_depths(golden, variant, converter)
    assert converter.end_token == golden.converter_variants()[variant]["end_token"]
    for case in golden.converter_cases(variant, "eval"):
        examples, left_out = converter.extract(sequence_of(golden, case))
        if case.examples is None:  # Magenta raises, we say why
            (reason,) = left_out
            assert not examples and reason.startswith(REASONS[case.info["raises"]])
            continue
        if converter.dedupe_event_lists:
            examples = sorted(examples, key=in_order(converter))
        assert_examples(converter, examples, case.examples)
        assert_decoding(converter, case)


def in_order(converter):
    """The order in which the golden examples are stored."""

    def key(example):
        dense = converter.unpack(example)
        rows = (dense.targets, dense.controls)
        return len(rows[0]), *(array.astype(np.uint8).tobytes() for array in rows)

    return key


def test_every_golden_variant_is_tested(golden):
    variants = golden.converter_variants()
    assert {v for v in variants if "mel" in v} == set(VARIANTS)


# Literal melodies, there and back

STEP = 0.125  # seconds of a sixteenth at 120 BPM
LOW = {"min_pitch": 60, "max_pitch": 71, "quarters_per_bar": 1}  # 4 steps a bar
__, OFF, C, D, E = 0, 1, 2, 4, 6  # classes of LOW


def melody(*notes, **fields):
    """NoteSequence of (first step, end step, pitch) in 1/4."""
    sequence = note_seq.NoteSequence()
    sequence.time_signatures.add(numerator=1, denominator=4)
    for start, end, pitch in notes:
        sequence.notes.add(
            **{"pitch": pitch, "velocity": 80} | fields,
            start_time=start * STEP,
            end_time=end * STEP,
        )
        sequence.total_time = max(sequence.total_time, end * STEP)
    return sequence


def classes(converter, sequence):
    examples = converter.to_examples(sequence)
    return [example.targets[:, 0].tolist() for example in examples]


def sounding(sequence):
    return [
        (note.start_time / STEP, note.end_time / STEP, note.pitch)
        for note in sequence.notes
    ]


def test_a_melody_there_and_back():
    converter = MelodyConverter(**LOW)
    song = melody((0, 2, 60), (2, 3, 62), (4, 6, 64))
    assert classes(converter, song) == [[C, __, D, OFF, E, __, OFF, __]]
    (example,) = converter.to_examples(song)
    back = converter.to_sequence(converter.unpack(example).targets)
    assert sounding(back) == sounding(song)
    assert back.total_time == 6 * STEP
    assert {note.velocity for note in back.notes} == {80}


def test_a_sustained_last_note_ends_with_the_sample():
    back = MelodyConverter(**LOW).to_sequence(np.eye(14)[[__, OFF, E, __]])
    assert sounding(back) == [(2, 4, 64)]


def test_windows_step_by_a_bar_and_forget_notes_from_before():
    converter = MelodyConverter(**LOW, slice_bars=2)
    song = melody((0, 5, 60), (8, 12, 62))
    assert classes(converter, song) == [
        [C, __, __, __, __, OFF, __, __],
        [__, __, __, __, D, __, __, __],
    ]


def test_the_highest_of_notes_that_start_together_counts():
    song = melody((0, 4, 60), (0, 2, 64), (0, 3, 62))
    assert classes(MelodyConverter(**LOW), song) == [[E, __, OFF, __]]


def test_a_gap_ends_a_melody():
    song = melody((0, 1, 60), (9, 12, 62))
    two = [[C, OFF, __, __], [__, D, __, __]]
    one = [[C, OFF, __, __, __, __, __, __, __, D, __, __]]
    assert classes(MelodyConverter(**LOW), song) == two
    assert classes(MelodyConverter(**LOW, gap_bars=None), song) == one


def test_padding_fills_the_whole_sequence():
    converter = MelodyConverter(**LOW, pad_to_total_time=True, max_bars=1)
    song = melody((4, 12, 60))
    assert classes(converter, song) == [[__] * 4 + [C, __, __, __, OFF, __, __, __]]


def test_the_end_token_ends_the_sequence_and_keeps_the_last_controls():
    converter = MelodyConverter(**LOW, add_end_token=True, condition_on_key=True)
    song = melody((0, 4, 60))
    song.key_signatures.add(time=0, key=2)
    song.key_signatures.add(time=2 * STEP, key=7)
    (example,) = converter.to_examples(song)
    assert example.targets[:, 0].tolist() == [C, __, __, __, converter.end_token]
    assert example.controls[:, 0].tolist() == [2, 2, 7, 7, 7]
    assert example.length == 5
    dense = converter.unpack(example)
    longer = np.concatenate([dense.targets, np.eye(15)[[D, D]]])
    back = converter.to_sequence(longer, np.pad(dense.controls, [(0, 2), (0, 0)]))
    assert sounding(back) == [(0, 4, 60)]
    assert [(k.time / STEP, k.key) for k in back.key_signatures] == [(0, 2), (2, 7)]


# Options


def test_equal_examples_are_given_once():
    song = melody(*[(4 * bar, 4 * bar + 4, 60) for bar in range(4)])
    once = MelodyConverter(**LOW, slice_bars=1)
    every = MelodyConverter(**LOW, slice_bars=1, dedupe_event_lists=False)
    assert classes(once, song) == [[C, __, __, __]]
    assert classes(every, song) == [[C, __, __, __]] * 4


def test_too_many_examples_are_chosen_from():
    song = melody(*[(4 * i, 4 * i + 4, 60 + i) for i in range(12)])
    few = MelodyConverter(**LOW, slice_bars=1, max_tensors_per_notesequence=3)
    first = [[C + pitch, __, __, __] for pitch in range(3)]
    assert classes(few, song) == first
    chosen = {
        tuple(example.targets[0])
        for seed in range(20)
        for example in few.extract(song, np.random.default_rng(seed)).examples
    }
    assert len(chosen) == 12


@pytest.mark.parametrize(
    ("programs", "reason"),
    [("0-31", None), (range(32), None), ([40], "notes of other programs")],
)
def test_programs_can_be_chosen(programs, reason):
    converter = MelodyConverter(**LOW, valid_programs=programs)
    song = melody((0, 4, 60), program=31)
    examples, left_out = converter.extract(song)
    assert len(examples) == (reason is None)
    assert left_out == ({reason: 1} if reason else {})


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"min_pitch": 60, "max_pitch": 59}, "the lower one first"),
        ({"max_pitch": 128}, "from 0 to 127"),
        ({"valid_programs": "piano"}, "like 0-31"),
        ({"chord_encoding": "jazz"}, "major_minor and triad"),
    ],
)
def test_options_that_mean_nothing_are_refused(options, message):
    with pytest.raises(ValueError, match=message) as error:
        MelodyConverter(**options)
    assert isinstance(error.value, UserFacingError)
    assert issubclass(BadMelodyOptions, ValueError)


@pytest.mark.parametrize(
    ("song", "options", "reason"),
    [
        (melody((0, 4, 60)), {"quarters_per_bar": 4}, "time signature 1/4"),
        (melody((0, 4, 60)), {"slice_bars": 2}, "melody shorter than 2 bars"),
        (melody((0, 4, 50)), {}, "notes outside pitches 60 to 71"),
        (melody((0, 4, 60), is_drum=True), {}, "drum notes"),
        (melody((0, 4, 60), velocity=0), {}, "no notes"),
        (melody(), {}, "no notes"),
        (
            melody((0, 4, 60), (0, 4, 64)),
            {"skip_polyphony": True},
            "instrument with notes that start together",
        ),
        (melody((4, 2, 60), (0, 2, 90)), {}, "notes that end before they start"),
    ],
)
def test_what_gives_no_example_says_why(song, options, reason):
    with pytest.raises(NotConvertible, match=reason):
        MelodyConverter(**LOW | options).to_examples(song)


def test_a_tempo_change_splits_or_refuses():
    song = melody((0, 4, 60), (4, 12, 62))
    song.tempos.add(time=4 * STEP, qpm=60)
    split = MelodyConverter(**LOW)
    assert classes(split, song) == [[C, __, __, __], [D, __, __, __]]
    with pytest.raises(NotConvertible, match="tempo changes"):
        MelodyConverter(**LOW, presplit_on_time_changes=False).to_examples(song)


def test_the_sequence_stays_as_it_was():
    song = melody((0, 4, 60), (0, 4, 90))
    before = song.SerializeToString()
    MelodyConverter(**LOW, chord_encoding="triad").extract(song)
    assert song.SerializeToString() == before


# Extraction, against note_seq's Melody


@st.composite
def songs(draw):
    """Notes of some instruments, often together, after pauses, silent or drums."""
    sequence = note_seq.NoteSequence()
    for _ in range(draw(st.integers(0, 12))):
        start = draw(st.integers(0, 80))
        sequence.notes.add(
            pitch=draw(st.integers(60, 64)),
            velocity=draw(st.sampled_from([0, 80, 80, 80])),
            start_time=start * STEP,
            end_time=(start + draw(st.integers(0, 20))) * STEP,
            instrument=draw(st.integers(0, 2)),
            is_drum=draw(st.integers(0, 9)) == 0,
        )
    ends = [note.end_time for note in sequence.notes]
    sequence.total_time = max(ends, default=0.0) + STEP
    return sequence


def melodies_of_note_seq(sequence, gap_bars, skip_polyphony):
    """(instrument, start step, classes), extracted one by one."""
    quantized = note_seq.quantize_note_sequence(sequence, 4)
    for instrument in {note.instrument for note in quantized.notes}:
        step = 0
        while True:
            one = note_seq.Melody()
            try:
                one.from_quantized_sequence(
                    quantized,
                    search_start_step=step,
                    instrument=instrument,
                    gap_bars=gap_bars,
                    ignore_polyphonic_notes=not skip_polyphony,
                    pad_end=True,
                )
            except note_seq.PolyphonicMelodyError:
                break
            if not len(one):
                break
            encoding = note_seq.MelodyOneHotEncoding(60, 65)
            yield instrument, one.start_step, [encoding.encode_event(e) for e in one]
            step = one.end_step


@hypothesis.settings(max_examples=300, deadline=None)
@hypothesis.given(songs(), st.sampled_from([0.25, 1, 1.5, np.inf]), st.booleans())
def test_melodies_are_those_of_note_seq(sequence, gap_bars, skip_polyphony):
    grid, _ = on_grid(read(sequence), steps_per_quarter=4, quarters_per_bar=4)
    melodies, _ = extract_melodies(grid, 16, gap_bars, skip_polyphony, min_pitch=60)
    ours = [(m.instrument, m.start_step, m.events.tolist()) for m in melodies]
    sequence.notes.sort(key=lambda note: note.start_time)
    theirs = list(melodies_of_note_seq(sequence, gap_bars, skip_polyphony))
    assert ours == theirs


@hypothesis.settings(max_examples=100, deadline=None)
@hypothesis.given(songs(), st.integers(0, 120), st.integers(1, 3))
def test_padding_is_that_of_note_seq(sequence, total_steps, bars):
    grid, _ = on_grid(read(sequence), steps_per_quarter=4, quarters_per_bar=4)
    melodies, _ = extract_melodies(grid, 16, 1, skip_polyphony=False, min_pitch=60)
    for one in melodies:
        one = one.between(0, 16 * bars)
        events = [int(e) - 2 if e < 2 else int(e) + 58 for e in one.events]
        theirs = note_seq.Melody(events, start_step=one.start_step)
        theirs.set_length(len(theirs) + theirs.start_step, from_left=True)
        theirs.set_length(total_steps)
        encoding = note_seq.MelodyOneHotEncoding(60, 65)
        padded = one.from_start(total_steps)
        assert padded.start_step == theirs.start_step == 0
        assert padded.events.tolist() == [encoding.encode_event(e) for e in theirs]

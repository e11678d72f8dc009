"""Chords and keys: classes, steps and inference equal note_seq's; controls and back."""

import itertools

import hypothesis
import note_seq
import numpy as np
import pytest
from hypothesis import strategies as st
from note_seq import chord_inference, chords_lib

from music_vae_tf.data.converters.base import NotConvertible
from music_vae_tf.data.converters.chord_inference import infer_chords
from music_vae_tf.data.converters.chords import (
    CHORD_SYMBOL,
    ENCODINGS,
    Conditioning,
    Harmony,
    UnknownChordEncoding,
    read_harmony,
)
from music_vae_tf.data.converters.grid import Stretch
from music_vae_tf.data.converters.melody import MelodyConverter
from music_vae_tf.data.converters.score import Change, read

ROOTS = ["C", "C#", "Db", "E", "Fb", "A", "Bb", "B##"]
KINDS = ["", "m", "+", "dim", "7", "maj7", "m7b5", "sus4", "6/9", "5", "m(maj7)"]
KINDS += ["7(#9)", "/G", "m/Eb", "(no3)", "nonsense"]
THEIRS = {
    "major_minor": note_seq.MajorMinorChordOneHotEncoding(),
    "triad": note_seq.TriadChordOneHotEncoding(),
}


# Classes


@pytest.mark.parametrize("name", ENCODINGS)
def test_classes_of_chords_are_those_of_note_seq(name):
    ours, theirs = ENCODINGS[name], THEIRS[name]
    assert ours.depth == theirs.num_classes
    for number in range(ours.depth):
        assert ours.decode(number) == theirs.decode_event(number)
    symbols = ["N.C.", *map("".join, itertools.product(ROOTS, KINDS))]
    for symbol in symbols:
        try:
            expected = theirs.encode_event(symbol)
        except (note_seq.ChordEncodingError, note_seq.ChordSymbolError):
            with pytest.raises(
                NotConvertible, match="not (in the encoding|understood)"
            ):
                ours.encode(symbol)
        else:
            assert ours.encode(symbol) == expected


def test_some_classes():
    triad = ENCODINGS["triad"]
    symbols = ["N.C.", "C", "Bm7", "E+", "Gdim7"]
    assert [triad.encode(symbol) for symbol in symbols] == [0, 1, 24, 29, 44]
    assert [triad.decode(n) for n in (1, 24, 29, 44)] == ["C", "Bm", "Eaug", "Gdim"]


def test_an_unknown_encoding_names_those_there_are():
    with pytest.raises(UnknownChordEncoding, match="'jazz'.* major_minor and triad"):
        Conditioning.named("jazz")


# Steps


def harmony(chords=(), keys=()):
    return Harmony([Change(*c) for c in chords], [Change(*k) for k in keys])


def test_a_chord_sounds_until_the_next_one():
    on_steps = harmony([(1.0, "Am"), (0.26, "F"), (9.0, "G")]).on_steps(4, 8)
    symbols = [on_steps.symbols[n] for n in on_steps.chords_at(range(10))]
    assert symbols == ["N.C.", "F", "F", "F", *["Am"] * 6]


def test_the_first_key_holds_from_the_start():
    on_steps = harmony(keys=[(1.0, 7), (0.9, 2)]).on_steps(4, 8)
    assert on_steps.keys_at(range(6)).tolist() == [2, 2, 2, 2, 7, 7]


def test_two_chords_in_a_step_are_refused_if_they_differ():
    harmony([(0.0, "C"), (0.1, "C"), (3.0, "D"), (3.0, "E")]).on_steps(4, 8)
    with pytest.raises(NotConvertible, match="two chords in one step"):
        harmony([(0.0, "C"), (0.1, "D")]).on_steps(4, 8)


@hypothesis.given(
    st.lists(
        st.tuples(st.integers(0, 24), st.sampled_from(["C", "Dm", "N.C."])), max_size=6
    ),
    st.lists(st.tuples(st.floats(0, 3), st.integers(0, 11)), min_size=1, max_size=4),
)
def test_steps_are_those_of_note_seq(chords, keys):
    sequence = note_seq.NoteSequence(total_time=2.5)
    for step, symbol in chords:
        sequence.text_annotations.add(
            time=step / 8 + 0.01, text=symbol, annotation_type=CHORD_SYMBOL
        )
    for seconds, key in keys:
        sequence.key_signatures.add(time=seconds, key=key)
    quantized = note_seq.quantize_note_sequence(sequence, 4)  # 8 steps a second
    every_step = [note_seq.Melody([-2] * 30)]
    (expected_keys,) = chords_lib.event_list_keys(sequence, every_step, 8)
    try:
        (expected,) = chords_lib.event_list_chords(quantized, every_step)
    except chords_lib.CoincidentChordsError:
        with pytest.raises(NotConvertible):
            read_harmony(sequence).on_steps(8, quantized.total_quantized_steps)
        return
    ours = read_harmony(sequence).on_steps(8, quantized.total_quantized_steps)
    assert [ours.symbols[n] for n in ours.chords_at(range(30))] == expected
    assert ours.keys_at(range(30)).tolist() == expected_keys


# Inference


def key_chord_distribution(out_of_key):
    """note_seq's, with powers rounded as before NumPy 1.22, and now by Python."""
    kinds = chord_inference._CHORD_KIND_PITCHES
    rows = np.zeros([12, len(chord_inference._CHORDS)])
    for key, (number, chord) in itertools.product(
        range(12), enumerate(chord_inference._CHORDS)
    ):
        root, pitches = (0, []) if number == 0 else (chord[0], kinds[chord[1]])
        scale = chord_inference._KEY_PITCHES
        inside = sum((root + pitch - key) % 12 in scale for pitch in pitches)
        rows[key, number] = (1 - out_of_key) ** inside
        rows[key, number] *= out_of_key ** (len(pitches) - inside)
    return rows / rows.sum(axis=1)[:, np.newaxis]


@pytest.fixture(scope="module")
def note_seqs_inference():
    """note_seq's chord inference, computing its probabilities once."""
    chords = key_chord_distribution(0.01)
    transitions = chord_inference._key_chord_transition_distribution(chords, 0.001, 0.5)
    with pytest.MonkeyPatch.context() as patch:
        for name, value in {
            "_key_chord_distribution": chords,
            "_key_chord_transition_distribution": transitions,
        }.items():
            patch.setattr(chord_inference, name, lambda *_, value=value, **__: value)
        yield note_seq.infer_chords_for_sequence


METRES = [(4, 4), (3, 4), (6, 8), (2, 2), (5, 4), (2, 4)]


@st.composite
def pieces(draw):
    """A few notes of one or many pitch classes, in any metre and tempo."""
    numerator, denominator = draw(st.sampled_from(METRES))
    sequence = note_seq.NoteSequence()
    sequence.time_signatures.add(numerator=numerator, denominator=denominator)
    sequence.tempos.add(qpm=draw(st.sampled_from([60, 97.3, 120])))
    for _ in range(draw(st.integers(0, 16))):
        start = draw(st.floats(0, 10))
        sequence.notes.add(
            pitch=draw(st.integers(40, 80)),
            velocity=80,
            start_time=start,
            end_time=start + draw(st.floats(0.01, 4)),
            program=draw(st.sampled_from([0, 0, 0, 100, 120])),
            is_drum=draw(st.integers(0, 7)) == 0,
        )
    sequence.total_time = max((note.end_time for note in sequence.notes), default=0)
    return sequence


def changes(values):
    return [value for value, before in zip(values, [None, *values]) if value != before]


@hypothesis.settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[hypothesis.HealthCheck.function_scoped_fixture],
)
@hypothesis.given(sequence=pieces(), steps_per_quarter=st.sampled_from([1, 4, 24]))
def test_inferred_chords_are_those_of_note_seq(
    note_seqs_inference, sequence, steps_per_quarter
):
    quantized = note_seq.quantize_note_sequence(sequence, steps_per_quarter)
    metre = sequence.time_signatures[0]
    stretch = Stretch(
        0.0,
        sequence.total_time,
        sequence.total_time,
        sequence.tempos[0].qpm,
        (metre.numerator, metre.denominator),
    )
    try:
        note_seqs_inference(quantized, add_key_signatures=True)
    except note_seq.ChordInferenceError:
        with pytest.raises(NotConvertible):
            infer_chords(read(sequence).notes, stretch, steps_per_quarter)
        return
    ours = infer_chords(read(sequence).notes, stretch, steps_per_quarter)
    seconds = {chord.seconds: (chord.symbol, chord.key) for chord in ours}
    chords, keys = quantized.text_annotations, quantized.key_signatures
    assert [chord.text for chord in chords] == changes([c.symbol for c in ours])
    assert [key.key for key in keys] == changes([c.key for c in ours])
    assert all(seconds[chord.time][0] == chord.text for chord in chords)
    assert all(seconds[key.time][1] == key.key for key in keys)


def test_inferred_chords_of_a_cadence():
    triads = [(60, 64, 67), (65, 69, 72), (67, 71, 74), (60, 64, 67)]
    sequence = note_seq.NoteSequence(total_time=4.0)
    for second, triad in enumerate(triads):
        for pitch in triad:
            sequence.notes.add(pitch=pitch, start_time=second, end_time=second + 1)
    ours = infer_chords(read(sequence).notes, Stretch(0, 4, 4, 120.0, (4, 4)), 4)
    assert [(chord.seconds, chord.symbol) for chord in ours] == [
        (0.0, "C"),
        (1.0, "F"),
        (2.0, "G"),
        (3.0, "C"),
    ]
    assert {chord.key for chord in ours} == {0}


# Controls


def annotated_song():
    """Two bars of 4/4, one note each; C, then a diminished chord; E flat major."""
    sequence = note_seq.NoteSequence(total_time=4.0)
    for bar in range(2):
        sequence.notes.add(
            pitch=60 + bar, velocity=80, start_time=2 * bar, end_time=2 * bar + 2
        )
    for seconds, symbol in [(0, "C"), (2.5, "Bdim7")]:
        sequence.text_annotations.add(
            time=seconds, text=symbol, annotation_type=CHORD_SYMBOL
        )
    sequence.key_signatures.add(time=0, key=3)
    return sequence


def chords_of(sequence):
    return [(a.time, a.text) for a in sequence.text_annotations]


def test_controls_there_and_back():
    converter = MelodyConverter(chord_encoding="triad", condition_on_key=True)
    (example,) = converter.to_examples(annotated_song())
    chords = [1] * 20 + [48] * 12
    assert example.controls.tolist() == [[chord, 3] for chord in chords]
    dense = converter.unpack(example)
    assert dense.controls.shape == (32, 49 + 12)
    back = converter.to_sequence(dense.targets, dense.controls)
    assert chords_of(back) == [(0, "C"), (2.5, "Bdim")]
    assert [(key.time, key.key) for key in back.key_signatures] == [(0, 3)]


def test_without_keys_the_last_twelve_chords_are_not_read_back_as_in_magenta():
    converter = MelodyConverter(chord_encoding="triad")
    (example,) = converter.to_examples(annotated_song())
    dense = converter.unpack(example)
    assert example.controls[-1] == 48
    back = converter.to_sequence(dense.targets, dense.controls)
    assert chords_of(back) == [(0, "C"), (2.5, "N.C.")]


def test_one_chord_outside_the_encoding_leaves_out_the_whole_stretch():
    converter = MelodyConverter(chord_encoding="major_minor", slice_bars=1)
    examples, left_out = converter.extract(annotated_song())
    assert not examples
    assert left_out == {"chord Bdim7 not in the encoding major_minor": 1}


def test_keys_are_inferred_only_together_with_chords():
    song = annotated_song()
    del song.key_signatures[:]
    with pytest.raises(NotConvertible, match="chords are written, but no key"):
        MelodyConverter(chord_encoding="triad", condition_on_key=True).to_examples(song)
    del song.text_annotations[:]
    (example,) = MelodyConverter(condition_on_key=True).to_examples(song)
    assert example.controls.shape == (32, 1)


def test_chords_that_nobody_is_told_do_not_matter():
    song = annotated_song()
    song.text_annotations.add(time=2.5, text="F", annotation_type=CHORD_SYMBOL)
    (example,) = MelodyConverter(condition_on_key=True).to_examples(song)
    assert set(example.controls[:, 0]) == {3}
    with pytest.raises(NotConvertible, match="two chords in one step"):
        MelodyConverter(chord_encoding="triad").to_examples(song)


def test_examples_that_differ_in_chords_alone_are_both_given():
    song = annotated_song()
    song.notes[1].pitch = 60
    melodies = MelodyConverter(slice_bars=1).to_examples(song)
    with_chords = MelodyConverter(slice_bars=1, chord_encoding="triad")
    assert len(melodies) == 1
    assert len(with_chords.to_examples(song)) == 2
    np.testing.assert_array_equal(*(e.targets for e in with_chords.to_examples(song)))

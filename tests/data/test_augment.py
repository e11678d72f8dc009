"""Augmenter: note_seq's transposition and stretching, drawn from an rng."""

import hypothesis
import note_seq
import numpy as np
import pytest
from hypothesis import strategies as st
from note_seq import sequences_lib

from music_vae_tf.data.augment import Augmenter, BadAugmentation

CHORD_SYMBOL = note_seq.NoteSequence.TextAnnotation.CHORD_SYMBOL
BEAT = note_seq.NoteSequence.TextAnnotation.BEAT


def test_sequences_are_magentas(golden):
    expected = np.load(golden.path("converters", "augmenter.npz"))
    for name, case in golden.json("converters", "augmenter.json").items():
        serialized = golden.notesequences[case["notesequence"]]
        sequence = note_seq.NoteSequence.FromString(serialized)
        augmenter = Augmenter(case["transpose_range"], case["stretch_range"])
        augmented = augmenter.augment(sequence, np.random.default_rng(0))
        assert augmented == note_seq.NoteSequence.FromString(expected[name].tobytes())
        assert sequence == note_seq.NoteSequence.FromString(serialized)


@st.composite
def sequences(draw):
    """NoteSequences with something of all that changes."""
    sequence = note_seq.NoteSequence()
    times = st.floats(0, 8)
    for _ in range(draw(st.integers(0, 5))):
        start = draw(times)
        sequence.notes.add(
            pitch=draw(st.integers(0, 127)),
            pitch_name=draw(st.integers(0, 5)),
            velocity=80,
            start_time=start,
            end_time=start + 1,
            is_drum=draw(st.booleans()),
        )
    for symbol in draw(st.lists(st.sampled_from(["C", "Bbm7/F", "F#", "N.C."]))):
        sequence.text_annotations.add(
            time=draw(times), text=symbol, annotation_type=CHORD_SYMBOL
        )
    sequence.text_annotations.add(time=draw(times), text="C", annotation_type=BEAT)
    sequence.tempos.add(time=draw(times), qpm=90)
    sequence.time_signatures.add(time=draw(times), numerator=3, denominator=4)
    sequence.key_signatures.add(time=draw(times), key=draw(st.integers(0, 11)))
    sequence.control_changes.add(time=draw(times), control_number=64)
    sequence.pitch_bends.add(time=draw(times), bend=100)
    sequence.section_annotations.add(time=draw(times), section_id=1)
    sequence.total_time = draw(times)
    return sequence


@hypothesis.given(sequences(), st.integers(-130, 130), st.floats(0.5, 2))
def test_what_changes_is_what_note_seq_changes(sequence, half_steps, factor):
    before = sequence.SerializeToString(deterministic=True)
    ours = Augmenter((half_steps, half_steps), (factor, factor)).augment(
        sequence, np.random.RandomState(0)
    )
    assert sequence.SerializeToString(deterministic=True) == before
    theirs = sequences_lib.augment_note_sequence(
        sequence,
        *(factor, factor, half_steps, half_steps),
        delete_out_of_range_notes=True,
    )
    assert ours == theirs


def one_note():
    sequence = note_seq.NoteSequence(total_time=1.0)
    sequence.notes.add(pitch=60, velocity=80, end_time=1.0)
    sequence.tempos.add(qpm=120)
    return sequence


@pytest.mark.parametrize("make_rng", [np.random.default_rng, np.random.RandomState])
def test_every_value_of_the_ranges_is_drawn(make_rng):
    augmenter = Augmenter(transpose_range=(-2, 3), stretch_range=(0.5, 1.5))
    drawn = [augmenter.augment(one_note(), make_rng(seed)) for seed in range(100)]
    assert {s.notes[0].pitch for s in drawn} == {58, 59, 60, 61, 62, 63}
    factors = [s.total_time for s in drawn]
    assert 0.5 <= min(factors) < 0.6 and 1.4 < max(factors) <= 1.5
    for sequence in drawn:
        assert sequence.tempos[0].qpm == pytest.approx(120 / sequence.total_time)


def test_the_same_seed_gives_the_same_sequence():
    augmenter = Augmenter(transpose_range=(-12, 12), stretch_range=(0.5, 1.5))
    first, second = (
        augmenter.augment(one_note(), np.random.default_rng(5)) for _ in range(2)
    )
    assert first == second


def test_without_ranges_nothing_changes():
    assert Augmenter().augment(one_note(), np.random.default_rng()) == one_note()


def test_a_chord_that_nobody_understands_stays():
    sequence = one_note()
    sequence.text_annotations.add(text="?", annotation_type=CHORD_SYMBOL)
    sequence.text_annotations.add(text="C", annotation_type=CHORD_SYMBOL)
    augmented = Augmenter((2, 2)).augment(sequence, np.random.default_rng())
    assert [a.text for a in augmented.text_annotations] == ["?", "D"]


def test_a_range_of_nothing_is_refused():
    with pytest.raises(BadAugmentation, match="transpose_range from 3 to -3 is empty"):
        Augmenter(transpose_range=(3, -3))

"""DrumsConverter: Magenta's tensors, tracks and windows, and what is left out."""

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

from music_vae_tf.data.converters.drums import BadDrumsOptions, DrumsConverter

VARIANTS = [
    "config_cat-drums_2bar_small",
    "config_nade-drums_2bar_full",
    "config_nade-drums_2bar_reduced",
    "drums_end_token",
    "drums_end_token_roll_both",
    "drums_end_token_roll_in",
    "drums_gap_pad_total",
    "drums_onehot_both",
    "drums_roll_out_only",
]


@pytest.mark.parametrize("variant", VARIANTS)
def test_tensors_and_sequences_are_magentas(golden, variant):
    options = arguments(golden, variant) | {"max_tensors_per_notesequence": None}
    converter = DrumsConverter(**options)
    assert_depths(golden, variant, converter)
    assert converter.end_token == golden.converter_variants()[variant]["end_token"]
    for case in golden.converter_cases(variant, "eval"):
        examples, _ = converter.extract(sequence_of(golden, case))
        assert_examples(
            converter, sorted(examples, key=in_order(converter)), case.examples
        )
        assert_decoding(converter, case)


def in_order(converter):
    """The order in which the golden examples are stored."""

    def key(example):
        targets = converter.unpack(example).targets
        return len(targets), targets.astype(np.uint8).tobytes()

    return key


def test_every_golden_variant_is_tested(golden):
    assert {k for k in golden.converter_variants() if "drums" in k} == set(VARIANTS)


STEP = 0.125  # seconds of a sixteenth at 120 BPM
TWO_DRUMS = {"pitch_classes": [[36], [38, 40]], "quarters_per_bar": 1}


def drums(*notes, quarters_per_bar=4):
    """NoteSequence of (step, pitch)."""
    sequence = note_seq.NoteSequence()
    sequence.time_signatures.add(numerator=quarters_per_bar, denominator=4)
    for step, pitch in notes:
        sequence.notes.add(
            pitch=pitch,
            velocity=80,
            start_time=step * STEP,
            end_time=(step + 1) * STEP,
            is_drum=True,
            instrument=9,
        )
        sequence.total_time = max(sequence.total_time, (step + 1) * STEP)
    return sequence


def short_bar(*notes):
    return drums(*notes, quarters_per_bar=1)


def rows(converter, sequence):
    """What the encoder reads and what the decoder is to say, per example."""
    dense = map(converter.unpack, converter.to_examples(sequence))
    return [(d.inputs.argmax(1).tolist(), d.targets.argmax(1).tolist()) for d in dense]


def test_combinations_there_and_back():
    converter = DrumsConverter(**TWO_DRUMS)
    sequence = short_bar((0, 36), (0, 40), (2, 38), (3, 36))
    (example,) = converter.to_examples(sequence)
    assert example.targets.tolist() == [[3], [0], [2], [1]]
    assert example.inputs is None and example.length == 4
    back = converter.to_sequence(converter.unpack(example).targets)
    assert [(n.start_time / STEP, n.pitch) for n in back.notes] == [
        (0, 36),
        (0, 38),
        (2, 38),
        (3, 36),
    ]
    assert {(n.velocity, n.instrument, n.is_drum) for n in back.notes} == {
        (80, 9, True)
    }
    assert back.total_time == 0.5 and back.tempos[0].qpm == 120


def test_rolls_with_an_end_there_and_back():
    converter = DrumsConverter(
        **TWO_DRUMS, roll_input=True, roll_output=True, add_end_token=True
    )
    (example,) = converter.to_examples(short_bar((0, 36), (0, 40), (3, 36)))
    dense = converter.unpack(example)
    assert dense.targets.tolist() == [
        [1, 1, 0],
        [0, 0, 0],
        [0, 0, 0],
        [1, 0, 0],
        [0, 0, 1],
    ]
    assert dense.inputs.tolist() == [
        [1, 1, 0, 0],
        [0, 0, 0, 1],
        [0, 0, 0, 1],
        [1, 0, 0, 0],
        [0, 0, 1, 0],
    ]
    assert dense.length == 5 and converter.end_token == 2
    after_the_end = np.vstack([dense.targets, dense.targets])
    assert len(converter.to_sequence(after_the_end).notes) == 3
    assert len(converter.to_sequence(after_the_end[:4]).notes) == 3


def test_a_combination_after_the_last_ends_the_sequence():
    converter = DrumsConverter(**TWO_DRUMS, add_end_token=True)
    assert converter.end_token == 4
    (example,) = converter.to_examples(short_bar((1, 36)))
    assert example.targets.tolist() == [[0], [1], [0], [0], [4]]
    sample = converter.unpack(example).targets[[1, 4, 1]]
    assert len(converter.to_sequence(sample).notes) == 1


def test_a_silent_bar_ends_a_track():
    converter = DrumsConverter(**TWO_DRUMS, max_tensors_per_notesequence=None)
    beats = short_bar((1, 36), (5, 36), (9, 38), (13, 36))
    assert len(converter.to_examples(beats)) == 1
    tracks = converter.to_examples(short_bar((1, 36), (3, 36), (8, 38), (14, 36)))
    assert [t.targets[:, 0].tolist() for t in tracks] == [
        [0, 1, 0, 1],
        [2, 0, 0, 0],
        [0, 0, 1, 0],
    ]
    (whole,) = DrumsConverter(**TWO_DRUMS, gap_bars=None).to_examples(
        short_bar((1, 36), (3, 36), (8, 38), (14, 36))
    )
    assert np.flatnonzero(whole.targets).tolist() == [1, 3, 8, 14]


def test_a_gap_within_a_bar_loses_the_rest_of_the_bar():
    converter = DrumsConverter(**TWO_DRUMS, gap_bars=0.5)
    examples = converter.to_examples(short_bar((0, 36), (3, 38), (5, 36)))
    assert [e.targets[:, 0].tolist() for e in examples] == [[1, 0, 0, 0], [0, 1, 0, 0]]


def test_windows_start_at_each_bar_and_equal_ones_count_once():
    converter = DrumsConverter(**TWO_DRUMS, slice_bars=2)
    a, b = (0, 36), (0, 38)
    beats = short_bar(*((4 * bar + s, p) for bar, (s, p) in enumerate([a, b, a, b, b])))
    assert [t for _, t in rows(converter, beats)] == [
        [1, 0, 0, 0, 2, 0, 0, 0],
        [2, 0, 0, 0, 1, 0, 0, 0],
        [2, 0, 0, 0, 2, 0, 0, 0],
    ]


def test_tracks_padded_to_the_sequence_begin_and_end_with_it():
    sequence = short_bar((5, 36))
    sequence.total_time = 10 * STEP
    options = TWO_DRUMS | {"pad_to_total_time": True}
    whole = DrumsConverter(**options, presplit_on_time_changes=False)
    (example,) = whole.to_examples(sequence)
    assert example.targets[:, 0].tolist() == [0, 0, 0, 0, 0, 1, 0, 0, 0, 0]
    # A stretch ends with its last note, and so even within a bar.
    (example,) = DrumsConverter(**options).to_examples(sequence)
    assert example.targets[:, 0].tolist() == [0, 0, 0, 0, 0, 1]


def test_a_tempo_change_begins_a_new_sequence():
    sequence = short_bar((0, 36), (3, 36), (4, 38))
    sequence.tempos.add(qpm=60, time=4 * STEP)
    examples, left_out = DrumsConverter(**TWO_DRUMS).extract(sequence)
    assert [e.targets[:, 0].tolist() for e in examples] == [[1, 0, 0, 1], [2, 0, 0, 0]]
    assert not left_out
    whole = DrumsConverter(**TWO_DRUMS, presplit_on_time_changes=False)
    reason = "tempo changes from 120 to 60 at bar 2"
    assert whole.extract(sequence) == ([], {reason: 1})


def test_too_many_examples_are_cut_or_with_an_rng_drawn():
    converter = DrumsConverter(slice_bars=1, max_tensors_per_notesequence=3)
    sequence = drums(*((16 * bar + bar, 36) for bar in range(16)))
    assert len(converter.to_examples(sequence)) == 3
    hit = lambda e: int(e.targets.argmax())
    assert [hit(e) for e in converter.to_examples(sequence)] == [0, 1, 2]
    drawn = converter.to_examples(sequence, np.random.RandomState(0))
    assert len({hit(e) for e in drawn}) == 3 and max(map(hit, drawn)) > 2


def left_out(sequence, **options):
    return DrumsConverter(**options).extract(sequence).left_out


def test_what_is_left_out_says_why():
    assert left_out(note_seq.NoteSequence()) == {"no notes": 1}
    piano = note_seq.NoteSequence(total_time=1)
    piano.notes.add(pitch=36, velocity=80, end_time=1)
    assert left_out(piano) == {"no drums on channel 10": 1}
    assert left_out(drums((0, 36), quarters_per_bar=3)) == {"time signature 3/4": 1}
    assert left_out(drums((0, 99), (1, 99), (2, 36))) == {
        "notes of unmapped drum pitch 99": 2
    }
    assert left_out(drums((0, 36)), slice_bars=2) == {"shorter than 2 bars": 1}
    long = drums((0, 36), (16, 36), (32, 36))
    assert left_out(long, max_bars=1) == {"bars of a track after the first 1": 2}
    late = drums((0, 36), (16, 36))
    late.total_time = 1.5
    assert left_out(late) == {"notes outside the sequence's total_time": 1}
    mute = drums((0, 36), (1, 36))
    mute.notes[0].velocity = 0
    assert left_out(mute) == {"drum notes of velocity 0": 1}


def test_notes_of_other_channels_are_not_drums():
    sequence = drums((0, 36), (1, 36))
    sequence.notes[0].is_drum = False
    (example,) = DrumsConverter().to_examples(sequence)
    assert np.flatnonzero(example.targets).tolist() == [1]


def test_one_hot_vectors_of_all_percussion_are_refused():
    with pytest.raises(BadDrumsOptions, match="61 drum classes have too many"):
        DrumsConverter(pitch_classes="full")
    full = DrumsConverter(pitch_classes="full", roll_input=True, roll_output=True)
    assert full.targets.depth == 61 and full.inputs.depth == 62


hits = st.lists(
    st.tuples(st.integers(0, 63), st.sampled_from([36, 38, 42, 46])), min_size=1
)


@hypothesis.given(hits, st.booleans(), st.booleans(), st.booleans())
@hypothesis.settings(deadline=None, max_examples=50)
def test_what_is_read_is_decoded_again(notes, roll_input, roll_output, end):
    converter = DrumsConverter(
        gap_bars=None,
        roll_input=roll_input,
        roll_output=roll_output,
        add_end_token=end,
        pad_to_total_time=True,
    )
    (example,) = converter.to_examples(drums(*notes))
    back = converter.to_sequence(converter.unpack(example).targets)
    decoded = {(round(n.start_time / STEP), n.pitch) for n in back.notes}
    assert decoded == set(notes) and len(back.notes) == len(decoded)

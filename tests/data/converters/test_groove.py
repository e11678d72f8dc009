"""GrooveConverter: Magenta's tensors, edits in small, and what is left out."""

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

from music_vae_tf.batch import Bits, Reals
from music_vae_tf.data.converters import groove_edits
from music_vae_tf.data.converters.base import NotConvertible
from music_vae_tf.data.converters.groove import BadGrooveOptions, GrooveConverter
from music_vae_tf.data.converters.groove_edits import Groove

VARIANTS = [
    "config_groovae_4bar",
    "config_groovae_2bar_humanize",
    "config_groovae_2bar_tap_fixed_velocity",
    "config_groovae_2bar_tap_fixed_velocity_note_dropout",
    "config_groovae_2bar_add_closed_hh",
    "config_groovae_2bar_hits_control_tfds",
    "groove_8_steps_per_quarter",
    "groove_add_kick_and_ride",
    "groove_categorical",
    "groove_categorical_split_instruments",
    "groove_default",
    "groove_hits_split_instruments",
    "groove_hop_4",
    "groove_hop_4_split_instruments",
    "groove_note_dropout_only",
    "groove_small_drum_set",
    "groove_split_1bar",
    "groove_tap",
]


@pytest.mark.parametrize("mode", ["train", "eval", "infer"])
@pytest.mark.parametrize("variant", VARIANTS)
def test_tensors_and_sequences_are_magentas(golden, variant, mode):
    # Magenta takes every note for a drum.
    converter = GrooveConverter(**arguments(golden, variant) | {"drums": "all"})
    assert_depths(golden, variant, converter)
    if mode == "infer":
        converter = converter.for_inference()
    for case in golden.converter_cases(variant, mode):
        if case.examples is None:
            continue  # pitches in no class, where Magenta raises
        seed = case.info.get("numpy_seed")
        rng = None if seed is None else np.random.RandomState(seed)
        examples, _ = converter.extract(sequence_of(golden, case), rng)
        assert_examples(converter, examples, case.examples, tolerance=1e-6)
        assert_decoding(converter, case)


def test_every_golden_variant_is_tested(golden):
    groove = {k for k in golden.converter_variants() if k.startswith(("groove_",))}
    groovae = {k for k in golden.converter_variants() if "groovae" in k}
    assert groove | groovae == set(VARIANTS)


STEP = 0.125  # seconds of a sixteenth at 120 BPM


def drums(*notes, quarters_per_bar=4):
    """NoteSequence of (step, pitch, velocity); steps may lie off the grid."""
    sequence = note_seq.NoteSequence()
    sequence.time_signatures.add(numerator=quarters_per_bar, denominator=4)
    for step, pitch, velocity in notes:
        start = step * STEP
        sequence.notes.add(
            pitch=pitch,
            velocity=velocity,
            start_time=start,
            end_time=start + 0.05,
            is_drum=True,
            instrument=9,
        )
    return sequence


TWO_DRUMS = {"pitch_classes": [[36], [38, 40]], "quarters_per_bar": 1}


def short_bar(*notes):
    return drums(*notes, quarters_per_bar=1)


def test_a_bar_of_two_drums_there_and_back():
    converter = GrooveConverter(**TWO_DRUMS)
    (example,) = converter.to_examples(
        short_bar((0, 36, 127), (0.25, 40, 0), (1.75, 38, 127))
    )
    expected = [
        # kick, snare hit; their velocities; their offsets, in half steps early
        [1, 1, 1, 0, 0, -0.5],
        [0, 0, 0, 0, 0, 0],
        [0, 1, 0, 1, 0, 0.5],
        [0, 0, 0, 0, 0, 0],
    ]
    assert example.targets.tolist() == expected
    assert example.targets.dtype == np.float32 and example.length == 4
    back = converter.to_sequence(example.targets)
    assert [(n.start_time, n.pitch, n.velocity) for n in back.notes] == [
        (0, 36, 127),
        (0.25 * STEP, 38, 0),
        (1.75 * STEP, 38, 127),
    ]
    assert all(n.is_drum and n.instrument == 9 for n in back.notes)
    assert [n.end_time - n.start_time for n in back.notes] == [STEP] * 3


def test_the_loudest_hit_of_a_step_counts_and_of_equals_the_first():
    sequence = short_bar((0, 36, 50), (0.1, 36, 90), (0.2, 36, 90), (0.3, 36, 60))
    (example,) = GrooveConverter(**TWO_DRUMS).to_examples(sequence)
    hit, velocity, offset = example.targets[0, ::2]
    assert hit == 1 and velocity == np.float32(90 / 127)
    np.testing.assert_allclose(offset, -0.2)


def test_bins_there_and_back():
    converter = GrooveConverter(**TWO_DRUMS, num_velocity_bins=4, num_offset_bins=2)
    (example,) = converter.to_examples(short_bar((0, 36, 127), (0.5 - 1e-9, 38, 1)))
    assert isinstance(converter.targets, Bits)
    first = converter.unpack(example).targets[0].tolist()
    assert first[:2] == [1, 1]
    assert first[2:10] == [0, 0, 0, 1] + [0, 1, 0, 0]
    assert first[10:] == [0, 1] + [0, 1]


def test_values_beyond_the_last_bin_are_in_the_last():
    # note_seq moves notes from up to 1.5 steps before 0 to step 0: offset is over 1.
    converter = GrooveConverter(**TWO_DRUMS, num_velocity_bins=4, num_offset_bins=4)
    (example,) = converter.to_examples(short_bar((-1, 36, 127)))
    assert converter.unpack(example).targets[0].tolist()[10:14] == [0, 0, 0, 1]


def test_split_instruments_give_a_row_to_each_drum():
    converter = GrooveConverter(
        **TWO_DRUMS, split_instruments=True, hits_as_controls=True
    )
    (example,) = converter.to_examples(short_bar((0, 38, 127), (3, 36, 127)))
    dense = converter.unpack(example)
    assert dense.targets[:, 0].tolist() == [0, 1, 0, 0, 0, 0, 1, 0]
    assert dense.controls[:, 0].tolist() == dense.targets[:, 0].tolist()
    assert dense.controls[:, 1:].tolist() == [[1, 0], [0, 1]] * 4
    assert dense.length == 8
    back = converter.to_sequence(dense.targets[:7])
    assert [n.pitch for n in back.notes] == [38, 36]


GROOVE = Groove(
    hits=np.array([[1.0, 1, 0, 0], [0, 1, 0, 1]]),
    velocities=np.array([[0.5, 0.9, 0, 0], [0, 0.3, 0, 0.2]]),
    offsets=np.array([[0.1, -0.2, 0, 0], [0, 0.4, 0, -0.5]]),
)


def as_lists(groove):
    return [feature.tolist() for feature in groove]


def test_tapping_plays_the_loudest_drum_on_the_open_hihat():
    taps = groove_edits.tapped(GROOVE, GROOVE)
    assert as_lists(taps) == [
        [[0, 0, 0, 1], [0, 0, 0, 1]],
        [[0, 0, 0, 0.9], [0, 0, 0, 0.3]],
        [[0, 0, 0, -0.2], [0, 0, 0, 0.4]],
    ]


def test_tapping_without_a_hit_plays_the_kick():
    silence = Groove(*np.zeros([3, 2, 4]))
    taps = groove_edits.tapped(silence, GROOVE)
    assert as_lists(taps)[:2] == [
        [[0, 0, 0, 1], [0, 0, 0, 0]],
        [[0, 0, 0, 0.5], [0, 0, 0, 0]],
    ]


def test_edits_leave_what_was_played_alone():
    hits, velocities, offsets = as_lists(GROOVE)
    zeros = np.zeros([2, 4]).tolist()
    assert as_lists(groove_edits.as_score(GROOVE)) == [hits, zeros, zeros]
    assert as_lists(groove_edits.at_fixed_velocity(GROOVE)) == [hits, zeros, offsets]
    fewer = groove_edits.without_drums(GROOVE, [1, 3])
    assert as_lists(fewer)[1] == [[0.5, 0, 0, 0], [0, 0, 0, 0]]
    assert as_lists(GROOVE) == [hits, velocities, offsets]


def test_soft_notes_drop_out_more_often():
    loud, soft = np.full([500, 1], 0.9), np.full([500, 1], 0.1)
    velocities = np.hstack([loud, soft])
    groove = Groove(np.ones([500, 2]), velocities, velocities)
    heard = groove_edits.without_some_notes(groove, 0.8, np.random.RandomState(1))
    kept = heard.hits.sum(axis=0)
    assert kept[1] < kept[0] < 500
    assert (heard.velocities == groove.velocities * heard.hits).all()
    assert (heard.offsets == groove.offsets * heard.hits).all()


def test_without_an_rng_the_same_notes_drop_out_each_time():
    converter = GrooveConverter(max_note_dropout_probability=0.9)
    sequence = drums(*((step, 36, 20) for step in range(64)))
    first, second = (converter.to_examples(sequence)[0] for _ in range(2))
    assert 0 < first.inputs.sum() < first.targets.sum()
    assert (first.inputs == second.inputs).all()
    other = converter.to_examples(sequence, np.random.RandomState(3))[0]
    assert (first.inputs != other.inputs).any()


def left_out(sequence, **options):
    return dict(GrooveConverter(split_bars=2, **options).extract(sequence).left_out)


def test_pitches_in_no_class_are_dropped_and_counted():
    sequence = drums((0, 36, 80), (17, 38, 80), (2, 60, 80), (3, 60, 80), (99, 13, 80))
    examples, reasons = GrooveConverter(split_bars=2).extract(sequence)
    assert len(examples) == 1 and examples[0].targets[:, :9].sum() == 2
    assert reasons == {
        "notes of unmapped drum pitch 60": 2,
        "notes of unmapped drum pitch 13": 1,
    }


def test_bars_that_fill_no_window_are_counted():
    assert left_out(drums((0, 36, 80), (16 * 4, 36, 80))) == {
        "bars after the last whole 2-bar window": 1
    }
    assert left_out(drums((0, 36, 80), (16 * 4, 36, 80)), hop_size=4) == {}
    assert left_out(drums((0, 36, 80))) == {"shorter than 2 bars": 1}


def test_a_sequence_without_examples_says_why():
    assert left_out(note_seq.NoteSequence()) == {"no notes": 1}
    piano = note_seq.NoteSequence()
    piano.notes.add(pitch=70, velocity=80, end_time=1)
    assert left_out(piano) == {"no drums on channel 10": 1}
    with pytest.raises(NotConvertible, match="^no drums on channel 10$"):
        GrooveConverter(split_bars=2).to_examples(piano)
    waltz = drums((0, 36, 80), quarters_per_bar=3)
    assert left_out(waltz) == {"time signature 3/4": 1}
    only_unmapped = left_out(drums((0, 99, 80)))
    assert only_unmapped == {"notes of unmapped drum pitch 99": 1}


def test_magentas_way_is_that_all_notes_are_drums():
    sequence = drums((0, 36, 80), (16, 36, 80))
    for note in sequence.notes:
        note.is_drum = False
    assert left_out(sequence, drums="all") == {}


def test_inference_understands_another_kit():
    converter = GrooveConverter(inference_pitch_classes="reduced")
    cowbell = drums((0, 56, 80))
    assert not converter.extract(cowbell).examples
    (example,) = converter.for_inference().to_examples(cowbell)
    assert example.targets[0, :9].tolist() == [0, 1] + [0] * 7


def test_unedited_inputs_are_the_targets():
    assert GrooveConverter().inputs_are_targets
    assert GrooveConverter().to_examples(drums((0, 36, 80)))[0].inputs is None
    assert not GrooveConverter(humanize=True).inputs_are_targets
    assert not GrooveConverter(max_note_dropout_probability=0.0).inputs_are_targets
    assert GrooveConverter().targets == Reals(27)


@pytest.mark.parametrize(
    "options, message",
    [
        ({"hop_size": 4}, "hop_size=4 needs split_bars"),
        ({"num_velocity_bins": 4}, "both num_velocity_bins and num_offset_bins"),
        (
            {"inference_pitch_classes": [[36]]},
            "9 classes and inference_pitch_classes 1",
        ),
        ({"add_instruments": [9]}, r"add_instruments=\[9\].*0 to 8"),
        ({"tapify": True, "pitch_classes": [[36]]}, "class 3, the open hi-hat"),
    ],
)
def test_contradicting_options_are_refused(options, message):
    with pytest.raises(BadGrooveOptions, match=message):
        GrooveConverter(**options)


@st.composite
def samples(draw):
    """Decoder output of eight steps of nine drums."""
    shape = (8, 9)
    size = shape[0] * shape[1]
    hits = draw(st.lists(st.sampled_from([0.0, 1.0]), min_size=size, max_size=size))
    velocities = draw(st.lists(st.integers(1, 127), min_size=size, max_size=size))
    offsets = draw(st.lists(st.floats(-0.99, 0.99), min_size=size, max_size=size))
    hits = np.reshape(hits, shape)
    values = np.reshape(velocities, shape) / 127, np.reshape(offsets, shape)
    return np.hstack([hits, *(hits * value for value in values)])


@hypothesis.given(samples(), st.booleans())
@hypothesis.settings(deadline=None, max_examples=30)
def test_what_is_decoded_is_read_again(sample, split):
    # Nothing is early in the first step: a hit before 0 seconds cannot be read.
    sample[0, 18:] = np.minimum(sample[0, 18:], 0)
    converter = GrooveConverter(quarters_per_bar=2, split_instruments=split)
    if split:
        sample = sample.reshape(8, 3, 9).swapaxes(1, 2).reshape(72, 3)
    sequence = converter.to_sequence(sample)
    if not sequence.notes:
        return
    sequence.time_signatures.add(numerator=2, denominator=4)
    (example,) = converter.to_examples(sequence)
    np.testing.assert_allclose(
        example.targets, sample[: example.length], rtol=0, atol=1e-6
    )

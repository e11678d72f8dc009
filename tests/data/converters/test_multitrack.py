"""MultitrackConverter: Magenta's tensors, note_seq's pedals and performances."""

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
from note_seq import performance_lib, sequences_lib

from music_vae_tf.data.converters.base import NotConvertible
from music_vae_tf.data.converters.grid import in_stretches
from music_vae_tf.data.converters.multitrack import (
    BadMultitrackOptions,
    MultitrackConverter,
)
from music_vae_tf.data.converters.score import read
from music_vae_tf.data.converters.sustain import read_pedals, sustained

VARIANTS = [
    "config_hier-multiperf_vel_1bar_med",
    "config_hier-multiperf_vel_1bar_med_chords",
    "multi_2bar_one_chunk_no_velocity",
    "multi_2bar_two_chunks",
    "multi_truncate",
    "multi_two_chunks_chords",
]


@pytest.mark.parametrize("variant", VARIANTS)
def test_tensors_and_sequences_are_magentas(golden, variant):
    converter = MultitrackConverter(**arguments(golden, variant))
    assert_depths(golden, variant, converter)
    expected = golden.converter_variants()[variant]
    assert converter.end_token == expected["end_token"]
    assert converter.length_shape == tuple(expected["length_shape"])
    for case in golden.converter_cases(variant, "eval"):
        examples, left_out = converter.extract(sequence_of(golden, case))
        assert examples or left_out
        assert_examples(converter, examples, case.examples)
        assert_decoding(converter, case)


def test_every_golden_variant_is_tested(golden):
    variants = golden.converter_variants()
    assert {v for v in variants if "multi" in v} == set(VARIANTS)


# Literal bars, there and back

QUARTER = 0.5  # seconds, at 120 BPM
SMALL = {
    "steps_per_quarter": 4,
    "quarters_per_bar": 1,
    "min_pitch": 60,
    "max_pitch": 62,
    "max_num_instruments": 3,
    "max_events_per_instrument": 10,
    "min_total_events": 1,
}
# Tokens of SMALL without velocities: on and off of three pitches, shifts of up to 16
# steps, programs, drums, end.
ON, OFF, SHIFT, PROGRAM, DRUMS, END = 0, 3, 5, 22, 150, 151


def bars(*notes, **fields):
    """NoteSequence of (instrument, first step, end step, pitch) in 1/4, 4 steps a bar;
    the program of an instrument is ten times its number."""
    sequence = note_seq.NoteSequence()
    sequence.time_signatures.add(numerator=1, denominator=4)
    for instrument, start, end, pitch in notes:
        sequence.notes.add(
            **{"velocity": 80, "program": 10 * instrument} | fields,
            instrument=instrument,
            pitch=pitch,
            start_time=start * QUARTER / 4,
            end_time=end * QUARTER / 4,
        )
    ends = [note.end_time for note in sequence.notes]
    sequence.total_time = max(ends, default=0.0)
    return sequence


def segments(converter, sequence):
    """Of each example, the tokens of each segment."""
    return [
        [
            segment[:length].tolist()
            for segment, length in zip(
                example.targets.reshape(*converter.length_shape, -1), example.length
            )
        ]
        for example in converter.to_examples(sequence)
    ]


def sounding(sequence):
    return sorted(
        (
            note.instrument,
            note.start_time / QUARTER * 4,
            note.end_time / QUARTER * 4,
            note.pitch,
        )
        for note in sequence.notes
    )


def test_a_bar_there_and_back():
    converter = MultitrackConverter(**SMALL)
    bar = bars((0, 0, 4, 60), (0, 0, 2, 62), (1, 1, 3, 61))
    assert segments(converter, bar) == [
        [
            [PROGRAM, ON, ON + 2, SHIFT + 2, OFF + 2, SHIFT + 2, OFF, END],
            [PROGRAM + 10, SHIFT + 1, ON + 1, SHIFT + 2, OFF + 1, SHIFT + 1, END],
            [END],
        ]
    ]
    (example,) = converter.to_examples(bar)
    assert example.length.tolist() == [8, 7, 1]
    assert example.targets.shape == (3 * 10, 1)
    back = converter.to_sequence(converter.unpack(example).targets)
    assert sounding(back) == sounding(bar)
    assert [note.program for note in back.notes] == [0, 0, 10]
    assert back.total_time == QUARTER


def test_drums_come_last_and_programs_ascend():
    converter = MultitrackConverter(**SMALL)
    bar = bars((2, 0, 4, 60), (1, 0, 4, 61), (0, 0, 4, 62))
    for note in bar.notes:
        note.is_drum = note.instrument == 0
    (example,) = segments(converter, bar)
    assert [segment[0] for segment in example] == [PROGRAM + 10, PROGRAM + 20, DRUMS]
    back = converter.to_sequence(
        converter.unpack(converter.to_examples(bar)[0]).targets
    )
    assert [note.is_drum for note in back.notes] == [False, False, True]


def test_velocities_are_emitted_when_they_change():
    options = {"min_num_instruments": 1, "max_events_per_instrument": 20}
    converter = MultitrackConverter(**SMALL | options, num_velocity_bins=2)
    bar = bars((0, 0, 1, 60), (0, 1, 2, 60), (0, 2, 4, 60))
    for note, velocity in zip(bar.notes, [64, 10, 65]):
        note.velocity = velocity
    (example,) = converter.to_examples(bar)
    soft, loud = 22, 23
    said = [token for token in example.targets[:, 0] if token in (soft, loud)]
    assert said == [soft, loud]
    back = converter.to_sequence(converter.unpack(example).targets)
    assert [note.velocity for note in back.notes] == [1, 1, 65]


def test_a_note_is_cut_between_chunks_and_its_end_ends_the_next_one():
    options = SMALL | {"min_num_instruments": 1, "max_num_instruments": 1}
    converter = MultitrackConverter(**options, hop_size_bars=2)
    bar = bars((0, 2, 6, 60), (0, 5, 8, 60))
    assert segments(converter, bar) == [
        [
            [PROGRAM, SHIFT + 2, ON, SHIFT + 2, OFF, END],
            [PROGRAM, SHIFT + 1, ON, SHIFT + 1, OFF, SHIFT + 2, END],
        ]
    ]


def test_a_silent_chunk_counts_as_drums_as_in_magenta():
    options = SMALL | {"min_num_instruments": 1, "max_num_instruments": 1}
    converter = MultitrackConverter(**options, hop_size_bars=2)
    first, second = segments(converter, bars((0, 4, 8, 60)))[0]
    assert first == [DRUMS, SHIFT + 4, END]
    assert second == [PROGRAM, ON, SHIFT + 4, OFF, END]


def test_chords_are_given_at_every_token():
    converter = MultitrackConverter(**SMALL, chord_encoding="triad")
    bar = bars((0, 0, 4, 60), (1, 1, 3, 61))
    for step, symbol in [(0, "C"), (2, "Gm")]:
        bar.text_annotations.add(
            time=step * QUARTER / 4, text=symbol, annotation_type=1
        )
    (example,) = converter.to_examples(bar)
    controls = example.controls.reshape(3, 10).tolist()
    c, gm, none, padding = 1, 20, 0, -1
    # program, note on, shift, note off, end
    assert controls[0] == [none, c, c, gm, gm, *[padding] * 5]
    # program, shift, note on, shift, note off, shift, end
    assert controls[1] == [none, c, c, c, gm, gm, gm, *[padding] * 3]
    assert controls[2] == [none, *[padding] * 9]
    dense = converter.unpack(example)
    back = converter.to_sequence(dense.targets, dense.controls)
    chords = [(a.time / QUARTER * 4, a.text) for a in back.text_annotations]
    assert chords == [(0, "C"), (3, "Gm")]
    assert not converter.to_sequence(dense.targets).text_annotations


def test_tokens_after_the_end_of_a_chunk_are_ignored():
    converter = MultitrackConverter(**SMALL)
    tokens = np.full([3, 10], END)
    tokens[0, :7] = [PROGRAM + 5, ON, SHIFT + 3, PROGRAM, SHIFT + 3, OFF, ON + 1]
    back = converter.to_sequence(np.eye(END + 1)[tokens.ravel()])
    assert sounding(back) == [(0, 0, 4, 60)]
    assert back.notes[0].program == 5


# What is left out


@pytest.mark.parametrize(
    ("sequence", "options", "reason"),
    [
        (bars(), {}, "no notes"),
        (bars((0, 0, 4, 60)), {"quarters_per_bar": 4}, "time signature 1/4"),
        (bars((0, 0, 4, 60)), {}, "a bar with fewer than 2 instruments"),
        (bars(*[(i, 0, 4, 60) for i in range(4)]), {}, "with more than 3 instruments"),
        (bars((0, 0, 4, 60), (1, 0, 4, 70)), {}, "with pitches outside 60 to 62"),
        (
            bars(*[(i, s, s + 1, 60) for i in range(2) for s in range(4)]),
            {},
            "more than 8 events of an instrument in a bar",
        ),
        (
            bars((0, 0, 4, 60), (1, 0, 4, 60)),
            {"min_total_events": 7},
            "a bar with fewer than 7 events",
        ),
        (
            bars((0, 0, 4, 60), (1, 0, 8, 60)),
            {"first_subsequence_only": True},
            "longer than a bar",
        ),
        (bars((0, 0, 4, 60), (1, 0, 4, 60), program=128), {}, "program outside 0 to"),
    ],
)
def test_what_gives_no_example_says_why(sequence, options, reason):
    with pytest.raises(NotConvertible, match=reason):
        MultitrackConverter(**SMALL | options).to_examples(sequence)


def test_an_instrument_of_several_programs_is_left_out():
    bar = bars((0, 0, 4, 60), (1, 0, 2, 60), (1, 2, 4, 60))
    bar.notes[2].program = 5
    with pytest.raises(NotConvertible, match="an instrument of several programs"):
        MultitrackConverter(**SMALL).to_examples(bar)


def test_instruments_and_events_that_are_too_many_can_be_dropped():
    bar = bars(*[(i, s, s + 1, 60) for i in range(5) for s in range(4)])
    converter = MultitrackConverter(**SMALL, drop_tracks_and_truncate=True)
    (example,) = converter.to_examples(bar)
    assert example.length.tolist() == [10, 10, 10]
    programs = {
        tuple(converter.extract(bar, rng).examples[0].targets[::10, 0])
        for rng in map(np.random.default_rng, range(40))
    }
    assert len(programs) == 10  # any three of five


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"hop_size_bars": 3, "chunk_size_bars": 2}, "multiple of chunk_size_bars=2"),
        ({"num_velocity_bins": 128}, "to 127"),
    ],
)
def test_options_that_contradict_each_other_are_refused(options, message):
    with pytest.raises(BadMultitrackOptions, match=message):
        MultitrackConverter(**options)


def test_no_more_examples_than_wanted():
    song = bars(*[(i, 4 * bar, 4 * bar + 4, 60) for bar in range(9) for i in range(2)])
    every = MultitrackConverter(**SMALL)
    few = MultitrackConverter(**SMALL, max_tensors_per_notesequence=4)
    assert len(every.to_examples(song)) == 9
    assert len(few.to_examples(song)) == 4


# Pedals, against note_seq

TIMES = [0.0, 0.5, 1.0, 1.5, 2.0, 2.5, 3.0]


@st.composite
def pedalled(draw):
    """Notes of two pitches and instruments, pedals, maybe a change of tempo."""
    sequence = note_seq.NoteSequence()
    times = st.sampled_from(TIMES)
    for number in range(draw(st.integers(0, 8))):
        start = draw(times)
        sequence.notes.add(
            pitch=draw(st.integers(60, 61)),
            velocity=number + 1,
            start_time=start,
            end_time=start + draw(st.sampled_from(TIMES[:5])),
            instrument=draw(st.integers(0, 1)),
            is_drum=draw(st.integers(0, 5)) == 0,
        )
    for _ in range(draw(st.integers(0, 6))):
        sequence.control_changes.add(
            time=draw(times),
            control_number=draw(st.sampled_from([64, 64, 64, 66])),
            control_value=draw(st.sampled_from([0, 63, 64, 127])),
            instrument=draw(st.integers(0, 1)),
        )
    if draw(st.booleans()):
        sequence.tempos.add(time=1.25, qpm=100)
    sequence.total_time = max((note.end_time for note in sequence.notes), default=0.0)
    return sequence


@hypothesis.settings(max_examples=300, deadline=None)
@hypothesis.given(pedalled())
def test_pedals_are_those_of_note_seq(sequence):
    pieces, _ = in_stretches(read(sequence), 4, 4)
    pieces = sustained(pieces, read_pedals(sequence))
    parts = sequences_lib.split_note_sequence_on_time_changes(sequence)
    assert len(pieces.stretches) == len(parts)
    for number, part in enumerate(parts):
        expected = note_seq.apply_sustain_control_changes(part)
        notes = pieces.notes[pieces.stretch == number]
        assert notes["end_seconds"].tolist() == [n.end_time for n in expected.notes]
        assert notes["velocity"].tolist() == [n.velocity for n in expected.notes]
        assert pieces.stretches[number].total_seconds == expected.total_time


# Events, against note_seq's performances


@st.composite
def ensembles(draw):
    """Some bars of two instruments, off the grid too."""
    sequence = note_seq.NoteSequence()
    for instrument in range(2):
        for _ in range(draw(st.integers(1, 8))):
            start = draw(st.integers(0, 70)) / 16 + draw(st.sampled_from([0, 0, 0.03]))
            sequence.notes.add(
                pitch=draw(st.integers(60, 62)),
                velocity=draw(st.sampled_from([1, 50, 51, 127])),
                start_time=start,
                end_time=start + draw(st.integers(1, 20)) / 16,
                instrument=instrument,
                program=40 * instrument,
            )
    sequence.total_time = max(note.end_time for note in sequence.notes)
    return sequence


def events_of_note_seq(bar, instrument, bins):
    """Tokens of one instrument in a bar of 4/4, 4 steps a quarter."""
    quantized = note_seq.quantize_note_sequence(bar, 4)
    first = performance_lib.MetricPerformance(
        quantized, num_velocity_bins=bins, instrument=instrument
    )
    first.set_length(16)
    # Written and read again, which drops what starts at the end of the bar.
    quantized = note_seq.quantize_note_sequence(first.to_sequence(), 4)
    again = performance_lib.MetricPerformance(quantized, num_velocity_bins=bins)
    again.set_length(16)
    encoding = note_seq.PerformanceOneHotEncoding(bins, max_shift_steps=16)
    return [encoding.encode_event(event) for event in again]


@hypothesis.settings(max_examples=100, deadline=None)
@hypothesis.given(ensembles(), st.sampled_from([0, 5]))
def test_events_are_those_of_note_seq(sequence, bins):
    converter = MultitrackConverter(
        num_velocity_bins=bins,
        steps_per_quarter=4,
        min_total_events=0,
        max_num_instruments=2,
        max_events_per_instrument=80,
    )
    expected = [
        [events_of_note_seq(bar, instrument, bins) for instrument in range(2)]
        for bar in sequences_lib.split_note_sequence(sequence, 2.0)
        if len({note.instrument for note in bar.notes}) == 2
    ]
    examples, _ = converter.extract(sequence)
    ours = [
        [
            segment[1 : length - 1].tolist()
            for segment, length in zip(example.targets.reshape(2, 80), example.length)
        ]
        for example in examples
    ]
    assert ours == expected

"""TrioConverter: Magenta's tensors, playing together, and what is left out."""

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

from music_vae_tf.data.converters.trio import TrioConverter

VARIANTS = ["config_flat-trio_16bar", "trio_4bar", "trio_chords_and_key"]


@pytest.mark.parametrize("variant", VARIANTS)
def test_tensors_and_sequences_are_magentas(golden, variant):
    options = arguments(golden, variant) | {"max_tensors_per_notesequence": None}
    converter = TrioConverter(**options)
    assert_depths(golden, variant, converter)
    for case in golden.converter_cases(variant, "eval"):
        examples, left_out = converter.extract(sequence_of(golden, case))
        assert_examples(converter, examples, case.examples)
        assert_decoding(converter, case)
        assert examples or left_out


def test_every_golden_variant_is_tested(golden):
    assert {k for k in golden.converter_variants() if "trio" in k} == set(VARIANTS)


STEP = 0.125  # seconds of a sixteenth at 120 BPM
PIANO, GUITAR, BASS, KIT = (0, 0), (2, 24), (1, 32), (9, None)  # instrument, program


def band(*notes):
    """NoteSequence of ((instrument, program), step, pitch) in bars of four steps; no
    program means drums."""
    sequence = note_seq.NoteSequence()
    sequence.time_signatures.add(numerator=1, denominator=4)
    for (instrument, program), step, pitch in notes:
        sequence.notes.add(
            pitch=pitch,
            velocity=80,
            start_time=step * STEP,
            end_time=(step + 1) * STEP,
            instrument=instrument,
            program=program or 0,
            is_drum=program is None,
        )
        sequence.total_time = max(sequence.total_time, (step + 1) * STEP)
    return sequence


def playing(player, pitch, *bars):
    """A note at the beginning of each bar."""
    return [(player, 4 * bar, pitch) for bar in bars]


def converter(**options):
    return TrioConverter(
        **{"slice_bars": 1, "gap_bars": 1, "quarters_per_bar": 1} | options
    )


def classes(examples):
    """The melody's, the bass's and the drums' class of each step."""
    return [example.targets.T.tolist() for example in examples]


ON, OFF, LOWEST = 0, 1, 2 - 21  # go on, note off, and what a pitch is counted from


def test_a_bar_of_three_there_and_back():
    sequence = band((PIANO, 1, 60), (BASS, 0, 33), (KIT, 0, 36), (KIT, 3, 38))
    examples = converter().to_examples(sequence)
    assert classes(examples) == [
        [
            [ON, 60 + LOWEST, OFF, ON],
            [33 + LOWEST, OFF, ON, ON],
            [1, 0, 0, 2],
        ]
    ]
    back = converter().to_sequence(converter().unpack(examples[0]).targets)
    played = [
        (n.instrument, n.program, n.start_time / STEP, n.pitch) for n in back.notes
    ]
    assert played == [(0, 0, 1, 60), (1, 33, 0, 33), (9, 0, 0, 36), (9, 0, 3, 38)]
    assert [n.is_drum for n in back.notes] == [False, False, True, True]
    assert back.total_time == 4 * STEP


def test_every_melody_plays_with_every_bass():
    other_bass = (3, 39)
    sequence = band(
        (PIANO, 0, 60),
        (GUITAR, 0, 61),
        (BASS, 0, 33),
        (other_bass, 0, 34),
        (KIT, 0, 36),
    )
    firsts = [(m[0], b[0]) for m, b, _ in classes(converter().to_examples(sequence))]
    assert firsts == [
        (m + LOWEST, b + LOWEST) for m, b in [(60, 33), (60, 34), (61, 33), (61, 34)]
    ]


def bars_of_examples(sequence, **options):
    """In which bar the drums of each example begin: they play pitch class = bar."""
    return [
        int(example.targets[0, 2]).bit_length() - 1
        for example in converter(max_tensors_per_notesequence=None, **options)
        .extract(sequence)
        .examples
    ]


DRUMS_BY_CLASS = [36, 38, 42, 46, 45, 48, 50, 49, 51]


def nine_bars(melody, bass=range(9)):
    drums = [(KIT, 4 * bar, pitch) for bar, pitch in enumerate(DRUMS_BY_CLASS)]
    return band(*drums, *playing(PIANO, 60, *melody), *playing(BASS, 33, *bass))


def test_a_rest_of_few_bars_counts_as_playing():
    assert bars_of_examples(nine_bars([0, 8]), gap_bars=1) == [0, 1, 7, 8]
    assert bars_of_examples(nine_bars([0, 8]), gap_bars=3) == [0, 1, 2, 3, 5, 6, 7, 8]
    assert bars_of_examples(nine_bars([4])) == [0, 3, 4, 5, 8]
    assert bars_of_examples(nine_bars([4], [4, 5]), slice_bars=3) == [3]


def test_without_gaps_a_bar_that_any_plays_makes_all_bars_count():
    # Magenta's slice of the last 0 bars is all of them.
    assert bars_of_examples(nine_bars([4]), gap_bars=0) == list(range(9))


def test_what_comes_after_max_bars_is_left_out():
    sequence = nine_bars(range(9))
    assert bars_of_examples(sequence, max_bars=2) == [0, 1]
    assert converter(max_bars=2).extract(sequence).left_out == {
        "bars after the first 2": 7
    }


def test_too_many_examples_are_cut_or_with_an_rng_drawn():
    few = converter(max_tensors_per_notesequence=3)
    first = [e.targets[0, 2] for e in few.to_examples(nine_bars(range(9)))]
    assert first == [1, 2, 4]
    rng = np.random.RandomState(0)
    drawn = {e.targets[0, 2] for e in few.to_examples(nine_bars(range(9)), rng)}
    assert len(drawn) == 3 and drawn != {1, 2, 4}


def left_out(*notes, **options):
    return converter(**options).extract(band(*notes)).left_out


def test_what_is_left_out_says_why():
    trio = [(PIANO, 0, 60), (BASS, 0, 33), (KIT, 0, 36)]
    assert left_out() == {"no notes": 1}
    assert left_out(*trio[1:]) == {"no melody (programs 0-31)": 1}
    assert left_out(trio[0]) == {"no bass (programs 32-39), no drums (channel 10)": 1}
    assert left_out(*trio, slice_bars=2) == {
        "no 2 bars in which melody, bass and drums play": 1
    }
    assert left_out(*trio, ((4, 40), 0, 60), ((200, 0), 0, 60)) == {
        "instruments that play no part": 2
    }
    both = left_out(*trio[1:], (PIANO, 0, 60), ((0, 40), 1, 60))
    assert both == {"instruments that play no part": 1, "no melody (programs 0-31)": 1}
    assert left_out(*trio, (KIT, 1, 99)) == {"notes of unmapped drum pitch 99": 1}
    # Out of a piano's range, no melody.
    assert left_out((PIANO, 0, 10), *trio[1:]) == {"no melody (programs 0-31)": 1}
    waltz = band(*trio)
    waltz.time_signatures[0].numerator = 3
    assert converter().extract(waltz).left_out == {"time signature 3/4": 1}


def test_chords_and_keys_are_given_to_all_windows():
    sequence = nine_bars(range(9))
    sequence.key_signatures.add(key=7)
    for bar, chord in enumerate(["C", "Am"]):
        annotation = sequence.text_annotations.add(time=4 * bar * STEP, text=chord)
        annotation.annotation_type = annotation.CHORD_SYMBOL
    told = converter(chord_encoding="triad", condition_on_key=True)
    assert told.controls.depth == 49 + 12
    first, second, third, *_ = (e.controls.tolist() for e in told.to_examples(sequence))
    assert first == [[1, 7]] * 4  # C major, in G
    assert second == third == [[1 + 12 + 9, 7]] * 4  # A minor
    sequence.text_annotations[0].text = "Csus4"
    assert told.extract(sequence) == ([], {"chord Csus4 not in the encoding triad": 1})

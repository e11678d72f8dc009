"""REMI tokens of drums: bars of words, there and back, and their grammar."""

import sys
from collections import Counter

import numpy as np
import pytest
from note_seq.protobuf.music_pb2 import NoteSequence

from music_vae_tf.data import grooves
from music_vae_tf.data.converters import tokens
from music_vae_tf.data.converters.tokens import TokensConverter
from music_vae_tf.data.records import read_note_sequences

CONVERTER = TokensConverter(split_bars=2, max_tokens_per_bar=12)
LONG = TokensConverter(split_bars=4, max_tokens_per_bar=112)
NAMES = CONVERTER.token_vocabulary.tokens
QUARTER_S = 0.5
BAR_S = 4 * QUARTER_S


def drums(*notes, qpm=120):
    """(pitch, velocity, seconds) of each note -> NoteSequence."""
    sequence = NoteSequence()
    sequence.tempos.add(qpm=qpm)
    for pitch, velocity, start in notes:
        sequence.notes.add(
            pitch=pitch,
            velocity=velocity,
            start_time=start,
            end_time=start + 0.1,
            is_drum=True,
        )
    sequence.total_time = max(start for *_, start in notes) + 0.1
    return sequence


TWO_BARS = drums((36, 99, 0), (42, 66, 0), (38, 127, QUARTER_S), (36, 99, BAR_S))


def words(ids):
    return [NAMES[i] for i in ids if i >= 0]


def bars_of(example, size=12):
    return [words(bar) for bar in example.targets.reshape(-1, size)]


def notes_of(sequence):
    return [(n.pitch, n.velocity, n.start_time) for n in sequence.notes]


def test_a_bar_is_what_sounds_in_it_and_a_bar_token():
    (example,) = CONVERTER.to_examples(TWO_BARS)
    first = ["Position_0", "Pitch_36", "Velocity_99", "Pitch_42", "Velocity_67"]
    second = ["Position_8", "Pitch_38", "Velocity_127", "Bar_None"]
    assert bars_of(example) == [
        [*first, *second],
        ["Position_0", "Pitch_36", "Velocity_99", "Bar_None"],
    ]
    assert example.length.tolist() == [9, 4]


def test_the_encoder_reads_the_same_tokens_end_to_end():
    (example,) = CONVERTER.to_examples(TWO_BARS)
    assert words(example.inputs[:13, 0]) == sum(bars_of(example), [])
    assert (example.inputs[13:] == -1).all()
    assert len(example.inputs) == len(example.targets) == 24


def test_tokens_become_the_notes_again():
    (example,) = CONVERTER.to_examples(TWO_BARS)
    back = CONVERTER.to_sequence(CONVERTER.unpack(example).targets)
    assert notes_of(back) == [
        (36, 99, 0),
        (42, 67, 0),
        (38, 127, QUARTER_S),
        (36, 99, BAR_S),
    ]
    assert all(note.is_drum and note.instrument == 9 for note in back.notes)
    assert back.total_time == BAR_S + QUARTER_S / 8


@pytest.mark.parametrize("qpm", [60, 97.5, 200])
def test_positions_do_not_depend_on_the_tempo(qpm):
    notes = [(pitch, v, start * 120 / qpm) for pitch, v, start in notes_of(TWO_BARS)]
    (example,) = CONVERTER.to_examples(drums(*notes, qpm=qpm))
    (expected,) = CONVERTER.to_examples(TWO_BARS)
    np.testing.assert_array_equal(example.targets, expected.targets)


def test_windows_cover_the_whole_file_and_are_cut_at_bar_lines():
    sequence = drums(*((36, 80, bar * BAR_S) for bar in (0, 2, 5)), (38, 80, 6 * BAR_S))
    extraction = CONVERTER.extract(sequence)
    kick = ["Position_0", "Pitch_36", "Velocity_79", "Bar_None"]
    rest = ["Bar_None"]
    assert [bars_of(example) for example in extraction.examples] == [
        [kick, rest],
        [kick, rest],
        [rest, kick],
    ]
    reason = "bars after the last whole 2-bar window"
    assert extraction.left_out == Counter({reason: 1})
    each_bar = TokensConverter(split_bars=2, hop_bars=1, max_tokens_per_bar=12)
    assert len(each_bar.to_examples(sequence)) == 6


def test_rows_say_how_many_bars_they_are():
    assert (CONVERTER.quarters(24), LONG.quarters(4 * 112)) == (8, 16)


def test_of_several_notes_in_one_place_the_loudest_counts():
    sequence = drums((36, 30, 0), (36, 99, 0.01), (36, 60, 0), (36, 99, BAR_S))
    (example,) = CONVERTER.to_examples(sequence)
    assert bars_of(example)[0] == ["Position_0", "Pitch_36", "Velocity_99", "Bar_None"]


def test_notes_outside_the_vocabulary_are_counted():
    sequence = drums((36, 99, 0), (21, 50, 0), (88, 50, 0), (88, 50, 1), (36, 9, BAR_S))
    extraction = CONVERTER.extract(sequence)
    assert len(extraction.examples) == 1
    assert extraction.left_out == Counter(
        {
            "notes of pitch 21, which the vocabulary does not have": 1,
            "notes of pitch 88, which the vocabulary does not have": 2,
        }
    )
    only_such = CONVERTER.extract(drums((100, 99, 0)))
    assert not only_such.examples
    assert only_such.left_out["shorter than 2 bars"] == 1


def test_bars_of_too_many_tokens_are_left_out_and_counted():
    sequence = drums(*((36, 80, i * QUARTER_S / 4) for i in range(4)), (36, 1, BAR_S))
    extraction = CONVERTER.extract(sequence)
    assert not extraction.examples
    assert extraction.left_out == Counter(
        ["examples with a bar of more than 12 tokens"]
    )


def with_metre(sequence, numerator):
    sequence.time_signatures.add(numerator=numerator, denominator=4)
    return sequence


def as_piano(sequence):
    for note in sequence.notes:
        note.is_drum = False
    return sequence


@pytest.mark.parametrize(
    "sequence, reason",
    [
        (NoteSequence(), "no notes"),
        (as_piano(drums((60, 80, 0))), "no drums on channel 10"),
        (with_metre(drums((36, 80, 0)), 3), "time signature 3/4"),
        (drums((36, 80, 0)), "shorter than 2 bars"),
    ],
)
def test_what_gives_no_example_says_why(sequence, reason):
    assert CONVERTER.extract(sequence).left_out == Counter([reason])


def one_hot(*bars):
    """Names of the tokens of each bar -> rows [T, D], padded with zeros."""
    ids = np.full([len(bars), 12], -1)
    for row, bar in zip(ids, bars):
        row[: len(bar)] = [NAMES.index(name) for name in bar]
    return np.eye(len(NAMES) + 1, len(NAMES), dtype=np.float32)[ids.ravel()]


KICK = ("Position_0", "Pitch_36", "Velocity_99")


@pytest.mark.parametrize(
    "bars, kicks_at",
    [
        ([KICK, KICK], [0, BAR_S]),  # cut off where the bar is full
        ([(*KICK, "Bar_None", "Position_8", "Pitch_36", "Velocity_99"), KICK], [0, 2]),
        ([("Velocity_99", "Pitch_36", "Bar_None"), (*KICK, "Bar_None")], [BAR_S]),
        ([("PAD_None", *KICK, "Pitch_36"), ("Bar_None",)], [0]),
        ([(), ("Bar_None", *KICK)], []),
    ],
)
def test_any_tokens_become_notes_where_they_make_some(bars, kicks_at):
    sequence = CONVERTER.to_sequence(one_hot(*bars))
    assert notes_of(sequence) == [(36, 99, at) for at in kicks_at]


# The grammar.


def state_after(*names):
    state = 0
    for name in names:
        state = CONVERTER.grammar.successors[state, NAMES.index(name)]
        if state < 0:
            return None
    return state


@pytest.mark.parametrize(
    "sentence",
    [
        ("Bar_None",),
        (*KICK, "Bar_None"),
        (*KICK, "Pitch_38", "Velocity_3", "Position_1", *KICK[1:], "Bar_None"),
    ],
)
def test_the_grammar_knows_a_bar(sentence):
    assert state_after(*sentence) == 0


@pytest.mark.parametrize(
    "beginning",
    [
        ("PAD_None",),
        ("Pitch_36",),
        ("Position_0", "Bar_None"),
        ("Position_0", "Pitch_36", "Pitch_38"),
        (*KICK, "Position_0"),
        (*KICK, "Pitch_36"),
        (*KICK, "Pitch_35"),
        ("Position_4", "Pitch_36", "Velocity_99", "Position_3"),
    ],
)
def test_the_grammar_knows_what_is_none(beginning):
    assert state_after(*beginning[:-1]) is not None
    assert state_after(*beginning) is None


def random_bar(rng, size):
    """What the grammar allows, drawn at random, and over in time."""
    state, bar = 0, []
    for remaining in range(size, 0, -1):
        (allowed,) = np.nonzero(LONG.grammar.steps_needed[state] <= remaining)
        bar.append(rng.choice(allowed))
        state = LONG.grammar.successors[state, bar[-1]]
        if state == 0:
            return bar
    raise AssertionError("not over in time")


def test_miditok_finds_no_error_in_what_the_grammar_allows():
    rng = np.random.default_rng(0)
    bars = [random_bar(rng, size) for size in (1, 4, 20, 50, 112) for _ in range(4)]
    ids = [LONG.end_token, *np.concatenate(bars).tolist()]
    assert LONG._tokenizer.tokens_errors([ids]) == [0]


def test_what_is_played_is_grammatical_and_comes_back_as_it_was():
    sequences = [sequence for _, sequence in grooves.performances(6)]
    check_there_and_back(sequences)


def test_converted_grooves_are_grammatical_and_come_back_as_they_were(golden):
    records = golden.path("conversion", "groove.tfrecord")
    assert check_there_and_back(read_note_sequences(records)) > 10


def check_there_and_back(sequences):
    """Examples -> notes -> the same example; returns how many."""
    count = 0
    for sequence in sequences:
        for example in LONG.extract(sequence).examples:
            for bar, length in zip(example.targets.reshape(4, -1), example.length):
                state = 0
                for token in bar[:length]:
                    state = LONG.grammar.successors[state, token]
                assert state == 0
            back = LONG.to_sequence(LONG.targets.unpack(example.targets))
            again = LONG.extract(back).examples
            if back.notes and back.total_time > 3 * BAR_S:
                np.testing.assert_array_equal(again[0].targets, example.targets)
                count += 1
    assert count
    return count


# Bad options.


def test_numbers_of_nothing_are_refused():
    with pytest.raises(ValueError, match="hop_bars=0: expected 1 at least"):
        TokensConverter(split_bars=2, max_tokens_per_bar=9, hop_bars=0)


def test_pitches_that_are_none_are_refused():
    with pytest.raises(ValueError, match="lowest_pitch=90, highest_pitch=87: expected"):
        TokensConverter(split_bars=2, max_tokens_per_bar=9, lowest_pitch=90)


def test_without_miditok_the_command_that_installs_it_is_told(monkeypatch):
    monkeypatch.setitem(sys.modules, "miditok", None)
    tokens._tokenizer.cache_clear()
    with pytest.raises(tokens.NoTokenizer, match=r"install 'music_vae_tf\[tokens\]'"):
        _ = TokensConverter(split_bars=2, max_tokens_per_bar=9).targets
    tokens._tokenizer.cache_clear()

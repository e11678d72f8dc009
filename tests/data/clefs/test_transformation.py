"""Stages 6 and 7: elements become one line, and the line becomes integers."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from music_vae_tf.data.clefs import labels, transformation
from music_vae_tf.data.clefs.extraction import PITCHES, Element
from music_vae_tf.data.clefs.labels import Encoding, Labels
from music_vae_tf.data.clefs.transformation import (
    Event,
    chord_label,
    chord_of,
    duration_category,
    duration_of,
    flattened_line,
    merged_line,
)

BARS = [0, 96, 192]
CHORDS = st.frozensets(st.sampled_from(PITCHES), max_size=6)


def element(offset, duration, *pitches, tied=()):
    return Element(offset, duration, "quarter", pitches, tied)


# Lines.


def test_voices_that_begin_together_are_one_event():
    upper = [element(0, 48, 76), element(48, 48, 77)]
    lower = [element(0, 24, 60), element(24, 72, 62)]
    assert merged_line([upper, lower], BARS, 96) == [
        Event(0, 24, (60, 76)),
        Event(24, 24, (62,)),
        Event(48, 48, (77,)),
    ]


def test_silence_is_a_rest_that_ends_with_its_bar():
    assert merged_line([[element(24, 24, 60), element(144, 48, 62)]], BARS, 192) == [
        Event(0, 24, ()),
        Event(24, 24, (60,)),
        Event(48, 48, ()),
        Event(96, 48, ()),
        Event(144, 48, (62,)),
    ]


def test_a_short_silence_is_not_a_rest():
    line = merged_line([[element(0, 20, 60), element(24, 72, 62)]], BARS, 96)
    assert line == [Event(0, 24, (60,)), Event(24, 72, (62,))]


def test_a_tied_note_goes_on():
    line = merged_line(
        [[element(48, 48, 60), element(96, 96, 60, 64, tied=(60,))]], BARS, 192
    )
    assert line == [Event(0, 48, ()), Event(48, 48, (60,)), Event(96, 96, (64,))]
    line = merged_line(
        [[element(48, 48, 60), element(96, 96, 60, tied=(60,))]], BARS, 192
    )
    assert line == [Event(0, 48, ()), Event(48, 144, (60,))]


@settings(max_examples=50, deadline=None)
@given(
    st.lists(
        st.tuples(st.integers(0, 180), st.integers(1, 60), st.sampled_from(PITCHES)),
        max_size=20,
    )
)
def test_a_merged_line_fills_its_time_and_keeps_every_onset(notes):
    parts = [[element(offset, length, pitch) for offset, length, pitch in notes]]
    line = merged_line(parts, BARS, 240)
    assert sum(event.duration for event in line) == 240
    ends = np.cumsum([event.duration for event in line])
    assert [event.onset for event in line] == [0, *ends[:-1]]
    played = {(event.onset, p) for event in line for p in event.pitches}
    assert played == {(offset, pitch) for offset, _, pitch in notes}


def test_a_flattened_line_has_all_elements_one_after_the_other():
    upper, lower = [element(0, 48, 76)], [element(0, 24, 60), element(24, 24)]
    assert flattened_line([upper, lower]) == [
        Event(0, 48, (76,)),
        Event(48, 24, (60,)),
        Event(72, 24, ()),
    ]


# Labels.


@given(CHORDS)
def test_a_chord_is_known_by_its_label(pitches):
    assert chord_of(chord_label(tuple(pitches))) == tuple(sorted(pitches))


def test_labels_are_spelled_from_the_lowest_note():
    assert chord_label((67, 60, 63, 60)) == "C4.E-4.G4"
    assert chord_label(()) == "rest"


@given(st.integers(1, 10_000))
def test_a_duration_is_known_by_its_category(ticks):
    assert duration_of(duration_category(ticks)) == ticks


def test_categories_are_quarter_notes():
    assert [duration_category(t) for t in (24, 36, 8, 2)] == ["1", "3/2", "1/3", "1/12"]


# Encodings.


def test_frequent_words_come_first_and_rare_ones_are_unknown():
    encoding = Encoding.of(["b", "a", "c", "b", "a", "b"], min_count=2)
    assert encoding.words == ("b", "a")
    assert encoding.counts == (3, 2, 1)
    assert [encoding.encode(word) for word in "bacx"] == [0, 1, 2, 2]
    assert (encoding.unknown, encoding.size) == (2, 3)


@given(st.lists(st.text(), max_size=30))
def test_encoding_loses_nothing(words):
    encoding = Encoding.of(words, min_count=1)
    assert [encoding.decode(encoding.encode(word)) for word in words] == words
    numbers = range(encoding.unknown)
    assert [encoding.encode(encoding.decode(n)) for n in numbers] == list(numbers)


def test_labels_are_kept_as_text():
    line = [Event(0, 24, (60,)), Event(24, 8, ()), Event(32, 24, (60,))]
    both = {"treble": Labels.of([line], 1), "bass": Labels.of([line, line], 3)}
    assert labels.from_json(labels.to_json(both)) == both
    assert both["bass"].notes.words == ("C4",)


@pytest.mark.parametrize("text", ["", "[]", '{"treble": {"notes": []}}'])
def test_other_texts_are_not_labels(text):
    with pytest.raises(labels.BadLabels, match="no labels of two staves"):
        labels.from_json(text)


def test_stages_undo_themselves():
    """What is sampled goes back through stages 7 and 6."""
    line = [Event(0, 12, (48, 55)), Event(12, 8, ()), Event(20, 28, (61,))]
    its = Labels.of([line], 1)
    classes = [
        (
            its.notes.encode(chord_label(e.pitches)),
            its.durations.encode(duration_category(e.duration)),
        )
        for e in line
    ]
    back = [
        (
            chord_of(its.notes.decode(note)),
            transformation.duration_of(its.durations.decode(duration)),
        )
        for note, duration in classes
    ]
    assert back == [(e.pitches, e.duration) for e in line]

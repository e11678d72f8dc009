"""Stage 8: windows of both staves, from a bar line on."""

import dataclasses

import numpy as np
import pytest

from music_vae_tf.data.clefs.labels import Labels
from music_vae_tf.data.clefs.transformation import Event
from music_vae_tf.data.clefs.windows import Clock, Context, Piece, Windows


def line_of(durations, first_pitch):
    onsets = np.cumsum([0, *durations])
    return [
        Event(int(onset), duration, (first_pitch + i % 5,))
        for i, (onset, duration) in enumerate(zip(onsets, durations))
    ]


@pytest.fixture
def piece():
    """Four bars: eighths over quarters, and in the last bar a whole note in both."""
    return Piece(
        {
            "treble": line_of([12] * 24 + [96], 72),
            "bass": line_of([24] * 12 + [96], 48),
        },
        bars=(0, 96, 192, 288),
        end=384,
        mode="minor",
    )


@pytest.fixture
def windows(piece):
    labels = {staff: Labels.of([line], 1) for staff, line in piece.lines.items()}
    return Windows(labels, window=10, hop=8)


def test_windows_begin_at_bar_lines_and_cover_every_event_once_freshly(windows, piece):
    examples = windows.examples(piece)
    firsts = [example.targets[1] for example in examples]
    assert len(examples) == 3  # eight eighths a bar: one bar on, each time
    assert all(first[1] == 0 for first in firsts)  # an eighth
    fresh = windows.fresh_events(piece)
    for staff, column in (("treble", 0), ("bass", 2)):
        side = column // 2
        seen = []
        for example, slices in zip(examples, fresh):
            events = example.targets[1 : 1 + example.length[side], column]
            seen += list(events[slices[side]])
        notes = windows.labels[staff].notes
        expected = [
            notes.encode(f"{'CCDEE'[e.pitches[0] % 12]}") for e in piece.lines[staff]
        ]
        assert len(seen) == len(expected) == len(piece.lines[staff])


def test_a_row_of_nothing_comes_first_and_padding_last(windows, piece):
    last = windows.examples(piece)[-1]
    assert last.targets.shape == (11, 4)
    np.testing.assert_array_equal(last.targets[0], [-1] * 4)
    assert list(last.length) == [9, 5]
    np.testing.assert_array_equal(last.targets[10:], -1)
    np.testing.assert_array_equal(last.targets[6:, 2:], -1)
    assert (last.targets[1:6] >= 0).all()
    assert not last.inputs[0].any() and not last.inputs[10:].any()


def test_the_rows_of_a_window_say_what_where_and_what_else_sounds(windows, piece):
    example = windows.examples(piece)[0]
    labels = windows.labels
    # The third event of either staff: an eighth on quarter 2, a quarter on quarter 3.
    note, duration, bass_note, bass_duration = example.targets[3]
    assert labels["treble"].notes.decode(note) == "D5"
    assert labels["treble"].durations.decode(duration) == "1/2"
    assert labels["bass"].notes.decode(bass_note) == "D3"
    assert labels["bass"].durations.decode(bass_duration) == "1"
    minor, home = 1, 0
    assert list(example.controls[3]) == [
        *(
            1,
            0,
            4,
            minor,
            home,
        ),  # the treble: quarter, tick, quarters, mode, key
        *(2, 0, 4, minor, home),  # the bass's
        *(0, 12),  # what the treble plays then began just now, and lasts an eighth
    ]
    dense = windows.inputs.unpack(example.inputs)[3].reshape(4, 128)
    assert [list(np.flatnonzero(row)) for row in dense] == [[74], [50], [76], [72]]


def test_a_short_piece_is_one_short_window(windows):
    piece = Piece(
        {"treble": line_of([24] * 3, 72), "bass": line_of([72], 48)}, (0,), 72, "major"
    )
    (example,) = windows.examples(piece)
    assert list(example.length) == [3, 1]


def test_a_bar_of_more_events_than_a_window_is_cut_in_its_middle(windows):
    piece = Piece(
        {"treble": line_of([2] * 48, 72), "bass": line_of([96], 48)}, (0,), 96, "major"
    )
    fresh = windows.fresh_events(piece)
    examples = windows.examples(piece)
    counts = [
        len(range(*slices[0].indices(int(example.length[0]))))
        for slices, example in zip(fresh, examples)
    ]
    assert sum(counts) == 48


def test_unknown_labels_are_a_class_of_their_own(piece):
    labels = {staff: Labels.of([], 1) for staff in piece.lines}
    example = Windows(labels, window=10, hop=6).examples(piece)[0]
    np.testing.assert_array_equal(example.targets[1:], 0)


def test_the_clock_knows_bars_of_all_lengths_and_upbeats():
    clock = Clock((-72, 24, 96), end=200, mode="major")
    assert clock.at(0) == [3, 0, 4, 0, 0]
    assert clock.at(24 + 25) == [1, 1, 3, 0, 0]
    assert clock.at(96 + 96) == [4, 0, 4, 0, 0]
    assert clock.at(10_000)[0] == 15  # clipped


def test_before_and_after_a_line_there_is_no_context():
    line = [Event(24, 24, (60,)), Event(48, 24, (62,))]
    assert Context(line).at(0) == ([0, 0], (), (60,))
    assert Context(line).at(30) == ([6, 18], (60,), (62,))
    assert Context(line).at(60) == ([12, 12], (62,), ())
    assert Context(line).at(1000) == ([95, 0], (62,), ())


KEY_COLUMNS = [4, 9]  # of the treble's clock, of the bass's


def test_windows_come_in_all_keys_with_what_is_known_there(windows, piece):
    in_keys = dataclasses.replace(windows, keys=(0, 2)).examples(piece)
    at_home, higher = in_keys[:3], in_keys[3:]
    for one, other in zip(at_home, higher):
        is_key = np.isin(np.arange(12), KEY_COLUMNS)
        np.testing.assert_array_equal(
            one.controls[:, ~is_key], other.controls[:, ~is_key]
        )
        events = other.targets[1:, ::2] >= 0  # of the treble, of the bass
        assert (other.controls[1:, KEY_COLUMNS][events] == 2).all()
        assert not one.controls[:, KEY_COLUMNS][1:][events].any()
        np.testing.assert_array_equal(one.targets[:, 1::2], other.targets[:, 1::2])
        bits, moved = (windows.inputs.unpack(e.inputs) for e in (one, other))
        bits, moved = (b.reshape(-1, 4, 128) for b in (bits, moved))
        np.testing.assert_array_equal(np.roll(bits, 2, axis=-1), moved)
    # C, C sharp, D, E flat, E: two semitones higher, the last two are unknown.
    notes = windows.labels["treble"].notes
    expected = [notes.encode(word) for word in ("D5", "E-5", "E5")] + [5, 5]
    assert list(higher[0].targets[1:6, 0]) == expected

"""Sequences in beats: tempo changes bend nothing, and bars are a DAW's."""

import pytest
from note_seq.protobuf.music_pb2 import NoteSequence

from music_vae_tf.data import beats

QUARTER = beats.SECONDS_PER_QUARTER


def sequence(*notes, tempos=(), metres=()):
    result = NoteSequence()
    for start, end in notes:
        result.notes.add(pitch=60, velocity=90, start_time=start, end_time=end)
    for time, qpm in tempos:
        result.tempos.add(time=time, qpm=qpm)
    for time, numerator, denominator in metres:
        result.time_signatures.add(
            time=time, numerator=numerator, denominator=denominator
        )
    return result


def test_times_are_counted_in_beats():
    ramp = sequence((0, 1), (2, 3), (3, 4), tempos=[(0, 60), (2, 120), (3, 240)])
    found = [
        (n.start_time / QUARTER, n.end_time / QUARTER)
        for n in beats.in_beats(ramp).notes
    ]
    assert found == [(0, 1), (2, 4), (4, 8)]
    tempo_map = beats.TempoMap(ramp)
    assert [tempo_map.qpm(quarter) for quarter in (0, 1.9, 2, 4)] == [60, 60, 120, 240]


def test_bars_of_changing_metres():
    one = sequence((0, 9 * QUARTER), metres=[(0, 3, 4), (6 * QUARTER, 6, 8)])
    assert beats.bars(one) == [
        (0.0, 3.0, (3, 4)),
        (3.0, 3.0, (3, 4)),
        (6.0, 3.0, (6, 8)),
    ]
    assert beats.bars(sequence()) == []


def test_an_excerpt_begins_at_zero_and_early_notes_belong_to_it():
    one = sequence(*[(QUARTER * q, QUARTER * (q + 1)) for q in (0, 3.9, 4.1, 7.95)])
    part = beats.excerpt(beats.in_beats(one), 4, 4, 0.125)
    assert [n.start_time / QUARTER for n in part.notes] == pytest.approx([0, 0.1])
    assert part.notes[0].end_time / QUARTER == pytest.approx(0.9)


def test_a_short_sequence_is_looped():
    one = beats.looped(
        beats.in_beats(sequence((0, QUARTER), (QUARTER, 2 * QUARTER))), 2, 5
    )
    assert [n.start_time / QUARTER for n in one.notes] == [0, 1, 2, 3, 4]


def test_sequences_in_a_row_keep_their_tempos():
    slow, fast = (sequence((0, 1), tempos=[(0, qpm)]) for qpm in (60, 120))
    slow.total_time = fast.total_time = 4
    whole = beats.in_a_row([slow, fast])
    assert [(t.time, t.qpm) for t in whole.tempos] == [(0, 60), (4, 120)]
    assert [n.start_time for n in whole.notes] == [0, 4] and whole.total_time == 8

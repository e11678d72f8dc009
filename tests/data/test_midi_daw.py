"""Files of the wild are read as a DAW plays them, and nothing is lost in silence."""

import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from midi_bytes import (
    DRUMS,
    HEAD,
    QUARTER,
    chunk,
    groove,
    key,
    metre,
    midi,
    name,
    note,
    number,
    off,
    on,
    rmi,
    tempo,
    track,
)
from note_seq.protobuf.music_pb2 import NoteSequence

from music_vae_tf.data import midi as reading
from music_vae_tf.data import midi_daw, midi_events, midi_lenient, midi_notes
from music_vae_tf.data.converters.groove import GrooveConverter

GROOVE = track(*groove())


def converted(folder, data, reader, name="a.mid"):
    (folder / name).write_bytes(data)
    return reading.convert(str(folder), name, reader)


def sequence_of(folder, data, reader="daw"):
    (record,) = converted(folder, data, reader).records
    return NoteSequence.FromString(record)


def times(sequence):
    return [(n.pitch, n.start_time, n.end_time) for n in sequence.notes]


def of_notes(*events):
    """Pitch, start and end, in quarter notes, of a track's notes."""
    file = midi_daw.read_file(midi(track(*events)))
    sequence = midi_daw.to_note_sequence(file)
    return [(n.pitch, 2 * n.start_time, 2 * n.end_time) for n in sequence.notes]


# Notes.


@pytest.mark.parametrize(
    ("events", "lost"),
    [
        (groove(length=0), "notes of no length"),
        ([e for e in groove() if e[1][0] & 0xF0 == 0x90], "notes never released"),
    ],
)
def test_hits_without_a_length_sound_and_magentas_reader_says_what_it_drops(
    tmp_path, events, lost
):
    data = midi(HEAD, track(*events))
    sequence = sequence_of(tmp_path, data)
    lengths = {round(n.end_time - n.start_time, 9) for n in sequence.notes}
    assert len(sequence.notes) == 48 and lengths == {0.125}
    magenta = converted(tmp_path, data, "magenta")
    assert not magenta.records and magenta.lost == {lost: 48}
    assert magenta.problems == [
        f"no notes: Magenta's reader drops 48 {lost}; --midi_reader=daw plays them"
    ]


def test_a_part_of_the_hits_is_lost_with_their_number(tmp_path):
    kick = [e for e in groove() if e[1][1] != 42]
    hats = [e for e in groove(length=0) if e[1][1] == 42]
    data = midi(HEAD, track(*kick, *hats))
    assert len(sequence_of(tmp_path, data).notes) == 48
    magenta = converted(tmp_path, data, "magenta")
    assert len(NoteSequence.FromString(magenta.records[0]).notes) == 16
    assert magenta.lost == {"notes of no length": 32}


def test_a_hit_without_length_ends_with_the_next_of_its_pitch():
    roll = [on(tick, 38, DRUMS) for tick in (0, 60, 480)]
    assert of_notes(*roll) == [(38, 0, 0.125), (38, 0.125, 0.375), (38, 1, 1.25)]


def test_a_pitched_note_never_released_lasts_to_the_next_or_the_end():
    assert of_notes(on(0, 60), on(480, 60), on(960, 64), off(1920, 64)) == [
        (60, 0, 1),
        (60, 1, 4),
        (64, 2, 4),
    ]


def test_a_release_ends_the_oldest_note_of_its_pitch():
    assert of_notes(on(0, 60), on(480, 60), off(960, 60), off(1440, 60)) == [
        (60, 0, 2),
        (60, 1, 3),
    ]


def test_one_missing_release_moves_no_other():
    events = [on(0, 60), *note(480, 60, 240), *note(960, 60, 240), *note(1440, 60, 240)]
    assert of_notes(*events) == [
        (60, 0, 1),
        (60, 1, 1.5),
        (60, 2, 2.5),
        (60, 3, 3.5),
    ]


def test_overlapping_notes_are_counted_where_magenta_ends_them_together(tmp_path):
    overlap = on(0, 60), on(480, 60), off(960, 60), off(1440, 60)
    magenta = converted(tmp_path, midi(track(*overlap)), "magenta")
    assert magenta.lost == {"overlapping notes of one pitch": 1}


def test_a_note_keeps_the_program_it_begins_with():
    events = (0, b"\xc0\x05"), on(0, 60), (240, b"\xc0\x20"), off(480, 60)
    (sounding,) = midi_daw.to_note_sequence(
        midi_daw.read_file(midi(track(*events)))
    ).notes
    assert sounding.program == 5


# Tempo, metre and key.


def test_signatures_of_every_track_count(tmp_path):
    second = track(tempo(0, 260_870), metre(0, 3, 2), key(0, 1), *groove(8, 3))
    data = midi(track(name("conductor")), second)
    sequence = sequence_of(tmp_path, data)
    assert [round(t.qpm) for t in sequence.tempos] == [230]
    assert [(t.numerator, t.denominator) for t in sequence.time_signatures] == [(3, 4)]
    assert [k.key for k in sequence.key_signatures] == [7]
    magenta = converted(tmp_path, data, "magenta")
    assert NoteSequence.FromString(magenta.records[0]).tempos[0].qpm == 120
    assert magenta.lost == {
        "tempos outside the first track": 1,
        "time signatures outside the first track": 1,
        "key signatures outside the first track": 1,
    }


def test_harmless_copies_are_not_remark(tmp_path):
    head = tempo(0, 500_000), metre(0, 4, 2), key(0, 1)
    data = midi(track(*head), track(*head, *groove()), track(*head, *note(0, 60)))
    assert not converted(tmp_path, data, "magenta").lost
    sequence = sequence_of(tmp_path, data)
    assert len(sequence.key_signatures) == len(sequence.time_signatures) == 1
    assert sequence == sequence_of(tmp_path, data, "magenta")


def test_the_default_in_another_track_is_not_a_remark(tmp_path):
    data = midi(track(name("x")), track(tempo(0, 500_000), metre(0, 4, 2), *groove()))
    assert not converted(tmp_path, data, "magenta").lost


LATE = 16 * QUARTER
JITTER = tempo(4 * QUARTER, 499_999), tempo(8 * QUARTER, 500_000)


@pytest.mark.parametrize("reader", ["magenta", "daw"])
@pytest.mark.parametrize(
    "more", [JITTER, [metre(LATE, 3, 2)], [tempo(LATE, 400_000)], [metre(LATE, 5, 2)]]
)
def test_changes_without_a_note_do_not_count(tmp_path, reader, more):
    data = midi(track(tempo(0, 500_000), metre(0, 4, 2), *more), GROOVE)
    sequence = sequence_of(tmp_path, data, reader)
    assert len(GrooveConverter(split_bars=4).to_examples(sequence)) == 1
    if reader == "daw":
        assert len(sequence.tempos) == len(sequence.time_signatures) == 1


def test_changes_with_notes_are_named_with_both_values_and_the_bar(tmp_path):
    head = track(metre(0, 4, 2), tempo(LATE, 612_245))
    sequence = sequence_of(tmp_path, midi(head, track(*groove(8))))
    assert GrooveConverter(split_bars=4).extract(sequence).left_out == {
        "tempo changes from 120 to 98 at bar 5": 1
    }
    head = track(metre(0, 4, 2), metre(4 * QUARTER, 3, 2))
    sequence = sequence_of(tmp_path, midi(head, GROOVE))
    assert GrooveConverter(split_bars=4).extract(sequence).left_out == {
        "time signature changes from 4/4 to 3/4 at bar 2": 1
    }


# Broken files.

CONTROL_OF_255 = (0, b"\xb9\x07\xff")
BROKEN = {
    "a key of 9 sharps": (
        midi(track(tempo(0, 500_000), key(0, 9)), GROOVE),
        "impossible key signatures",
    ),
    "a metre of 0/4": (
        midi(track(metre(0, 0, 2)), GROOVE),
        "impossible time signatures",
    ),
    "a tempo of 0": (midi(track(tempo(0, 0)), GROOVE), "impossible tempos"),
    "a controller of 255": (
        midi(HEAD, track(CONTROL_OF_255, *groove())),
        "data bytes above 127",
    ),
    "an empty track": (midi(HEAD, b"", GROOVE), "empty tracks"),
    "a foreign chunk": (
        midi(HEAD, chunk(b"XFIH", b"abcd"), GROOVE),
        "bytes or chunks outside of any track",
    ),
    "bytes at the end": (
        midi(HEAD, GROOVE) + b"\x00\x01\x02",
        None,  # which Magenta's libraries pass over, too
    ),
    "a track said to be too short": (
        midi(HEAD, chunk(b"MTrk", GROOVE, len(GROOVE) - 9), track()),
        "tracks whose length is wrong",
    ),
    "a track said to be too long": (
        midi(HEAD, chunk(b"MTrk", GROOVE, len(GROOVE) + 5), track(*note(0, 60)[:0])),
        "tracks whose length is wrong",
    ),
    "a last track said to be too long": (
        midi(HEAD, chunk(b"MTrk", GROOVE, len(GROOVE) + 99)),
        "tracks whose length is wrong",
    ),
    "a last track without its end": (
        midi(HEAD, chunk(b"MTrk", track(*groove(), end=b""), 2 * len(GROOVE))),
        "tracks that are cut off",
    ),
    "a last track cut off in an event": (
        midi(HEAD, chunk(b"MTrk", track(*groove(), end=b"\x00\x99"), 2 * len(GROOVE))),
        "tracks that are cut off",
    ),
}


@pytest.mark.parametrize("reader", ["magenta", "daw"])
@pytest.mark.parametrize("broken", BROKEN)
def test_only_broken_parts_are_skipped_and_they_are_counted(tmp_path, broken, reader):
    data, mended = BROKEN[broken]
    conversion = converted(tmp_path, data, reader)
    sequence = NoteSequence.FromString(conversion.records[0])
    assert sorted(times(sequence)) == sorted(
        times(sequence_of(tmp_path, midi(HEAD, GROOVE), reader))
    )
    if mended:
        assert conversion.mended == {mended: 1}
    assert not conversion.problems


def test_velocities_above_127_are_clipped_and_pitches_dropped(tmp_path):
    data = midi(track(on(0, 60, velocity=200), off(480, 60), *note(0, 130)))
    sequence = sequence_of(tmp_path, data)
    assert [(n.pitch, n.velocity) for n in sequence.notes] == [(60, 127)]


def test_time_in_smpte_frames_is_read(tmp_path):
    division = (256 - 25) << 8 | 40  # 1000 ticks a second
    data = midi(track(*note(500, 60, 250)), division=division)
    for reader in ("magenta", "daw"):
        assert times(sequence_of(tmp_path, data, reader)) == [(60, 0.5, 0.75)]


def test_patterns_follow_one_another(tmp_path):
    pattern = track(*note(0, 60, QUARTER))
    data = midi(pattern, pattern, kind=2)
    assert times(sequence_of(tmp_path, data)) == [(60, 0, 0.5), (60, 0.5, 1)]


@pytest.mark.parametrize("ending", ["kar", "SMF", "rmi", "Midi"])
def test_other_endings_of_midi_are_read(tmp_path, ending):
    data = midi(HEAD, GROOVE)
    data = rmi(data) if ending == "rmi" else data
    (record,) = converted(tmp_path, data, "magenta", f"a.{ending}").records
    sequence = NoteSequence.FromString(record)
    assert len(sequence.notes) == 48 and sequence.id.startswith("/id/midi/")


# Against the other reader.


@st.composite
def clean_tracks(draw, with_signatures):
    """Notes of a pitch do not overlap, none is without length, and programs change
    between notes alone."""
    events, tick = [], 0
    if with_signatures:
        events = [tempo(0, draw(st.integers(200_000, 900_000)))]
        events += draw(st.sampled_from([[], [metre(0, 3, 2)], [key(0, 2)]]))
    if draw(st.booleans()):
        events.append(name(draw(st.sampled_from(["Bass", "Drums"]))))
    for _ in range(draw(st.integers(0, 12))):
        channel = draw(st.sampled_from([0, 1, DRUMS]))
        length = draw(st.integers(1, 300))
        change = draw(st.sampled_from([None, 0xB0, 0xC0, 0xE0]))
        if change:
            data = bytes([change | channel, draw(st.integers(0, 127)), 5])
            events.append((tick, data[:2] if change == 0xC0 else data))
        for pitch in draw(st.sets(st.integers(30, 90), min_size=1, max_size=3)):
            events += note(tick, pitch, length, channel)
        tick += length + draw(st.integers(0, 200))
    return track(*events)


@given(clean_tracks(True), st.lists(clean_tracks(False), max_size=3))
@settings(max_examples=150, deadline=None)
def test_clean_files_are_the_same_for_both_readers(first, others):
    data = midi(first, *others)
    strict = midi_events.read_events(data)
    magenta = midi_notes.read(*strict)
    assert magenta.has_all_notes
    assert midi_daw.to_note_sequence(midi_daw.read_file(data)) == magenta.sequence
    lenient = midi_lenient.read_events(data)
    assert not lenient.mended
    assert (lenient.ticks_per_quarter, lenient.tracks) == strict


def test_real_performances_have_the_same_notes_for_both_readers(golden):
    """But for notes that Magenta drops, or ends together."""
    kept = ("pitch", "velocity", "start_time", "program", "is_drum")
    same = 0
    for collection in golden.collections():
        root = golden.path("midi", collection)
        for file, _, serialized in golden.conversions(collection):
            if not NoteSequence.FromString(serialized).notes:
                continue
            magenta, daw = (
                reading.convert(root, file, reader) for reader in reading.MIDI_READERS
            )
            ours, theirs = (
                sorted(
                    tuple(getattr(n, field) for field in kept)
                    for n in NoteSequence.FromString(conversion.records[0]).notes
                )
                for conversion in (daw, magenta)
            )
            dropped = sum(
                magenta.lost[what] for what in (midi_daw.NO_LENGTH, midi_daw.UNRELEASED)
            )
            assert len(ours) == len(theirs) + dropped
            same += ours == theirs
    assert same


@given(st.binary(max_size=300), st.sampled_from(["daw", "magenta"]))
@settings(max_examples=200, deadline=None)
def test_random_tracks_never_crash(tmp_path_factory, content, reader):
    folder = tmp_path_factory.getbasetemp()
    header = b"MThd" + struct.pack(">Lhhh", 6, 1, 1, 480)
    for data in (header + content, header + chunk(b"MTrk", content)):
        conversion = converted(folder, data, reader, f"{reader}.mid")
        assert conversion.records or conversion.problems


@given(place=st.integers(0, 10**6), byte=st.integers(0, 255))
@settings(max_examples=200, deadline=None)
def test_a_wrong_byte_never_crashes_a_daw(place, byte):
    data = bytearray(midi(HEAD, GROOVE))
    data[place % len(data)] = byte
    try:
        reading._parse_midi(bytes(data), "daw")
    except reading.UnreadableMusic as error:
        assert str(error)


def test_endless_numbers_end_soon(tmp_path):
    data = midi(b"\xff" * 300_000)
    for reader in ("magenta", "daw"):
        assert converted(tmp_path, data, reader).problems


def test_a_file_of_a_thousand_tiny_chunks_is_read(tmp_path):
    tiny = chunk(b"XFIH", b"")
    assert len(sequence_of(tmp_path, midi(HEAD, *[tiny] * 3000, GROOVE)).notes) == 48


def test_numbers_are_written_as_midi_has_them():
    assert [number(n).hex() for n in (0, 127, 128, 16383)] == [
        "00",
        "7f",
        "8100",
        "ff7f",
    ]


def test_all_tracks_are_read_whatever_the_header_counts(tmp_path):
    whole = midi(GROOVE, GROOVE, GROOVE)
    assert whole[10:12] == b"\0\3"
    fewer = whole[:10] + b"\0\1" + whole[12:]
    assert times(sequence_of(tmp_path, fewer)) == times(sequence_of(tmp_path, whole))

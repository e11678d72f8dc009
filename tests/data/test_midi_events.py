"""Bytes of a MIDI file give its events, and whatever is doubtful is refused."""

import struct

import pytest

from music_vae_tf.data.midi_events import KEY, META, METRE, NAME, TEMPO, Unusual
from music_vae_tf.data.midi_events import read_events as read


def midi(*tracks, ticks_per_quarter=96):
    chunks = [b"MTrk" + struct.pack(">L", len(track)) + track for track in tracks]
    header = struct.pack(">4sLHHh", b"MThd", 6, 1, len(tracks), ticks_per_quarter)
    return header + b"".join(chunks)


def test_every_kind_of_event_is_read_or_passed_over():
    track = bytes.fromhex(
        "00 99 24 64"  # a note on channel 10
        "81 00 24 00"  # 128 ticks later, running status
        "00 C0 05"  # a program
        "00 D0 40"  # pressure, one byte as well
        "00 E1 00 40"  # a bend
        "00 FF 03 02 48 69"  # the track's name
        "00 FF 01 01 58"  # a text
        "00 F0 03 01 02 F7"  # of the system's own
        "10 B9 04 7F"  # a control
        "00 FF 51 03 07 A1 20"
        "00 FF 58 04 06 03 18 08"
        "00 FF 59 02 FF 00"
        "00 FF 2F 00"
    )
    ticks_per_quarter, (only,) = read(midi(track))
    assert ticks_per_quarter == 96
    assert list(zip(only.ticks, only.events)) == [
        (0, (0x99, 36, 100)),
        (128, (0x99, 36, 0)),
        (128, (0xC0, 5, 0)),
        (128, (0xD0, 64, 0)),
        (128, (0xE1, 0, 64)),
        (128, (META, NAME, b"Hi")),
        (144, (0xB9, 4, 127)),
    ]
    assert only.signatures == [
        (144, TEMPO, b"\x07\xa1\x20"),
        (144, METRE, b"\x06\x03\x18\x08"),
        (144, KEY, b"\xff\x00"),
    ]
    assert only.length == 144


def test_a_running_status_outlasts_meta_events_but_no_messages_of_a_systems_own():
    on, off, text = b"\0\x90\x40\x40", b"\x60\x40\0", b"\0\xff\x01\0"
    _, (track,) = read(midi(on + text + off))
    assert track.events == [(0x90, 64, 64), (0x90, 64, 0)]
    with pytest.raises(Unusual):
        read(midi(on + b"\0\xf0\x01\xf7" + off))


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"RIFF" + midi(b"\0\xff\x2f\0"),
        midi(),
        midi(b""),
        midi(b"\0\xff\x2f\0").replace(
            b"\0\x01\0\x60", b"\x80\0\0\x60"
        ),  # -32768 tracks
        midi(b"\0\x90\x40\x40", ticks_per_quarter=0),
        midi(b"\0\x90\x40\x40", ticks_per_quarter=-6360),  # in SMPTE frames
        midi(b"\0\x90\x40\x40")[:-1],
        midi(b"\0\x90\x40"),
        midi(b"\0\x90\x40\x40\x81"),
        midi(b"\0\x40\x40"),  # no status before it
        midi(b"\0\x90\x80\x40"),
        midi(b"\0\x90\x40\x80"),
        midi(b"\0\xf1\x01"),
        midi(b"\0\xf8"),
        midi(b"\0\xf0\x02\x80\xf7"),
        midi(b"\0\xff\x01\x05abc"),  # shorter than it says
        midi(b"\0\xff\x08\0"),  # a kind that mido does not know, and takes for no time
        midi(b"\0\xff\x51\x03\0\0\0"),  # no time at all for a quarter note
        midi(b"\0\xff\x51\x02\x07\xa1"),
        midi(b"\0\xff\x58\x04\0\x02\x18\x08"),
        midi(b"\0\xff\x58\x04\x04\x1d\x18\x08"),  # 2**29 is no power of 2 for mido
        midi(b"\0\xff\x59\x02\x08\0"),
        midi(b"\0\xff\x59\x02\0\x02"),
        midi(b"\0\xff\x54\x05\0\x3c\0\0\0"),
        midi(b"\0\xff\x54\x05\x80\0\0\0\0"),
        midi(b"\0\xff\x01\xbd\x84\x41" + bytes(1_000_001)),
    ],
)
def test_what_is_doubtful_is_refused(data):
    with pytest.raises(Unusual):
        read(data)

"""The events of a MIDI file that is written as the standard says; others are refused.

This is a loop over bytes, without an object for each message. It accepts only what has
one reading. symusic, a parser in C++, cannot take its place. It pairs overlapping notes
otherwise, and keeps neither the order of note releases nor the track of a tempo. For
four in ten files of the Groove MIDI Dataset this changes notes or their order.
"""

from __future__ import annotations

import struct
from typing import NamedTuple

HEADER = struct.Struct(">4sLhhh")
CHUNK = struct.Struct(">4sL")
NOTE_OFF, NOTE_ON, CONTROL, PROGRAM = 0x80, 0x90, 0xB0, 0xC0
PRESSURE, BEND = 0xD0, 0xE0  # pressure of a channel, which has one byte like PROGRAM
SYSEX, SYSEX_GOES_ON, META = 0xF0, 0xF7, 0xFF
NAME, TEMPO, METRE, KEY = 0x03, 0x51, 0x58, 0x59  # kinds of meta events
# For every kind of meta event: whether its data can be read in one way only.
IS_PLAIN = {
    0x00: lambda data: len(data) == 2,  # the number of the sequence
    **dict.fromkeys([*range(0x01, 0x08), 0x09], lambda data: True),  # texts, names
    0x20: lambda data: len(data) == 1,  # a channel
    0x21: lambda data: len(data) == 1,  # a port
    0x2F: lambda data: not data,  # the end of the track
    TEMPO: lambda data: len(data) == 3 and any(data),
    0x54: lambda data: len(data) == 5 and _is_smpte_time(*data),
    METRE: lambda data: len(data) == 4 and data[0] > 0 and data[1] < 16,
    KEY: lambda data: len(data) == 2 and _is_key(*data),
    0x7F: lambda data: True,  # the sequencer's own
}
LONGEST_NUMBER = 5  # bytes; the standard has 4
LONGEST_GAP = (1 << 28) - 1  # ticks, in the 4 bytes of the standard
MAX_LENGTH = 1_000_000  # of one event, in bytes; mido reads none that is longer


class Unusual(ValueError):
    """A file that breaks the standard, or that readers disagree on."""


class Track(NamedTuple):
    """What a track holds, in its order; ticks count from the beginning."""

    ticks: list[int]  # one for each event
    events: list[tuple]  # status byte, its two data bytes; or META, NAME, data
    signatures: list[tuple]  # tick; TEMPO, METRE or KEY; data
    length: int  # in ticks


def read_events(data: bytes) -> tuple[int, list[Track]]:
    """Ticks per quarter note, and the tracks, of which there is one at least.

    Raises:
        Unusual: it is not certain what the file means, or that it is one.
    """
    try:
        magic, size, _, num_tracks, ticks_per_quarter = HEADER.unpack_from(data)
        if (magic, size) != (b"MThd", 6) or num_tracks <= 0 or ticks_per_quarter <= 0:
            raise Unusual("header")
        place, tracks = HEADER.size, []
        for _ in range(num_tracks):
            magic, size = CHUNK.unpack_from(data, place)
            place += CHUNK.size
            if magic != b"MTrk" or not 0 < size <= len(data) - place:
                raise Unusual("track")
            tracks.append(_read_track(data[place : place + size]))
            place += size
    except (IndexError, struct.error) as error:
        raise Unusual("cut off") from error
    return ticks_per_quarter, tracks


def _read_track(data):
    """All of it: as mido has it, a running status outlasts a meta event, and the track
    its end-of-track."""
    values = list(data)  # quicker than bytes to index
    ticks, events, signatures = [], [], []
    place = tick = running_status = 0
    while place < len(values):
        delta = values[place]
        place += 1
        if delta > 127:
            delta, place = _number(values, place - 1)
        tick += delta
        status = values[place]
        if status >= SYSEX:
            kind, content, place = _read_long(data, values, place)
            if kind is None:
                running_status = 0
            elif kind == NAME:
                ticks.append(tick)
                events.append((META, NAME, content))
            elif kind in (TEMPO, METRE, KEY):
                signatures.append((tick, kind, content))
            continue
        if status >= NOTE_OFF:
            running_status = status
            place += 1
        first, second = values[place], 0
        place += 1
        if running_status & 0xE0 != PROGRAM:  # which has one byte, like 0xD0, pressure
            second = values[place]
            place += 1
        if first > 127 or second > 127 or not running_status:
            raise Unusual("data without status, or status without data")
        ticks.append(tick)
        events.append((running_status, first, second))
    if place > len(values):
        raise Unusual("an event longer than its track")
    return Track(ticks, events, signatures, tick)


def _number(values, place):
    """A number of variable length, and the place after it."""
    number, last = 0, place + LONGEST_NUMBER
    while values[place] > 127:
        number = (number | values[place] & 127) << 7
        place += 1
        if place == last:
            raise Unusual("a number longer than the standard has them")
    return number | values[place], place + 1


def _read_long(data, values, place):
    """Kind and content of an event with a length, and the place after it. The kind of
    a message of a system's own is None."""
    status = values[place]
    kind = None
    if status == META:
        place += 1
        kind = values[place]
    elif status not in (SYSEX, SYSEX_GOES_ON):
        raise Unusual("a message that is not for files")
    length, place = _number(values, place + 1)
    content = data[place : place + length]
    if length > MAX_LENGTH or not is_plain(kind, content):
        raise Unusual("a message that is broken, unknown or huge")
    return kind, content, place + length


def is_plain(kind: int | None, content: bytes) -> bool:
    """Whether the data of a meta event, or of a system's own message (None), can be
    read in one way only."""
    if kind is None:
        return content.removeprefix(b"\xf0").removesuffix(b"\xf7").isascii()
    return kind in IS_PLAIN and IS_PLAIN[kind](content)


def _is_smpte_time(hours, minutes, seconds, frames, subframes):
    return hours < 0x80 and minutes < 60 and seconds < 60 and subframes < 100


def _is_key(sharps, minor):
    return (sharps <= 7 or sharps >= 256 - 7) and minor <= 1

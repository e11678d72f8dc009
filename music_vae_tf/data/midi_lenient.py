"""The events of any MIDI file, as a DAW reads it: only the broken parts are skipped.

`midi_events` refuses whatever breaks the standard. This skips chunks that are not
tracks, finds the end of a track whose length is wrong, and leaves out messages that
make no sense. It counts all of these.
"""

from __future__ import annotations

import struct
from collections import Counter
from typing import NamedTuple

from music_vae_tf.data import midi_events
from music_vae_tf.data.midi_events import CHUNK, META, Track

RIFF = struct.Struct("<4sL4s")
MAX_TRACKS = 65_535  # what the header of a file can count
RIFF_CHUNK = struct.Struct("<4sL")
END_OF_TRACK = 0x2F
# Bytes after messages that are for cables, not for files.
SYSTEM_BYTES = {0xF1: 1, 0xF2: 2, 0xF3: 1}
NTSC = 30000 / 1001  # frames a second, which the header calls 29
# What is left out, in a user's words.
BIG_BYTES = "data bytes above 127"
CUT_OFF = "tracks that are cut off"
FOREIGN = "bytes or chunks outside of any track"
LENGTHS = "tracks whose length is wrong"
EMPTY = "empty tracks"
STRAY = "bytes outside of any message"
BROKEN_META = {
    midi_events.TEMPO: "impossible tempos",
    midi_events.METRE: "impossible time signatures",
    midi_events.KEY: "impossible key signatures",
}


class NotMidi(ValueError):
    """Bytes that hold no MIDI tracks; the message has the reason."""


class MidiFile(NamedTuple):
    """What a MIDI file holds."""

    kind: int  # 0, 1 or 2: one track, tracks at once, patterns one after another
    ticks_per_quarter: int  # 0 where ticks are fractions of a second
    ticks_per_second: float  # 0 where ticks are fractions of a quarter note
    tracks: list[Track]
    mended: Counter[str]  # what was broken, and is left out or guessed

    @property
    def quarter(self) -> int:
        """In ticks; where these are fractions of a second, at 120 BPM."""
        return self.ticks_per_quarter or max(round(self.ticks_per_second / 2), 1)

    @property
    def sixteenth(self) -> int:
        """In ticks."""
        quarter = self.ticks_per_quarter or self.ticks_per_second / 2
        return max(int(quarter / 4), 1)


def unwrapped(data: bytes) -> bytes:
    """A MIDI file without the RIFF around it, which `.rmi` files have."""
    if len(data) < RIFF.size or data[:4] != b"RIFF" or data[8:12] != b"RMID":
        return data
    place = RIFF.size
    while place + RIFF_CHUNK.size <= len(data):
        kind, size = RIFF_CHUNK.unpack_from(data, place)
        place += RIFF_CHUNK.size
        if kind == b"data":
            return data[place : place + size]
        place += size + size % 2  # chunks begin at even places
    return data


def read_events(data: bytes, events: type[Events] | None = None) -> MidiFile:
    """All tracks of a file.

    events: reads the events of a track, and gives what shall stand in `tracks`.

    Raises:
        NotMidi: its header is none, or there is no track in it, or too many.
    """
    kind, per_quarter, per_second, place = _header(data)
    tracks, mended = [], Counter()
    while place < len(data):
        place = _read_chunk(data, place, tracks, mended, events or Events)
        if len(tracks) > MAX_TRACKS:
            raise NotMidi(f"more than {MAX_TRACKS:,} tracks, which is the limit")
    if not tracks:
        raise NotMidi("no track in it")
    return MidiFile(kind, per_quarter, per_second, tracks, +mended)


def _header(data):
    """Kind, ticks a quarter and a second, and the place after it."""
    if not data.startswith(b"MThd"):
        raise NotMidi(f"no MIDI file: it starts with {shown(data[:4])}")
    if len(data) < midi_events.HEADER.size:
        raise NotMidi("cut off: the file ends in its header")
    _, size, kind, _, division = midi_events.HEADER.unpack_from(data)
    place = max(CHUNK.size + size, midi_events.HEADER.size)
    if division > 0:
        return kind, division, 0.0, place
    frames, ticks_per_frame = -(division >> 8), division & 0xFF
    if not frames or not ticks_per_frame:
        raise NotMidi(f"no time: its header says {max(division, 0)} ticks a quarter")
    return kind, 0, (NTSC if frames == 29 else frames) * ticks_per_frame, place


def shown(data: bytes) -> str:
    """Bytes as text where they are text, otherwise as hexadecimal numbers."""
    text = data.decode("latin-1").strip()
    is_text = text.isascii() and text.isprintable() and text
    return f'"{text}"' if is_text else data.hex(" ")


def _read_chunk(data, place, tracks, mended, reader):
    """Adds the chunk at a place to the tracks, if it is one; gives the place after."""
    if data[place : place + 4] != b"MTrk" or place + CHUNK.size > len(data):
        mended[FOREIGN] += 1
        return _after_foreign(data, place)
    _, size = CHUNK.unpack_from(data, place)
    place += CHUNK.size
    stop = place + size
    if stop == len(data) or _is_chunk(data, stop):
        mended[EMPTY] += not size
        events = reader(data, place, stop, mended)
    else:
        next_track = data.find(b"MTrk", place)
        limit = len(data) if next_track < 0 else next_track
        events = reader(data, place, limit, mended, ends_early=True)
    tracks.append(events.read())
    if events.place != stop:
        mended[LENGTHS if events.is_over else CUT_OFF] += 1
    return events.place


def _is_chunk(data, place):
    """Whether what begins there has a name, and ends within the file."""
    if place + CHUNK.size > len(data):
        return False
    name, size = CHUNK.unpack_from(data, place)
    is_name = name.isascii() and name.decode().isprintable()
    return is_name and (name == b"MTrk" or place + CHUNK.size + size <= len(data))


def _after_foreign(data, place):
    if _is_chunk(data, place):
        return place + CHUNK.size + CHUNK.unpack_from(data, place)[1]
    next_track = data.find(b"MTrk", place + 1)
    return len(data) if next_track < 0 else next_track


class _End(Exception):
    """The bytes of a track are over in the midst of an event."""


class Events:
    """Reads the events between two places."""

    def __init__(self, data, place, stop, mended, ends_early=False):
        """ends_early: at its end-of-track, as the length is not to be trusted."""
        self.place, self.is_over = place, False
        self._data, self._stop = data, stop
        self._mended, self._ends_early = mended, ends_early
        self._track = Track([], [], [], 0)
        self._tick = self._running_status = 0

    def read(self) -> Track:
        """All of them; `place` is then what follows them, and `is_over` tells whether
        their end-of-track was found before."""
        try:
            while self.place < self._stop and not self.is_over:
                self._tick += self._number()
                self._read_event()
        except _End:
            self._mended[CUT_OFF] += not self._ends_early  # counted by the caller
            self.place = self._stop
        return self._track._replace(length=self._tick)

    def _byte(self):
        if self.place >= self._stop:
            raise _End
        self.place += 1
        return self._data[self.place - 1]

    def _number(self):
        number = 0
        for _ in range(midi_events.LONGEST_NUMBER):
            byte = self._byte()
            number = number << 7 | byte & 127
            if byte < 128:
                break
        return number

    def _read_event(self):
        status = self._byte()
        if status == META:
            self._read_meta()
        elif status in (midi_events.SYSEX, midi_events.SYSEX_GOES_ON):
            self._content()
        elif status > midi_events.SYSEX:
            self._mended[STRAY] += 1
            for _ in range(SYSTEM_BYTES.get(status, 0)):
                self._byte()
        elif status >= midi_events.NOTE_OFF:
            self._running_status = status
            self._read_message(self._byte())
        elif self._running_status:
            self._read_message(status)
        else:
            self._mended[STRAY] += 1

    def _content(self):
        length = self._number()
        self.place += length
        if self.place > self._stop:
            raise _End
        return self._data[self.place - length : self.place]

    def _read_meta(self):
        kind = self._byte()
        content = self._content()
        if kind == END_OF_TRACK:
            self.is_over = self._ends_early
        elif kind == midi_events.NAME:
            self._add((META, kind, content))
        elif kind in BROKEN_META:
            if midi_events.IS_PLAIN[kind](content):
                self._track.signatures.append((self._tick, kind, content))
            else:
                self._mended[BROKEN_META[kind]] += 1

    def _read_message(self, first):
        status, second = self._running_status, 0
        kind = status & 0xF0
        if kind not in (midi_events.PROGRAM, midi_events.PRESSURE):
            second = self._byte()
        if first > 127 or second > 127:
            self._mended[BIG_BYTES] += 1
        if first <= 127:  # no such pitch, controller or program otherwise
            self._add((status, first, min(second, 127)))

    def _add(self, event):
        self._track.ticks.append(self._tick)
        self._track.events.append(event)

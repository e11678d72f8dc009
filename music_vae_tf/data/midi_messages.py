"""All messages of a MIDI file as mido's, such that writing them loses and alters none.

mido's own reader stops at one bad event, reads running status after a system exclusive
message as part of another, and gives packets of such messages a beginning and an end.
"""

from __future__ import annotations

from collections import Counter

import mido
from mido.midifiles.meta import build_meta_message

from music_vae_tf.data import midi_lenient
from music_vae_tf.data.midi_events import META, NOTE_OFF, SYSEX, is_plain

UNDEFINED = (0xF4, 0xF5, 0xF9, 0xFD)  # status bytes without a meaning


class RawMessage(mido.UnknownMetaMessage):
    """Bytes that mido would alter or refuse; it writes them as they are."""

    def __init__(self, type_byte=0, data=(), time=0, type="raw"):
        super().__init__(type_byte, data, time, type)

    def bytes(self):
        """All of them, a list, without the time before them."""
        return list(self.data)


def read(data: bytes) -> tuple[mido.MidiFile, Counter[str]]:
    """The messages of a file that may be broken, and what is broken.

    Its tracks are those that are there, however many its header says. What is cut off,
    and data bytes without a status, are left out.

    Raises:
        midi_lenient.NotMidi: there is no track in it, or there are too many.
    """
    file = midi_lenient.read_events(data, _Messages)
    midi = mido.MidiFile(ticks_per_beat=file.ticks_per_quarter, tracks=file.tracks)
    midi.type = file.kind
    return midi, file.mended


class _Messages(midi_lenient.Events):
    """Reads the messages between two places of a file."""

    def __init__(self, *args, **options):
        super().__init__(*args, **options)
        self._messages, self._last = mido.MidiTrack(), 0
        self._read_content = b""  # of the last message that has a length

    def read(self) -> mido.MidiTrack:
        """All of them, with the ticks since the one before as their time."""
        super().read()
        return self._messages

    def _content(self):
        self._read_content = super()._content()
        return self._read_content

    def _read_event(self):
        start = self.place
        super()._read_event()
        raw = self._data[start : self.place]
        if raw[0] < NOTE_OFF:  # it is data
            raw = bytes([self._running_status]) + raw if self._running_status else b""
        if raw and raw[0] not in UNDEFINED:
            message = _message(raw, self._read_content)
            message.time = self._tick - self._last
            self._messages.append(message)
            self._last = self._tick


def _message(raw, content):
    """The message of some bytes that are one, in mido's words if it has them."""
    status = raw[0]
    if status < SYSEX:
        return _of_channel(raw)
    if status == META:
        return _meta(raw, content)
    if status == SYSEX and content.endswith(b"\xf7") and content[:-1].isascii():
        return mido.Message("sysex", data=content[:-1])
    return RawMessage(data=raw)


def _of_channel(raw):
    """Readers of notes leave out a first byte above 127, and take 127 for a second."""
    if raw[1] > 127:
        return RawMessage(data=raw)
    return mido.Message.from_bytes([*raw[:2], *(min(byte, 127) for byte in raw[2:])])


def _meta(raw, content):
    if raw[1] == midi_lenient.END_OF_TRACK:
        return mido.MetaMessage("end_of_track")
    if is_plain(raw[1], content):
        message = build_meta_message(raw[1], content)
        if bytes(message.bytes()).endswith(content):
            return message
    return RawMessage(data=raw)

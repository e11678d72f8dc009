"""The events of a MIDI file -> NoteSequence, just as note_seq and pretty_midi do it.

What is particular about it:

* Tempo, time signature and key are read from the first track only, in files of every
  type.
* A release ends all notes of its channel and pitch. Those that begin on the same tick
  go on where others end, and where none does are dropped, as are notes never released.
* An instrument is a program on a channel of a track, and appears with the first note
  that ends. Bends and controls of a channel before its first instrument are one list
  with those of programs that have none yet. They belong to all instruments that appear
  on the channel.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from note_seq.protobuf.music_pb2 import NoteSequence

from music_vae_tf.data import midi_events
from music_vae_tf.data.midi_events import Track
from music_vae_tf.errors import UserFacingError

DRUM_CHANNEL = 9
DEFAULT_QPM = 120.0
# Of a NoteSequence. As each program of a channel gets the bends and controls before
# it, a file of 300 kB can ask for 12 million.
MAX_EVENTS = 2_000_000


class TooManyEvents(UserFacingError, ValueError):
    """A file whose NoteSequence would be too large."""


class Music(NamedTuple):
    """The NoteSequence of a file, and whether this way of reading it is certain to have
    kept its notes: none was dropped, and but for drums, whose ends mean little, none
    overlapped another of its pitch."""

    sequence: NoteSequence
    has_all_notes: bool


def read(ticks_per_quarter: int, tracks: list[Track]) -> Music:
    """What all tracks hold, of which the first says how long a tick is."""
    signatures = tracks[0].signatures
    clock = Clock(ticks_per_quarter, signatures)
    instruments, doubtful = [], []
    for track in tracks:
        instruments += _instruments(track, clock, doubtful)
    sequence = assembled(ticks_per_quarter, signatures, clock, instruments)
    return Music(sequence, not doubtful)


def assembled(ticks_per_quarter, signatures, clock, instruments) -> NoteSequence:
    """The NoteSequence of instruments, and of signatures on ticks of a clock.

    Raises:
        TooManyEvents: there are more notes, bends and controls than MAX_EVENTS.
    """
    number = sum(len(i.notes) + len(i.bends) + len(i.controls) for i in instruments)
    if number > MAX_EVENTS:
        raise TooManyEvents(
            f"too many events: {number:,} notes, bends and controls; {MAX_EVENTS:,} "
            "are the limit"
        )
    sequence = NoteSequence(ticks_per_quarter=ticks_per_quarter)
    sequence.source_info.parser = NoteSequence.SourceInfo.PRETTY_MIDI
    sequence.source_info.encoding_type = NoteSequence.SourceInfo.MIDI
    _add_signatures(sequence, signatures, clock)
    for number, instrument in enumerate(instruments):
        _add_instrument(sequence, number, instrument)
    ends = [note[1] for instrument in instruments for note in instrument.notes]
    sequence.total_time = max(ends, default=0)
    return sequence


class Clock:
    """Ticks -> seconds, to the last bit as in pretty_midi."""

    def __init__(self, ticks_per_quarter, signatures):
        """`signatures` are those of a track; the tempos among them count."""
        starts, scales = [0], [60.0 / (DEFAULT_QPM * ticks_per_quarter)]
        for tick, kind, data in signatures:
            if kind != midi_events.TEMPO:
                continue
            qpm = 6e7 / int.from_bytes(data, "big")  # it is in microseconds
            scale = 60.0 / (qpm * ticks_per_quarter)
            if tick == 0:
                scales = [scale]
            elif scale != scales[-1]:
                starts.append(tick)
                scales.append(scale)
        self.starts = starts  # of each tempo, in ticks
        self.qpms = [60.0 / (scale * ticks_per_quarter) for scale in scales]
        origins = np.cumsum(np.diff(starts) * scales[:-1])
        self._tempos = np.array(starts), np.array(scales), np.append(0.0, origins)

    def seconds(self, ticks):
        """The times, a list, of a list of ticks."""
        ticks = np.array(ticks, int)
        starts, scales, origins = self._tempos
        tempo = np.searchsorted(starts, ticks, side="right") - 1
        return (origins[tempo] + scales[tempo] * (ticks - starts[tempo])).tolist()


def _add_signatures(sequence, signatures, clock):
    for time, qpm in zip(clock.seconds(clock.starts), clock.qpms):
        sequence.tempos.add(time=time, qpm=qpm)
    times = clock.seconds([tick for tick, _, _ in signatures])
    for time, (_, kind, data) in zip(times, signatures):
        if kind == midi_events.METRE:
            sequence.time_signatures.add(
                time=time, numerator=data[0], denominator=2 ** data[1]
            )
        elif kind == midi_events.KEY:
            fifths, minor = data  # 255 is one flat
            fifths -= 256 if fifths > 127 else 0
            sequence.key_signatures.add(
                time=time, key=(7 * fifths + 9 * minor) % 12, mode=minor
            )


class _Instrument(NamedTuple):
    """What one program plays on one channel of one track; times in seconds."""

    name: str
    program: int
    is_drum: bool
    notes: list[tuple]  # start, end, pitch, velocity
    bends: list[tuple]  # time, bend
    controls: list[tuple]  # time, number, value


class _Changes(NamedTuple):
    """The bends and controls of a channel while no instrument is there for them."""

    bends: list
    controls: list


class Stage:
    """The instruments of one track, as they appear."""

    def __init__(self):
        self.name = ""  # of the next instrument
        self.programs = [0] * 16  # of each channel, at the moment
        self.instruments = {}  # by program and channel
        self._early = {}  # by channel

    def instrument(self, channel, program):
        """The one that plays a program on a channel; it appears if it is not there."""
        if (program, channel) not in self.instruments:
            changes = self._early.get(channel, _Changes([], []))
            self.instruments[program, channel] = _Instrument(
                self.name, program, channel == DRUM_CHANNEL, [], *changes
            )
        return self.instruments[program, channel]

    def change(self, time, status, first, second):
        """The effect of an event other than a note: a control, a program, a name ..."""
        kind, channel = status & 0xF0, status & 0x0F
        if kind == midi_events.CONTROL:
            self._changes(channel).controls.append((time, first, second))
        elif kind == midi_events.BEND:
            bend = (second << 7 | first) - 8192
            self._changes(channel).bends.append((time, bend))
        elif kind == midi_events.PROGRAM:
            self.programs[channel] = first
        elif status == midi_events.META:
            # As Magenta does, whatever it is: `track_names` decodes it to show it.
            self.name = second.decode("latin-1")

    def _changes(self, channel):
        """Where bends and controls of a channel go."""
        instrument = self.instruments.get((self.programs[channel], channel))
        return instrument or self._early.setdefault(channel, _Changes([], []))


def _instruments(track, clock, doubtful):
    """Keys of notes that were dropped or overlapped are added to `doubtful`."""
    stage, sounding = Stage(), {}
    times = clock.seconds(track.ticks)
    for tick, time, (status, first, second) in zip(track.ticks, times, track.events):
        kind, channel = status & 0xF0, status & 0x0F
        if kind == midi_events.NOTE_ON and second:
            sounding.setdefault((channel, first), []).append((tick, time, second))
        elif kind in (midi_events.NOTE_ON, midi_events.NOTE_OFF):
            key = channel, first
            for start, velocity in _release(sounding, key, tick, doubtful):
                note = start, time, first, velocity
                program = stage.programs[channel]
                stage.instrument(channel, program).notes.append(note)
        else:
            stage.change(time, status, first, second)
    doubtful += sounding
    return stage.instruments.values()


def _release(sounding, key, tick, doubtful):
    """Start and velocity of the notes that end; they sound no longer."""
    notes = sounding.pop(key, ())
    ended = [(start, velocity) for on, start, velocity in notes if on != tick]
    if notes and (not ended or len(ended) > 1 and key[0] != DRUM_CHANNEL):
        doubtful.append(key)
    if 0 < len(ended) < len(notes):
        sounding[key] = [note for note in notes if note[0] == tick]
    return ended


def _add_instrument(sequence, number, instrument):
    """Field by field: as keyword arguments they would take twice as long."""
    name, program, is_drum, notes, bends, controls = instrument
    if name:
        sequence.instrument_infos.add(instrument=number, name=name)
    for start, end, pitch, velocity in notes:
        note = _belonging(sequence.notes, number, program, is_drum)
        note.start_time, note.end_time = start, end
        note.pitch, note.velocity = pitch, velocity
    for time, value in bends:
        bend = _belonging(sequence.pitch_bends, number, program, is_drum)
        bend.time, bend.bend = time, value
    for time, control, value in controls:
        change = _belonging(sequence.control_changes, number, program, is_drum)
        change.time, change.control_number, change.control_value = time, control, value


def _belonging(messages, number, program, is_drum):
    message = messages.add()
    message.instrument, message.program, message.is_drum = number, program, is_drum
    return message

"""NoteSequence -> a MIDI file that a DAW takes as it is."""

from __future__ import annotations

import bisect
import functools
import io
import itertools
from collections import defaultdict
from collections.abc import Iterator
from typing import NamedTuple

import mido
from note_seq import constants
from note_seq.protobuf import music_pb2

from music_vae_tf.data import track_names
from music_vae_tf.data.whole_file import whole_file

MAX_US_PER_QUARTER = 2**24 - 1
# Of the keys that sound alike, the one with fewer sharps or flats.
MAJOR_KEYS = ["C", "Db", "D", "Eb", "E", "F", "F#", "G", "Ab", "A", "Bb", "B"]
MINOR_KEYS = ["C", "C#", "D", "Eb", "E", "F", "F#", "G", "G#", "A", "Bb", "B"]
DRUM_CHANNEL = 9  # counted from 0; musicians call it 10
MELODIC_CHANNELS = [channel for channel in range(16) if channel != DRUM_CHANNEL]


def write_midi(sequence: music_pb2.NoteSequence, path) -> None:
    """Writes a MIDI file of a NoteSequence; `path` takes it when it is whole.

    Tempo and metre stand at tick 0, also where the sequence has none there (120
    BPM, 4/4); each part is a named track, drums on channel 10. All tracks
    last at least as long as the sequence's `total_time`, so that a loop of four bars
    has four bars in a DAW. No note
    begins before 0, is shorter than a tick, or lasts into the next of its pitch and
    part; of several that begin together the loudest is kept. Silent notes (velocity 0)
    are left out.
    """
    midi = midi_file(sequence)
    with whole_file(path) as file:
        midi.save(file=file)


def midi_bytes(sequence: music_pb2.NoteSequence) -> bytes:
    """The MIDI file that `write_midi` writes."""
    return file_bytes(midi_file(sequence))


def file_bytes(midi: mido.MidiFile) -> bytes:
    """A MIDI file as it is on a disk."""
    buffer = io.BytesIO()
    midi.save(file=buffer)
    return buffer.getvalue()


def midi_file(sequence: music_pb2.NoteSequence) -> mido.MidiFile:
    """The MIDI file of a NoteSequence; see `write_midi`."""
    ticks_per_quarter = sequence.ticks_per_quarter or constants.STANDARD_PPQ
    clock = _Clock(_tempos(sequence, ticks_per_quarter))
    names = {info.instrument: info.name for info in sequence.instrument_infos}
    end = clock.tick(sequence.total_time)
    midi = mido.MidiFile(ticks_per_beat=ticks_per_quarter)
    midi.tracks.append(_track(_timing_events(sequence, clock), end))
    channels = itertools.cycle(MELODIC_CHANNELS)
    for part, events in sorted(_parts(sequence).items()):
        channel = DRUM_CHANNEL if part.is_drum else next(channels)
        name = names.get(part.instrument) or part.default_name
        part_events = _part_events(name, part.program, channel, events, clock)
        midi.tracks.append(_track(part_events, end))
    return midi


class _Tempo(NamedTuple):
    """From where on how long a quarter lasts, in whole microseconds as MIDI has it."""

    start_s: float
    start_tick: int
    us_per_quarter: int
    ticks_per_quarter: int

    def tick(self, time_s):
        us = (time_s - self.start_s) * 1e6
        return self.start_tick + round(
            us * self.ticks_per_quarter / self.us_per_quarter
        )

    def seconds(self, tick):
        quarters = (tick - self.start_tick) / self.ticks_per_quarter
        return self.start_s + quarters * self.us_per_quarter / 1e6


def _tempos(sequence, ticks_per_quarter):
    """The tempos in order, the first at 0; each begins on a tick of the one before."""
    qpm = {0.0: constants.DEFAULT_QUARTERS_PER_MINUTE}
    qpm |= {max(tempo.time, 0.0): tempo.qpm for tempo in sequence.tempos}
    tempos = []
    for time_s in sorted(qpm):
        tick = tempos[-1].tick(time_s) if tempos else 0
        start_s = tempos[-1].seconds(tick) if tempos else 0.0
        us_per_quarter = min(round(6e7 / qpm[time_s]), MAX_US_PER_QUARTER)
        tempos.append(_Tempo(start_s, tick, us_per_quarter, ticks_per_quarter))
    return tempos


class _Clock:
    """Seconds -> ticks."""

    def __init__(self, tempos: list[_Tempo]):
        self.tempos = tempos
        self._starts_s = [tempo.start_s for tempo in tempos]

    def tick(self, time_s: float) -> int:
        """The tick nearest to a time, 0 for times before 0."""
        time_s = max(time_s, 0.0)
        return self.tempos[bisect.bisect_right(self._starts_s, time_s) - 1].tick(time_s)


class _Part(NamedTuple):
    """What note_seq takes for one instrument."""

    instrument: int
    program: int
    is_drum: bool

    @property
    def default_name(self):
        if self.is_drum:
            return "Drums"
        import pretty_midi  # slow to import

        return pretty_midi.program_to_instrument_name(self.program)


class _Event(NamedTuple):
    """A message at its place; of one tick, lower ranks come first."""

    tick: int
    rank: int
    message: mido.Message | mido.MetaMessage


# A note ends before the next begins, and a control acts on the note it comes with.
BEFORE, NOTE_END, CONTROL, NOTE_BEGIN = range(4)


def _parts(sequence):
    """`{_Part: (its notes, its pitch bends, its control changes)}`."""
    parts = defaultdict(lambda: ([], [], []))
    kinds = (sequence.notes, sequence.pitch_bends, sequence.control_changes)
    for kind, events in enumerate(kinds):
        for event in events:
            part = _Part(event.instrument, event.program, event.is_drum)
            parts[part][kind].append(event)
    return parts


def _track(events, end):
    """A track that lasts up to the tick `end`, or its last event."""
    track, tick = mido.MidiTrack(), 0
    for event in sorted(events, key=lambda event: (event.tick, event.rank)):
        event.message.time = event.tick - tick
        track.append(event.message)
        tick = event.tick
    track.append(mido.MetaMessage("end_of_track", time=max(end - tick, 0)))
    return track


def _timing_events(sequence, clock) -> Iterator[_Event]:
    for tempo in clock.tempos:
        message = mido.MetaMessage("set_tempo", tempo=tempo.us_per_quarter)
        yield _Event(tempo.start_tick, BEFORE, message)
    metres = {0: (4, 4)}
    for metre in sequence.time_signatures:
        metres[clock.tick(metre.time)] = metre.numerator, metre.denominator
    for tick, (numerator, denominator) in metres.items():
        message = mido.MetaMessage(
            "time_signature", numerator=numerator, denominator=denominator
        )
        yield _Event(tick, BEFORE, message)
    for key in sequence.key_signatures:
        minor = key.mode == key.MINOR
        name = f"{MINOR_KEYS[key.key]}m" if minor else MAJOR_KEYS[key.key]
        message = mido.MetaMessage("key_signature", key=name)
        yield _Event(clock.tick(key.time), BEFORE, message)


def _part_events(name, program, channel, events, clock) -> Iterator[_Event]:
    notes, bends, controls = events
    name = track_names.encoded(name)
    yield _Event(0, BEFORE, mido.MetaMessage("track_name", name=name))
    message = functools.partial(mido.Message, channel=channel)
    yield _Event(0, BEFORE, message("program_change", program=program))
    for start, end, pitch, velocity in _playable(notes, clock):
        begin = message("note_on", note=pitch, velocity=velocity)
        yield _Event(start, NOTE_BEGIN, begin)
        yield _Event(end, NOTE_END, begin.copy(skip_checks=True, velocity=0))
    for bend in bends:
        tick = clock.tick(bend.time)
        yield _Event(tick, CONTROL, message("pitchwheel", pitch=bend.bend))
    for control in controls:
        number, value = control.control_number, control.control_value
        change = message("control_change", control=number, value=value)
        yield _Event(clock.tick(control.time), CONTROL, change)


def _playable(notes, clock):
    """Yields `start tick, end tick, pitch, velocity` of what one part can sound."""
    spans = defaultdict(dict)  # pitch -> start tick -> (velocity, end tick)
    for note in notes:
        start = clock.tick(note.start_time)
        span = note.velocity, max(clock.tick(note.end_time), start + 1)
        if note.velocity:
            spans[note.pitch][start] = max(span, spans[note.pitch].get(start, span))
    for pitch, by_start in sorted(spans.items()):
        starts = sorted(by_start)
        for start, next_start in itertools.zip_longest(starts, starts[1:]):
            velocity, end = by_start[start]
            yield start, min(end, next_start or end), pitch, velocity

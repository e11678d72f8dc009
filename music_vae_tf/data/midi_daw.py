"""MIDI as a DAW plays it, and what Magenta's way of reading it loses.

Where it differs from `midi_notes`, which reads as pretty_midi does:

* Tempo, metre and key count in whichever track they stand. Tempos that differ by less
  than a hundredth of a BPM are one, and changes behind the last note none.
* A release ends the oldest note of its channel and pitch. Where releases are missing, a
  note ends as the next of its pitch begins, or with its track.
* A note of no length lasts a sixteenth, and a drum that is never released, too; at most
  until the next note of its pitch.
* A note is played by the program that its channel has as it begins.
* Time in SMPTE frames is read, and patterns (type 2) follow one another.
"""

from __future__ import annotations

import bisect
import math
import struct
from collections import Counter, deque
from operator import attrgetter, itemgetter
from typing import NamedTuple

from note_seq.protobuf.music_pb2 import NoteSequence

from music_vae_tf.data import midi_events, midi_lenient, midi_notes
from music_vae_tf.data.midi_events import METRE, TEMPO, Track
from music_vae_tf.data.midi_lenient import MidiFile

SAME_TEMPO = 0.01  # BPM
PATTERNS = 2  # a type of MIDI file
DEFAULTS = {TEMPO: (500_000).to_bytes(3, "big"), METRE: bytes([4, 2])}
# What Magenta loses, in a user's words.
NO_LENGTH = "notes of no length"
UNRELEASED = "notes never released"
OVERLAPPING = "overlapping notes of one pitch"
MISPLACED = {
    midi_events.TEMPO: "tempos outside the first track",
    midi_events.METRE: "time signatures outside the first track",
    midi_events.KEY: "key signatures outside the first track",
}


def read_file(data: bytes) -> MidiFile:
    """The tracks of a MIDI file, however broken.

    Raises:
        midi_lenient.NotMidi: there is none.
    """
    try:
        ticks_per_quarter, tracks = midi_events.read_events(data)
    except midi_events.Unusual:
        return midi_lenient.read_events(data)
    if data.count(b"MTrk") > len(tracks):  # more than the header says, or in a text
        return midi_lenient.read_events(data)
    kind = struct.unpack_from(">h", data, midi_events.CHUNK.size)[0]
    return MidiFile(kind, ticks_per_quarter, 0.0, tracks, Counter())


def to_note_sequence(file: MidiFile) -> NoteSequence:
    """The NoteSequence of all tracks."""
    tracks = tracks_in_time(file)
    pairings = [_Pairing(track, file.sixteenth) for track in tracks]
    ends = [note.end for pairing in pairings for note in pairing.notes]
    signatures = _signatures(tracks, max(ends, default=math.inf))
    if file.ticks_per_quarter:
        clock = midi_notes.Clock(file.ticks_per_quarter, signatures)
    else:
        clock = _FrameClock(file.ticks_per_second, signatures)
    instruments = []
    for track, pairing in zip(tracks, pairings):
        if pairing.notes:
            instruments += _instruments(track, pairing.notes, clock)
    return midi_notes.assembled(file.quarter, signatures, clock, instruments)


def tracks_in_time(file: MidiFile) -> list[Track]:
    """Its tracks as they are played: at once, or patterns one after another."""
    return _one_after_another(file.tracks) if file.kind == PATTERNS else file.tracks


def channels(file: MidiFile) -> list[list[int]]:
    """Of each track the channels, from 0, of its instruments in `to_note_sequence`."""
    return [
        [channel for _, channel in parts(track, file.sixteenth)]
        for track in tracks_in_time(file)
    ]


def parts(track: Track, sixteenth: int) -> list[tuple[int, int]]:
    """Program and channel of each instrument of a track, in the order of
    `to_note_sequence`. A `sixteenth` is in ticks."""
    notes, unhurried = _Pairing(track, sixteenth).notes, _FrameClock(1.0, [])
    return list(_on_stage(track, notes, unhurried))


def lost_by_magenta(ticks_per_quarter: int, tracks: list[Track]) -> Counter[str]:
    """How much of each kind `midi_notes` drops, or distorts."""
    pairings = (_Pairing(track, max(ticks_per_quarter // 4, 1)) for track in tracks)
    lost = sum((pairing.irregular for pairing in pairings), Counter())
    return +(lost + misplaced_signatures(tracks))


def misplaced_signatures(tracks: list[Track]) -> Counter[str]:
    """Signatures outside the first track that say something else than is read there."""
    lost, first = Counter(), _by_kind(tracks[0])
    for track in tracks[1:]:
        for tick, kind, data in track.signatures:
            known = _in_force(first.get(kind, []), tick, DEFAULTS.get(kind))
            lost[MISPLACED[kind]] += not _is_same(kind, known, data)
    return +lost


def _by_kind(track):
    """`{kind: (tick, data) of its signatures}`"""
    found = {}
    for tick, kind, data in track.signatures:
        found.setdefault(kind, []).append((tick, data))
    return found


def _in_force(signatures, tick, default):
    """The last tempo, metre or key up to a tick."""
    past = bisect.bisect(signatures, tick, key=itemgetter(0))
    return signatures[past - 1][1] if past else default


class _FrameClock:
    """Ticks -> seconds where ticks are fractions of a frame, whatever the tempo."""

    def __init__(self, ticks_per_second, signatures):
        tempos = {0: midi_notes.DEFAULT_QPM} | {
            tick: 6e7 / int.from_bytes(data, "big")
            for tick, kind, data in signatures
            if kind == TEMPO
        }
        self.starts, self.qpms = list(tempos), list(tempos.values())
        self._ticks_per_second = ticks_per_second

    def seconds(self, ticks):
        return [tick / self._ticks_per_second for tick in ticks]


def _one_after_another(tracks):
    start, moved = 0, []
    for track in tracks:
        ticks = [start + tick for tick in track.ticks]
        signatures = [(start + tick, *rest) for tick, *rest in track.signatures]
        start += track.length
        moved.append(Track(ticks, track.events, signatures, start))
    return moved


# Signatures.


def _signatures(tracks, end):
    """Those of all tracks, in order, without copies; none from `end` on."""
    entries = [
        (tick, number, kind, data)
        for number, track in enumerate(tracks)
        for tick, kind, data in track.signatures
        if tick < end or not tick
    ]
    kept, in_force, places = [], {}, {}
    for tick, number, kind, data in sorted(entries, key=lambda entry: entry[0]):
        before = in_force.get(kind)
        if before is not None:
            is_copy = _is_same(kind, before[2], data)
            if is_copy and (number or kind == TEMPO):
                continue
            if before[0] == tick and number:  # of two at once the later one holds
                kept[places[kind]] = None
        places[kind] = len(kept)
        in_force[kind] = (tick, kind, data)
        kept.append(in_force[kind])
    return [entry for entry in kept if entry is not None]


def _is_same(kind, known, data):
    if known is None:
        return False
    if kind == TEMPO:
        qpms = [
            6e7 / int.from_bytes(microseconds, "big") for microseconds in (known, data)
        ]
        return abs(qpms[0] - qpms[1]) < SAME_TEMPO
    return known[:2] == data[:2]  # of a metre, what follows is for metronomes


# Notes.


class Note(NamedTuple):
    """A note of a track; times in ticks."""

    on: int  # which event begins it
    off: int  # which event ends it; -1 where none does
    channel: int
    pitch: int
    velocity: int
    start: int
    end: int


class _Stroke(NamedTuple):
    """An event that begins or ends notes."""

    tick: int
    event: int
    velocity: int  # 0 ends


class _Pairing:
    """Which event of a track ends which note."""

    def __init__(self, track: Track, sixteenth: int):
        self.notes, self.irregular = [], Counter()
        self._track, self._sixteenth = track, sixteenth
        for key, strokes in _strokes(track).items():
            starts = [stroke.tick for stroke in strokes if stroke.velocity]
            for on, off in self._pairs(strokes, key[0]):
                end = self._end(on, off, starts, key[0])
                is_release = off is not None and off.tick == end and not off.velocity
                event = off.event if is_release else -1
                self.notes.append(
                    Note(on.event, event, *key, on.velocity, on.tick, end)
                )

    def _pairs(self, strokes, channel):
        """Each stroke that begins a note, with the one that ends it or None."""
        pairs, open_strokes, first_of_group, overlapping = [], deque(), 0, 0
        for number, stroke in enumerate(strokes):
            if stroke.velocity:
                if not open_strokes:
                    first_of_group = number, len(pairs), overlapping
                open_strokes.append(stroke)
            elif open_strokes:
                pairs.append((open_strokes.popleft(), stroke))
                # They are in order: if any began earlier, the first did.
                overlapping += bool(open_strokes) and open_strokes[0].tick < stroke.tick
        if open_strokes:  # a release is missing in the last group of overlapping notes
            number, regular, overlapping = first_of_group
            pairs[regular:] = _struck_anew(strokes[number:])
        if channel != midi_notes.DRUM_CHANNEL:  # where an end means little
            self.irregular[OVERLAPPING] += overlapping
        return pairs

    def _end(self, on, off, starts, channel):
        following = bisect.bisect_right(starts, on.tick)
        next_start = starts[following] if following < len(starts) else None
        short = on.tick + self._sixteenth
        if off is not None and not off.velocity:
            if off.tick > on.tick:
                return off.tick
            self.irregular[NO_LENGTH] += 1
        else:
            self.irregular[UNRELEASED] += 1
            if channel != midi_notes.DRUM_CHANNEL:
                short = max(self._track.length, short)
        return short if next_start is None else min(short, next_start)


def _strokes(track):
    """`{(channel, pitch): strokes}`"""
    found = {}
    for number, (status, first, second) in enumerate(track.events):
        kind = status & 0xF0
        if kind == midi_events.NOTE_ON or kind == midi_events.NOTE_OFF:
            velocity = second if kind == midi_events.NOTE_ON else 0
            stroke = _Stroke(track.ticks[number], number, velocity)
            found.setdefault((status & 0x0F, first), []).append(stroke)
    return found


def _struck_anew(strokes):
    """Pairs where a stroke ends the notes before it, and a release all that sound."""
    sounding = []
    for stroke in strokes:
        if sounding and (not stroke.velocity or stroke.tick > sounding[0].tick):
            yield from ((on, stroke) for on in sounding)
            sounding = []
        if stroke.velocity:
            sounding.append(stroke)
    yield from ((on, None) for on in sounding)


class _Step(NamedTuple):
    """What happens next in a track: an event, or the end of a note."""

    tick: int
    event: int
    note: Note | None


def _instruments(track, notes, clock):
    """The instruments of a track, in the order in which their first notes end."""
    return _on_stage(track, notes, clock).values()


def _on_stage(track, notes, clock):
    """The same, by their program and channel."""
    steps = [_Step(note.end, note.off, note) for note in notes]
    programs = _programs(track, notes)
    for number, (tick, (status, _, _)) in enumerate(zip(track.ticks, track.events)):
        if status & 0xF0 not in (midi_events.NOTE_ON, midi_events.NOTE_OFF):
            steps.append(_Step(tick, number, None))
    steps.sort(key=attrgetter("tick", "event"))
    times = clock.seconds([step.tick for step in steps])
    starts = clock.seconds([step.note.start if step.note else 0 for step in steps])
    stage = midi_notes.Stage()
    for (_, event, note), time, start in zip(steps, times, starts):
        if note is None:
            stage.change(time, *track.events[event])
        else:
            instrument = stage.instrument(note.channel, programs[note.on])
            instrument.notes.append((start, time, note.pitch, note.velocity))
    return stage.instruments


def _programs(track, notes):
    """The program that plays each note, by the event that begins it."""
    now, programs = [0] * 16, {}
    begins = {note.on for note in notes}
    for number, (status, first, _) in enumerate(track.events):
        if status & 0xF0 == midi_events.PROGRAM:
            now[status & 0x0F] = first
        elif number in begins:
            programs[number] = now[status & 0x0F]
    return programs

"""NoteSequence -> the events of MIDI files that a small synthesiser can play.

midirenderer has few voices and 16 channels; music that needs more becomes several
files. Music that is too long for the memory becomes stretches, one after another.
"""

from __future__ import annotations

import bisect
import collections
import heapq
import itertools
from collections.abc import Iterator
from typing import NamedTuple

DRUM_CHANNEL = 9
MELODIC_CHANNELS = [channel for channel in range(16) if channel != DRUM_CHANNEL]
# midirenderer has 64 voices, and silences a note for every one more. A note of a stereo
# sound takes two voices, and keeps them while it decays.
NOTES_AT_ONCE = 20
# With this resolution at 120 BPM, a tick lasts 1/60,000 s.
TICKS_PER_QUARTER, TICKS_PER_S = 30000, 60000
VOLUME_CONTROL, USUAL_VOLUME = 7, 100  # General MIDI, level 1
SUSTAIN_CONTROL, PEDAL_DOWN = 64, 64
LONGEST_HELD_S = 60.0  # what a pedal holds has decayed by then


class Part(NamedTuple):
    """Notes that are played with one sound; all else of MIDI belongs to one, too."""

    instrument: int
    program: int
    is_drum: bool

    @classmethod
    def of(cls, event) -> Part:
        """That of a note, a pitch bend or a control change of a NoteSequence."""
        return cls(event.instrument, event.program, event.is_drum)


class Note(NamedTuple):
    """A note between two ticks; notes sort by time."""

    start: int
    end: int
    part: Part
    pitch: int
    velocity: int


class Event(NamedTuple):
    """A MIDI message; of one tick, lower ranks come first."""

    tick: int
    rank: int
    status: int
    data: tuple[int, ...]


NOTE_OFF, CONTROL, PROGRAM, NOTE_ON = range(4)


class Stretch(NamedTuple):
    """Notes that are rendered at once; ticks of the whole music.

    Attributes:
        end: of what is to be rendered, without the tail of the last notes.
    """

    start: int
    end: int
    notes: list[Note]


def stretches(sequence, length_s: float) -> list[Stretch]:
    """All notes of a NoteSequence, in stretches that begin so many seconds apart.

    Whoever adds their sounds has those of the whole, but for what a note does to one
    of another stretch: an open hi-hat is not ended by a closed one.
    """
    groups, length = collections.defaultdict(list), round(length_s * TICKS_PER_S)
    for note in notes_of(sequence):
        groups[note.start // length].append(note)
    pedals = _pedals(sequence)
    return [
        Stretch(number * length, max(_sounding(note, pedals) for note in notes), notes)
        for number, notes in sorted(groups.items())
    ]


def _pedals(sequence):
    """Of each part when its sustain pedal moves: `(ticks, whether it is down)`."""
    moves = collections.defaultdict(list)
    for change in sequence.control_changes:
        if change.control_number == SUSTAIN_CONTROL:
            is_down = change.control_value >= PEDAL_DOWN
            moves[Part.of(change)].append((tick(change.time), is_down))
    return {
        part: tuple(zip(*sorted(of_part, key=lambda move: move[0])))
        for part, of_part in moves.items()
    }


def _sounding(note, pedals):
    """When a note ends, or the pedal that holds it."""
    ticks, is_down = pedals.get(note.part, ((), ()))
    number = bisect.bisect_right(ticks, note.end)
    if number == 0 or not is_down[number - 1]:
        return note.end
    released = next(
        itertools.compress(ticks[number:], (not down for down in is_down[number:])), 0
    )
    longest = note.end + round(LONGEST_HELD_S * TICKS_PER_S)
    return min(released, longest) if released else longest


def renderings(sequence, stretch: Stretch) -> Iterator[list[Event]]:
    """The events of one MIDI file after another; their sounds are to be added.

    Ticks begin with the stretch; controls before it come at its beginning. One file is
    enough for up to 15 parts, one drum kit and `NOTES_AT_ONCE`.
    """
    for channels in _channels({note.part for note in stretch.notes}):
        controls = _controls(sequence, channels)
        for layer in _layers([note for note in stretch.notes if note.part in channels]):
            strokes = [event for note in layer for event in _strokes(note, channels)]
            # Sorting keeps the order of controls: some of them depend on others.
            events = sorted([*controls, *strokes], key=lambda event: event[:2])
            yield [
                event._replace(tick=max(event.tick - stretch.start, 0))
                for event in events
            ]


def _channels(parts) -> Iterator[dict[Part, int]]:
    """The MIDI channel of each part, for one group of parts after another."""
    melodic = sorted(part for part in parts if not part.is_drum)
    size = len(MELODIC_CHANNELS)
    groups = [melodic[i : i + size] for i in range(0, len(melodic), size)]
    kits = sorted({part.program for part in parts if part.is_drum})
    for group, kit in itertools.zip_longest(groups, kits):
        drums = [part for part in parts if part.is_drum and part.program == kit]
        yield dict(zip(group or (), MELODIC_CHANNELS)) | dict.fromkeys(
            drums, DRUM_CHANNEL
        )


def notes_of(sequence) -> list[Note]:
    """The notes by time. One ends where its key is struck again: in MIDI the end of the
    first of two notes would end the second."""
    keys = collections.defaultdict(dict)
    for note in sequence.notes:
        if note.velocity:
            part, start = Part.of(note), tick(note.start_time)
            end = max(tick(note.end_time), start + 1)
            strokes = keys[part, note.pitch]
            longest = max(strokes.get(start, (0, 0)), (end, note.velocity))
            strokes[start] = longest
    notes = []
    for (part, pitch), strokes in keys.items():
        starts = sorted(strokes)
        for start, following in itertools.zip_longest(starts, starts[1:]):
            end, velocity = strokes[start]
            notes.append(Note(start, min(end, following or end), part, pitch, velocity))
    return sorted(notes)


def _layers(notes: list[Note]) -> list[list[Note]]:
    """Notes in layers of at most `NOTES_AT_ONCE` that sound at one time.

    Drums, which are short, are all in the first: an open hi-hat ends with a closed one.
    """
    layers, ends = [[]], [[]]
    for note in notes:
        number = 0 if note.part.is_drum else _free_layer(ends, note.start)
        if number == len(layers):
            layers.append([])
            ends.append([])
        layers[number].append(note)
        if not note.part.is_drum:
            heapq.heappush(ends[number], note.end)
    return layers


def _free_layer(ends: list[list[int]], start: int) -> int:
    """The first layer with room for one more note; `ends` are heaps."""
    for number, sounding in enumerate(ends):
        while sounding and sounding[0] <= start:
            heapq.heappop(sounding)
        if len(sounding) < NOTES_AT_ONCE:
            return number
    return len(ends)


def _strokes(note: Note, channels) -> tuple[Event, Event]:
    channel = channels[note.part]
    return (
        Event(note.start, NOTE_ON, 0x90 | channel, (note.pitch, note.velocity)),
        Event(note.end, NOTE_OFF, 0x80 | channel, (note.pitch, 0)),
    )


def _controls(sequence, channels) -> list[Event]:
    """Programs, pitch bends and control changes of the parts in `channels`."""
    events = []
    for part, channel in channels.items():
        volume = VOLUME_CONTROL, USUAL_VOLUME
        events.append(Event(0, CONTROL, 0xB0 | channel, volume))
        events.append(Event(0, PROGRAM, 0xC0 | channel, (part.program,)))
    for change in sequence.control_changes:
        if (channel := channels.get(Part.of(change))) is not None:
            values = change.control_number, change.control_value
            events.append(Event(tick(change.time), CONTROL, 0xB0 | channel, values))
    for bend in sequence.pitch_bends:
        if (channel := channels.get(Part.of(bend))) is not None:
            high, low = divmod(bend.bend + 8192, 128)
            values = low, high
            events.append(Event(tick(bend.time), CONTROL, 0xE0 | channel, values))
    return events


def tick(time_s):
    """Seconds -> ticks, 0 for times before 0."""
    return round(max(time_s, 0.0) * TICKS_PER_S)

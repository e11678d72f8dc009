"""Changes to the notes of one MIDI track, such that no other event is touched.

The notes of one channel and pitch keep their order and their releases. No note passes
what makes it sound otherwise: a change of program or bank of its channel, a pressure of
its own pitch (which chokes a cymbal), and of a hi-hat a move of its pedal.
"""

from __future__ import annotations

import bisect
from collections import defaultdict
from dataclasses import dataclass, field
from typing import NamedTuple

import mido

from music_vae_tf.data import midi_events

BANK_SELECT = (0, 32)  # controllers that choose a program together with its number
FOOT = 4  # the controller of a hi-hat's pedal
HI_HATS = frozenset([22, 26, 42, 44, 46])  # of General MIDI, and their edges (Roland)
FOOT_OF_CHANNEL = "foot"  # stands for a pitch
# Of one tick: releases of changed notes, then all else in its order, then the end.
RELEASE, EVENT, END = range(3)


class Placing(NamedTuple):
    """Where a note of the song is moved to, and how loud it is there."""

    start: int  # tick
    velocity: int


class NewNote(NamedTuple):
    """A note to add; times in ticks."""

    track: int
    channel: int
    pitch: int
    velocity: int
    start: int
    end: int


@dataclass
class Edits:
    """What to change; notes by their number in `MidiSong.notes`.

    Attributes:
        placed: notes that are moved, or change their velocity.
        removed: notes to leave out.
        added: notes to add; the end of their track moves behind them.
        hi_hats: pitches that a pedal opens and closes.
    """

    placed: dict[int, Placing] = field(default_factory=dict)
    removed: set[int] = field(default_factory=set)
    added: list[NewNote] = field(default_factory=list)
    hi_hats: frozenset[int] = HI_HATS


class _Span(NamedTuple):
    """A note on its way into the output."""

    start: int  # tick, in the input
    end: int
    asked: int  # tick where it shall begin
    velocity: int
    note: object  # SongNote or NewNote
    is_new: bool


class _Event(NamedTuple):
    tick: int
    rank: int
    order: int
    message: object


def edited_track(number: int, events, notes, edits: Edits) -> mido.MidiTrack:
    """The track of this number with its share of the edits.

    Args:
        events: `(tick, message)` of the track.
        notes: `(number in the song, SongNote)` of the track.
    """
    added = [note for note in edits.added if note.track == number]
    streams = _streams(notes, added, edits)
    changed = set()
    for index, note in notes:
        if (note.channel, note.pitch) in streams or index in edits.removed:
            changed |= {note.on, note.off}
    last = max((tick for tick, _ in events), default=0)
    result = [
        _Event(tick, END if message.type == "end_of_track" else EVENT, order, message)
        for order, (tick, message) in enumerate(events)
        if order not in changed
    ]
    fences = _fences(events)
    for (channel, pitch), spans in streams.items():
        passing = fences[channel] + fences[channel, pitch]
        if pitch in edits.hi_hats:
            passing += fences[channel, FOOT_OF_CHANNEL]
        result += _placed(spans, sorted(passing), events, last)
    return _as_track(result)


def _streams(notes, added, edits):
    """`{(channel, pitch): its notes by time}`, where any of them changes."""
    touched = {(note.channel, note.pitch) for note in added}
    for index, note in notes:
        if index in edits.placed:
            touched.add((note.channel, note.pitch))
    streams = defaultdict(list)
    for index, note in notes:
        if (note.channel, note.pitch) in touched and index not in edits.removed:
            place = edits.placed.get(index, Placing(note.start, note.velocity))
            streams[note.channel, note.pitch].append(
                _Span(note.start, note.end, *place, note, False)
            )
    for note in added:
        span = _Span(note.start, note.end, note.start, note.velocity, note, True)
        streams[note.channel, note.pitch].append(span)
    return {
        key: sorted(spans, key=lambda span: (span.start, span.is_new))
        for key, spans in streams.items()
        if spans
    }


def _fences(events):
    """`(order, tick)` of what notes must not pass: by channel what chooses its program;
    by channel and pitch a pressure; by channel and FOOT_OF_CHANNEL moves of a pedal."""
    fences, feet = defaultdict(list), {}
    for order, (tick, message) in enumerate(events):
        if message.type == "program_change" or _is_control(message, *BANK_SELECT):
            fences[message.channel].append((order, tick))
        elif message.type == "polytouch":
            fences[message.channel, message.note].append((order, tick))
        elif _is_control(message, FOOT):
            if message.value != feet.get(message.channel):
                fences[message.channel, FOOT_OF_CHANNEL].append((order, tick))
            feet[message.channel] = message.value
    return fences


def _is_control(message, *numbers):
    return message.type == "control_change" and message.control in numbers


def _placed(spans, fences, events, last):
    """The events of the notes of one channel and pitch."""
    starts = _starts(spans, fences, last)
    following = [*starts[1:], None]
    for i, (span, start, next_start) in enumerate(zip(spans, starts, following)):
        following_span = spans[i + 1] if next_start is not None else None
        end = _end(span, start, following_span, next_start, last)
        if span.is_new:
            yield from _new_events(span, start, end, len(events) + 2 * i)
            continue
        note = span.note
        on = events[note.on][1].copy(velocity=span.velocity)
        yield _Event(start, EVENT, note.on, on)
        if note.off >= 0:
            stays = end in (start, span.end)
            rank = EVENT if stays else RELEASE
            yield _Event(end, rank, note.off, events[note.off][1])


def _starts(spans, fences, last) -> list[int]:
    """As asked, but in order, between the fences around the note, and before the end of
    the track."""
    starts = []
    for i, span in enumerate(spans):
        low, high = (0, None) if span.is_new else _limits(span.note.on, fences)
        if i:
            low = max(low, starts[-1] + (span.start > spans[i - 1].start))
        end = max(last - 1, span.start)
        start = min(span.asked, end if high is None else min(high, end))
        starts.append(max(start, low))
    return starts


def _limits(order, fences):
    after = bisect.bisect(fences, (order,))
    low = fences[after - 1][1] if after else 0
    return low, fences[after][1] if after < len(fences) else None


def _end(span, start, following, next_start, last):
    """As long as before, but not into the next of its pitch, nor past the track if the
    note is none that is added."""
    end = start + span.end - span.start
    if following is not None and (
        span.is_new or following.is_new or span.end <= following.start
    ):
        end = min(end, next_start)
    if not span.is_new and span.end <= last:
        end = min(end, last)
    return max(end, start + (span.end > span.start))


def _new_events(span, start, end, order):
    channel, pitch = span.note.channel, span.note.pitch
    on = mido.Message("note_on", channel=channel, note=pitch, velocity=span.velocity)
    off = mido.Message("note_off", channel=channel, note=pitch, velocity=0)
    yield _Event(start, EVENT, order, on)
    yield _Event(end, RELEASE, order + 1, off)


def _as_track(events):
    events = sorted(events, key=lambda event: event[:3])
    ends = [event for event in events if event.rank == END]
    track, tick = mido.MidiTrack(), 0
    for event in events:
        if event.rank == END:
            continue
        track.append(event.message.copy(time=_gap(tick, event.tick)))
        tick = event.tick
    if ends:
        end = max(ends[-1].tick, tick)
        track.append(ends[-1].message.copy(time=_gap(tick, end)))
    return track


def _gap(tick, later):
    """Ticks between two events: no more than the standard can write."""
    return min(later - tick, midi_events.LONGEST_GAP)

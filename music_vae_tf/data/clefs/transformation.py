"""Stage 6, data transformation: elements -> a line of events, chord -> chord label,
duration -> category; and back."""

from __future__ import annotations

import bisect
from fractions import Fraction
from typing import NamedTuple

from music_vae_tf.data.clefs import TICKS_PER_QUARTER, quarters, ticks
from music_vae_tf.data.clefs.extraction import Element
from music_vae_tf.data.clefs.frames import name_of, pitches_of

# A staccato's silence, as MIDI has it; shorter ones are no rests.
SHORTEST_REST = TICKS_PER_QUARTER // 4


class Event(NamedTuple):
    """What a staff plays from one moment on: pitches that begin together, or a rest."""

    onset: int  # ticks since the beginning
    duration: int  # ticks, up to the next event
    pitches: tuple[int, ...]  # ascending MIDI numbers; () is a rest


def chord_label(pitches: tuple[int, ...]) -> str:
    """`E3.C4` for (60, 52): pitch names with octaves from the lowest; or `rest`."""
    return name_of(tuple(sorted(set(pitches))))


def chord_of(label: str) -> tuple[int, ...]:
    """(52, 60) for `E3.C4`."""
    return pitches_of(label)


def duration_category(duration: int) -> str:
    """`3/2` for 36 ticks: quarter notes, as a fraction."""
    return str(quarters(duration))


def duration_of(category: str) -> int:
    """36 ticks for `3/2`."""
    return ticks(Fraction(category))


def flattened_line(parts: list[list[Element]]) -> list[Event]:
    """All elements one after the other, as the original system has them.

    Voices and parts follow each other instead of sounding together, so the line is
    longer than the music, and the two staves drift apart.
    """
    line, now = [], 0
    for element in _measure_by_measure(parts):
        line.append(Event(now, element.duration, tuple(sorted(set(element.pitches)))))
        now += element.duration
    return line


def _measure_by_measure(parts):
    return [element for part in parts for element in part if element.duration]


def merged_line(parts: list[list[Element]], bars: list[int], end: int) -> list[Event]:
    """What all voices of a staff play, as one line that keeps the score's time.

    Notes that begin together are one event, which lasts until the next begins, or until
    the last note that sounds has ended; then there is a rest. Rests end with their bar.

    Args:
        bars: where bars begin, in ticks, ascending.
        end: of the piece, in ticks.
    """
    beginning, ending = {}, {}
    for element in (element for part in parts for element in part):
        new = set(element.pitches) - set(element.tied)
        if new:
            beginning.setdefault(element.offset, set()).update(new)
        if element.pitches:
            stop = element.offset + element.duration
            ending[element.offset] = max(ending.get(element.offset, 0), stop)
    onsets = sorted(beginning)
    sounding = _latest_ends(onsets, ending)
    line = _rests(0, onsets[0] if onsets else end, bars)
    for onset, following, stop in zip(onsets, [*onsets[1:], end], sounding):
        if following - stop < SHORTEST_REST:
            stop = following
        line.append(Event(onset, stop - onset, tuple(sorted(beginning[onset]))))
        line += _rests(stop, following, bars)
    return [event for event in line if event.duration > 0]


def _latest_ends(onsets, ending):
    """For each onset, until when something sounds that begins before the next onset."""
    moments = sorted(ending)
    latest, i, ends = 0, 0, []
    for following in [*onsets[1:], float("inf")]:
        while i < len(moments) and moments[i] < following:
            latest = max(latest, ending[moments[i]])
            i += 1
        ends.append(min(latest, following))
    return ends


def _rests(start, stop, bars):
    """Rests that fill a span, one for each bar."""
    lines = bars[bisect.bisect_right(bars, start) : bisect.bisect_left(bars, stop)]
    edges = [start, *lines, stop]
    return [Event(a, b - a, ()) for a, b in zip(edges, edges[1:]) if b > a]

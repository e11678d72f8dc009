"""What stands on the staves of a score: chords, rests, and how they are written.

A staff is one line: notes that begin together are a chord, which lasts until it ends or
the next one begins.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import NamedTuple

TICKS_PER_QUARTER = 24  # the finest notes are 32nds, and triplets of them
LETTERS_BY_FIFTHS = "FCGDAEB"
# Lengths that one note can have, in ticks: of a beat or more, and within a beat.
LONG = (96, 72, 48, 36, 24)
SHORT = (24, 18, 16, 12, 9, 8, 6, 4, 3, 2, 1)


class Span(NamedTuple):
    """A chord or a rest from one tick to another."""

    start: int
    end: int
    pitches: tuple[int, ...]  # MIDI numbers, ascending; () is a rest


class Piece(NamedTuple):
    """One written note, chord or rest: a span or a part of one, within a bar."""

    start: int
    end: int
    pitches: tuple[int, ...]
    tied_before: bool
    tied_after: bool


class Metre(NamedTuple):
    """A time signature."""

    numerator: int
    denominator: int

    @property
    def bar(self) -> int:
        """Ticks of a bar."""
        return self.numerator * TICKS_PER_QUARTER * 4 // self.denominator

    @property
    def beat(self) -> int:
        """Ticks of a beat: three eighths in 6/8."""
        unit = TICKS_PER_QUARTER * 4 // self.denominator
        is_compound = self.numerator % 3 == 0 and self.numerator > 3
        return 3 * unit if is_compound and self.denominator >= 8 else unit


def spans(notes, seconds_per_quarter: float) -> list[Span]:
    """The chords of a staff, in their order, without the rests between them."""
    tick_s = seconds_per_quarter / TICKS_PER_QUARTER
    chords = {}
    for note in notes:
        start, end = round(note.start_time / tick_s), round(note.end_time / tick_s)
        chords.setdefault(start, []).append((note.pitch, max(end, start + 1)))
    starts = sorted(chords)
    return [
        Span(
            start,
            min(max(end for _, end in chords[start]), following),
            tuple(sorted({pitch for pitch, _ in chords[start]})),
        )
        for start, following in zip(starts, [*starts[1:], float("inf")])
    ]


def with_rests(chords: list[Span], end: int) -> list[Span]:
    """The same with rests wherever nothing sounds, up to `end`."""
    filled, now = [], 0
    for chord in chords:
        if chord.start > now:
            filled.append(Span(now, chord.start, ()))
        filled.append(chord)
        now = chord.end
    return [*filled, Span(now, end, ())] if now < end else filled


def written(span: Span, metre: Metre) -> Iterator[Piece]:
    """A span as notes that can be written and read: cut at bar lines and at beats, and
    into lengths that a note can have."""
    edges = [span.start]
    while edges[-1] < span.end:
        edges.append(edges[-1] + _length_of_next(edges[-1], span, metre))
    for start, end in itertools.pairwise(edges):
        tied = bool(span.pitches)
        yield Piece(
            start,
            end,
            span.pitches,
            tied_before=tied and start > span.start,
            tied_after=tied and end < span.end,
        )


def _length_of_next(start, span, metre):
    in_bar = start % metre.bar
    left = min(span.end - start, metre.bar - in_bar)
    if not span.pitches and left == metre.bar:
        return left  # a bar's rest, whatever the metre
    in_beat = in_bar % metre.beat
    half = metre.beat // 2
    is_syncope = in_beat == half and left == metre.beat and metre.beat == 24
    if is_syncope and span.pitches:
        return left
    if in_beat:
        left = min(left, metre.beat - in_beat)
    elif left > metre.beat and left not in LONG:
        left -= left % metre.beat
    lengths = LONG if left >= metre.beat and not in_beat else SHORT
    return next(length for length in (*lengths, *SHORT) if length <= left)


def spelled(pitch: int, fifths: int) -> str:
    """A MIDI number as music21 names it in a key: `F#4`, `B-3`.

    Of enharmonic names, the nearest on the circle of fifths: from three fifths below
    the tonic of the major key to eight above it. In C major these are the names from
    E flat to G sharp.
    """
    place = next(
        place
        for place in range(fifths - 3, fifths + 9)
        if (place * 7 - pitch) % 12 == 0
    )
    accidentals, letter = divmod(place + 1, 7)
    name = LETTERS_BY_FIFTHS[letter] + ("#" * accidentals or "-" * -accidentals)
    natural = pitch - accidentals
    return f"{name}{natural // 12 - 1}"

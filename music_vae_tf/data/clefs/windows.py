"""Stage 8, windows: both staves of a piece as examples of 100 events each.

A window begins at a bar line, and never leaves its piece. Its first row, before its
first event, is empty: from there on the model predicts what comes next. Rows of the two
staves stand side by side, though what they hold seldom sounds together; the *context*
of a bass event is what the treble plays when it begins.
"""

from __future__ import annotations

import bisect
import functools
from collections import Counter
from dataclasses import dataclass

import numpy as np

from music_vae_tf.batch import Bits, Classes, Example
from music_vae_tf.data.clefs import STAVES, TICKS_PER_QUARTER
from music_vae_tf.data.clefs.keys import MODES
from music_vae_tf.data.clefs.labels import Labels
from music_vae_tf.data.clefs.transformation import (
    Event,
    chord_label,
    chord_of,
    duration_category,
)
from music_vae_tf.data.converters.base import Extraction

NUM_PITCHES = 128
# Columns of `controls`, and how many values each takes; larger ones are the largest.
CLOCK = {
    "quarter": 16,
    "tick": TICKS_PER_QUARTER,
    "bar_quarters": 17,
    "mode": 2,
    "key": 12,  # semitones above C major or A minor
}
KEY_COLUMN = list(CLOCK).index("key")
CONTEXT = {"since": 4 * TICKS_PER_QUARTER, "until": 4 * TICKS_PER_QUARTER}


@dataclass(frozen=True)
class Piece:
    """Both staves of a piece as lines, with its bars."""

    lines: dict[str, list[Event]]  # by staff
    bars: tuple[int, ...]  # ticks, where bars begin
    end: int  # ticks
    mode: str  # 'major' or 'minor'

    @property
    def bar_ticks(self) -> int:
        """Ticks of the first bar."""
        return [*self.bars, self.end][1] - self.bars[0]


class Clock:
    """Where in its bar a moment is, and the key: C major or A minor."""

    def __init__(self, bars, end: int, mode: str):
        """bars: where they begin, in ticks, ascending; end: of the last one."""
        self._edges = [*bars, max(end, bars[-1] + 1)]
        self._mode = MODES.index(mode)

    def at(self, tick: int) -> list[int]:
        """The columns of CLOCK for a moment."""
        last = len(self._edges) - 2
        bar = min(max(bisect.bisect_right(self._edges, tick) - 1, 0), last)
        start, end = self._edges[bar : bar + 2]
        quarter, in_quarter = divmod(tick - start, TICKS_PER_QUARTER)
        bar_quarters = (end - start) // TICKS_PER_QUARTER
        return _clipped((quarter, in_quarter, bar_quarters, self._mode, 0), CLOCK)


class Context:
    """What a line plays at a moment, for those who play along."""

    def __init__(self, line: list[Event]):
        self._line = line
        self._onsets = [event.onset for event in line]

    def at(self, tick: int) -> tuple[list[int], tuple[int, ...], tuple[int, ...]]:
        """The columns of CONTEXT, the pitches of the event at this moment, and those of
        the event after it."""
        place = bisect.bisect_right(self._onsets, tick) - 1
        now = self._line[place] if place >= 0 else Event(0, 0, ())
        after = self._line[place + 1] if place + 1 < len(self._line) else None
        columns = _clipped((tick - now.onset, now.onset + now.duration - tick), CONTEXT)
        return columns, now.pitches, after.pitches if after else ()


def _clipped(values, sizes):
    return [min(max(v, 0), size - 1) for v, size in zip(values, sizes.values())]


@dataclass(frozen=True)
class Windows:
    """Piece -> examples, for the labels of a training.

    The rows of an example:

        targets   [T, 4]         note and duration of the treble, then of the bass
        controls  [T, 12]        the treble's clock, the bass's, the bass's context
        inputs    [T, 4 * 128]   pitches of the treble, of the bass, and of the bass's
                                 context, now and next
        length    [2]            events of the treble, of the bass

    all of them one row longer than the window, for the empty one.
    """

    labels: dict[str, Labels]
    window: int = 100  # events of a staff
    hop: int = 50  # events after which the next window begins, at the latest
    keys: tuple[int, ...] = (0,)  # semitones that a piece is moved by, for each key

    inputs_are_targets = False
    length_shape = (2,)
    token_vocabulary = None

    @property
    def inputs(self):
        return Bits(4 * NUM_PITCHES)

    @property
    def targets(self):
        return Classes(2 * len(STAVES))

    @property
    def controls(self):
        return Classes(2 * len(CLOCK) + len(CONTEXT))

    @property
    def staff_sizes(self) -> list[tuple]:
        """Of each staff: the counts of its note and duration classes, the pitches of
        its note classes, the sizes of its controls, whether it reads the other one."""
        clocks = tuple(CLOCK.values()), (*CLOCK.values(), *CONTEXT.values())
        return [
            (
                self.labels[staff].notes.counts,
                self.labels[staff].durations.counts,
                (*map(chord_of, self.labels[staff].notes.words), ()),
                clock,
                staff != STAVES[0],
            )
            for staff, clock in zip(STAVES, clocks)
        ]

    def extract(self, piece: Piece, rng=None) -> Extraction:
        """The windows of a piece, as `data.pipeline` asks for them."""
        return Extraction(self.examples(piece), Counter())

    def examples(self, piece: Piece) -> list[Example]:
        """The windows of a piece, in all keys one after the other."""
        rows = {staff: self._rows(piece, staff) for staff in STAVES}
        places = list(self._places(piece))
        return [
            self._example(moved, place)
            for key in self.keys
            for moved in [
                {s: self._moved(piece, s, its, key) for s, its in rows.items()}
            ]
            for place in places
        ]

    def _moved(self, piece, staff, rows, semitones):
        """The rows of a line in another key."""
        if not semitones:
            return rows
        classes, clock, around, bits = rows
        encoding = self.labels[staff].notes
        notes = [
            encoding.encode(_label_of(event.pitches, semitones))
            for event in piece.lines[staff]
        ]
        clock = clock.copy()
        clock[:, KEY_COLUMN] = semitones % CLOCK["key"]
        return (
            np.stack([notes, classes[:, 1]], 1),
            clock,
            around,
            _higher(bits, semitones),
        )

    def fresh_events(self, piece: Piece) -> list[list[slice]]:
        """For each window of a piece and each staff, the events in it that are in none
        of the windows before, counted from the window's first."""
        seen, fresh = [0, 0], []
        for places in self._places(piece):
            fresh.append([slice(n - p.start, None) for n, p in zip(seen, places)])
            seen = [max(n, p.stop) for n, p in zip(seen, places)]
        return fresh

    def _places(self, piece):
        """For each window, which events of either staff it holds: pairs of slices."""
        onsets = [[event.onset for event in piece.lines[staff]] for staff in STAVES]
        places, start = [], min(piece.bars[0], 0)
        while True:
            first = [bisect.bisect_left(line, start) for line in onsets]
            window = [
                slice(i, min(i + self.window, len(line)))
                for i, line in zip(first, onsets)
            ]
            places.append(window)
            if all(its.stop == len(line) for its, line in zip(window, onsets)):
                return places
            start = self._next_start(piece, start, first, onsets)

    def _next_start(self, piece, start, first, onsets):
        """The last bar line before either staff has played `hop` events more; where a
        bar is longer than that, right there in the middle of it."""
        reached = min(
            line[i + self.hop]
            for i, line in zip(first, onsets)
            if i + self.hop < len(line)
        )
        bar = piece.bars[max(bisect.bisect_right(piece.bars, reached) - 1, 0)]
        return bar if bar > start else reached

    def _rows(self, piece, staff):
        """Classes [N, 2], clock [N, 5], context [N, 2], bits [N, 3 * 128] of a line."""
        line, labels = piece.lines[staff], self.labels[staff]
        clock, context = (
            Clock(piece.bars, piece.end, piece.mode),
            Context(piece.lines[STAVES[0]]),
        )
        around = [context.at(event.onset) for event in line]
        classes = [
            (
                labels.notes.encode(_label_of(event.pitches, 0)),
                labels.durations.encode(duration_category(event.duration)),
            )
            for event in line
        ]
        pitches = [(e.pitches, now, after) for e, (_, now, after) in zip(line, around)]
        return (
            np.array(classes),
            np.array([clock.at(event.onset) for event in line]),
            np.array([columns for columns, _, _ in around]),
            np.array([[multi_hot(p) for p in row] for row in pitches], bool),
        )

    def _example(self, rows, places):
        staves = [
            [_window(part, place, self.window) for part in rows[staff]]
            for staff, place in zip(STAVES, places)
        ]
        (notes_t, clock_t, _, bits_t), (notes_b, clock_b, context, bits_b) = staves
        return Example(
            targets=self.targets.pack(np.concatenate([notes_t, notes_b], axis=1)),
            controls=self.controls.pack(
                np.concatenate([clock_t, clock_b, context], axis=1)
            ),
            inputs=self.inputs.pack(
                np.concatenate([bits_t[:, 0], *np.moveaxis(bits_b, 1, 0)], axis=1)
            ),
            length=np.array([place.stop - place.start for place in places], np.int32),
        )


@functools.lru_cache(maxsize=100_000)
def _label_of(pitches, semitones):
    """The label of a chord that is moved; the same come over and over."""
    return chord_label(tuple(pitch + semitones for pitch in pitches))


def _higher(bits, semitones):
    """Pitches [..., 128] so many semitones higher; what leaves them is lost."""
    moved = np.roll(bits, semitones, axis=-1)
    lost = slice(None, semitones) if semitones > 0 else slice(semitones, None)
    moved[..., lost] = False
    return moved


def _window(part, place, size):
    """Rows of a window, after one of padding and before as much as is missing."""
    chosen = part[place]
    rows = np.full((size + 1, *part.shape[1:]), 0 if part.dtype == bool else -1)
    rows[1 : 1 + len(chosen)] = chosen
    return rows


def multi_hot(pitches) -> np.ndarray:
    """MIDI numbers -> bool [128]."""
    row = np.zeros(NUM_PITCHES, bool)
    row[[pitch for pitch in pitches if 0 <= pitch < NUM_PITCHES]] = True
    return row

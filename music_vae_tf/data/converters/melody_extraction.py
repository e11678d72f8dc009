"""Which melodies a piece has: notes on a grid -> one event per step.

The rules are those of note_seq's Melody. An instrument's notes come in order of their
starts, and of those that start together the highest counts. A note ends where the next
one starts. A long enough silence ends the melody. All instruments of all stretches of a
piece are processed at once.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from music_vae_tf.data.converters.grid import Grid, parts_of

# Events, as class numbers: go on as before, end the note, and one per pitch.
NO_EVENT, NOTE_OFF, LOWEST_PITCH = range(3)

MIDI_PITCHES = 128


class Melody(NamedTuple):
    """One voice, beginning with a bar."""

    stretch: int
    instrument: int
    start_step: int  # of its stretch
    events: np.ndarray  # int16 [T] of classes

    @property
    def steps(self) -> np.ndarray:
        """The steps of its stretch that it covers, `[T]`."""
        return np.arange(self.start_step, self.start_step + len(self.events))

    def between(self, first: int, end: int) -> Melody:
        """The melody from one step to another."""
        return self._replace(
            start_step=self.start_step + first, events=self.events[first:end]
        )

    def from_start(self, total_steps: int) -> Melody:
        """The melody with silence before it and after it, as long as its stretch.

        A note that lasts to the end of the melody ends there.
        """
        events = np.full(total_steps, NO_EVENT, self.events.dtype)
        end = self.start_step + len(self.events)
        inside = self.events[: max(0, total_steps - self.start_step)]
        events[self.start_step : end] = inside
        last_event = self.events[self.events != NO_EVENT][-1:]
        if end < total_steps and (last_event >= LOWEST_PITCH).any():
            events[end] = NOTE_OFF
        return self._replace(start_step=0, events=events)


class _Span(NamedTuple):
    """Where a melody is: onsets first to last - 1 of all, steps of its stretch."""

    first: int
    last: int
    start_step: int
    steps: int  # whole bars


class _Onsets(NamedTuple):
    """Where notes of melodies can start, one per part and step: of a part (one
    instrument in one stretch) after the other."""

    note: np.ndarray  # [N], which note of the grid starts
    start: np.ndarray  # [N], steps
    end: np.ndarray
    is_chord: np.ndarray  # [N], other notes start with it


def extract_melodies(
    grid: Grid,
    steps_per_bar: int,
    gap_bars: float | None,
    skip_polyphony: bool,
    min_pitch: int,
) -> tuple[list[Melody], Counter[str]]:
    """All melodies of a piece; and why an instrument has none.

    Melodies of a stretch come instrument by instrument. Drums and notes of velocity 0
    are not in melodies.

    Args:
        gap_bars: silence that ends a melody; None for only the end of its stretch.
        skip_polyphony: an instrument is left out from the first melody on in which
            notes start together.
        min_pitch: the pitch of class LOWEST_PITCH; no note is lower.
    """
    part = parts_of(grid.stretch, grid.notes["instrument"])
    # By part, start and falling pitch; two keys sort faster than three.
    place = grid.start_steps * MIDI_PITCHES - grid.notes["pitch"]
    order = np.lexsort([place, part])
    grid, part = grid.take(order), part[order]
    is_new_part = np.diff(part, prepend=-1) != 0
    onsets = _onsets(grid, part)
    parts = np.flatnonzero(np.append(is_new_part, True))  # where they begin
    gap_steps = np.inf if gap_bars is None else gap_bars * steps_per_bar
    spans, left_out = [], Counter()
    for part_spans in _parts(grid, onsets, parts, gap_steps, steps_per_bar):
        for span in part_spans:
            if skip_polyphony and onsets.is_chord[span.first : span.last].any():
                left_out["instrument with notes that start together"] += 1
                break
            spans.append(span)
    return _melodies(grid, onsets, spans, min_pitch), left_out


def _onsets(grid: Grid, part: np.ndarray) -> _Onsets:
    """The highest sounding note of each part and step."""
    sounds = ~grid.notes["is_drum"] & (grid.notes["velocity"] > 0)
    note = np.flatnonzero(sounds)
    part, start = part[note], grid.start_steps[note]
    is_first = np.ones(len(note), bool)
    is_first[1:] = (part[1:] != part[:-1]) | (start[1:] != start[:-1])
    is_alone = np.append(is_first[1:], True)
    note, is_chord = note[is_first], ~is_alone[is_first]
    return _Onsets(note, grid.start_steps[note], grid.end_steps[note], is_chord)


def _parts(grid, onsets, parts, gap_steps, steps_per_bar) -> Iterator[Iterator[_Span]]:
    """The melodies of each part, one after the other."""
    silences = onsets.start[1:] - onsets.end[:-1] >= gap_steps
    ends = [*(np.flatnonzero(silences) + 1).tolist(), len(onsets.start)]
    note_starts = grid.start_steps.tolist()
    starts, lasts = onsets.start.tolist(), onsets.end.tolist()
    bounds = np.searchsorted(onsets.note, parts).tolist()
    parts = parts.tolist()

    def spans(note, last_note, onset, last_onset):
        step = 0  # the melody is looked for from here on, the first of a bar
        while True:
            note = bisect_left(note_starts, step, note, last_note)
            onset = bisect_left(starts, step, onset, last_onset)
            if onset == last_onset:
                return
            # Its first bar is that of any note, as in note_seq, even of a silent one.
            start = note_starts[note] // steps_per_bar * steps_per_bar
            end = min(ends[bisect_right(ends, onset)], last_onset)
            bars = -(-(lasts[end - 1] - start) // steps_per_bar)
            yield _Span(onset, end, start, bars * steps_per_bar)
            onset, step = end, start + bars * steps_per_bar

    return map(spans, parts, parts[1:], bounds, bounds[1:])


def _melodies(grid, onsets, spans: list[_Span], min_pitch: int) -> list[Melody]:
    """What happens at each step of each span; written all in one array."""
    if not spans:
        return []
    first, last, start_step, steps = np.array(spans).T
    begin = np.cumsum(steps) - steps
    count = last - first
    number = np.repeat(np.arange(len(spans)), count)
    onset = np.arange(len(number)) + (first - np.cumsum(count) + count)[number]
    shift = (begin - start_step)[number]
    on, off = onsets.start[onset] + shift, onsets.end[onset] + shift
    # A note is over when the next one starts, or the melody ends, before it does.
    over = np.append(on[1:], 0)
    over[np.cumsum(count) - 1] = begin + steps
    events = np.full(steps.sum(), NO_EVENT, np.int16)
    events[off[off < over]] = NOTE_OFF
    note = onsets.note[onset]
    events[on] = grid.notes["pitch"][note] - min_pitch + LOWEST_PITCH
    return [
        Melody(stretch, instrument, start, events[place : place + length])
        for stretch, instrument, start, place, length in zip(
            grid.stretch[onsets.note[first]].tolist(),
            grid.notes["instrument"][onsets.note[first]].tolist(),
            start_step.tolist(),
            begin.tolist(),
            steps.tolist(),
        )
    ]

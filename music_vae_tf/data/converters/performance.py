"""Notes of many instruments <-> tokens: notes go on and off while time shifts.

The rules are those of note_seq's MetricPerformance, and of Magenta's
data_hierarchical.py, which cuts performances into chunks.
"""

from __future__ import annotations

import dataclasses
import math
from collections import defaultdict
from collections.abc import Iterable
from functools import cached_property
from typing import NamedTuple

import numpy as np

MIDI_PITCHES = 128
MIDI_PROGRAMS = 128
MIDI_VELOCITIES = 127  # from 1
DEFAULT_VELOCITY = 100  # of notes without a velocity


@dataclasses.dataclass(frozen=True)
class Vocabulary:
    """What each token means: ranges, in the order of their class numbers."""

    num_velocity_bins: int  # 0 for none
    max_shift_steps: int
    min_pitch: int
    max_pitch: int

    @cached_property
    def ranges(self) -> dict[str, range]:
        """The class numbers of each kind of token."""
        pitches = self.max_pitch - self.min_pitch + 1
        sizes = {
            "note on": pitches,  # from min_pitch
            "note off": pitches,  # of the one that sounds the longest
            "time shift": self.max_shift_steps,  # from 1 step
            "velocity": self.num_velocity_bins,  # of the notes from here on
            "program": MIDI_PROGRAMS,  # first of an instrument
            "drums": 1,  # instead of a program
            "end": 1,  # last of an instrument
        }
        ends = np.cumsum(list(sizes.values())).tolist()
        return {
            kind: range(end - size, end)
            for (kind, size), end in zip(sizes.items(), ends)
        }

    @property
    def depth(self) -> int:
        return self.ranges["end"].stop

    @property
    def end_token(self) -> int:
        return self.ranges["end"].start

    @property
    def drums_token(self) -> int:
        return self.ranges["drums"].start

    def program_token(self, program):
        """The tokens of MIDI programs, a number or an array."""
        return self.ranges["program"].start + program

    @property
    def _bin_size(self) -> int:
        return math.ceil(MIDI_VELOCITIES / self.num_velocity_bins)

    def velocity_bins(self, velocities: np.ndarray) -> np.ndarray:
        """Bins, from 0, of MIDI velocities `[N]`, which are from 1; all 0 if there are
        no bins."""
        if not self.num_velocity_bins:
            return np.zeros(len(velocities), np.int64)
        return (velocities - 1) // self._bin_size

    def velocity(self, velocity_bin: int) -> int:
        """The MIDI velocity that is written for a bin."""
        return 1 + velocity_bin * self._bin_size


# Notes -> tokens


class Notes(NamedTuple):
    """Notes `[N]` of tracks, or of rows: chunks of tracks."""

    row: np.ndarray
    start_steps: np.ndarray
    end_steps: np.ndarray
    pitches: np.ndarray
    velocity_bins: np.ndarray


class Tokens(NamedTuple):
    """The tokens of all rows, one row after the other."""

    tokens: np.ndarray  # [T], classes
    steps: np.ndarray  # [T], when each comes, from the beginning of the row
    lengths: np.ndarray  # [R], tokens of each row

    @property
    def rows(self) -> np.ndarray:
        """The row of each token, `[T]`."""
        return np.repeat(np.arange(len(self.lengths)), self.lengths)

    @property
    def positions(self) -> np.ndarray:
        """The place of each token in its row, `[T]`."""
        first = np.cumsum(self.lengths) - self.lengths
        return np.arange(len(self.tokens)) - first[self.rows]

    @property
    def is_last(self) -> np.ndarray:
        """Mask `[T]` of the last tokens of rows."""
        return self.positions == self.lengths[self.rows] - 1

    def truncate(self, length: int) -> Tokens:
        """Rows of at most so many tokens; what is left out comes before the last."""
        is_left = (self.positions < length - 1) | self.is_last
        lengths = np.minimum(self.lengths, length)
        return Tokens(self.tokens[is_left], self.steps[is_left], lengths)


def cut_into_chunks(
    tracks: Notes, chunks: int, chunk_steps: int, default_velocity_bin: int
) -> Notes:
    """Tracks -> `chunks` rows each, sorted for `encode_rows`.

    A note ends with its chunk. As in Magenta, which cuts chunks out of one stream of
    tokens, a "note off" ends the note of its pitch that sounds longest in its chunk. A
    velocity is lost in the next chunk, until it changes. Unlike in Magenta, a note
    after a rest that begins with a chunk is not lost where the longest time shift is
    three chunks or more.

    Args:
        tracks: sorted by track, start and pitch.
    """
    starts = np.flatnonzero(tracks.start_steps < chunks * chunk_steps)
    ends = np.flatnonzero(tracks.end_steps <= chunks * chunk_steps)
    start_steps, end_steps = tracks.start_steps[starts], tracks.end_steps[ends]
    # On the border of two chunks, ends belong to the first, starts to the second.
    row = tracks.row[starts] * chunks + start_steps // chunk_steps
    end_row = tracks.row[ends] * chunks + (end_steps - 1) // chunk_steps
    pitches, velocity_bins = tracks.pitches[starts], tracks.velocity_bins[starts]
    is_explicit = _is_explicit(velocity_bins, tracks.row[starts], row)
    velocity_bins = np.where(is_explicit, velocity_bins, default_velocity_bin)
    velocity_bins = np.maximum(velocity_bins, 0)  # velocity 0, where Magenta stops
    order, closing = _first_in_first_out(
        start_key=row * MIDI_PITCHES + pitches,
        start_steps=start_steps,
        end_key=end_row * MIDI_PITCHES + tracks.pitches[ends],
        end_steps=end_steps,
    )
    chunk_start = start_steps // chunk_steps * chunk_steps
    never = chunk_start[order] + chunk_steps
    rows = Notes(
        row=row[order],
        start_steps=(start_steps - chunk_start)[order],
        end_steps=np.where(closing < 0, never, closing) - chunk_start[order],
        pitches=pitches[order],
        velocity_bins=velocity_bins[order],
    )
    spoken = np.lexsort([rows.pitches, rows.start_steps, rows.row])
    return Notes(*(column[spoken] for column in rows))


def _is_explicit(velocity_bins: np.ndarray, track: np.ndarray, row: np.ndarray):
    """Mask `[N]` of the notes of which, or before which, the row has a velocity token;
    it has one where the velocity changes in the track."""
    is_new_track = np.diff(track, prepend=-1) != 0
    changes = np.diff(velocity_bins, prepend=-1) != 0
    is_emitted = np.where(is_new_track, velocity_bins >= 0, changes)
    last_said = np.maximum.accumulate(np.where(is_emitted, np.arange(len(row)), -1))
    return last_said >= np.searchsorted(row, row)


def _first_in_first_out(start_key, start_steps, end_key, end_steps):
    """Which end of a key closes which start of it.

    Returns the order of the starts by key and step, and, in this order, the step of the
    end that closes each, or -1.
    """
    key = np.concatenate([start_key, end_key])
    is_start = np.arange(len(key)) < len(start_key)
    order = np.lexsort([is_start, np.concatenate([start_steps, end_steps]), key])
    is_used = _is_used(key[order], is_start[order])
    start_order = order[is_start[order]]
    end_order = order[~is_start[order] & is_used] - len(start_key)
    # The n-th start of a key is closed by its n-th end.
    start_key, end_key = start_key[start_order], end_key[end_order]
    rank = np.arange(len(start_key)) - np.searchsorted(start_key, start_key)
    closed_by = np.searchsorted(end_key, start_key) + rank
    is_closed = closed_by < np.searchsorted(end_key, start_key, side="right")
    closing = np.append(end_steps[end_order], -1)
    return start_order, closing[np.where(is_closed, closed_by, -1)]


def _is_used(key: np.ndarray, is_start: np.ndarray) -> np.ndarray:
    """Mask of starts, and of ends that find something of their key open."""
    is_new = np.diff(key, prepend=-1) != 0
    group = np.cumsum(is_new) - 1
    change = np.where(is_start, 1, -1)
    level = np.cumsum(change)
    level -= (level - change)[is_new][group]  # ends not used count, too
    # The lowest level so far in the group; groups are too far apart to see each other.
    depth = group * (len(key) + 1)
    lowest = np.minimum.accumulate(np.minimum(level, 0) - depth) + depth
    before = np.where(is_new, 0, np.append(0, lowest[:-1]))
    return lowest == before


def encode_rows(
    vocabulary: Vocabulary, rows: Notes, programs: np.ndarray, row_steps: int
) -> Tokens:
    """Rows, sorted by `cut_into_chunks` -> tokens, from a program to the end.

    Args:
        programs: `[R]`, the token that each row begins with.
    """
    events = _events(vocabulary, rows, programs, row_steps)
    gap = np.diff(events.step, prepend=0)
    gap[np.diff(events.row, prepend=-1) != 0] = 0
    longest = vocabulary.max_shift_steps
    shifts = -(-gap // longest)
    has_velocity = events.velocity >= 0
    count = shifts + has_velocity + 1
    place = np.cumsum(count) - 1
    tokens, steps = np.empty([2, count.sum()], np.int64)
    tokens[place], steps[place] = events.token, events.step
    velocity_place = place[has_velocity] - 1
    tokens[velocity_place] = events.velocity[has_velocity]
    steps[velocity_place] = events.step[has_velocity]
    event = np.repeat(np.arange(len(gap)), shifts)
    number = np.arange(len(event)) - (np.cumsum(shifts) - shifts)[event]
    shift_place = (place - has_velocity - shifts)[event] + number
    shift = np.minimum(gap[event] - number * longest, longest)
    tokens[shift_place] = vocabulary.ranges["time shift"].start + shift - 1
    steps[shift_place] = (events.step - gap)[event] + number * longest
    lengths = np.bincount(events.row, count, len(programs)).astype(np.int64)
    return Tokens(tokens, steps, lengths)


class _Events(NamedTuple):
    """The events of each row, without time shifts."""

    row: np.ndarray
    step: np.ndarray
    token: np.ndarray
    velocity: np.ndarray  # token before it, or -1


def _events(
    vocabulary: Vocabulary, rows: Notes, programs: np.ndarray, row_steps: int
) -> _Events:
    """Sorted by row and step; there, notes go off before others go on."""
    ranges = vocabulary.ranges
    all_rows, none = np.arange(len(programs)), np.full(len(programs), -1)
    pitches = rows.pitches - vocabulary.min_pitch
    velocity = ranges["velocity"].start + rows.velocity_bins
    is_emitted = np.diff(rows.row, prepend=-1) != 0
    is_emitted |= np.diff(velocity, prepend=-1) != 0
    velocity = np.where(is_emitted & bool(ranges["velocity"]), velocity, -1)
    parts = [
        _Events(all_rows, np.zeros_like(all_rows), programs, none),
        _Events(
            rows.row,
            rows.end_steps,
            ranges["note off"].start + pitches,
            np.full(len(pitches), -1),
        ),
        _Events(
            rows.row, rows.start_steps, ranges["note on"].start + pitches, velocity
        ),
        _Events(
            all_rows,
            np.full(len(programs), row_steps),
            np.full(len(programs), vocabulary.end_token),
            none,
        ),
    ]
    part = np.repeat(np.arange(len(parts)), [len(p.row) for p in parts])
    events = _Events(*(np.concatenate(columns) for columns in zip(*parts)))
    order = np.lexsort([part, events.step, events.row])
    return _Events(*(column[order] for column in events))


# Tokens -> notes


class DecodedNote(NamedTuple):
    """A note in MIDI's values, its times in steps."""

    pitch: int
    velocity: int
    start_step: int
    end_step: int


def steps_of(vocabulary: Vocabulary, tokens: np.ndarray) -> np.ndarray:
    """When each of the tokens `[T]` of a row comes, `[T]`."""
    shifts = vocabulary.ranges["time shift"]
    is_shift = (tokens >= shifts.start) & (tokens < shifts.stop)
    passing = np.where(is_shift, tokens - shifts.start + 1, 0)
    return np.cumsum(passing) - passing


def decode_notes(
    vocabulary: Vocabulary, timed_tokens: Iterable[tuple[int, int]], total_steps: int
) -> list[DecodedNote]:
    """The notes of a track, in the order in which they end.

    Args:
        timed_tokens: pairs of a step and a token in order of time.
    """
    ranges = vocabulary.ranges
    notes, sounding, velocity = [], defaultdict(list), DEFAULT_VELOCITY

    def end(pitch, step):
        start_step, velocity = sounding[pitch].pop(0)
        if start_step < step:
            notes.append(DecodedNote(pitch, velocity, start_step, step))

    for step, token in timed_tokens:
        if token in ranges["velocity"]:
            velocity = vocabulary.velocity(token - ranges["velocity"].start)
        elif token in ranges["note on"]:
            pitch = token - ranges["note on"].start + vocabulary.min_pitch
            sounding[pitch].append((step, velocity))
        elif token in ranges["note off"]:
            pitch = token - ranges["note off"].start + vocabulary.min_pitch
            # This names the pitch, even if it does not sound; those that sound at the
            # end come in the order in which they were first named.
            if sounding[pitch]:
                end(pitch, step)
    for pitch, still in sounding.items():
        for _ in range(len(still)):
            end(pitch, total_steps)
    return notes

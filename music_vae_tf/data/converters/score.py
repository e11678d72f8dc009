"""NoteSequences as NumPy arrays, and arrays as notes of a NoteSequence.

Fields of a protocol buffer are slow to read in Python, and most of the cost of
converting: each is read at most once here.
"""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Iterable
from operator import attrgetter
from typing import NamedTuple

import numpy as np

from music_vae_tf.data import limits
from music_vae_tf.data.converters import wire

COMMON_TIME = (4, 4)  # the metre before the first that is written
DEFAULT_QPM = 120.0  # the tempo before the first that is written

NOTE = np.dtype(
    [
        ("pitch", np.int64),
        ("velocity", np.int64),
        ("start_seconds", np.float64),
        ("end_seconds", np.float64),
        ("instrument", np.int64),
        ("program", np.int64),
        ("is_drum", np.bool_),
    ],
    align=True,
)
_note_fields = attrgetter(
    "pitch", "velocity", "start_time", "end_time", "instrument", "program", "is_drum"
)
# The numbers that these have in the protocol buffer.
NOTE_FIELD_NUMBERS = dict(zip((1, 2, 3, 4, 7, 8, 9), NOTE.names))
MAX_MIDI = 127  # pitches and velocities
MAX_INSTRUMENT = 2**31 - 1
MANY_NOTES = 100  # from here on they are read quicker by `wire`


class Change(NamedTuple):
    """A time signature `(numerator, denominator)` or a tempo (BPM) that begins."""

    seconds: float
    value: tuple[int, int] | float


class Score(NamedTuple):
    """What converters read of a NoteSequence."""

    notes: np.ndarray  # [N] of NOTE, in the order of the NoteSequence
    metres: list[Change]
    tempos: list[Change]
    total_seconds: float
    events: tuple[Iterable, ...]  # its control changes and text annotations, unread

    def earliest_event_seconds(self) -> float:
        """When the first control change or text annotation is; 0 if there is none."""
        times = [event.time for event in itertools.chain(*self.events)]
        limits.check_times(times, "controls and texts")
        return min(times, default=0.0)


def read(sequence) -> Score:
    """A NoteSequence as arrays.

    Raises:
        limits.BeyondLimits: it is too long, too large, or has impossible values.
    """
    limits.check_count(len(sequence.notes), limits.MAX_NOTES, "notes")
    changes = len(sequence.time_signatures) + len(sequence.tempos)
    limits.check_count(
        changes, limits.MAX_CHANGES, "changes of tempo and time signature"
    )
    score = _read(sequence)
    _check(score)
    return score


def _read(sequence) -> Score:
    return Score(
        notes=_notes(sequence),
        metres=[
            Change(m.time, (m.numerator, m.denominator))
            for m in sequence.time_signatures
        ],
        tempos=[Change(t.time, t.qpm) for t in sequence.tempos],
        total_seconds=sequence.total_time,
        events=(sequence.control_changes, sequence.text_annotations),
    )


def _notes(sequence):
    if len(sequence.notes) >= MANY_NOTES:
        with contextlib.suppress(wire.NotInRows):
            return wire.read_columns(sequence, NOTE_FIELD_NUMBERS, NOTE)
    return np.fromiter(map(_note_fields, sequence.notes), NOTE, len(sequence.notes))


def _check(score: Score) -> None:
    notes = score.notes
    starts, ends = notes["start_seconds"], notes["end_seconds"]
    limits.check_times(starts, "notes")
    limits.check_times(ends, "notes")
    limits.check_times([score.total_seconds], "the piece")
    changes = [change.seconds for change in score.metres + score.tempos]
    limits.check_times(changes, "tempos and time signatures")
    limits.check_times([a.time for a in score.events[1]], "texts")
    for field in ("pitch", "velocity"):
        limits.check_range(notes[field], 0, MAX_MIDI, f"notes of {field}")
    limits.check_range(notes["instrument"], 0, MAX_INSTRUMENT, "notes of instrument")
    end = max(score.total_seconds, starts.max(initial=0), ends.max(initial=0))
    limits.check_tempos([(t.seconds, t.value) for t in score.tempos], end)


def add_notes(sequence, *, pitch, velocity, start_time, end_time, **same):
    """Adds notes to a NoteSequence: arrays `[N]`, and the fields that are all alike."""
    columns = (pitch, velocity, start_time, end_time)
    for pitch, velocity, start, end in zip(*(column.tolist() for column in columns)):
        note = sequence.notes.add(**same)
        # As keyword arguments, too, these would take half as long again.
        note.pitch, note.velocity = pitch, velocity
        note.start_time, note.end_time = start, end


def split_times(score: Score) -> list[float]:
    """Where stretches of one metre and tempo begin, and at last where the score ends
    (seconds), as note_seq's split_note_sequence_on_time_changes finds them."""
    now = {"metre": COMMON_TIME, "tempo": DEFAULT_QPM}
    changes = [(c, "metre") for c in score.metres] + [
        (c, "tempo") for c in score.tempos
    ]
    times = [0.0]
    for change, kind in sorted(changes, key=lambda c: c[0].seconds):
        if change.seconds < score.total_seconds and change.value != now[kind]:
            now[kind] = change.value
            if change.seconds > times[-1]:
                times.append(change.seconds)
    if score.total_seconds > times[-1]:
        times.append(score.total_seconds)
    return times


def changes_within(changes: list[Change], start: float, end: float) -> list[Change]:
    """What holds at the start, now written there, and what sets in before the end."""
    changes = sorted(changes, key=lambda c: c.seconds)
    before = [Change(0.0, c.value) for c in changes if c.seconds <= start]
    inside = [
        Change(c.seconds - start, c.value) for c in changes if start < c.seconds < end
    ]
    return before[-1:] + inside

"""NoteSequences <-> class rolls: which of three families plays each pitch, and when.

A class roll has a cell for each step (a tenth of a second in all configs) and MIDI
pitch, which holds the class that sounds there: 0 none, 1 piano, 2 guitar, 3 bass. Its
rules:

- A note fills the cells from the step nearest to its start up to the one nearest to its
  end. If both are the same, it fills the cell that its middle lies in.
- A pitch sounds once at a time: a note ends where the next of its pitch begins, also
  of another family. Of notes that begin in one cell, the bass's is kept, then the
  guitar's, then the piano's, which has more notes to lose. Of one family's, the
  longest is kept.
- Drums are left out, and so are programs of other families.
- Where a note follows one of its own pitch and class without a gap, its onset is kept
  beside the cells. Models read and write cells alone: for them, the last cell of the
  note before is silent; if it has a single one, the first cell of the note itself. Only
  if neither has a second cell the two become one.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from note_seq.constants import STANDARD_PPQ
from note_seq.protobuf.music_pb2 import NoteSequence

from music_vae_tf.batch import Example, TwoBit
from music_vae_tf.data import limits
from music_vae_tf.data.converters.base import Converter, Extraction, sample_items
from music_vae_tf.data.converters.score import DEFAULT_QPM, add_notes, read
from music_vae_tf.errors import UserFacingError

CLASSES = ("none", "piano", "guitar", "bass")
NONE, PIANO, GUITAR, BASS = range(len(CLASSES))
# General MIDI's programs, counted from 0.
PROGRAMS = {PIANO: range(0, 8), GUITAR: range(24, 32), BASS: range(32, 40)}
PITCHES = 128
VELOCITY = 80
CLASS_OF_PROGRAM = np.zeros(128, np.uint8)
for _class, _programs in PROGRAMS.items():
    CLASS_OF_PROGRAM[_programs] = _class


class NotARoll(UserFacingError, ValueError):
    """An array that is not a class roll; the message has what is expected."""


class ClassRoll(NamedTuple):
    """A piece, or a window of one."""

    classes: np.ndarray  # uint8 [T, 128], as in CLASSES
    repeats: np.ndarray  # bool [T, 128], a note begins right after one of its class

    @classmethod
    def of_cells(cls, cells) -> ClassRoll:
        """The roll of a model's output, whole numbers [T, 128]: each run of cells of
        one class is a note.

        Raises:
            NotARoll: of a wrong shape, or with other values than 0, 1, 2 and 3.
        """
        cells = np.asarray(cells)
        if cells.ndim != 2 or cells.shape[1] != PITCHES:
            raise NotARoll(
                f"a roll should be of shape [steps, {PITCHES}]; got {list(cells.shape)}"
            )
        if not np.isin(cells, range(len(CLASSES))).all():
            strange = sorted(set(np.unique(cells)) - set(range(len(CLASSES))))
            raise NotARoll(
                f"a roll has the classes 0 to {len(CLASSES) - 1} "
                f"({', '.join(CLASSES)}); got {strange[0]}"
            )
        return cls(cells.astype(np.uint8), np.zeros(cells.shape, bool))

    def cells(self) -> np.ndarray:
        """What models read, uint8 [T, 128]: a silent cell between a note and its
        repetition, as far as one of them has one to spare."""
        begins = self.begins()
        goes_on = (self.classes != NONE) & ~begins
        in_the_note_before = _earlier(self.repeats) & goes_on
        too_short = self.repeats & ~np.roll(goes_on, 1, axis=0)
        to_spare = _earlier(goes_on & ~in_the_note_before)
        gaps = in_the_note_before | (too_short & to_spare)
        return np.where(gaps, NONE, self.classes).astype(np.uint8)

    def begins(self) -> np.ndarray:
        """Where notes begin, bool [T, 128]."""
        before = np.pad(self.classes, [(1, 0), (0, 0)])[:-1]
        return (self.classes != NONE) & ((self.classes != before) | self.repeats)

    def window(self, start: int, steps: int) -> ClassRoll:
        """So many steps from `start` on, silent after the end."""
        padding = [(0, max(0, start + steps - len(self.classes))), (0, 0)]
        cut = slice(start, start + steps)
        return ClassRoll(*(np.pad(plane[cut], padding)[:steps] for plane in self))

    def over(self, other: ClassRoll) -> ClassRoll:
        """This roll laid over another of its length, which sounds where this is
        silent."""
        here = self.classes != NONE
        return ClassRoll(
            np.where(here, self.classes, other.classes),
            np.where(here, self.repeats, other.repeats),
        )


def _earlier(plane: np.ndarray) -> np.ndarray:
    """A bool plane [T, 128] one step before its time."""
    return np.pad(plane, [(0, 1), (0, 0)])[1:]


class RollNotes(NamedTuple):
    """The notes of a roll, [N] each, in order of their pitches."""

    pitch: np.ndarray
    start_step: np.ndarray
    end_step: np.ndarray  # the first one after
    classes: np.ndarray


def notes_to_roll(notes: RollNotes, num_steps: int) -> ClassRoll:
    """A roll of notes no two of which share a cell."""
    classes = np.zeros([PITCHES, num_steps], np.uint8)
    begins = np.zeros([PITCHES, num_steps], bool)
    lengths = notes.end_step - notes.start_step
    offsets = np.arange(lengths.sum()) - np.repeat(lengths.cumsum() - lengths, lengths)
    steps = np.repeat(notes.start_step, lengths) + offsets
    classes[np.repeat(notes.pitch, lengths), steps] = np.repeat(notes.classes, lengths)
    begins[notes.pitch, notes.start_step] = True
    is_same = classes[:, 1:] == classes[:, :-1]
    repeats = np.pad(begins[:, 1:] & is_same, [(0, 0), (1, 0)])
    return ClassRoll(classes.T.copy(), repeats.T.copy())


def roll_to_notes(roll: ClassRoll) -> RollNotes:
    """The notes of a roll; `notes_to_roll` the other way round."""
    begins, classes = roll.begins().T, roll.classes.T
    pitch, start = np.nonzero(begins)
    # A pitch's cells and one more after them, end to end; where each note is over.
    after = np.pad((classes == NONE) | begins, [(0, 0), (0, 1)], constant_values=True)
    ends = np.flatnonzero(after)
    row = pitch * after.shape[1]
    end = ends[np.searchsorted(ends, row + start, side="right")] - row
    return RollNotes(pitch, start, end, classes[pitch, start])


@dataclass(frozen=True)
class PianoRollConverter(Converter):
    """Windows of class rolls: a part that is encoded, and what follows it."""

    step_seconds: float
    roll_steps: int  # what the CVAE reads and writes
    continuation_steps: int  # what the CLSTM emits after it
    hop_steps: int  # from one window of a piece to the next
    shortest_steps: int  # of music; a window with less of it is left out
    max_tensors_per_notesequence: int | None = None

    inputs = targets = TwoBit(PITCHES)
    controls = None
    inputs_are_targets = True
    end_token = None
    length_shape = ()

    @property
    def window_steps(self) -> int:
        return self.roll_steps + self.continuation_steps

    def _extract(self, sequence, rng) -> Extraction:
        """Windows of a piece from its first note on; the length of each is that of the
        music in it, and what is behind that is silence, not music."""
        windows, left_out = self.windows(sequence)
        windows = sample_items(windows, self.max_tensors_per_notesequence, rng)
        examples = [
            Example(self.targets.pack(roll.cells()), steps) for roll, steps in windows
        ]
        return Extraction(examples, left_out)

    def windows(self, sequence) -> tuple[list[tuple[ClassRoll, int]], Counter[str]]:
        """Rolls of `window_steps` and how many steps of each are music; and what was
        left out."""
        roll, left_out = self.roll(sequence)
        sounding = np.flatnonzero(roll.classes.any(axis=1))
        if not sounding.size:
            left_out["pieces without piano, guitar or bass"] += 1
            return [], left_out
        first, end = sounding[0], sounding[-1] + 1
        if end - first < self.shortest_steps:
            seconds = self.shortest_steps * self.step_seconds
            left_out[f"pieces with less than {seconds:g} s of music"] += 1
        windows = []
        for start in range(first, end - self.shortest_steps + 1, self.hop_steps):
            window = roll.window(start, self.window_steps)
            if not window.classes[: self.roll_steps].any():
                left_out["windows whose part to be encoded is silent"] += 1
                continue
            steps = min(end - start, self.window_steps)
            windows.append((window, int(steps)))
        return windows, left_out

    def roll(self, sequence) -> tuple[ClassRoll, Counter[str]]:
        """The roll of a whole piece from 0 on, and what of it was left out.

        Raises:
            limits.BeyondLimits: the piece is too long, or has impossible values.
        """
        notes = read(sequence).notes
        limits.check_range(notes["program"], 0, 127, "notes of program")
        classes = np.where(notes["is_drum"], NONE, CLASS_OF_PROGRAM[notes["program"]])
        others = (classes == NONE) & ~notes["is_drum"]
        is_kept = (classes != NONE) & (notes["velocity"] > 0)
        notes_kept = self._on_grid(notes[is_kept], classes[is_kept])
        left_out = Counter(
            {
                "drum notes": np.count_nonzero(notes["is_drum"]),
                "notes of other instruments": np.count_nonzero(others),
                "notes that begin with another of their pitch": np.count_nonzero(
                    is_kept
                )
                - len(notes_kept.pitch),
            }
        )
        num_steps = int(notes_kept.end_step.max(initial=0))
        return notes_to_roll(notes_kept, num_steps), +left_out

    def _on_grid(self, notes: np.ndarray, classes: np.ndarray) -> RollNotes:
        """Notes [N] of NOTE in steps, each pitch sounding once at a time."""
        start, end = notes["start_seconds"], notes["end_seconds"]
        middle = np.floor((start + end) / 2 / self.step_seconds)
        start, end = (np.floor(s / self.step_seconds + 0.5) for s in (start, end))
        start = np.where(end > start, start, middle).astype(np.int64)
        end = np.maximum(end.astype(np.int64), start + 1)
        order = np.lexsort([-end, -classes.astype(int), start, notes["pitch"]])
        pitch, start, end = notes["pitch"][order], start[order], end[order]
        pitch_before = np.append(-1, pitch)[:-1]
        start_before = np.append(-1, start)[:-1]
        first = (pitch != pitch_before) | (start != start_before)
        pitch, start, end = pitch[first], start[first], end[first]
        next_pitch, next_start = np.append(pitch, -1)[1:], np.append(start, 0)[1:]
        end = np.where(pitch == next_pitch, np.minimum(end, next_start), end)
        return RollNotes(pitch, start, end, classes[order][first])

    def to_sequence(self, sample, controls=None):
        return self.roll_to_sequence(ClassRoll.of_cells(sample))

    def roll_to_sequence(self, roll: ClassRoll, qpm: float = DEFAULT_QPM):
        """A roll as a NoteSequence at its true times; qpm is the tempo written there.

        Each family is an instrument of its own, with the family's first program.
        """
        notes = roll_to_notes(roll)
        sequence = NoteSequence(ticks_per_quarter=STANDARD_PPQ)
        sequence.tempos.add(qpm=qpm)
        for number, programs in PROGRAMS.items():
            is_its = notes.classes == number
            add_notes(
                sequence,
                pitch=notes.pitch[is_its],
                velocity=np.full(np.count_nonzero(is_its), VELOCITY),
                start_time=notes.start_step[is_its] * self.step_seconds,
                end_time=notes.end_step[is_its] * self.step_seconds,
                instrument=number - 1,
                program=programs[0],
            )
        sequence.total_time = len(roll.classes) * self.step_seconds
        return sequence

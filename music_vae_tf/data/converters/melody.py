"""Melodies <-> one class per step: go on, note off, or a pitch."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Collection
from functools import cached_property
from itertools import groupby

import numpy as np
from note_seq.constants import STANDARD_PPQ
from note_seq.protobuf.music_pb2 import NoteSequence

from music_vae_tf.batch import Example, OneHot
from music_vae_tf.data.converters.base import (
    Converter,
    Extraction,
    NotConvertible,
    sample_items,
)
from music_vae_tf.data.converters.chords import Conditioning, StepHarmony, read_harmony
from music_vae_tf.data.converters.grid import Grid, on_grid, on_one_grid
from music_vae_tf.data.converters.melody_extraction import (
    LOWEST_PITCH,
    NO_EVENT,
    NOTE_OFF,
    Melody,
    extract_melodies,
)
from music_vae_tf.data.converters.score import DEFAULT_QPM, add_notes, read
from music_vae_tf.errors import UserFacingError

PIANO_PITCHES = 21, 108
MIDI_PITCHES = 0, 127
MIDI_PROGRAMS = 128
OUTPUT_VELOCITY = 80
_NOTHING = np.empty(0)


class BadMelodyOptions(UserFacingError, ValueError):
    """Options of a MelodyConverter that mean nothing."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class MelodyConverter(Converter):
    """Monophonic melodies <-> a class per step `[T]`, with an end token if wanted.

    Magenta's OneHotMelodyConverter. Examples come in the order of the piece, where
    Magenta's come in that of a Python set.

    Attributes:
        min_pitch, max_pitch: other notes are ignored.
        valid_programs: MIDI programs of other notes are ignored: numbers from 0, or
            `0-31`; None for all.
        skip_polyphony: leave out instruments whose notes start together. If not, the
            highest of them is the melody.
        max_bars: longer melodies are cut before slicing.
        slice_bars: bars of an example; windows step on by one bar. None makes each
            melody one example.
        gap_bars: bars of silence that end a melody; None or 0 for no such end.
        add_end_token: a last step of a class of its own, as long as its last chord.
        pad_to_total_time: melodies start with their stretch and end with it.
        max_tensors_per_notesequence: as many examples at most; None for all.
        presplit_on_time_changes: convert each stretch of one tempo and metre; if not,
            a sequence that changes either is left out.
        chord_encoding: a name in `chords.ENCODINGS`: chords are controls.
        condition_on_key: keys are controls.
        dedupe_event_lists: an example whose melody, chords and keys are those of
            another of its stretch is left out.
    """

    min_pitch: int = PIANO_PITCHES[0]
    max_pitch: int = PIANO_PITCHES[1]
    valid_programs: str | Collection[int] | None = None
    skip_polyphony: bool = False
    max_bars: int | None = None
    slice_bars: int | None = None
    gap_bars: float | None = 1.0
    steps_per_quarter: int = 4
    quarters_per_bar: int = 4
    add_end_token: bool = False
    pad_to_total_time: bool = False
    max_tensors_per_notesequence: int | None = 5
    presplit_on_time_changes: bool = True
    chord_encoding: str | None = None
    condition_on_key: bool = False
    dedupe_event_lists: bool = True

    inputs_are_targets = True
    length_shape = ()
    window_field = "slice_bars"
    can_pad = True

    def __post_init__(self):
        object.__setattr__(self, "valid_programs", _numbers(self.valid_programs))
        lowest, highest = MIDI_PITCHES
        if not lowest <= self.min_pitch <= self.max_pitch <= highest:
            raise BadMelodyOptions(
                f"min_pitch {self.min_pitch}, max_pitch {self.max_pitch}: give pitches "
                f"from {lowest} to {highest}, the lower one first"
            )
        _ = self.conditioning  # raises if there is no such chord encoding

    @cached_property
    def conditioning(self) -> Conditioning:
        return Conditioning.named(self.chord_encoding, self.condition_on_key)

    @property
    def targets(self) -> OneHot:
        classes = LOWEST_PITCH + self.max_pitch - self.min_pitch + 1
        return OneHot(classes + self.add_end_token)

    @property
    def inputs(self) -> OneHot:
        return self.targets

    @property
    def controls(self) -> OneHot | None:
        return self.conditioning.layout

    @property
    def end_token(self) -> int | None:
        return self.targets.depth - 1 if self.add_end_token else None

    @property
    def steps_per_bar(self) -> int:
        return self.steps_per_quarter * self.quarters_per_bar

    # NoteSequence -> examples

    def _extract(self, sequence, rng) -> Extraction:
        try:
            grid, left_out = self._grid(sequence)
        except NotConvertible as refusal:
            return Extraction([], Counter([refusal.reason]))
        melodies, without_melody = extract_melodies(
            grid,
            self.steps_per_bar,
            self.gap_bars or None,
            self.skip_polyphony,
            self.min_pitch,
        )
        excerpts, too_short = self._excerpts(melodies, grid)
        left_out += without_melody + too_short
        written = read_harmony(sequence) if self.conditioning else None
        examples = []
        for _, of_stretch in groupby(excerpts, lambda excerpt: excerpt.stretch):
            try:
                examples += self._examples(list(of_stretch), grid, written, rng)
            except NotConvertible as refusal:
                left_out[refusal.reason] += 1
        if not examples and not left_out:
            left_out["no notes"] += 1
        chosen = sample_items(examples, self.max_tensors_per_notesequence, rng)
        return Extraction(chosen, left_out)

    def _grid(self, sequence) -> tuple[Grid, Counter[str]]:
        """The notes that are of interest, and why others are not."""
        to_grid = on_grid if self.presplit_on_time_changes else on_one_grid
        grid, left_out = to_grid(
            read(sequence), self.steps_per_quarter, self.quarters_per_bar
        )
        pitch, is_drum = grid.notes["pitch"], grid.notes["is_drum"]
        in_range = (self.min_pitch <= pitch) & (pitch <= self.max_pitch)
        in_programs = self._are_valid(grid.notes["program"])
        is_wanted = in_range & in_programs
        if is_wanted.all() and not is_drum.any():
            return grid, left_out
        pitches = f"{self.min_pitch} to {self.max_pitch}"
        for reason, notes in {
            "drum notes": is_drum,
            "notes of other programs": ~is_drum & ~in_programs,
            f"notes outside pitches {pitches}": ~is_drum & in_programs & ~in_range,
        }.items():
            left_out[reason] += int(np.count_nonzero(notes))
        return grid.where(is_wanted), +left_out

    def _are_valid(self, programs: np.ndarray) -> np.ndarray:
        """Mask of MIDI programs; one that is none is not valid."""
        if self.valid_programs is None:
            return np.ones(len(programs), bool)
        return self._is_valid_program[np.clip(programs, -1, MIDI_PROGRAMS)]

    @cached_property
    def _is_valid_program(self) -> np.ndarray:
        """Lookup table: by program, and at last, also at -1, for what is none."""
        table = np.zeros(MIDI_PROGRAMS + 1, bool)
        table[list(self.valid_programs)] = True
        return table

    def _excerpts(
        self, melodies: list[Melody], grid: Grid
    ) -> tuple[list[Melody], Counter[str]]:
        """Melodies as long as examples are, and why some give none."""
        excerpts, left_out = [], Counter()
        for melody in melodies:
            if self.max_bars and len(melody.events) > self._steps(self.max_bars):
                melody = melody.between(0, self._steps(self.max_bars))
                if (melody.events < LOWEST_PITCH).all():
                    left_out[f"no note in the first {self.max_bars} bars"] += 1
                    continue
            if self.pad_to_total_time:
                melody = melody.from_start(grid.total_steps(melody.stretch))
            if not self.slice_bars:
                excerpts.append(melody)
            elif len(melody.events) < self._steps(self.slice_bars):
                left_out[f"melody shorter than {self.slice_bars} bars"] += 1
            else:
                excerpts += self._windows(melody)
        return excerpts, left_out

    def _steps(self, bars: int) -> int:
        return bars * self.steps_per_bar

    def _windows(self, melody: Melody) -> list[Melody]:
        """All windows of `slice_bars`, one beginning with each bar."""
        steps = self._steps(self.slice_bars)
        starts = np.arange(0, len(melody.events) - steps + 1, self.steps_per_bar)
        windows = melody.events[starts[:, np.newaxis] + np.arange(steps)]
        # The end of a note that started before the window is not in it.
        first = (windows != NO_EVENT).argmax(axis=1)
        dangling = windows[np.arange(len(windows)), first] == NOTE_OFF
        windows[dangling, first[dangling]] = NO_EVENT
        return [
            Melody(melody.stretch, melody.instrument, melody.start_step + start, events)
            for start, events in zip(starts.tolist(), windows)
        ]

    def _examples(self, excerpts: list[Melody], grid: Grid, written, rng):
        """Examples of one stretch.

        Raises:
            NotConvertible: one of them has no controls; so none has, as in Magenta.
        """
        harmony = self._harmony(grid, excerpts[0].stretch, written)
        distinct = {}
        for number, excerpt in enumerate(excerpts):
            conditions = self._conditions(harmony, excerpt)
            content = excerpt.events.tobytes(), conditions.tobytes()
            key = content if self.dedupe_event_lists else number
            distinct.setdefault(key, (excerpt.events, conditions))
        chosen = sample_items(
            list(distinct.values()), self.max_tensors_per_notesequence, rng
        )
        return [
            self._example(events, conditions, harmony) for events, conditions in chosen
        ]

    def _conditions(self, harmony: StepHarmony | None, excerpt: Melody) -> np.ndarray:
        if harmony is None:
            return _NOTHING
        return self.conditioning.conditions(harmony, excerpt.steps)

    def _harmony(self, grid: Grid, number: int, written) -> StepHarmony | None:
        if not self.conditioning:
            return None
        stretch = grid.stretches[number]
        if self.presplit_on_time_changes:
            written = written.within(stretch.start_seconds, stretch.end_seconds)
        harmony = self.conditioning.complete(
            written, grid.within(number).notes, stretch, self.steps_per_quarter
        )
        return harmony.on_steps(grid.steps_per_second(number), grid.total_steps(number))

    def _example(self, events: np.ndarray, conditions: np.ndarray, harmony) -> Example:
        targets, controls = events[:, np.newaxis].copy(), None
        if self.conditioning:
            controls = self.conditioning.controls(harmony, conditions)
        if self.add_end_token:
            one_more = [(0, 1), (0, 0)]
            targets = np.pad(targets, one_more, constant_values=self.end_token)
            # Not a class of its own, or the model would learn that it means the end.
            controls = (
                controls if controls is None else np.pad(controls, one_more, "edge")
            )
        return Example(targets, len(targets), controls=controls)

    # Samples -> NoteSequence

    @property
    def control_kind(self) -> str | None:
        return "chords" if self.chord_encoding else None

    def controls_of_chords(self, symbols, num_steps):
        return self.conditioning.of_chords(symbols, num_steps)

    def to_sequence(self, sample, controls=None):
        """Decoder output `[T, D_out]`, up to its end token, and the controls it was
        given `[T, D_c]` -> NoteSequence at 120 BPM."""
        events = np.argmax(sample, axis=-1)
        if self.add_end_token:
            events = events[: np.append(events == self.end_token, True).argmax()]
        sequence = self._sequence(events)
        if controls is not None:
            self.conditioning.write(
                sequence, controls[: len(events)], self.steps_per_quarter
            )
        return sequence

    def _sequence(self, events: np.ndarray):
        """NoteSequence of classes `[T]`."""
        sequence = NoteSequence(ticks_per_quarter=STANDARD_PPQ)
        sequence.tempos.add(qpm=DEFAULT_QPM)
        step_seconds = 60.0 / DEFAULT_QPM / self.steps_per_quarter
        starts = np.flatnonzero(events >= LOWEST_PITCH)
        happenings = np.append(np.flatnonzero(events != NO_EVENT), len(events))
        ends = happenings[np.searchsorted(happenings, starts, side="right")]
        add_notes(
            sequence,
            pitch=events[starts] - LOWEST_PITCH + self.min_pitch,
            velocity=np.full(len(starts), OUTPUT_VELOCITY),
            start_time=starts * step_seconds,
            end_time=ends * step_seconds,
        )
        sequence.total_time = (ends * step_seconds).max(initial=0.0)
        return sequence


def _numbers(programs) -> tuple[int, ...] | None:
    """MIDI programs: numbers, or text like `0-31`."""
    if programs is None:
        return None
    try:
        if isinstance(programs, str):
            first, last = map(int, programs.split("-"))
            programs = range(first, last + 1)
        numbers = tuple(map(int, programs))
    except (TypeError, ValueError):
        numbers = ()
    if not numbers or not all(0 <= number < MIDI_PROGRAMS for number in numbers):
        raise BadMelodyOptions(
            f"valid_programs {programs!r}: give MIDI programs, counted from 0, to "
            f"{MIDI_PROGRAMS - 1}: the first and the last, like 0-31, or a list"
        )
    return numbers

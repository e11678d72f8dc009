"""Melody, bass and drums together <-> three classes per step."""

from __future__ import annotations

import dataclasses
import itertools
from collections import Counter
from collections.abc import Iterator
from functools import cached_property
from typing import NamedTuple

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from music_vae_tf.batch import Example, OneHot
from music_vae_tf.data.converters.base import (
    Converter,
    Extraction,
    NotConvertible,
    sample_items,
)
from music_vae_tf.data.converters.chords import Harmony, read_harmony
from music_vae_tf.data.converters.drums import DrumsConverter, placed
from music_vae_tf.data.converters.grid import Grid, on_grid
from music_vae_tf.data.converters.melody import MelodyConverter
from music_vae_tf.data.converters.melody_extraction import Melody, extract_melodies
from music_vae_tf.data.converters.score import read

# By program of General MIDI: piano, chromatic percussion, organ, guitar; then basses.
MELODY, BASS, DRUMS = PARTS = (
    "melody (programs 0-31)",
    "bass (programs 32-39)",
    "drums (channel 10)",
)
MOST_INSTRUMENTS = 128  # Magenta ignores those with higher numbers
BASS_INSTRUMENT, BASS_PROGRAM = 1, 33  # fingered bass, when decoding


class Stretch(NamedTuple):
    """A stretch of constant tempo and metre, up to `max_bars`."""

    number: int
    grid: Grid  # of its own notes
    bars: int
    total_steps: int
    melodies: dict[int, Melody]  # of its instruments


class Voice(NamedTuple):
    """What an instrument does in a stretch."""

    classes: np.ndarray  # int16 [steps]
    plays: np.ndarray  # bool [bars]


@dataclasses.dataclass(frozen=True, kw_only=True)
class TrioConverter(Converter):
    """Melody, bass and drums <-> a class of each per step, `[T, 3]`.

    An instrument all of whose notes belong to a part plays that part. An example is a
    window in which a melody, a bass and a drum kit play together, or nearly; each of
    the first is tried with each of the others. Classes are those of a MelodyConverter
    for melody and bass, and of a DrumsConverter: combinations of nine drums.

    Attributes:
        slice_bars: bars of an example; windows step on by one bar.
        gap_bars: so many silent bars on either side of one that plays count as playing.
            So do the first and the last ones of a stretch, if one of the three plays
            in them.
        max_bars: what comes later in a stretch is left out.
        max_tensors_per_notesequence: as many examples at most; None for all.
        chord_encoding: a name in `chords.ENCODINGS`: chords are controls.
        condition_on_key: keys are controls.
    """

    slice_bars: int
    gap_bars: int = 2
    max_bars: int = 1024
    steps_per_quarter: int = 4
    quarters_per_bar: int = 4
    max_tensors_per_notesequence: int | None = 5
    chord_encoding: str | None = None
    condition_on_key: bool = False

    inputs_are_targets = True
    # Magenta's is False, so that decoding without a length goes on and on.
    end_token = None
    length_shape = ()
    window_field = "slice_bars"
    can_pad = True

    @cached_property
    def melody(self) -> MelodyConverter:
        """The converter of melody and bass."""
        return MelodyConverter(
            steps_per_quarter=self.steps_per_quarter,
            quarters_per_bar=self.quarters_per_bar,
            chord_encoding=self.chord_encoding,
            condition_on_key=self.condition_on_key,
        )

    @cached_property
    def _drums(self) -> DrumsConverter:
        return DrumsConverter(
            steps_per_quarter=self.steps_per_quarter,
            quarters_per_bar=self.quarters_per_bar,
        )

    @property
    def targets(self) -> OneHot:
        pitches, combinations = self.melody.targets.depth, self._drums.targets.depth
        return OneHot(pitches, pitches, combinations)

    @property
    def inputs(self) -> OneHot:
        return self.targets

    @property
    def controls(self) -> OneHot | None:
        return self.melody.controls

    @property
    def steps_per_bar(self) -> int:
        return self.steps_per_quarter * self.quarters_per_bar

    # NoteSequence -> examples

    def _extract(self, sequence, rng) -> Extraction:
        score = read(sequence)
        if not len(score.notes):
            return Extraction([], Counter(["no notes"]))
        grid, left_out = on_grid(score, self.steps_per_quarter, self.quarters_per_bar)
        written = read_harmony(sequence) if self.melody.conditioning else None
        examples = []
        for stretch in self._stretches(grid):
            try:
                found = self._examples(stretch, written, left_out)
                examples += sample_items(found, self.max_tensors_per_notesequence, rng)
            except NotConvertible as refusal:
                left_out[refusal.reason] += 1
        chosen = sample_items(examples, self.max_tensors_per_notesequence, rng)
        return Extraction(chosen, +left_out)

    def _stretches(self, grid: Grid) -> Iterator[Stretch]:
        pitch = grid.notes["pitch"]
        in_range = (self.melody.min_pitch <= pitch) & (pitch <= self.melody.max_pitch)
        melodies, _ = extract_melodies(
            grid.where(in_range),
            self.steps_per_bar,
            gap_bars=None,
            skip_polyphony=False,
            min_pitch=self.melody.min_pitch,
        )
        for number in np.unique(grid.stretch).tolist():
            total_steps = grid.total_steps(number)
            yield Stretch(
                number,
                grid.within(number),
                min(self._bars(total_steps), self.max_bars),
                total_steps,
                {m.instrument: m for m in melodies if m.stretch == number},
            )

    def _examples(self, stretch: Stretch, written, left_out: Counter) -> list[Example]:
        """All examples of a stretch.

        Raises:
            NotConvertible: there are none.
        """
        voices = self._voices(stretch, left_out)
        if missing := [part for part in PARTS if not voices[part]]:
            raise NotConvertible(f"no {', no '.join(missing)}")
        controls = self._controls(stretch, written)
        examples = [
            example
            for trio in itertools.product(*voices.values())
            for example in self._windows(trio, controls)
        ]
        if not examples:
            raise NotConvertible(
                f"no {self.slice_bars} bars in which melody, bass and drums play"
            )
        bars_left = self._bars(stretch.total_steps) - stretch.bars
        left_out[f"bars after the first {self.max_bars}"] += bars_left
        return examples

    def _voices(self, stretch: Stretch, left_out: Counter) -> dict[str, list[Voice]]:
        """The instruments of each part, in the order of their numbers."""
        voices = {part: [] for part in PARTS}
        numbers = stretch.grid.notes["instrument"]
        for number in np.unique(numbers).tolist():
            instrument = stretch.grid.where(numbers == number)
            part = _part(instrument) if number < MOST_INSTRUMENTS else None
            if part is None:
                left_out["instruments that play no part"] += 1
                continue
            if part == DRUMS:
                classes = self._drum_classes(instrument, stretch, left_out)
            else:
                classes = self._melody_classes(number, stretch)
            if classes is not None:
                voices[part].append(Voice(classes, self._plays(instrument, stretch)))
        return voices

    def _drum_classes(self, drums: Grid, stretch: Stretch, left_out: Counter):
        """Classes `[steps]`, or None if nothing sounds."""
        hits, reasons = self._drums.hits(drums)
        left_out.update(reasons)
        if not hits.any():
            return None
        return self._drums.numbers(placed(hits, 0, self._steps(stretch.bars)))[:, 0]

    def _melody_classes(self, instrument: int, stretch: Stretch):
        """Classes `[steps]`, or None without a note in the range of a melody."""
        if instrument not in stretch.melodies:
            return None
        return stretch.melodies[instrument].from_start(self._steps(stretch.bars)).events

    def _plays(self, instrument: Grid, stretch: Stretch) -> np.ndarray:
        """In which bars `[bars]` an instrument sounds, short rests included."""
        first = instrument.start_steps // self.steps_per_bar
        stop = np.maximum(first, self._bars(instrument.end_steps))
        changes = np.zeros(stretch.bars + 1, int)
        np.add.at(changes, np.minimum(first, stretch.bars), 1)
        np.add.at(changes, np.minimum(stop, stretch.bars), -1)
        sounds = np.pad(changes.cumsum()[:-1] > 0, self.gap_bars)
        return sliding_window_view(sounds, 2 * self.gap_bars + 1).any(axis=1)

    def _windows(self, trio: tuple[Voice, ...], controls) -> Iterator[Example]:
        """An example for each window in which three voices play."""
        plays = np.stack([voice.plays for voice in trio], axis=1)
        together = plays.all(axis=1)
        together[: self.gap_bars] = plays[: self.gap_bars].any()
        # As in Magenta, the last 0 bars are all of them.
        together[-self.gap_bars :] = plays[-self.gap_bars :].any()
        targets = np.stack([voice.classes for voice in trio], axis=1)
        for bar in range(len(together) - self.slice_bars + 1):
            if together[bar : bar + self.slice_bars].all():
                window = slice(self._steps(bar), self._steps(bar + self.slice_bars))
                yield Example(
                    targets=targets[window].copy(),
                    length=self._steps(self.slice_bars),
                    controls=None if controls is None else controls[window].copy(),
                )

    def _controls(self, stretch: Stretch, written: Harmony | None):
        """Compact controls of a stretch `[steps, width]`, if there are any.

        Chords after `max_bars` do not matter; in Magenta an instrument that goes on to
        one that has no class is left out.

        Raises:
            NotConvertible: chords or keys are not to be had.
        """
        conditioning = self.melody.conditioning
        if not conditioning:
            return None
        grid, place = stretch.grid, stretch.grid.stretches[stretch.number]
        harmony = conditioning.complete(
            written.within(place.start_seconds, place.end_seconds),
            grid.notes,
            place,
            self.steps_per_quarter,
        ).on_steps(grid.steps_per_second(stretch.number), stretch.total_steps)
        steps = np.arange(self._steps(stretch.bars))
        return conditioning.controls(harmony, conditioning.conditions(harmony, steps))

    def _steps(self, bars: int) -> int:
        return bars * self.steps_per_bar

    def _bars(self, steps):
        """Bars in which so many steps have room."""
        return -(-steps // self.steps_per_bar)

    # Samples -> NoteSequence

    @property
    def control_kind(self) -> str | None:
        return "chords" if self.chord_encoding else None

    def controls_of_chords(self, symbols, num_steps):
        return self.melody.conditioning.of_chords(symbols, num_steps)

    def to_sequence(self, sample, controls=None):
        """Decoder output `[T, D_out]` and the controls it was given `[T, D_c]` ->
        NoteSequence at 120 BPM."""
        sample = np.asarray(sample)
        melody, bass, drums = np.split(
            sample, np.cumsum(self.targets.depths)[:2], axis=1
        )
        sequence = self.melody.to_sequence(melody, controls)
        bass, drums = self.melody.to_sequence(bass), self._drums.to_sequence(drums)
        for note in bass.notes:
            note.instrument, note.program = BASS_INSTRUMENT, BASS_PROGRAM
        for part in (bass, drums):
            sequence.notes.extend(part.notes)
            sequence.total_time = max(sequence.total_time, part.total_time)
        return sequence


def _part(instrument: Grid) -> str | None:
    """The part that all notes of an instrument belong to, if there is one."""
    is_drum, program = instrument.notes["is_drum"], instrument.notes["program"]
    belongs = {
        MELODY: ~is_drum & (program < 32),
        BASS: ~is_drum & (program >= 32) & (program < 40),
        DRUMS: is_drum,
    }
    return next((part for part in PARTS if belongs[part].all()), None)

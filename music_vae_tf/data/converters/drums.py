"""Drum patterns <-> which drums are hit at each step."""

from __future__ import annotations

import dataclasses
import functools
from collections import Counter
from collections.abc import Iterator, Sequence

import numpy as np
from note_seq.constants import STANDARD_PPQ
from note_seq.protobuf.music_pb2 import NoteSequence

from music_vae_tf.batch import Bits, Example, Layout, OneHot
from music_vae_tf.data.converters import drum_classes, drum_parts
from music_vae_tf.data.converters.base import (
    Converter,
    Extraction,
    NotConvertible,
    sample_items,
)
from music_vae_tf.data.converters.grid import Grid, on_grid, on_one_grid
from music_vae_tf.data.converters.score import DEFAULT_QPM, add_notes, read
from music_vae_tf.errors import UserFacingError

VELOCITY = 80  # of every note that is written
MOST_ONE_HOT_DRUMS = 14  # 2 ** 14 combinations are still an int16


class BadDrumsOptions(UserFacingError, ValueError):
    """Options of a DrumsConverter that do not go together."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class DrumsConverter(Converter):
    """Drums <-> one-hot combinations of drums, or rolls, per step.

    A *roll* has a column per drum, 1 where it is hit: `[T, drums]`; the encoder's has
    one more, 1 where none is. Otherwise a step is one of `2 ** drums` combinations,
    drum i being bit i of its number. The end token is one more drum (before the column
    for none) or one more combination, in a row after the last step.

    Drum notes make up *tracks*: from the bar of the first hit to the end of the bar of
    the last one before a gap. Equal examples within a stretch of constant tempo and
    time signature are given once. They are in the order of their first occurrence,
    where Magenta's are in the order of a Python set.

    Attributes:
        slice_bars: bars of an example, one starting at every bar of a track; None makes
            the whole track one.
        max_bars: bars after which a track is cut off, before slicing.
        gap_bars: silent bars that end a track; None or 0: nothing does.
        pitch_classes: a preset of `drum_classes`, or lists of MIDI pitches.
        pad_to_total_time: tracks begin with the sequence and end with it.
        presplit_on_time_changes: whether stretches of constant tempo and metre are
            sequences of their own; otherwise a change makes a sequence unusable.
        drums: which notes are drums, one of `drum_parts.CHOICES`.
    """

    slice_bars: int | None = None
    max_bars: int | None = None
    gap_bars: float | None = 1.0
    steps_per_quarter: int = 4
    quarters_per_bar: int = 4
    pitch_classes: str | Sequence[Sequence[int]] = "reduced"
    roll_input: bool = False
    roll_output: bool = False
    add_end_token: bool = False
    pad_to_total_time: bool = False
    max_tensors_per_notesequence: int | None = 5
    presplit_on_time_changes: bool = True
    drums: str = drum_parts.AUTO

    controls = None
    length_shape = ()
    window_field = "slice_bars"
    can_pad = is_drums = True

    def __post_init__(self):
        drum_parts.check(self.drums)
        classes = drum_classes.classes(self.pitch_classes)
        object.__setattr__(self, "pitch_classes", classes)
        is_one_hot = not (self.roll_input and self.roll_output)
        if is_one_hot and len(classes) > MOST_ONE_HOT_DRUMS:
            raise BadDrumsOptions(
                f"{len(classes)} drum classes have too many combinations for one-hot "
                f"vectors (at most {MOST_ONE_HOT_DRUMS} classes do): set roll_input "
                "and roll_output"
            )

    def for_inference(self) -> DrumsConverter:
        """The converter to generate with: drums are found where DAWs leave them."""
        drums = drum_parts.for_inference(self.drums)
        return dataclasses.replace(self, drums=drums)

    @property
    def inputs_are_targets(self) -> bool:
        return not (self.roll_input or self.roll_output)

    @property
    def inputs(self) -> Layout:
        if self.roll_input:
            return Bits(self._drums + self.add_end_token + 1)
        return self._combinations

    @property
    def targets(self) -> Layout:
        if self.roll_output:
            return Bits(self._drums + self.add_end_token)
        return self._combinations

    @property
    def end_token(self) -> int | None:
        return self.targets.depth - 1 if self.add_end_token else None

    @property
    def _combinations(self) -> OneHot:
        return OneHot(2**self._drums + self.add_end_token)

    @property
    def _drums(self) -> int:
        return len(self.pitch_classes)

    @property
    def steps_per_bar(self) -> int:
        return self.steps_per_quarter * self.quarters_per_bar

    # NoteSequence -> examples

    def _extract(self, sequence, rng) -> Extraction:
        score = read(sequence)
        to_grid = on_grid if self.presplit_on_time_changes else on_one_grid
        try:
            score, remarks = drum_parts.marked(
                sequence, score, self.drums, self.pitch_classes
            )
            grid, left_out = to_grid(
                score, self.steps_per_quarter, self.quarters_per_bar
            )
        except NotConvertible as refusal:
            return Extraction([], Counter([refusal.reason]))
        patterns = []
        for number in np.unique(grid.stretch).tolist():
            found, reasons = self._patterns(
                grid.within(number), grid.total_steps(number)
            )
            patterns += sample_items(found, self.max_tensors_per_notesequence, rng)
            left_out.update(reasons)
        patterns = sample_items(patterns, self.max_tensors_per_notesequence, rng)
        examples = [self._example(pattern) for pattern in patterns]
        return Extraction(examples, +left_out + remarks)

    def _patterns(
        self, stretch: Grid, total_steps: int
    ) -> tuple[list[np.ndarray], Counter[str]]:
        """What each example plays, bool `[steps, drums]`; and what was left out."""
        hits, left_out = self.hits(stretch)
        patterns = {}
        for start, track in self._tracks(hits, left_out):
            if self.pad_to_total_time:
                track = placed(track, start, total_steps)
            for pattern in self._slices(track, left_out):
                patterns.setdefault(pattern.tobytes(), pattern)
        return list(patterns.values()), left_out

    def hits(self, stretch: Grid) -> tuple[np.ndarray, Counter[str]]:
        """Which drums are hit when, bool `[steps, drums]` in whole bars; and what was
        left out."""
        stretch = stretch.where(stretch.notes["is_drum"])
        drums, left_out = drum_classes.assign(
            stretch.notes["pitch"], self.pitch_classes
        )
        is_mute = stretch.notes["velocity"] == 0
        left_out["drum notes of velocity 0"] = int(np.count_nonzero(is_mute))
        is_heard = (drums >= 0) & ~is_mute
        steps, drums = stretch.start_steps[is_heard], drums[is_heard]
        bars = -(-(steps.max(initial=-1) + 1) // self.steps_per_bar)
        hits = np.zeros([bars * self.steps_per_bar, self._drums], bool)
        hits[steps, drums] = True
        return hits, left_out

    def _tracks(self, hits: np.ndarray, left_out: Counter[str]):
        """First step and hits `[steps, drums]` of each track, in whole bars."""
        bar = self.steps_per_bar
        hit_steps = np.flatnonzero(hits.any(axis=1))
        for first, last in _runs(hit_steps, bar, (self.gap_bars or np.inf) * bar):
            start, stop = first // bar * bar, (last // bar + 1) * bar
            track = hits[start:stop].copy()
            track[last + 1 - start :] = False  # what a gap within a bar cut off
            if self.max_bars and len(track) > self.max_bars * bar:
                reason = f"bars of a track after the first {self.max_bars}"
                left_out[reason] += len(track) // bar - self.max_bars
                track = track[: self.max_bars * bar]
            yield start, track

    def _slices(self, track: np.ndarray, left_out: Counter[str]) -> list[np.ndarray]:
        if not self.slice_bars:
            return [track]
        window = self.slice_bars * self.steps_per_bar
        starts = range(0, len(track) - window + 1, self.steps_per_bar)
        if not starts:
            left_out[f"shorter than {self.slice_bars} bars"] += 1
        return [track[start : start + window] for start in starts]

    def _example(self, pattern: np.ndarray) -> Example:
        """Hits `[steps, drums]` -> an example."""
        roll = self._roll(pattern)
        inputs = None
        if self.roll_input:
            is_silent = ~roll.any(axis=1, keepdims=True)
            inputs = self.inputs.pack(np.hstack([roll, is_silent]))
        elif self.roll_output:
            inputs = self.numbers(pattern)
        targets = self.targets.pack(roll) if self.roll_output else self.numbers(pattern)
        return Example(targets=targets, length=len(targets), inputs=inputs)

    # Rows and back

    def _roll(self, pattern: np.ndarray) -> np.ndarray:
        """Hits `[steps, drums]` -> bool rows, the end token among them."""
        if not self.add_end_token:
            return pattern
        roll = np.pad(pattern, [(0, 1), (0, 1)])
        roll[-1, -1] = True
        return roll

    def numbers(self, pattern: np.ndarray) -> np.ndarray:
        """Hits `[steps, drums]` -> numbers of combinations `[T, 1]`, the end token
        among them."""
        numbers = np.full([len(pattern) + self.add_end_token, 1], 1 << self._drums)
        numbers[: len(pattern), 0] = pattern @ (1 << np.arange(self._drums))
        return numbers.astype(OneHot.dtype)

    def _pattern(self, rows: np.ndarray) -> np.ndarray:
        """Dense rows `[T, D_out]` -> hits `[steps, drums]`, up to the end token."""
        if self.roll_output:
            is_end = rows[:, self._drums :].any(axis=1)
            hits = rows[:, : self._drums] != 0
        else:
            numbers = rows.argmax(axis=1)
            is_end = numbers == 1 << self._drums
            hits = numbers[:, None] >> np.arange(self._drums) & 1 == 1
        return hits[: is_end.argmax() if is_end.any() else len(rows)]

    # Samples -> NoteSequence

    def to_sequence(self, sample, controls=None):
        """Decoder output `[T, D_out]` -> NoteSequence at 120 BPM."""
        pattern = self._pattern(np.asarray(sample))
        written_as = tuple(pitches[0] for pitches in self.pitch_classes)
        steps, pitches = [], []
        for step in np.flatnonzero(pattern.any(axis=1)).tolist():
            chord = _in_set_order(
                tuple(np.flatnonzero(pattern[step]).tolist()), written_as
            )
            steps += [step] * len(chord)
            pitches += chord
        return self._sequence(np.array(steps, int), np.array(pitches, int))

    def _sequence(self, steps: np.ndarray, pitches: np.ndarray):
        step_seconds = 60.0 / DEFAULT_QPM / self.steps_per_quarter
        sequence = NoteSequence(ticks_per_quarter=STANDARD_PPQ)
        sequence.tempos.add(qpm=DEFAULT_QPM)
        add_notes(
            sequence,
            pitch=pitches,
            velocity=np.full(len(pitches), VELOCITY),
            start_time=steps * step_seconds,
            end_time=(steps + 1) * step_seconds,
            instrument=drum_classes.DRUM_INSTRUMENT,
            is_drum=True,
        )
        if sequence.notes:
            sequence.total_time = sequence.notes[-1].end_time
        return sequence


def _runs(
    hit_steps: np.ndarray, bar: int, gap_steps: float
) -> Iterator[tuple[int, int]]:
    """First and last hit of each track, of ascending steps: gaps are silent for at
    least `gap_steps`, and a track takes up whole bars."""
    while hit_steps.size:
        gaps = np.flatnonzero(np.diff(hit_steps) - 1 >= gap_steps)
        first, last = hit_steps[0], hit_steps[gaps[0] if gaps.size else -1]
        yield first, last
        hit_steps = hit_steps[hit_steps >= (last // bar + 1) * bar]


def placed(track: np.ndarray, start: int, steps: int) -> np.ndarray:
    """Hits `[n, drums]` from step `start` on, in `[steps, drums]`."""
    placed = np.zeros([max(steps, start + len(track)), track.shape[1]], bool)
    placed[start : start + len(track)] = track
    return placed[:steps]


@functools.lru_cache
def _in_set_order(
    drums: tuple[int, ...], written_as: tuple[int, ...]
) -> tuple[int, ...]:
    """Pitches of simultaneous drums in the order of Python sets, as Magenta writes
    them."""
    return tuple(frozenset(written_as[drum] for drum in frozenset(drums)))

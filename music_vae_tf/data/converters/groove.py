"""Drum performances <-> hits, velocities and offsets of each drum at each step."""

from __future__ import annotations

import dataclasses
import zlib
from collections import Counter
from collections.abc import Sequence

import numpy as np
from note_seq.protobuf.music_pb2 import NoteSequence

from music_vae_tf.batch import Bits, Example, Layout, Reals
from music_vae_tf.data.converters import drum_classes, drum_parts
from music_vae_tf.data.converters.base import Converter, Extraction, NotConvertible
from music_vae_tf.data.converters.groove_edits import (
    Groove,
    as_score,
    at_fixed_velocity,
    tapped,
    without_drums,
    without_some_notes,
)
from music_vae_tf.data.converters.quantize import Quantized, quantize, to_bins
from music_vae_tf.data.converters.score import DEFAULT_QPM, add_notes, read
from music_vae_tf.errors import UserFacingError

MAX_VELOCITY = 127


class BadGrooveOptions(UserFacingError, ValueError):
    """Options of a GrooveConverter that contradict each other."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class GrooveConverter(Converter):
    """Drums <-> hits, velocities and offsets of each class at each step.

    A row holds the hits of all drums, then their velocities, then their offsets:
    `[T, 3 * drums]`. With bins, a velocity or an offset is a one-hot vector instead of
    a number. With `split_instruments`, each drum of a step has its own row: `[T, 3]`.

    Of several hits of a class in a step the loudest counts, of equals the first.
    Which notes are drums, `drum_parts` decides; for Magenta all are, whatever plays.

    Attributes:
        split_bars: bars per example; None makes the whole sequence one.
        hop_size: steps from one example to the next; by default they do not overlap.
        max_tensors_per_notesequence: read by nobody, as in Magenta: all examples of a
            sequence are returned.
        pitch_classes: a preset of `drum_classes`, or lists of MIDI pitches.
        inference_pitch_classes: those of `for_inference()`; by default the same.
        humanize: the encoder reads a score: hits without velocities and offsets.
        tapify: the encoder reads one drum, tapping the loudest of each step.
        fixed_velocities: the encoder reads no velocities.
        add_instruments: classes that the encoder does not read.
        max_note_dropout_probability: the encoder misses some hits, as in
            `without_some_notes`.
        hits_as_controls: the hits that were played are controls.
        split_instruments: one row per drum; which drum it is, is a control.
        num_velocity_bins, num_offset_bins: both or neither.
        drums: which notes are drums, one of `drum_parts.CHOICES`.
        double_precision: rows are float64, as Magenta's converter returns them; what
            models read is float32.
    """

    split_bars: int | None = None
    hop_size: int | None = None
    steps_per_quarter: int = 4
    quarters_per_bar: int = 4
    max_tensors_per_notesequence: int | None = 8
    pitch_classes: str | Sequence[Sequence[int]] = "roland"
    inference_pitch_classes: str | Sequence[Sequence[int]] | None = None
    humanize: bool = False
    tapify: bool = False
    fixed_velocities: bool = False
    add_instruments: Sequence[int] | None = None
    max_note_dropout_probability: float | None = None
    hits_as_controls: bool = False
    split_instruments: bool = False
    num_velocity_bins: int | None = None
    num_offset_bins: int | None = None
    drums: str = drum_parts.AUTO
    double_precision: bool = False

    end_token = None
    length_shape = ()
    window_field = "split_bars"
    can_pad = is_drums = True

    def __post_init__(self):
        own = drum_classes.classes(self.pitch_classes)
        inference = drum_classes.classes(self.inference_pitch_classes or own)
        object.__setattr__(self, "pitch_classes", own)
        object.__setattr__(self, "inference_pitch_classes", inference)
        drum_parts.check(self.drums)
        object.__setattr__(self, "add_instruments", tuple(self.add_instruments or ()))
        for wrong, advice in self._contradictions():
            if wrong:
                raise BadGrooveOptions(advice)

    def _contradictions(self):
        drums = len(self.pitch_classes)
        other = len(self.inference_pitch_classes)
        yield (
            drums != other,
            f"pitch_classes has {drums} classes and inference_pitch_classes {other}; "
            "they must be as many",
        )
        yield (
            bool(self.num_velocity_bins) != bool(self.num_offset_bins),
            "give both num_velocity_bins and num_offset_bins, or neither",
        )
        yield (
            self.hop_size is not None and self.split_bars is None,
            f"hop_size={self.hop_size} needs split_bars",
        )
        yield (
            not all(0 <= drum < drums for drum in self.add_instruments),
            f"add_instruments={list(self.add_instruments)}: these are numbers of pitch "
            f"classes, 0 to {drums - 1}",
        )
        yield (
            self.tapify and drums <= drum_classes.OPEN_HIHAT,
            f"tapify writes to class {drum_classes.OPEN_HIHAT}, the open hi-hat; there "
            f"are only {drums} classes",
        )

    def for_inference(self) -> GrooveConverter:
        """The converter to generate with: other kits are understood than trained on."""
        classes = self.inference_pitch_classes
        drums = drum_parts.for_inference(self.drums, takes_taps=self.tapify)
        return dataclasses.replace(self, pitch_classes=classes, drums=drums)

    def unrounded(self) -> GrooveConverter:
        return dataclasses.replace(self, double_precision=True)

    def silence(self) -> tuple[np.ndarray, np.ndarray]:
        rows = self.rows(Groove(*np.zeros([3, 1, self._drums])))
        return rows, rows

    @property
    def groove_task(self) -> str | None:
        """`tap2drum`, `humanize`, `infill` or `reconstruct`; None of other edits."""
        edits = (
            ("tap2drum", self.tapify),
            ("humanize", self.humanize),
            ("infill", self.add_instruments),
            ("reconstruct", self.inputs_are_targets),
        )
        return next((task for task, is_made in edits if is_made), None)

    @property
    def inputs_are_targets(self) -> bool:
        is_edited = self.humanize or self.tapify or self.fixed_velocities
        drops_notes = self.max_note_dropout_probability is not None
        return not (is_edited or drops_notes or self.add_instruments)

    @property
    def targets(self) -> Layout:
        drums = 1 if self.split_instruments else self._drums
        depth = drums * sum(self._widths)
        if self._is_binned:
            return Bits(depth)
        return Reals(depth, np.dtype(float if self.double_precision else np.float32))

    inputs = targets

    @property
    def controls(self) -> Layout | None:
        drums = 1 if self.split_instruments else self._drums
        depth = drums * self.hits_as_controls + self._drums * self.split_instruments
        return Bits(depth) if depth else None

    @property
    def row_kind(self) -> str:
        return super().row_kind if self._is_binned else "grooves"

    @property
    def control_kind(self) -> str | None:
        return "hits" if self.hits_as_controls else None

    @property
    def _drums(self) -> int:
        return len(self.pitch_classes)

    @property
    def _is_binned(self) -> bool:
        return bool(self.num_velocity_bins)

    @property
    def _widths(self) -> tuple[int, int, int]:
        """Columns of a hit, of a velocity and of an offset."""
        return 1, self.num_velocity_bins or 1, self.num_offset_bins or 1

    @property
    def _steps_per_bar(self) -> int:
        return self.steps_per_quarter * self.quarters_per_bar

    @property
    def steps_per_bar(self) -> int | None:
        return None if self.split_instruments else self._steps_per_bar

    # NoteSequence -> examples

    def _extract(self, sequence, rng) -> Extraction:
        try:
            score, remarks = drum_parts.marked(
                sequence, read(sequence), self.drums, self.pitch_classes
            )
            score = score._replace(notes=score.notes[score.notes["is_drum"]])
            score = quantize(score, self.steps_per_quarter, self.quarters_per_bar)
        except NotConvertible as refusal:
            return Extraction([], Counter([refusal.reason]))
        drums, left_out = drum_classes.assign(score.notes["pitch"], self.pitch_classes)
        played = self._groove(score.where(drums >= 0), drums[drums >= 0])
        windows = self._windows(len(played.hits))
        left_out += self._outside(windows, len(played.hits))
        return Extraction(self._examples(played, windows, rng), left_out + remarks)

    def _groove(self, score: Quantized, drums: np.ndarray) -> Groove:
        """Notes on the grid, `drums` their classes; up to the end of the last bar."""
        last_step = score.start_steps.max(initial=-1)
        steps = -(-(last_step + 1) // self._steps_per_bar) * self._steps_per_bar
        step_seconds = 60.0 / score.qpm / self.steps_per_quarter
        early_seconds = step_seconds * score.start_steps - score.notes["start_seconds"]
        velocity = score.notes["velocity"]
        groove = Groove(*np.zeros([3, steps, self._drums]))
        # What is written to a cell last, stays: the loudest, and of equals the first.
        order = np.lexsort([-np.arange(len(drums)), velocity])
        cells = score.start_steps[order], drums[order]
        groove.hits[cells] = 1
        groove.velocities[cells] = velocity[order] / MAX_VELOCITY
        groove.offsets[cells] = (early_seconds / step_seconds)[order] * 2
        return groove

    def _windows(self, steps: int) -> list[slice]:
        """The steps of each example."""
        if not steps:
            return []
        window = self.split_bars * self._steps_per_bar if self.split_bars else steps
        starts = range(0, steps - window + 1, self.hop_size or window)
        return [slice(start, start + window) for start in starts]

    def _outside(self, windows: list[slice], steps: int) -> Counter[str]:
        """What is too short for an example."""
        if steps and not windows:
            return Counter([f"shorter than {self.split_bars} bars"])
        steps_left = steps - windows[-1].stop if windows else 0
        bars_left = -(-steps_left // self._steps_per_bar)
        reason = f"bars after the last whole {self.split_bars}-bar window"
        return Counter({reason: bars_left} if bars_left else ())

    def _examples(self, played: Groove, windows: list[slice], rng) -> list[Example]:
        if not windows:
            return []
        per_step = self._drums if self.split_instruments else 1
        targets = self.targets.pack(self.rows(played))
        inputs, controls = None, None
        if not self.inputs_are_targets:
            inputs = self.inputs.pack(self.rows(self.edit(played, rng)))
        if self.controls:
            controls = self.controls.pack(self.control_rows(played))

        def example(window):
            rows = slice(window.start * per_step, window.stop * per_step)
            return Example(
                targets=targets[rows],
                length=rows.stop - rows.start,
                inputs=None if inputs is None else inputs[rows],
                controls=None if controls is None else controls[rows],
            )

        return [example(window) for window in windows]

    def edit(self, played: Groove, rng) -> Groove:
        """The encoder's input."""
        reduced = played
        if self.max_note_dropout_probability is not None:
            # Without an rng notes are missing, too, as when Magenta evaluates, but the
            # same ones each time.
            rng = rng or np.random.RandomState(zlib.crc32(played.velocities))
            reduced = without_some_notes(
                reduced, self.max_note_dropout_probability, rng
            )
        if self.tapify:
            reduced = tapped(reduced, played)
        if self.humanize:
            reduced = as_score(reduced)
        if self.fixed_velocities:
            reduced = at_fixed_velocity(reduced)
        return without_drums(reduced, self.add_instruments)

    def control_rows(self, played: Groove) -> np.ndarray:
        """Dense controls `[T, D_c]`."""
        steps = len(played.hits)
        hits = played.hits.reshape(-1, 1 if self.split_instruments else self._drums)
        cycle = np.tile(np.eye(self._drums), [steps, 1])
        return np.hstack(
            [hits] * self.hits_as_controls + [cycle] * self.split_instruments
        )

    # Rows and back. A velocity has V columns, an offset O: one, or one per bin.

    def rows(self, groove: Groove) -> np.ndarray:
        """Dense rows `[T, D_out]` of a groove."""
        hits, velocities, offsets = (feature[:, :, None] for feature in groove)
        if self._is_binned:
            velocities = to_bins(velocities, 0.0, 1.0, self.num_velocity_bins)
            offsets = to_bins(offsets, -1.0, 1.0, self.num_offset_bins)
        return self._arranged(Groove(hits, velocities, offsets))

    def _arranged(self, features: Groove) -> np.ndarray:
        """What `_features` makes of rows, as rows."""
        if self.split_instruments:  # [steps, drums, 1 + V + O]
            rows = np.concatenate(features, axis=-1)
            return rows.reshape(-1, rows.shape[-1])
        return np.hstack([feature.reshape(len(feature), -1) for feature in features])

    def held_rows(self, played: Groove, is_free: Groove) -> np.ndarray:
        """Dense rows `[T, D_out]` of a groove for a decoder to hold: NaN is free.

        is_free: for each cell `[steps, drums]`, whether its hit, its velocity, its
        offset are left to the decoder.
        """
        free = [
            np.repeat(np.asarray(cells, bool)[:, :, None], width, axis=-1)
            for cells, width in zip(is_free, self._widths)
        ]
        return np.where(self._arranged(Groove(*free)), np.nan, self.rows(played))

    def groove_of(self, rows: np.ndarray) -> Groove:
        """Dense rows `[T, D_out]` as a groove with the velocities and offsets that
        `to_sequence` writes, and 0 where nothing is hit."""
        features = self._features(np.asarray(rows, np.float64))
        groove = Groove(*np.zeros([3, *features.hits.shape[:2]]))
        cells = np.nonzero(features.hits[:, :, 0] > 0.5)
        groove.hits[cells] = 1
        velocities = self._midi_velocities(features.velocities[cells])
        groove.velocities[cells] = velocities / MAX_VELOCITY
        groove.offsets[cells] = 2 * self._early_steps(features.offsets[cells])
        return groove

    def _features(self, rows: np.ndarray) -> Groove:
        """Dense rows `[T, D_out]` -> hits, velocities and offsets `[steps, drums, 1]`,
        `[steps, drums, V]` and `[steps, drums, O]`."""
        ends = np.cumsum(self._widths[:2])
        if self.split_instruments:
            missing = -len(rows) % self._drums
            rows = np.pad(rows, [(0, missing), (0, 0)])
            rows = rows.reshape(-1, self._drums, rows.shape[-1])
            return Groove(*np.split(rows, ends, axis=-1))
        features = np.split(rows, self._drums * ends, axis=-1)
        return Groove(*(f.reshape(len(rows), self._drums, -1) for f in features))

    # Samples -> NoteSequence

    def to_sequence(self, sample, controls=None):
        """Decoder output `[T, D_out]` -> NoteSequence at 120 BPM.

        As in Magenta, an early first hit starts before 0 seconds, and `total_time` is
        not set.
        """
        features = self._features(np.asarray(sample, np.float64))
        if self._is_binned:
            # As in Magenta, even where a step is one row and not one per drum.
            steps = len(sample) // self._drums
            features = Groove(*(feature[:steps] for feature in features))
        step_seconds = 60.0 / DEFAULT_QPM / self.steps_per_quarter
        steps, drums = np.nonzero(features.hits[:, :, 0] > 0.5)
        early_steps = self._early_steps(features.offsets[steps, drums])
        starts = (steps - early_steps) * step_seconds
        written_as = np.array([pitches[0] for pitches in self.pitch_classes])
        sequence = NoteSequence()
        sequence.tempos.add(qpm=DEFAULT_QPM)
        add_notes(
            sequence,
            pitch=written_as[drums],
            velocity=self._midi_velocities(features.velocities[steps, drums]),
            start_time=starts,
            end_time=starts + step_seconds,
            instrument=drum_classes.DRUM_INSTRUMENT,
            is_drum=True,
        )
        return sequence

    def _midi_velocities(self, velocities: np.ndarray) -> np.ndarray:
        """`[notes, V]` -> integers `[notes]` from 0 to 127."""
        if self._is_binned:
            fraction = velocities.argmax(axis=1) / self.num_velocity_bins
            return (fraction * MAX_VELOCITY).astype(int)
        rounded = np.round(velocities[:, 0] * MAX_VELOCITY)
        return np.clip(rounded, 0, MAX_VELOCITY).astype(int)

    def _early_steps(self, offsets: np.ndarray) -> np.ndarray:
        """`[notes, O]` -> steps before the grid `[notes]`, from -0.5 to 0.5."""
        if self._is_binned:
            return offsets.argmax(axis=1) / self.num_offset_bins - 0.5
        return np.clip(offsets[:, 0] / 2, -0.5, 0.5)

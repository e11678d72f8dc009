"""A bar, or some, of several instruments <-> a row of tokens for each."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Callable
from functools import cached_property
from itertools import groupby
from operator import itemgetter
from typing import NamedTuple

import numpy as np

from music_vae_tf.batch import Example, OneHot
from music_vae_tf.data.converters.base import (
    Converter,
    Extraction,
    NotConvertible,
    sample_items,
)
from music_vae_tf.data.converters.chords import (
    Conditioning,
    StepHarmony,
    read_harmony,
)
from music_vae_tf.data.converters.grid import in_stretches
from music_vae_tf.data.converters.hops import (
    Hops,
    Tracks,
    Verdict,
    cut_into_hops,
    tracks_of,
)
from music_vae_tf.data.converters.multitrack_chords import harmonies
from music_vae_tf.data.converters.multitrack_writing import SegmentWriter
from music_vae_tf.data.converters.performance import (
    DEFAULT_VELOCITY,
    MIDI_PITCHES,
    MIDI_PROGRAMS,
    MIDI_VELOCITIES,
    Notes,
    Tokens,
    Vocabulary,
    cut_into_chunks,
    encode_rows,
)
from music_vae_tf.data.converters.score import read
from music_vae_tf.data.converters.sustain import read_pedals, sustained
from music_vae_tf.errors import UserFacingError

MAX_SHIFT_QUARTERS = 4  # of one time shift
FRAME_TOKENS = 2  # of each segment: a program and the end
_NO_CHORD = 0  # its class in every encoding


class BadMultitrackOptions(UserFacingError, ValueError):
    """Options of a MultitrackConverter that contradict each other."""


class _Segments(NamedTuple):
    """What one instrument does in one chunk, each; hop after hop."""

    hop: np.ndarray  # [R]
    place: np.ndarray  # [R], which segment of its example
    tokens: Tokens  # of the R rows, with steps from the start of the hop


@dataclasses.dataclass(frozen=True, kw_only=True)
class MultitrackConverter(Converter):
    """Some bars of several instruments <-> tokens `[S * max_events_per_instrument]`.

    Magenta's MultiInstrumentPerformanceConverter. A segment is what one instrument does
    in one chunk: a program, events (see `performance.Vocabulary`), an end token, and
    padding. Instruments are in the order of their programs, drums last; those that are
    missing have the end token alone.

    Attributes:
        num_velocity_bins: loudnesses to tell apart; 0 for none.
        hop_size_bars: bars of an example; examples do not overlap.
        chunk_size_bars: bars of a segment. Segments are in the order of chunks, then of
            instruments.
        min_num_instruments, max_num_instruments: hops with others are left out.
        min_total_events: hops with fewer are left out.
        max_events_per_instrument: hops with longer segments are left out.
        min_pitch, max_pitch: hops with other pitches are left out.
        first_subsequence_only: leave out what is longer than a hop.
        chord_encoding: a name in `chords.ENCODINGS`: chords are controls.
        drop_tracks_and_truncate: drop instruments and events that are too many, instead
            of the hop.
        max_tensors_per_notesequence: as many examples at most; None for all.
    """

    num_velocity_bins: int = 0
    hop_size_bars: int = 1
    chunk_size_bars: int = 1
    steps_per_quarter: int = 24
    quarters_per_bar: int = 4
    min_num_instruments: int = 2
    max_num_instruments: int = 8
    min_total_events: int = 8
    max_events_per_instrument: int = 64
    min_pitch: int = 0
    max_pitch: int = MIDI_PITCHES - 1
    first_subsequence_only: bool = False
    chord_encoding: str | None = None
    drop_tracks_and_truncate: bool = False
    max_tensors_per_notesequence: int | None = None

    inputs_are_targets = True

    def __post_init__(self):
        if self.hop_size_bars % self.chunk_size_bars:
            raise BadMultitrackOptions(
                f"hop_size_bars={self.hop_size_bars} must be a multiple of "
                f"chunk_size_bars={self.chunk_size_bars}"
            )
        if not 0 <= self.num_velocity_bins <= MIDI_VELOCITIES:
            raise BadMultitrackOptions(
                f"num_velocity_bins={self.num_velocity_bins}: give 0, for no "
                f"velocities, to {MIDI_VELOCITIES}"
            )
        _ = self.conditioning  # raises if there is no such chord encoding

    @cached_property
    def conditioning(self) -> Conditioning:
        return Conditioning.named(self.chord_encoding)

    @cached_property
    def vocabulary(self) -> Vocabulary:
        return Vocabulary(
            num_velocity_bins=self.num_velocity_bins,
            max_shift_steps=MAX_SHIFT_QUARTERS * self.steps_per_quarter,
            min_pitch=self.min_pitch,
            max_pitch=self.max_pitch,
        )

    @property
    def targets(self) -> OneHot:
        return OneHot(self.vocabulary.depth)

    @property
    def inputs(self) -> OneHot:
        return self.targets

    @property
    def controls(self) -> OneHot | None:
        return self.conditioning.layout

    @property
    def end_token(self) -> int:
        return self.vocabulary.end_token

    @property
    def length_shape(self) -> tuple[int]:
        return (self._chunks * self.max_num_instruments,)

    @property
    def _chunks(self) -> int:
        return self.hop_size_bars // self.chunk_size_bars

    @property
    def _chunk_steps(self) -> int:
        return self.chunk_size_bars * self.quarters_per_bar * self.steps_per_quarter

    # NoteSequence -> examples, all hops of a piece at once

    def _extract(self, sequence, rng) -> Extraction:
        pieces, left_out = in_stretches(
            read(sequence), self.steps_per_quarter, self.quarters_per_bar
        )
        pieces = sustained(pieces, read_pedals(sequence))
        quarters = self.hop_size_bars * self.quarters_per_bar
        hops = cut_into_hops(pieces, quarters, self.steps_per_quarter)
        if not len(hops.notes):
            return Extraction([], left_out or Counter(["no notes"]))
        tracks = self._without_surplus(tracks_of(hops), rng)
        verdict = Verdict(hops.is_hop, left_out).unless(self._misfits(hops, tracks))
        segments = self._segments(hops, _in_order(tracks, verdict.is_fine))
        verdict = verdict.unless(self._excesses(segments, len(hops.is_hop)))
        chords = None
        if self.conditioning:
            harmony_of = harmonies(
                self.conditioning,
                self.steps_per_quarter,
                pieces,
                hops,
                read_harmony(sequence),
            )
            chords, objections = self._chords(segments, verdict.is_fine, harmony_of)
            verdict = verdict.unless(objections)
        examples = self._examples(segments, chords, verdict.is_fine)
        stretch = hops.stretch[verdict.is_fine].tolist()
        return Extraction(self._sample(examples, stretch, rng), verdict.left_out)

    def _without_surplus(self, tracks: Tracks, rng) -> Tracks:
        """Not too many tracks of each hop, if tracks may be dropped."""
        if not self.drop_tracks_and_truncate:
            return tracks
        kept = [
            track
            for _, of_hop in groupby(range(len(tracks.hop)), tracks.hop.__getitem__)
            for track in sample_items(list(of_hop), self.max_num_instruments, rng)
        ]
        return tracks.take(np.array(kept))

    def _misfits(self, hops: Hops, tracks: Tracks) -> dict[str, np.ndarray]:
        """Why hops cannot be converted, and for each reason where, `[H]`."""
        unit = _bars(self.hop_size_bars)
        pitch, program = hops.notes["pitch"], tracks.program
        hops_of_stretch = np.bincount(hops.stretch, hops.is_hop)
        instruments = np.bincount(tracks.hop, minlength=len(hops.is_hop))
        has = lambda hop: np.bincount(hop, minlength=len(hops.is_hop)) > 0
        return {
            f"longer than {unit}": (hops_of_stretch > 1)[hops.stretch]
            & self.first_subsequence_only,
            f"{unit} of silence": ~has(hops.hop),
            f"{unit} with pitches outside {self.min_pitch} to {self.max_pitch}": has(
                hops.hop[(pitch < self.min_pitch) | (pitch > self.max_pitch)]
            ),
            f"{unit} with fewer than {self.min_num_instruments} instruments": (
                instruments < self.min_num_instruments
            ),
            f"{unit} with more than {self.max_num_instruments} instruments": (
                instruments > self.max_num_instruments
            ),
            # Magenta stops with a TypeError.
            f"{unit} with an instrument of several programs": has(
                tracks.hop[tracks.is_mixed]
            ),
            f"{unit} with a program outside 0 to {MIDI_PROGRAMS - 1}": has(
                tracks.hop[~tracks.is_drum & (program != program % MIDI_PROGRAMS)]
            ),
        }

    def _segments(self, hops: Hops, tracks: Tracks) -> _Segments:
        """All segments of tracks, which are in the order of segments in examples."""
        rows = cut_into_chunks(
            self._played(hops, tracks),
            self._chunks,
            self._chunk_steps,
            self.vocabulary.velocity_bins(np.array([DEFAULT_VELOCITY]))[0],
        )
        hop, is_drum, program = (
            np.repeat(column, self._chunks)
            for column in (tracks.hop, tracks.is_drum, tracks.program)
        )
        # As in Magenta, an instrument that is silent in a chunk counts as drums there.
        is_drum = is_drum | (np.bincount(rows.row, minlength=len(hop)) == 0)
        programs = np.where(
            is_drum, self.vocabulary.drums_token, self.vocabulary.program_token(program)
        )
        tokens = encode_rows(self.vocabulary, rows, programs, self._chunk_steps)
        if self.drop_tracks_and_truncate:
            tokens = tokens.truncate(self.max_events_per_instrument)
        track, chunk = np.divmod(np.arange(len(hop)), self._chunks)
        instrument = track - np.searchsorted(tracks.hop, hop)
        steps = tokens.steps + (chunk * self._chunk_steps)[tokens.rows]
        place = chunk * self.max_num_instruments + instrument
        return _Segments(hop, place, tokens._replace(steps=steps))

    def _played(self, hops: Hops, tracks: Tracks) -> Notes:
        """The notes of all tracks, by track, start and pitch."""
        pitch, start_seconds = hops.notes["pitch"], hops.notes["start_seconds"]
        order = np.lexsort([pitch, start_seconds, tracks.of_notes])
        order = order[tracks.of_notes[order] >= 0]
        return Notes(
            row=tracks.of_notes[order],
            start_steps=hops.start_steps[order],
            end_steps=hops.end_steps[order],
            pitches=pitch[order],
            velocity_bins=self.vocabulary.velocity_bins(hops.notes["velocity"][order]),
        )

    def _excesses(self, segments: _Segments, hops: int) -> dict[str, np.ndarray]:
        """Why segments are too long or too short, and for each reason where, `[H]`."""
        lengths, longest = segments.tokens.lengths, self.max_events_per_instrument
        is_too_long = np.bincount(segments.hop, lengths > longest, hops) > 0
        total_events = np.bincount(segments.hop, lengths - FRAME_TOKENS, hops)
        return {
            f"more than {longest - FRAME_TOKENS} events of an instrument in "
            f"{_bars(self.chunk_size_bars)}": is_too_long,
            f"{_bars(self.hop_size_bars)} with fewer than {self.min_total_events} "
            "events": total_events < self.min_total_events,
        }

    def _examples(
        self, segments: _Segments, chords: np.ndarray | None, is_fine: np.ndarray
    ) -> list[Example]:
        """An example of each hop that is fine."""
        tokens, is_row = segments.tokens, is_fine[segments.hop]
        example = (np.cumsum(is_fine) - 1)[segments.hop]
        lengths = np.ones([np.count_nonzero(is_fine), *self.length_shape], np.int32)
        lengths[example[is_row], segments.place[is_row]] = tokens.lengths[is_row]
        is_token, row = is_row[tokens.rows], tokens.rows
        cells = example[row], segments.place[row], tokens.positions
        cells = tuple(index[is_token] for index in cells)
        shape = [*lengths.shape, self.max_events_per_instrument]

        def rows(layout, values, value_of_missing):
            array = np.full(shape, layout.padding, layout.dtype)
            array[:, :, 0] = value_of_missing
            array[cells] = values[is_token]
            return [a.reshape(-1, layout.width).copy() for a in array]

        targets = rows(self.targets, tokens.tokens, self.end_token)
        if chords is None:
            return list(map(Example, targets, lengths))
        controls = rows(self.controls, chords, _NO_CHORD)
        return [
            Example(target, length, controls=control)
            for target, length, control in zip(targets, lengths, controls)
        ]

    def _sample(self, examples: list[Example], stretch: list[int], rng):
        """Not too many of each stretch, and of these not too many, as in Magenta."""
        chosen = []
        for _, pairs in groupby(zip(stretch, examples), itemgetter(0)):
            of_stretch = [example for _, example in pairs]
            chosen += sample_items(of_stretch, self.max_tensors_per_notesequence, rng)
        return sample_items(chosen, self.max_tensors_per_notesequence, rng)

    # Chords

    def _chords(
        self,
        segments: _Segments,
        is_fine: np.ndarray,
        harmony_of: Callable[[int], StepHarmony],
    ) -> tuple[np.ndarray, dict[str, np.ndarray]]:
        """The class of the chord of each token, `[T]`; and why there is none, `[H]`."""
        tokens, objections = segments.tokens, {}
        is_event = (tokens.positions > 0) & ~tokens.is_last
        events, hop = np.flatnonzero(is_event), segments.hop[tokens.rows[is_event]]
        chords = np.full(len(tokens.tokens), _NO_CHORD)  # as programs have
        for number in np.flatnonzero(is_fine).tolist():
            here = events[slice(*np.searchsorted(hop, [number, number + 1]))]
            try:
                harmony = harmony_of(number)
                conditions = self.conditioning.conditions(harmony, tokens.steps[here])
                chords[here] = self.conditioning.controls(harmony, conditions)[:, 0]
            except NotConvertible as refusal:
                holds = objections.setdefault(refusal.reason, np.zeros_like(is_fine))
                holds[number] = True
        ends = np.flatnonzero(tokens.is_last)
        chords[ends] = chords[ends - 1]
        return chords, objections

    # Samples -> NoteSequence

    @property
    def control_kind(self) -> str | None:
        return "chords" if self.chord_encoding else None

    def controls_of_chords(self, symbols, num_steps):
        """One chord for the whole bar: which token will come when, nobody knows yet.

        As in training, the first token of a segment, its program, has none.
        """
        if len(symbols) > 1:
            raise NotConvertible(
                f"one chord fits into an example of this config, not {len(symbols)}"
            )
        controls = self.conditioning.of_chords(symbols, num_steps)
        programs = slice(None, None, self.max_events_per_instrument)
        controls[programs] = self.controls.unpack(np.array([[_NO_CHORD]]))
        return controls

    def to_sequence(self, sample, controls=None):
        """Decoder output `[T, D_out]`, each segment up to its end token, and the
        controls it was given `[T, D_c]` -> NoteSequence at 120 BPM.

        As in Magenta, the program of an instrument is that of its first segment.
        """
        shape = [self._chunks, self.max_num_instruments, self.max_events_per_instrument]
        tokens = np.argmax(sample, axis=-1).reshape(shape)
        writer = SegmentWriter(
            self.vocabulary,
            self.conditioning,
            self.steps_per_quarter,
            self._chunk_steps,
        )
        if controls is None or not self.conditioning:
            return writer.sequence(tokens)
        return writer.sequence(tokens, np.argmax(controls, axis=-1).reshape(shape))


def _in_order(tracks: Tracks, is_fine: np.ndarray) -> Tracks:
    """The tracks of fine hops, by hop and program, drums last."""
    of_fine_hops = np.flatnonzero(is_fine[tracks.hop])
    tracks = tracks.take(of_fine_hops)
    program = np.where(tracks.is_drum, 0, tracks.program)
    return tracks.take(np.lexsort([program, tracks.is_drum, tracks.hop]))


def _bars(number: int) -> str:
    return "a bar" if number == 1 else f"{number} bars"

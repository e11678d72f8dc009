"""Drum performances <-> REMI tokens, bar by bar, as MidiTok writes them.

REMI (Huang and Yang 2020) writes music as tokens: `Bar`, then for each moment at which
something sounds its `Position` in the bar, and of each note `Pitch` and `Velocity`.
Drums have no `Duration` here. A bar's tokens are those after its `Bar` up to and with
the next `Bar`, which so is the end of each bar:

    Position_0 Pitch_36 Velocity_99 Pitch_42 Velocity_63 Position_8 ... Bar
"""

from __future__ import annotations

import dataclasses
import functools
import importlib.metadata
from collections import Counter

import numpy as np
from note_seq.protobuf.music_pb2 import NoteSequence

from music_vae_tf.batch import Example, Grammar, Layout, OneHot
from music_vae_tf.data.converters import drum_classes, drum_parts
from music_vae_tf.data.converters.base import (
    Converter,
    Extraction,
    NotConvertible,
    TokenVocabulary,
    sample_items,
)
from music_vae_tf.data.converters.drum_classes import DRUM_INSTRUMENT
from music_vae_tf.data.converters.quantize import Quantized, quantize
from music_vae_tf.data.converters.score import DEFAULT_QPM, add_notes, read
from music_vae_tf.errors import UserFacingError

BAR = "Bar_None"
# Options that are numbers of something.
COUNTS = (
    "split_bars",
    "hop_bars",
    "max_tokens_per_bar",
    "steps_per_quarter",
    "num_velocities",
    "max_tensors_per_notesequence",
)


class NoTokenizer(UserFacingError, ValueError):
    """MidiTok is not installed."""


class BadTokenOptions(UserFacingError, ValueError):
    """Options of a TokensConverter that contradict each other."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class TokensConverter(Converter):
    """Drums in 4/4 <-> tokens of each bar, padded to a fixed number.

    The decoder emits bars, each padded: `[bars * max_tokens_per_bar, tokens]`. The
    encoder reads the same tokens end to end, and the padding after them.

    Of several notes of a pitch at a position the loudest counts.

    Attributes:
        split_bars: bars per example.
        hop_bars: bars from one example to the next; by default they do not overlap.
        max_tokens_per_bar: examples with longer bars are left out.
        steps_per_quarter: positions.
        num_velocities: how many velocities are distinguished.
        lowest_pitch, highest_pitch: other notes are left out.
        max_tensors_per_notesequence: examples at most.
        drums: which notes are drums, one of `drum_parts.CHOICES`.
    """

    split_bars: int
    hop_bars: int | None = None
    max_tokens_per_bar: int
    steps_per_quarter: int = 8
    num_velocities: int = 32
    lowest_pitch: int = 22
    highest_pitch: int = 87
    max_tensors_per_notesequence: int | None = None
    drums: str = drum_parts.AUTO

    quarters_per_bar = 4  # what REMI takes for granted where it has no metres
    inputs_are_targets = False
    controls = None
    window_field = "split_bars"

    def __post_init__(self):
        drum_parts.check(self.drums)
        for name in COUNTS:
            value = getattr(self, name)
            if value is not None and value < 1:
                raise BadTokenOptions(f"{name}={value}: expected 1 at least")
        if not 0 <= self.lowest_pitch <= self.highest_pitch <= 127:
            raise BadTokenOptions(
                f"lowest_pitch={self.lowest_pitch}, "
                f"highest_pitch={self.highest_pitch}: expected MIDI pitches from 0 to "
                "127, the lower one first"
            )

    def for_inference(self) -> TokensConverter:
        """The converter to generate with: drums are found where DAWs leave them."""
        drums = drum_parts.for_inference(self.drums)
        return dataclasses.replace(self, drums=drums)

    def quarters(self, num_steps: int) -> float:
        """Each bar has the same number of rows, padding included."""
        return num_steps / self.max_tokens_per_bar * self.quarters_per_bar

    @property
    def length_shape(self) -> tuple[int, ...]:
        return (self.split_bars,)

    @property
    def targets(self) -> Layout:
        return OneHot(len(self._ids))

    @property
    def inputs(self) -> Layout:
        return self.targets

    @property
    def end_token(self) -> int:
        return self._ids[BAR]

    @property
    def token_vocabulary(self) -> TokenVocabulary:
        """All tokens, in the order of the columns."""
        version = importlib.metadata.version("miditok")
        return TokenVocabulary("REMI", f"miditok {version}", tuple(self._ids))

    @functools.cached_property
    def grammar(self) -> Grammar:
        """REMI's: which token may follow which; positions, and at each of them pitches,
        rise. It begins and ends with a `Bar`."""
        return _grammar(self._tokenizer)

    @property
    def _tokenizer(self):
        return _tokenizer(
            self.steps_per_quarter,
            self.num_velocities,
            self.lowest_pitch,
            self.highest_pitch,
        )

    @property
    def _pitch_classes(self) -> drum_classes.PitchClasses:
        return tuple((p,) for p in range(self.lowest_pitch, self.highest_pitch + 1))

    @property
    def _ids(self) -> dict[str, int]:
        return self._tokenizer.vocab

    # NoteSequence -> examples

    def _extract(self, sequence, rng) -> Extraction:
        try:
            score, remarks = drum_parts.marked(
                sequence, read(sequence), self.drums, self._pitch_classes
            )
            score = quantize(score, self.steps_per_quarter, self.quarters_per_bar)
        except NotConvertible as refusal:
            return Extraction([], Counter([refusal.reason]))
        score, left_out = self._spelled(score.where(score.notes["is_drum"]))
        bars = self._bars(score)
        windows = self._windows(len(bars))
        left_out += self._outside(windows, len(bars))
        long = [
            any(len(bar) > self.max_tokens_per_bar for bar in bars[w]) for w in windows
        ]
        if any(long):
            reason = (
                f"examples with a bar of more than {self.max_tokens_per_bar} tokens"
            )
            left_out[reason] += sum(long)
        examples = [
            self._example(bars[window])
            for window, is_long in zip(windows, long)
            if not is_long
        ]
        limit = self.max_tensors_per_notesequence
        return Extraction(sample_items(examples, limit, rng), left_out + remarks)

    def _spelled(self, score: Quantized) -> tuple[Quantized, Counter[str]]:
        """The notes that there are tokens for, the loudest of each place and pitch; and
        how many were left out for want of a token."""
        pitch = score.notes["pitch"]
        known = (pitch >= self.lowest_pitch) & (pitch <= self.highest_pitch)
        unknown = Counter(pitch[~known].tolist())
        score = score.where(known)
        order = np.lexsort(
            [-score.notes["velocity"], score.notes["pitch"], score.start_steps]
        )
        places = np.stack([score.start_steps, score.notes["pitch"]], axis=1)[order]
        _, loudest = np.unique(places, axis=0, return_index=True)
        score = score._replace(
            notes=score.notes[order][loudest],
            start_steps=score.start_steps[order][loudest],
            end_steps=score.end_steps[order][loudest],
        )
        return score, Counter(
            {
                f"notes of pitch {pitch}, which the vocabulary does not have": count
                for pitch, count in sorted(unknown.items())
            }
        )

    def _bars(self, score: Quantized) -> list[np.ndarray]:
        """The tokens of each bar, up to and with the `Bar` that ends it."""
        if not len(score.notes):
            return []
        import symusic

        notes = symusic.Note.from_numpy(
            time=score.start_steps.astype(np.int32),
            duration=np.ones(len(score.notes), np.int32),
            pitch=score.notes["pitch"].astype(np.int8),
            velocity=score.notes["velocity"].astype(np.int8),
        )
        music = symusic.Score(self.steps_per_quarter)
        music.tracks.append(symusic.Track(is_drum=True, notes=notes))
        ((tokens),) = self._tokenizer.encode(music)
        ids = np.array([*tokens.ids[1:], self.end_token])  # the first begins bar 1
        ends = np.flatnonzero(ids == self.end_token) + 1
        return np.split(ids, ends[:-1])

    def _windows(self, num_bars: int) -> list[slice]:
        starts = range(
            0, num_bars - self.split_bars + 1, self.hop_bars or self.split_bars
        )
        return [slice(start, start + self.split_bars) for start in starts]

    def _outside(self, windows: list[slice], num_bars: int) -> Counter[str]:
        """What is too short for an example."""
        if not windows:
            return Counter([f"shorter than {self.split_bars} bars"])
        bars_left = num_bars - windows[-1].stop
        reason = f"bars after the last whole {self.split_bars}-bar window"
        return Counter({reason: bars_left} if bars_left else ())

    def _example(self, bars: list[np.ndarray]) -> Example:
        padded = np.full([self.split_bars, self.max_tokens_per_bar], OneHot.padding)
        for row, bar in zip(padded, bars):
            row[: len(bar)] = bar
        end_to_end = np.full(padded.size, OneHot.padding)
        end_to_end[: sum(map(len, bars))] = np.concatenate(bars)
        compact = lambda ids: ids.reshape(-1, 1).astype(OneHot.dtype)
        return Example(
            targets=compact(padded),
            length=np.array([len(bar) for bar in bars], np.int32),
            inputs=compact(end_to_end),
        )

    # Samples -> NoteSequence

    def to_sequence(self, sample, controls=None):
        """Decoder output `[T, tokens]` -> NoteSequence at 120 BPM.

        What follows the first `Bar` of a bar is padding. Tokens that make no note where
        they stand, as a model may emit them without its grammar, are passed over.
        """
        sample = np.asarray(sample)
        rows = np.where(sample.any(axis=1), sample.argmax(axis=1), OneHot.padding)
        ids = [self.end_token]
        for start in range(0, len(rows), self.max_tokens_per_bar):
            bar = rows[start : start + self.max_tokens_per_bar]
            is_over = (bar == self.end_token) | (bar == OneHot.padding)
            length = is_over.argmax() if is_over.any() else len(bar)
            ids += [*bar[:length].tolist(), self.end_token]
        music = self._tokenizer.decode([ids], programs=[(0, True)])
        sequence = NoteSequence()
        sequence.tempos.add(qpm=DEFAULT_QPM)
        step_seconds = 60.0 / DEFAULT_QPM / self.steps_per_quarter
        for track in music.tracks:  # one, or none without notes
            notes = track.notes.numpy()
            add_notes(
                sequence,
                pitch=notes["pitch"],
                velocity=notes["velocity"],
                start_time=notes["time"] * step_seconds,
                end_time=(notes["time"] + 1) * step_seconds,
                instrument=DRUM_INSTRUMENT,
                is_drum=True,
            )
        sequence.total_time = max((n.end_time for n in sequence.notes), default=0.0)
        return sequence


@functools.cache
def _tokenizer(steps_per_quarter, num_velocities, lowest_pitch, highest_pitch):
    try:
        import miditok
    except ImportError as error:
        raise NoTokenizer(
            "tokens are made by MidiTok, which is not installed: pip install "
            "'music_vae_tf[tokens]'"
        ) from error
    # Everything that is a choice of MidiTok's is made here, lest a later version choose
    # otherwise.
    config = miditok.TokenizerConfig(
        pitch_range=(lowest_pitch, highest_pitch),
        beat_res={(0, 4): steps_per_quarter},
        num_velocities=num_velocities,
        special_tokens=["PAD"],  # MidiTok has it in any case
        use_velocities=True,
        use_note_duration_programs=[],
        use_chords=False,
        use_rests=False,
        use_tempos=False,
        use_time_signatures=False,
        use_sustain_pedals=False,
        use_pitch_bends=False,
        use_programs=False,
        use_pitch_intervals=False,
        use_pitchdrum_tokens=False,
    )
    return miditok.REMI(config)


def _grammar(tokenizer) -> Grammar:
    """An automaton that reads what the tokenizer's graph of types allows.

    Its states are of the last emitted token: its kind, the position, and the pitch.
    """
    tokens = [token.split("_") for token in tokenizer.vocab]
    positions = [int(value) for kind, value in tokens if kind == "Position"]
    pitches = [int(value) for kind, value in tokens if kind == "Pitch"]
    after_bar = ("Bar", None, None)
    states = [
        after_bar,
        *(("Position", position, None) for position in positions),
        *(
            (kind, position, pitch)
            for kind in ("Pitch", "Velocity")
            for position in positions
            for pitch in pitches
        ),
    ]
    number_of = {state: number for number, state in enumerate(states)}
    successors = np.full([len(states), len(tokens)], -1)
    for number, (last, position, pitch) in enumerate(states):
        for token, (kind, value) in enumerate(tokens):
            if kind not in tokenizer.tokens_types_graph[last] or kind == "PAD":
                continue
            if kind == "Bar":
                successor = after_bar
            elif kind == "Velocity":
                successor = ("Velocity", position, pitch)
            elif kind == "Position" and (position is None or int(value) > position):
                successor = ("Position", int(value), None)
            elif kind == "Pitch" and (pitch is None or int(value) > pitch):
                successor = ("Pitch", position, int(value))
            else:
                continue
            successors[number, token] = number_of[successor]
    return Grammar(successors)

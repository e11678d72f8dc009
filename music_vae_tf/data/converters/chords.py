"""Chords and keys that condition a model: from a NoteSequence to controls and back."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
from note_seq import chord_symbols_lib
from note_seq.constants import NO_CHORD
from note_seq.protobuf.music_pb2 import NoteSequence

from music_vae_tf.batch import OneHot
from music_vae_tf.data.converters.base import NotConvertible
from music_vae_tf.data.converters.chord_inference import (
    PITCH_CLASSES,
    infer_chords,
)
from music_vae_tf.data.converters.grid import Stretch
from music_vae_tf.data.converters.quantize import to_steps
from music_vae_tf.data.converters.score import Change, changes_within
from music_vae_tf.errors import UserFacingError

CHORD_SYMBOL = NoteSequence.TextAnnotation.CHORD_SYMBOL
KEYS = 12


class UnknownChordEncoding(UserFacingError, ValueError):
    """A name that is none of ENCODINGS."""


# Chords as classes


@dataclasses.dataclass(frozen=True)
class ChordEncoding:
    """Chords as classes: none, then every root with each kind of triad in turn."""

    name: str
    triads: tuple[str, ...]  # how the symbols that are written for them end

    @property
    def depth(self) -> int:
        return 1 + len(PITCH_CLASSES) * len(self.triads)

    def encode(self, symbol: str) -> int:
        """The class of a symbol like `Am7/G`, of which only root and triad count.

        Raises:
            NotConvertible: no such chord, or a triad of another kind.
        """
        if symbol == NO_CHORD:
            return 0
        root, triad = _root_and_triad(symbol)
        if triad >= len(self.triads):
            raise NotConvertible(f"chord {symbol} not in the encoding {self.name}")
        return 1 + len(PITCH_CLASSES) * triad + root

    def decode(self, number: int) -> str:
        """The symbol of a class."""
        if number == 0:
            return NO_CHORD
        triad, root = divmod(int(number) - 1, len(PITCH_CLASSES))
        return PITCH_CLASSES[root] + self.triads[triad]


@functools.lru_cache(maxsize=10_000)
def _root_and_triad(symbol: str) -> tuple[int, int]:
    """Pitch class of the root; major, minor, augmented, diminished, other (0 to 4)."""
    try:
        return (
            chord_symbols_lib.chord_symbol_root(symbol),
            chord_symbols_lib.chord_symbol_quality(symbol),
        )
    except chord_symbols_lib.ChordSymbolError:
        raise NotConvertible(f"chord symbol {symbol!r} not understood") from None


# note_seq's MajorMinorChordOneHotEncoding and TriadChordOneHotEncoding.
ENCODINGS = {
    encoding.name: encoding
    for encoding in (
        ChordEncoding("major_minor", ("", "m")),
        ChordEncoding("triad", ("", "m", "aug", "dim")),
    )
}


# NoteSequence -> what sounds when


class Harmony(NamedTuple):
    """Chord symbols and keys (0 is C), where they set in."""

    chords: list[Change]
    keys: list[Change]

    def within(self, start_seconds: float, end_seconds: float) -> Harmony:
        """That of a stretch, what holds at its start included."""
        return Harmony(*(changes_within(c, start_seconds, end_seconds) for c in self))

    def on_steps(self, steps_per_second: float, total_steps: int) -> StepHarmony:
        """The same on a grid; chords from its end on do not count.

        Raises:
            NotConvertible: two different chords in one step.
        """
        steps = to_steps([chord.seconds for chord in self.chords], steps_per_second)
        steps = np.minimum(steps, total_steps)
        order = np.argsort(steps, kind="stable")
        order = order[: np.searchsorted(steps[order], total_steps)]
        steps, chords = steps[order], [self.chords[i].value for i in order]
        together = np.flatnonzero(np.diff(steps) == 0)
        if any(chords[i] != chords[i + 1] for i in together):
            raise NotConvertible("two chords in one step")
        symbols = list(dict.fromkeys([NO_CHORD, *chords]))
        keys = sorted((steps_per_second * key.seconds, key.value) for key in self.keys)
        return StepHarmony(
            symbols,
            chord_steps=steps,
            chords=np.array([0, *map(symbols.index, chords)]),
            key_steps=np.array([step for step, _ in keys]),
            keys=np.array([key for _, key in keys]),
        )


def read_harmony(sequence) -> Harmony:
    """The chord symbols and key signatures that stand in a NoteSequence."""
    return Harmony(
        chords=[
            Change(annotation.time, annotation.text)
            for annotation in sequence.text_annotations
            if annotation.annotation_type == CHORD_SYMBOL
        ],
        keys=[Change(key.time, key.key) for key in sequence.key_signatures],
    )


class StepHarmony(NamedTuple):
    """The chord and the key at each step."""

    symbols: list[str]  # distinct; the first is no chord
    chord_steps: np.ndarray  # [C], where chords set in; ascending
    chords: np.ndarray  # [1 + C], numbers in `symbols`
    key_steps: np.ndarray  # [K], where keys set in; ascending, not always on a step
    keys: np.ndarray  # [K]

    def chords_at(self, steps) -> np.ndarray:
        """Numbers in `symbols`, `[T]`."""
        return self.chords[np.searchsorted(self.chord_steps, steps, side="right")]

    def keys_at(self, steps) -> np.ndarray:
        """Keys, `[T]`; before the first it is the first."""
        number = np.searchsorted(self.key_steps, steps, side="right") - 1
        return self.keys[np.maximum(number, 0)]


@dataclasses.dataclass(frozen=True)
class Conditioning:
    """The conditions of each step: the chord, the key, both or nothing."""

    chord_encoding: ChordEncoding | None = None
    on_key: bool = False

    @classmethod
    def named(cls, chord_encoding: str | None, on_key: bool = False) -> Conditioning:
        """With a chord encoding given by its name.

        Raises:
            UnknownChordEncoding: it is none of ENCODINGS.
        """
        if chord_encoding is None:
            return cls(None, on_key)
        if chord_encoding not in ENCODINGS:
            raise UnknownChordEncoding(
                f"there is no chord encoding {chord_encoding!r}; there are "
                f"{' and '.join(ENCODINGS)}"
            )
        return cls(ENCODINGS[chord_encoding], on_key)

    def __bool__(self):
        return bool(self.chord_encoding or self.on_key)

    @property
    def layout(self) -> OneHot | None:
        """Of controls: a class of the chord, then one of the key."""
        depths = [self.chord_encoding.depth] if self.chord_encoding else []
        return OneHot(*depths, *[KEYS] * self.on_key) if self else None

    def complete(
        self,
        written: Harmony,
        notes: np.ndarray,
        stretch: Stretch,
        steps_per_quarter: int,
    ) -> Harmony:
        """The conditions of a stretch: what is written, or, if some of it is
        missing, what is inferred.

        Args:
            notes: `[N]` of score.NOTE, those of the stretch.

        Raises:
            NotConvertible: nothing can be inferred.
        """
        chords_missing = self.chord_encoding and not written.chords
        keys_missing = self.on_key and not written.keys
        harmony = written
        if chords_missing or keys_missing:
            if written.chords:
                # As in Magenta, where keys are inferred together with chords only.
                raise NotConvertible("chords are written, but no key")
            inferred = infer_chords(notes, stretch, steps_per_quarter)
            harmony = Harmony(
                chords=[Change(chord.seconds, chord.symbol) for chord in inferred],
                keys=[Change(chord.seconds, chord.key) for chord in inferred],
            )
        return harmony if self.chord_encoding else harmony._replace(chords=[])

    def conditions(self, harmony: StepHarmony, steps) -> np.ndarray:
        """The conditions of some steps, chords not encoded yet: `[T, 1 or 2]`."""
        columns = [harmony.chords_at(steps)] if self.chord_encoding else []
        columns += [harmony.keys_at(steps)] if self.on_key else []
        return np.stack(columns, axis=-1)

    def controls(self, harmony: StepHarmony, conditions: np.ndarray) -> np.ndarray:
        """Compact controls `[T, width]` of conditions.

        Raises:
            NotConvertible: a chord is not in the encoding.
        """
        controls = conditions.astype(self.layout.dtype)
        if self.chord_encoding:
            for number in np.unique(conditions[:, 0]):
                chord = self.chord_encoding.encode(harmony.symbols[number])
                controls[conditions[:, 0] == number, 0] = chord
        return controls

    def of_chords(self, symbols: Sequence[str], num_steps: int) -> np.ndarray:
        """Dense controls `[T, D_c]`: each chord for an equal share of the steps.

        Raises:
            NotConvertible: a chord is not in the encoding; or it is not chords, or not
                chords alone, that are conditions.
        """
        if not self.chord_encoding or self.on_key:
            raise NotConvertible("this config is not conditioned on chords alone")
        classes = np.array([self.chord_encoding.encode(symbol) for symbol in symbols])
        at = np.arange(num_steps) * len(classes) // num_steps
        return self.layout.unpack(classes[at, np.newaxis])

    # Controls -> NoteSequence

    def write(self, sequence, controls, steps_per_quarter: int) -> None:
        """Adds the chords of dense controls `[T, D_c]` to a NoteSequence."""
        step_seconds = 60.0 / (steps_per_quarter * sequence.tempos[0].qpm)
        seconds = [step * step_seconds for step in range(len(controls))]
        if self.chord_encoding:
            # As in Magenta, the last 12 columns are never chords, even if there are no
            # keys: then `triad` loses diminished chords, and `major_minor` minor ones.
            chords = np.argmax(controls[:, :-KEYS], axis=-1)
            write_chords(
                sequence, zip(seconds, map(self.chord_encoding.decode, chords))
            )
        if self.on_key:
            keys = np.argmax(controls[:, -KEYS:], axis=-1).tolist()
            for time, key in _changes(zip(seconds, keys)):
                sequence.key_signatures.add(time=time, key=key)


def write_chords(sequence, chords: Iterable[tuple[float, str]]) -> None:
    """Adds chord symbols to a NoteSequence, from pairs of a time and a symbol in order
    of time; only where they change."""
    for seconds, symbol in _changes(chords):
        sequence.text_annotations.add(
            time=seconds, text=symbol, annotation_type=CHORD_SYMBOL
        )


def _changes(timed_values):
    """The pairs of a time and a value whose value is not that of the pair before."""
    current = None
    for seconds, value in timed_values:
        if value != current:
            yield seconds, value
        current = value

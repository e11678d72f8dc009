"""What every converter is: NoteSequence -> examples, and samples -> NoteSequence."""

from __future__ import annotations

import abc
import logging
import re
from collections import Counter
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from music_vae_tf.batch import Bits, Example, Grammar, Layout, OneHot, Reals
from music_vae_tf.data import limits

if TYPE_CHECKING:
    from note_seq.protobuf.music_pb2 import NoteSequence

log = logging.getLogger("music_vae_tf")


class NotConvertible(Exception):
    """Why a sequence, or a part of it, gives no example: `time signature 3/4`."""

    def __init__(self, reason: str):
        super().__init__(reason)
        self.reason = reason


class Extraction(NamedTuple):
    """What came out of a NoteSequence, and what did not.

    `left_out` counts reasons in a user's words. They are of parts that gave no example
    (`'time signature 3/4': 1`), and of notes that were dropped from examples (`'notes
    of unmapped drum pitch 23': 14`). It holds `drum_parts.TAKEN_AS_DRUMS`, too, which
    is a remark on the examples.
    """

    examples: list[Example]
    left_out: Counter[str]


# What is particular about a change: `tempo changes from 120 to 98 at bar 5`.
CHANGE = re.compile(r"(.* changes) from .* at bar \d+")
PITCH = re.compile(r"(.* drum pitch) \d+")


def grouped(left_out: Counter[str]) -> Counter[str]:
    """The same reasons, where changes of many kinds are one, `tempo changes`, and so
    are several drum pitches."""
    groups = {}
    for reason in left_out:
        match = CHANGE.fullmatch(reason) or PITCH.fullmatch(reason)
        groups.setdefault(match[1] if match else reason, []).append(reason)
    return Counter(
        {
            reasons[0] if len(reasons) == 1 else _name(group, reasons): sum(
                map(left_out.get, reasons)
            )
            for group, reasons in groups.items()
        }
    )


def _name(group, reasons) -> str:
    if not group.endswith("pitch"):
        return group
    pitches = sorted(int(reason.rsplit(" ", 1)[1]) for reason in reasons)
    return f"{group}es {', '.join(map(str, pitches))}"


def extract_or_refuse(extract: Callable[[], Extraction]) -> Extraction:
    """What a call gives; if it fails, no example, and a reason for the whole piece."""
    try:
        return extract()
    except Exception as error:  # one piece costs only itself
        return Extraction([], Counter([refusal(error)]))


def refusal(error: Exception) -> str:
    """The reason for which a whole piece is left out, where converting it failed."""
    if isinstance(error, limits.BeyondLimits):
        return f"{limits.LEFT_OUT}{error}"
    log.debug("a piece that cannot be converted", exc_info=error)
    return f"{limits.LEFT_OUT}{type(error).__name__} in the converter"


class TokenVocabulary(NamedTuple):
    """What the columns of one-hot rows mean, where a library decides it."""

    name: str  # of the tokens, as musicians of machines know them: `REMI`
    made_by: str  # the library and its version
    tokens: tuple[str, ...]


class Converter(abc.ABC):
    """Both directions between NoteSequences and tensors, for one kind of music.

    Converters are frozen dataclasses: built whole, never changed. There is no mode: an
    `rng` (numpy.random.RandomState or Generator) makes the choice among too many
    examples random, as in training; without one the first are taken.
    """

    inputs: Layout
    targets: Layout
    controls: Layout | None
    inputs_are_targets: bool
    end_token: int | None
    length_shape: tuple[int, ...]  # () or (S,)
    max_tensors_per_notesequence: int | None
    token_vocabulary: TokenVocabulary | None = None
    grammar: Grammar | None = None  # of a decoder's outputs
    steps_per_bar: int | None = None  # where a row is a step of a bar
    steps_per_quarter: int  # of those whose rows are steps of a bar
    control_kind: str | None = None  # "chords" or "hits", where it conditions on them

    # What a converter can do beyond that. A subclass sets what holds for it, as an
    # attribute, a property or a field.
    window_field: str | None = None  # the field with the bars of an example
    can_pad: bool = False  # music that is too short may end in silence
    is_drums: bool = False  # all its notes are hits of drum classes
    drums: str | None = None  # which notes are drums, one of `drum_parts.CHOICES`
    groove_task: str | None = None  # of GrooVAE: what a model does to a performance
    chord_encoding: str | None = None  # a name in `chords.ENCODINGS`
    condition_on_key: bool = False  # keys are controls
    hits_as_controls: bool = False  # the hits that were played are controls

    @property
    def window_bars(self) -> int:
        """How many bars an example has; 1 where no field says so."""
        return (self.window_field and getattr(self, self.window_field)) or 1

    def silence(self) -> tuple[np.ndarray, np.ndarray]:
        """A step in which nothing sounds, where `can_pad`: dense rows `[R, D_in]`,
        `[R, D_out]`. Most converters have R = 1 row per step."""
        has_silence_bit = self.inputs != self.targets
        return (
            _silent_row(self.inputs, has_silence_bit),
            _silent_row(self.targets, False),
        )

    def unrounded(self) -> Converter:
        """The same, with rows as precise as Magenta's converter returns them."""
        return self

    def quarters(self, num_steps: int) -> float:
        """How long so many rows last, in quarter notes; 0 where they do not say it."""
        return num_steps / self.steps_per_quarter if self.steps_per_bar else 0.0

    @property
    def row_kind(self) -> str:
        """What a row holds, which decides how reconstructions are measured.

        `classes` (one-hot vectors), `bits`, `reals`, `grooves` (hits, velocities and
        offsets, a third of the columns each) or `tokens`.
        """
        if self.token_vocabulary is not None:
            return "tokens"
        kinds = {OneHot: "classes", Bits: "bits", Reals: "reals"}
        return next(kinds[c] for c in kinds if isinstance(self.targets, c))

    def extract(self, sequence, rng=None) -> Extraction:
        """All examples of a NoteSequence, and what was left out.

        Never raises: a piece that is beyond `data.limits`, or that makes a converter
        fail, gives no example, and a reason that begins with `limits.LEFT_OUT`.
        """
        return extract_or_refuse(lambda: self._extract(sequence, rng))

    @abc.abstractmethod
    def _extract(self, sequence, rng) -> Extraction:
        """What `extract` gives of a NoteSequence within the limits."""

    @abc.abstractmethod
    def to_sequence(
        self, sample: np.ndarray, controls: np.ndarray | None = None
    ) -> NoteSequence:
        """Dense decoder output `[T, D_out]` (and its controls `[T, D_c]`) ->
        NoteSequence."""

    def for_inference(self) -> Converter:
        """The same for the music that a trained model is given, from anywhere."""
        return self

    def controls_of_chords(self, symbols: Sequence[str], num_steps: int) -> np.ndarray:
        """Dense controls `[T, D_c]` for decoding, from chord symbols like `Am`.

        Raises:
            NotConvertible: the converter does not condition on chords, or not on these.
        """
        raise NotConvertible("this config is not conditioned on chords")

    def to_examples(self, sequence, rng=None) -> list[Example]:
        """The examples of a NoteSequence.

        Raises:
            NotConvertible: there is none; the message has the reason.
        """
        examples, left_out = self.extract(sequence, rng)
        if not examples:
            raise NotConvertible("; ".join(left_out) or "no notes")
        return examples

    def unpack(self, example: Example) -> Example:
        """The same example dense: float32 arrays `[T, D]`, none of them None."""
        targets = self.targets.unpack(example.targets)
        return Example(
            targets=targets,
            length=example.length,
            inputs=targets
            if example.inputs is None
            else self.inputs.unpack(example.inputs),
            controls=np.zeros([len(targets), 0], np.float32)
            if example.controls is None
            else self.controls.unpack(example.controls),
        )


def _silent_row(layout: Layout, has_silence_bit: bool) -> np.ndarray:
    """[1, D]: class 0 of melodies and drums is that nothing begins."""
    row = np.zeros([1, layout.depth], np.float32)
    if isinstance(layout, OneHot):
        row[0, 0] = 1
    elif has_silence_bit:
        row[0, -1] = 1
    return row


def sample_items(items: list, at_most: int | None, rng=None) -> list:
    """At most so many items: the first ones, or with an rng a random choice."""
    if not at_most or len(items) <= at_most:
        return items
    if rng is None:
        return items[:at_most]
    # A set, as in Magenta's maybe_sample_items: chosen at random, kept in index order
    # as far as small integers hash in order.
    return [
        items[i] for i in set(rng.choice(len(items), at_most, replace=False).tolist())
    ]

"""NoteSequences transposed and stretched at random: more music from what there is."""

from __future__ import annotations

import dataclasses

import numpy as np
from note_seq import chord_symbols_lib
from note_seq.constants import NO_CHORD
from note_seq.protobuf.music_pb2 import NoteSequence

from music_vae_tf.data.converters.chords import CHORD_SYMBOL
from music_vae_tf.errors import UserFacingError

MAX_MIDI_PITCH = 127


class BadAugmentation(UserFacingError, ValueError):
    """Ranges to draw from that are none."""


@dataclasses.dataclass(frozen=True)
class Augmenter:
    """Draws how far to transpose and stretch a NoteSequence.

    Magenta's NoteSequenceAugmenter.

    Attributes:
        transpose_range: fewest and most half steps; None for none.
        stretch_range: least and greatest factor of times; None for 1.
    """

    transpose_range: tuple[int, int] | None = None
    stretch_range: tuple[float, float] | None = None

    def __post_init__(self):
        for name in ("transpose_range", "stretch_range"):
            low, high = getattr(self, name) or (0, 0)
            if low > high:
                raise BadAugmentation(f"{name} from {low} to {high} is empty")

    def augment(self, sequence, rng):
        """A NoteSequence made of this one, which stays as it is.

        Args:
            rng: numpy.random.RandomState or Generator.
        """
        augmented = NoteSequence()
        augmented.CopyFrom(sequence)
        if augmented.notes:  # as in note_seq: else nothing is drawn, and chords stay
            low, high = self.stretch_range or (1.0, 1.0)
            stretch(augmented, rng.uniform(low, high))
            low, high = self.transpose_range or (0, 0)
            transpose(augmented, int(rng.choice(np.arange(low, high + 1))))
        return augmented


def stretch(sequence, factor: float) -> None:
    """Changes all times and tempos of a NoteSequence; a factor of 2 is half as fast.

    As in note_seq, beginnings of sections stay.
    """
    if factor == 1:
        return
    for note in sequence.notes:
        note.start_time *= factor
        note.end_time *= factor
    for events in (
        sequence.time_signatures,
        sequence.key_signatures,
        sequence.tempos,
        sequence.pitch_bends,
        sequence.control_changes,
        sequence.text_annotations,
    ):
        for event in events:
            event.time *= factor
    for tempo in sequence.tempos:
        tempo.qpm /= factor
    sequence.total_time *= factor


def transpose(sequence, half_steps: int) -> None:
    """Transposes a NoteSequence: notes but drums, chord symbols, keys.

    Notes that leave MIDI's range are deleted. The sequence ends with the last note that
    is left, as in note_seq.
    """
    left = [
        note
        for note in sequence.notes
        if note.is_drum or 0 <= note.pitch + half_steps <= MAX_MIDI_PITCH
    ]
    for note in left:
        if not note.is_drum:
            note.pitch += half_steps
            note.ClearField("pitch_name")
    if len(left) < len(sequence.notes):
        del sequence.notes[:]
        sequence.notes.extend(left)
    sequence.total_time = max((note.end_time for note in left), default=0.0)
    for annotation in sequence.text_annotations:
        if annotation.annotation_type == CHORD_SYMBOL:
            annotation.text = _transposed_chord(annotation.text, half_steps)
    for signature in sequence.key_signatures:
        signature.key = (signature.key + half_steps) % 12


def _transposed_chord(symbol: str, half_steps: int) -> str:
    """A chord symbol; one that cannot be understood stays as it is."""
    if symbol == NO_CHORD:
        return symbol
    try:
        return chord_symbols_lib.transpose_chord_symbol(symbol, half_steps)
    except chord_symbols_lib.ChordSymbolError:  # Magenta stops
        return symbol

"""A NoteSequence -> NoteSequences of one example each.

They are those of Magenta's preprocess_tfrecord: a piece is cut where tempo or metre
change, filtered, converted, and each of its examples turned back into a NoteSequence.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from note_seq import sequences_lib
from note_seq.protobuf.music_pb2 import NoteSequence

from music_vae_tf.data.converters import drum_parts, score
from music_vae_tf.data.converters.base import Converter, refusal

STEPS_PER_QUARTER = 16  # of the grid that metric positions are counted on
MAX_SPLITS = 100  # a sequence with more is an expressive performance, not a score

# Magenta's counters, in the order in which a sequence may meet them.
COUNTERS = {
    "filtered-too-many-sequence-time-splits": f"sequences of over {MAX_SPLITS} pieces",
    "sequence-time-splits": "pieces of one tempo and time signature",
    "filtered-too-long": "pieces longer than max_total_time",
    "filtered-too-many-notes": "pieces of more than max_num_notes",
    "quantize-failed": "pieces that fit no grid",
    "filtered-min-velocities": "pieces of fewer than min_velocities",
    "filtered-min-metric-positions": "pieces of fewer than min_metric_positions",
    "filtered-drums-only": "pieces with more than drums",
    "unfiltered-sequences": "pieces that were converted",
    "empty-extractions": "of these, pieces without an example",
    "extracted-examples": "examples",
    "empty-reextraction": "examples that turned into notes are none",
    "all-examples": "examples written as notes",
    "unique-examples": "of these, different ones",
}

NOT_QUANTIZABLE = (
    sequences_lib.BadTimeSignatureError,
    sequences_lib.NegativeTimeError,
    # Magenta dies of these two: changes at one and the same time cannot be cut apart.
    sequences_lib.MultipleTempoError,
    sequences_lib.MultipleTimeSignatureError,
)


@dataclass(frozen=True, kw_only=True)
class Filters:
    """Which pieces are worth converting.

    Attributes:
        max_total_time: seconds.
        min_velocities: different ones, among the notes that count.
        min_metric_positions: different sixteenths of a quarter that notes start on,
            among the notes that count.
        is_drum: which notes count: drums, others, or with None all.
        drums_only: whether other notes than drums make a piece useless.
    """

    max_total_time: float = 1800
    max_num_notes: int = 10000
    min_velocities: int = 1
    min_metric_positions: int = 1
    is_drum: bool | None = None
    drums_only: bool = False

    def refusal(self, piece: NoteSequence) -> str | None:
        """The counter of what is wrong with a piece, if anything is."""
        if piece.total_time > self.max_total_time:
            return "filtered-too-long"
        if len(piece.notes) > self.max_num_notes:
            return "filtered-too-many-notes"
        try:
            notes = sequences_lib.quantize_note_sequence(piece, STEPS_PER_QUARTER).notes
        except NOT_QUANTIZABLE:
            return "quantize-failed"
        counted = [note for note in notes if note.velocity and self._counts(note)]
        if len({note.velocity for note in counted}) < self.min_velocities:
            return "filtered-min-velocities"
        if len(set(map(_metric_position, counted))) < self.min_metric_positions:
            return "filtered-min-metric-positions"
        if self.drums_only and not all(note.is_drum for note in notes):
            return "filtered-drums-only"
        return None

    def _counts(self, note) -> bool:
        return self.is_drum is None or note.is_drum == self.is_drum


def _metric_position(note) -> int:
    return note.quantized_start_step % STEPS_PER_QUARTER


@dataclass(frozen=True)
class SingleExamples:
    """What became of a NoteSequence."""

    sequences: list[NoteSequence] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)  # by COUNTERS
    left_out: Counter[str] = field(default_factory=Counter)  # the converter's reasons


def single_examples(
    sequence: NoteSequence, converter: Converter, filters: Filters | None = None
) -> SingleExamples:
    """The examples of a NoteSequence as NoteSequences, in the order of its pieces.

    They start at 0 seconds, have the tempo that the converter writes, and no id. A
    sequence beyond `data.limits`, or one that makes a library fail, gives none, and a
    reason in `left_out`.
    """
    try:
        score.read(sequence)  # is within the limits
        return _single_examples(sequence, converter, filters)
    except Exception as error:  # one piece costs only itself
        return SingleExamples(left_out=Counter([refusal(error)]))


def _single_examples(sequence, converter, filters) -> SingleExamples:
    result = SingleExamples()
    converter = drum_parts.decided(converter, sequence)
    pieces = sequences_lib.split_note_sequence_on_time_changes(sequence)
    if not pieces:
        result.left_out["total_time 0"] += 1
    if len(pieces) > MAX_SPLITS:
        result.counts["filtered-too-many-sequence-time-splits"] += 1
        return result
    result.counts["sequence-time-splits"] += len(pieces)
    for piece in pieces:
        if refusal := filters and filters.refusal(piece):
            result.counts[refusal] += 1
        else:
            _add_examples(result, piece, converter)
    return result


def _add_examples(result: SingleExamples, piece: NoteSequence, converter: Converter):
    examples, left_out = converter.extract(piece)
    result.left_out.update(left_out)
    result.counts["unfiltered-sequences"] += 1
    result.counts["empty-extractions"] += not examples
    result.counts["extracted-examples"] += len(examples)
    for example in examples:
        sequence = _as_sequence(converter, example)
        if converter.extract(sequence).examples:
            result.counts["all-examples"] += 1
            result.sequences.append(sequence)
        else:
            result.counts["empty-reextraction"] += 1


def _as_sequence(converter: Converter, example) -> NoteSequence:
    dense = converter.unpack(example)
    controls = None if example.controls is None else dense.controls
    return converter.to_sequence(dense.targets, controls)

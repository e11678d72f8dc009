"""Tokens of segments -> NoteSequence, as a multitrack converter decodes them."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from note_seq.constants import STANDARD_PPQ
from note_seq.protobuf.music_pb2 import NoteSequence

from music_vae_tf.data.converters.chords import Conditioning, write_chords
from music_vae_tf.data.converters.performance import Vocabulary, decode_notes, steps_of
from music_vae_tf.data.converters.score import DEFAULT_QPM


class SegmentWriter(NamedTuple):
    """Writes segments of tokens `[chunks, instruments, events]` as notes and chords."""

    vocabulary: Vocabulary
    conditioning: Conditioning
    steps_per_quarter: int
    chunk_steps: int  # of a segment

    def sequence(
        self, tokens: np.ndarray, chords: np.ndarray | None = None
    ) -> NoteSequence:
        """A NoteSequence at 120 BPM.

        tokens, chords: `[chunks, instruments, events]`; chords are classes.
        """
        sequence = NoteSequence(ticks_per_quarter=STANDARD_PPQ)
        sequence.tempos.add(qpm=DEFAULT_QPM)
        for instrument in range(tokens.shape[1]):
            self._add_notes(sequence, tokens[:, instrument], instrument)
        sequence.total_time = max((note.end_time for note in sequence.notes), default=0)
        if chords is not None:
            write_chords(sequence, self._timed_chords(tokens, chords))
        return sequence

    @property
    def _step_seconds(self) -> float:
        return 60.0 / (self.steps_per_quarter * DEFAULT_QPM)

    def _add_notes(self, sequence, segments: np.ndarray, instrument: int) -> None:
        """Adds the notes of one instrument, tokens `[chunks, events]`."""
        timed_tokens = []
        for chunk, segment in enumerate(segments):
            events = segment[self._is_event(segment)]
            steps = steps_of(self.vocabulary, events)
            in_time = steps <= self.chunk_steps
            steps = steps[in_time] + chunk * self.chunk_steps
            timed_tokens += zip(steps.tolist(), events[in_time].tolist())
        program, is_drum = self._program(segments[0])
        total_steps = len(segments) * self.chunk_steps
        for note in decode_notes(self.vocabulary, timed_tokens, total_steps):
            sequence.notes.add(
                pitch=note.pitch,
                velocity=note.velocity,
                start_time=note.start_step * self._step_seconds,
                end_time=note.end_step * self._step_seconds,
                instrument=instrument,
                program=program,
                is_drum=is_drum,
            )

    def _is_event(self, segment: np.ndarray) -> np.ndarray:
        """Mask of the tokens `[..., events]` before the end that are not programs."""
        is_before_end = np.cumsum(segment == self.vocabulary.end_token, axis=-1) == 0
        return is_before_end & (segment < self.vocabulary.program_token(0))

    def _program(self, segment: np.ndarray) -> tuple[int, bool]:
        """The first program of a segment, and whether it is drums."""
        first = self.vocabulary.program_token(0)
        tokens = segment[(segment >= first).argmax() :]
        if tokens[0] < first or tokens[0] == self.vocabulary.end_token:
            return 0, False
        if tokens[0] == self.vocabulary.drums_token:
            return 0, True
        return int(tokens[0] - first), False

    def _timed_chords(self, tokens, chords) -> list[tuple[float, str]]:
        """When each token comes, and its chord; of all segments, in order of time."""
        timed_chords = []
        for chunk, instrument in np.ndindex(*tokens.shape[:2]):
            segment = tokens[chunk, instrument]
            is_event = self._is_event(segment)
            steps = steps_of(self.vocabulary, segment[is_event])
            steps = steps[steps < self.chunk_steps] + chunk * self.chunk_steps
            symbols = map(
                self.conditioning.chord_encoding.decode,
                chords[chunk, instrument][is_event],
            )
            timed_chords += zip((steps * self._step_seconds).tolist(), symbols)
        return sorted(timed_chords)

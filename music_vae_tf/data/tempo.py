"""The tempo of a NoteSequence: read, changed, and the bar at which it ends."""

from __future__ import annotations

from collections.abc import Callable

from note_seq import constants
from note_seq.protobuf.music_pb2 import NoteSequence

DEFAULT_QPM = constants.DEFAULT_QUARTERS_PER_MINUTE


def qpm_of(sequence: NoteSequence) -> float:
    """Tempo in BPM in which a sequence begins; 120 if it has no tempo."""
    tempos = sorted(sequence.tempos, key=lambda tempo: tempo.time)
    return tempos[0].qpm if tempos else DEFAULT_QPM


def quarters_of(sequence: NoteSequence) -> float:
    """Quarters up to the end of the last note, at the tempo of the beginning."""
    last = max((note.end_time for note in sequence.notes), default=0.0)
    return last * qpm_of(sequence) / 60.0


def at_tempo(sequence: NoteSequence, qpm: float) -> NoteSequence:
    """The same music, of one tempo, at another: all times are scaled."""
    factor = qpm_of(sequence) / qpm
    return retimed(sequence, lambda seconds: seconds * factor, qpm)


def retimed(
    sequence: NoteSequence, new_time: Callable[[float], float], qpm: float
) -> NoteSequence:
    """The same music with another time for each of its times, at one tempo."""
    changed = NoteSequence()
    changed.CopyFrom(sequence)
    for note in changed.notes:
        note.start_time, note.end_time = map(new_time, (note.start_time, note.end_time))
    for events in (
        changed.pitch_bends,
        changed.control_changes,
        changed.text_annotations,
        changed.time_signatures,
        changed.key_signatures,
    ):
        for event in events:
            event.time = new_time(event.time)
    changed.total_time = new_time(changed.total_time)
    del changed.tempos[:]
    changed.tempos.add(qpm=qpm)
    return changed


def in_time(sequence: NoteSequence, qpm: float, quarters: float) -> NoteSequence:
    """The same music at another tempo; unless they are 0, as long as some quarters."""
    return at_tempo(ended_after(sequence, quarters) if quarters else sequence, qpm)


def ended_after(sequence: NoteSequence, quarters: float) -> NoteSequence:
    """The same music with the length of so many quarters, at which all notes end."""
    ended = NoteSequence()
    ended.CopyFrom(sequence)
    ended.total_time = quarters * 60.0 / qpm_of(sequence)
    for note in ended.notes:
        note.end_time = min(note.end_time, ended.total_time)
    return ended

"""A NoteSequence in beats: at 120 BPM throughout, whatever its tempos; and its bars."""

from __future__ import annotations

import bisect
from typing import NamedTuple

from note_seq.protobuf.music_pb2 import NoteSequence

from music_vae_tf.data import limits
from music_vae_tf.data.tempo import DEFAULT_QPM, qpm_of, retimed

COMMON_TIME = (4, 4)
SECONDS_PER_QUARTER = 60.0 / DEFAULT_QPM
NEARLY = 1e-6  # quarters


class Bar(NamedTuple):
    """A bar of a sequence in beats."""

    start: float  # quarters
    quarters: float
    metre: tuple[int, int]


class TempoMap:
    """Seconds -> quarters, by the tempos of a NoteSequence."""

    def __init__(self, sequence: NoteSequence):
        tempos = {0.0: DEFAULT_QPM}
        tempos |= {max(t.time, 0.0): t.qpm for t in sequence.tempos if t.qpm > 0}
        self._seconds = sorted(tempos)
        self._qpm = [tempos[second] for second in self._seconds]
        self._quarters = [0.0]
        for i, qpm in enumerate(self._qpm[:-1]):
            lasts = self._seconds[i + 1] - self._seconds[i]
            self._quarters.append(self._quarters[-1] + lasts * qpm / 60)

    def quarters(self, seconds: float) -> float:
        """Where a time is, in quarters from the beginning."""
        i = max(bisect.bisect_right(self._seconds, seconds) - 1, 0)
        return self._quarters[i] + (seconds - self._seconds[i]) * self._qpm[i] / 60

    def seconds(self, quarters: float) -> float:
        """The time of a beat; the opposite of `quarters`."""
        i = max(bisect.bisect_right(self._quarters, quarters) - 1, 0)
        return self._seconds[i] + (quarters - self._quarters[i]) * 60 / self._qpm[i]

    def qpm(self, quarters: float) -> float:
        """The tempo at a beat."""
        i = bisect.bisect_right(self._quarters, quarters + NEARLY) - 1
        return self._qpm[max(i, 0)]


def in_beats(sequence: NoteSequence) -> NoteSequence:
    """The same music at 120 BPM, notes by their start: no tempo change bends it.

    Raises:
        limits.BeyondLimits: it is too long, or has impossible times or tempos.
    """
    _check(sequence)
    tempo_map = TempoMap(sequence)
    seconds = lambda time: tempo_map.quarters(time) * SECONDS_PER_QUARTER
    in_order = NoteSequence()
    in_order.CopyFrom(sequence)
    in_order.notes.sort(key=lambda note: note.start_time)
    return retimed(in_order, seconds, DEFAULT_QPM)


def _check(sequence):
    starts = [note.start_time for note in sequence.notes]
    ends = [note.end_time for note in sequence.notes]
    limits.check_times([*starts, *ends, sequence.total_time], "notes")
    tempos = [(tempo.time, tempo.qpm) for tempo in sequence.tempos]
    metres = [metre.time for metre in sequence.time_signatures]
    limits.check_times([*(time for time, _ in tempos), *metres], "tempos and metres")
    limits.check_tempos(tempos, max([*ends, sequence.total_time]))


def bars(sequence: NoteSequence) -> list[Bar]:
    """The bars of a sequence in beats, up to the end of its last note.

    Raises:
        limits.BeyondLimits: there are more than MAX_BARS.
    """
    end = max((n.end_time for n in sequence.notes), default=0.0) / SECONDS_PER_QUARTER
    metres = {0.0: COMMON_TIME}
    for change in sequence.time_signatures:
        time = change.time / SECONDS_PER_QUARTER
        metres[time] = change.numerator, change.denominator
    changes = sorted(metres)
    found = []
    for start, stop in zip(changes, [*changes[1:], end]):
        metre = metres[start]
        quarters = 4 * metre[0] / max(metre[1], 1)
        if quarters <= 0:
            continue
        number = max(min(stop, end) - start, 0.0) / quarters  # before it is allocated
        limits.check_count(len(found) + number, limits.MAX_BARS, "bars")
        while start < min(stop, end) - NEARLY:
            found.append(Bar(start, quarters, metre))
            start += quarters
    return found


def excerpt(
    sequence: NoteSequence, start: float, quarters: float, early: float
) -> NoteSequence:
    """Some quarters of a sequence that `in_beats` gave, from 0 on.

    Args:
        early: a note so many quarters before the start belongs to it, and begins at 0;
            as many before the end it belongs to what follows.
    """
    first = start * SECONDS_PER_QUARTER
    length, before = quarters * SECONDS_PER_QUARTER, early * SECONDS_PER_QUARTER
    result = NoteSequence(ticks_per_quarter=sequence.ticks_per_quarter)
    for name in ("tempos", "instrument_infos", "text_annotations"):
        getattr(result, name).extend(getattr(sequence, name))
    begins = lambda note: note.start_time
    low = bisect.bisect_left(sequence.notes, first - before, key=begins)
    high = bisect.bisect_left(sequence.notes, first + length - before, key=begins)
    for note in sequence.notes[low:high]:
        moved = result.notes.add()
        moved.CopyFrom(note)
        moved.start_time = max(note.start_time - first, 0.0)
        moved.end_time = min(note.end_time - first, length)
    _move_texts(result, first, length)
    result.total_time = max((n.end_time for n in result.notes), default=0.0)
    return result


def _move_texts(result, first, length):
    """Of chord symbols the one that holds at the start is kept, too."""
    texts = sorted(result.text_annotations, key=lambda text: text.time)
    before = [text for text in texts if text.time <= first][-1:]
    inside = [text for text in texts if first < text.time < first + length]
    kept = []
    for text in (*before, *inside):
        moved = NoteSequence.TextAnnotation()
        moved.CopyFrom(text)
        moved.time = max(text.time - first, 0.0)
        kept.append(moved)
    result.ClearField("text_annotations")
    result.text_annotations.extend(kept)


def looped(sequence: NoteSequence, period: float, quarters: float) -> NoteSequence:
    """A sequence in beats over and over, every `period` quarters, up to `quarters`."""
    result = NoteSequence()
    result.CopyFrom(sequence)
    start = period
    while start < quarters - NEARLY:
        for note in sequence.notes:
            seconds = start * SECONDS_PER_QUARTER
            if note.start_time + seconds < quarters * SECONDS_PER_QUARTER - NEARLY:
                again = result.notes.add()
                again.CopyFrom(note)
                again.start_time = note.start_time + seconds
                again.end_time = min(
                    note.end_time + seconds, quarters * SECONDS_PER_QUARTER
                )
        start += period
    result.total_time = max((n.end_time for n in result.notes), default=0.0)
    return result


def in_a_row(sequences: list[NoteSequence]) -> NoteSequence:
    """Sequences one after the other, each as long as its `total_time`, at its tempo."""
    result, start = NoteSequence(), 0.0
    for sequence in sequences:
        result.tempos.add(time=start, qpm=qpm_of(sequence))
        for note in sequence.notes:
            moved = result.notes.add()
            moved.CopyFrom(note)
            moved.start_time = max(note.start_time + start, 0.0)
            moved.end_time = min(note.end_time, sequence.total_time) + start
        start += sequence.total_time
    result.total_time = start
    return result

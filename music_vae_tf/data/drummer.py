"""Plays strokes as a person would: swung, a little late or early, louder and softer."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence

import numpy as np
from note_seq.protobuf import music_pb2

from music_vae_tf.data.drum_tab import Stroke

STEPS_PER_QUARTER = 4
DRUM_INSTRUMENT = 9  # MIDI channel 10, counted from 0
NOTE_SECONDS = 0.1
FLAM_SECONDS = 0.03
# A stroke stays nearest to the sixteenth it was written on, whatever the drummer does.
FURTHEST_STEPS = 0.48

# Loudness of (ghost note, stroke, accent) by pitch, as MIDI velocities. Open hats and
# backbeat lead, ghost notes are felt more than heard; recorded drummers' medians lie
# near these numbers.
VELOCITIES = {
    36: (36, 62, 88),
    38: (25, 72, 114),
    37: (34, 64, 88),
    42: (32, 57, 86),
    46: (50, 84, 108),
    44: (30, 46, 62),
    50: (44, 80, 112),
    47: (46, 84, 112),
    43: (44, 82, 112),
    49: (60, 94, 114),
    51: (34, 62, 86),
    53: (50, 82, 100),
}
TOUCH = {"g": 0, "X": 2, "O": 2, "f": 2}  # any other sign is a plain stroke, 1


@dataclasses.dataclass(frozen=True)
class Feel:
    """How a style sits on the grid.

    `swing` is where the middle one of three neighbouring notes falls, `swung_steps`
    sixteenths apart: 0.5 half way, 2/3 as in triplets. `late_ms` is by drum how far
    it lies behind the beat, `loose` scales all human scatter of time.
    """

    swing: float = 0.5
    swung_steps: int = 1
    late_ms: Mapping[str, float] = dataclasses.field(default_factory=dict)
    loose: float = 1.0


def play(
    strokes: Sequence[Stroke], qpm: float, feel: Feel, rng, fill_from: float = np.inf
) -> music_pb2.NoteSequence:
    """A drummer's performance of the strokes, in 4/4.

    Args:
        strokes: Decided ones only (no `?`, `,` or `*`), in order of time.
        qpm: Tempo in BPM.
        feel: Where the notes lie.
        rng: numpy.random.Generator; decides who the drummer is today.
        fill_from: The step from which on the strokes are a fill, played as a crescendo.
    """
    times = onset_seconds(strokes, qpm, feel, rng)
    velocities = loudness(strokes, rng, fill_from)
    sequence = music_pb2.NoteSequence(ticks_per_quarter=220)
    sequence.tempos.add(qpm=qpm)
    sequence.time_signatures.add(numerator=4, denominator=4)
    for stroke, time, velocity in zip(strokes, times, velocities):
        if stroke.sign == "f":
            grace = max(0.0, time - FLAM_SECONDS)
            _add_note(sequence, stroke.pitch, grace, 0.4 * velocity)
        _add_note(sequence, stroke.pitch, time, velocity)
    _release_before_next_stroke(sequence)
    return sequence


def swung(step, feel: Feel):
    """Where a written step is played, in steps.

    Time within a pair of notes is bent at the middle one, which moves to `feel.swing`.
    """
    pair = 2 * feel.swung_steps
    start, inside = np.divmod(step, pair)
    return pair * (start + np.interp(inside / pair, [0, 0.5, 1], [0, feel.swing, 1]))


def onset_seconds(strokes, qpm: float, feel: Feel, rng) -> np.ndarray:
    """The time of every stroke `[N]`, none before 0."""
    step_seconds = 60 / qpm / STEPS_PER_QUARTER
    written = np.array([stroke.step for stroke in strokes])
    # Swing is for sixteenths; what lies between them is written as triplets already.
    meant = np.where(written % 1, written, swung(written, feel))
    grid = np.round(meant)
    steps = meant + _stray_seconds(strokes, feel, rng) / step_seconds
    nearest = np.clip(steps, grid - FURTHEST_STEPS, grid + FURTHEST_STEPS)
    return np.maximum(nearest, 0) * step_seconds


def _stray_seconds(strokes, feel: Feel, rng) -> np.ndarray:
    """How far each stroke is from where it was meant to be, `[N]`; late is positive.

    The sum of four terms: of the style, of this drummer's habit for each drum, of a
    drift over a few beats, and of each stroke.
    """
    drums = sorted({stroke.drum for stroke in strokes})
    which = np.array([drums.index(stroke.drum) for stroke in strokes])
    habit_ms = [feel.late_ms.get(drum, 0) for drum in drums] + rng.normal(
        0, 4, len(drums)
    )
    pull_ms = rng.normal(0, 4) + _wander(1 + int(strokes[-1].step), rng, deviation=8)
    is_soft = np.array([stroke.sign == "g" for stroke in strokes])
    own_ms = rng.normal(0, np.where(is_soft, 10, 7.5))
    steps = np.array([int(stroke.step) for stroke in strokes])
    return (habit_ms[which] + feel.loose * (pull_ms[steps] + own_ms)) / 1000


def _wander(count: int, rng, deviation: float, memory: float = 0.9) -> np.ndarray:
    """`count` numbers that stray from 0 slowly (autoregressive, stationary)."""
    pushes = rng.normal(0, deviation, count)
    pushes[1:] *= np.sqrt(1 - memory**2)
    for i in range(1, count):
        pushes[i] += memory * pushes[i - 1]
    return pushes


def loudness(strokes, rng, fill_from: float = np.inf) -> np.ndarray:
    """The velocity of every stroke as a real number `[N]`, 1 to 127."""
    steps = np.array([stroke.step for stroke in strokes])
    pitches = np.array([stroke.pitch for stroke in strokes])
    touches = np.array([TOUCH.get(stroke.sign, 1) for stroke in strokes])
    written = np.array([VELOCITIES[p][t] for p, t in zip(pitches, touches)], float)
    pulse = np.select([steps % 4 == 0, steps % 2 == 0], [1.04, 1.0], 0.95)
    arc = 1 + rng.normal(0, 0.08) * (steps / steps[-1] - 0.5)
    crescendo = np.interp(steps, [fill_from, steps[-1] + 1], [0.86, 1.12], left=1)
    own = rng.normal(1, np.where(touches == 0, 0.2, 0.09))
    kit = {pitch: rng.normal(1, 0.06) for pitch in VELOCITIES}
    balance = rng.normal(1, 0.07) * np.array([kit[pitch] for pitch in pitches])
    return np.clip(written * pulse * arc * crescendo * own * balance, 1, 127)


def _add_note(sequence, pitch: int, time: float, velocity: float):
    sequence.notes.add(
        pitch=pitch,
        velocity=max(1, round(velocity)),
        start_time=time,
        instrument=DRUM_INSTRUMENT,
        is_drum=True,
    )


def _release_before_next_stroke(sequence):
    """Sort the notes and end each, at the latest as the same drum is struck again: a
    MIDI file cannot hold two sounding notes of one pitch."""
    notes = sorted(sequence.notes, key=lambda note: (note.start_time, note.pitch))
    next_start = {}
    for note in reversed(notes):
        end = note.start_time + NOTE_SECONDS
        note.end_time = min(end, next_start.get(note.pitch, end))
        next_start[note.pitch] = note.start_time
    del sequence.notes[:]
    sequence.notes.extend(notes)
    sequence.total_time = max(note.end_time for note in notes)

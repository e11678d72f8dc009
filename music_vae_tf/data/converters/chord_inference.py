"""The likeliest chords and keys of a piece that names none, equal to note_seq's.

A hidden Markov model: its states are pairs of a key and a chord, its observations the
pitch classes that sound while a chord lasts (half a bar of 4/4). note_seq's
`infer_chords_for_sequence` has the same numbers, but builds its matrix of transitions
anew for every piece, one cell at a time.
"""

from __future__ import annotations

import functools
import itertools
import math
from typing import NamedTuple

import numpy as np

from music_vae_tf.data.converters.base import NotConvertible
from music_vae_tf.data.converters.grid import Stretch

NO_CHORD = "N.C."
PITCH_CLASSES = ["C", "C#", "D", "Eb", "E", "F", "F#", "G", "Ab", "A", "Bb", "B"]
MAX_CHORDS = 1000  # of one piece

_CHORDS_PER_BAR = {(2, 2): 1, (2, 4): 1, (3, 4): 1, (4, 4): 2, (6, 8): 2}
_SCALE = (0, 2, 4, 5, 7, 9, 11)
_KINDS = {
    "": (0, 4, 7),
    "m": (0, 3, 7),
    "+": (0, 4, 8),
    "dim": (0, 3, 6),
    "7": (0, 4, 7, 10),
    "maj7": (0, 4, 7, 11),
    "m7": (0, 3, 7, 10),
    "m7b5": (0, 3, 6, 10),
}
_SYMBOLS = [NO_CHORD] + [
    root + kind for root, kind in itertools.product(PITCH_CLASSES, _KINDS)
]
_KEYS, _CHORDS = 12, len(_SYMBOLS)

_KEY_CHANGE_PROBABILITY = 0.001
_CHORD_CHANGE_PROBABILITY = 0.5
_OUT_OF_KEY_PROBABILITY = 0.01  # of a pitch of a chord
_CONCENTRATION = 100.0  # how strictly what sounds must be the chord

# Sound effects and percussion, as General MIDI programs counted from 0.
_UNPITCHED_PROGRAMS = [*range(96, 104), *range(112, 128)]


class InferredChord(NamedTuple):
    """What is heard from a time on."""

    seconds: float
    step: int
    symbol: str
    key: int  # 0 is C


def infer_chords(
    notes: np.ndarray, stretch: Stretch, steps_per_quarter: int
) -> list[InferredChord]:
    """One chord for each half bar of 4/4 or 6/8, each bar of 2/2, 2/4 or 3/4.

    Args:
        notes: `[N]` of score.NOTE.

    Raises:
        NotConvertible: another metre, a chord would not begin on a step, or the piece
            lasts for no chord or for more than MAX_CHORDS.
    """
    steps_per_chord = _steps_per_chord(stretch.metre, steps_per_quarter)
    seconds_per_chord = steps_per_chord / (steps_per_quarter * stretch.qpm / 60.0)
    chords = math.ceil(stretch.total_seconds / seconds_per_chord)
    if not chords:
        raise NotConvertible("no notes to infer chords from")
    if chords > MAX_CHORDS:
        raise NotConvertible(f"too long to infer chords: more than {MAX_CHORDS}")
    frames = _pitch_class_frames(notes, chords, seconds_per_chord)
    return [
        InferredChord(i * seconds_per_chord, i * steps_per_chord, _SYMBOLS[chord], key)
        for i, (key, chord) in enumerate(_likeliest_path(frames))
    ]


def _steps_per_chord(metre, steps_per_quarter: int) -> int:
    numerator, denominator = metre
    if metre not in _CHORDS_PER_BAR:
        raise NotConvertible(f"no chords inferred in {numerator}/{denominator}")
    steps_per_bar = steps_per_quarter * (4.0 / denominator * numerator)
    steps = steps_per_bar / _CHORDS_PER_BAR[metre]
    if steps != round(steps):
        raise NotConvertible("chords to infer would begin between two steps")
    return int(steps)


def _pitch_class_frames(notes, frames: int, seconds_per_frame: float) -> np.ndarray:
    """For how long each pitch class sounds in each frame, as unit vectors
    `[frames, 12]`."""
    silent = notes["is_drum"] | np.isin(notes["program"], _UNPITCHED_PROGRAMS)
    notes = notes[~silent]
    start, end = notes["start_seconds"], notes["end_seconds"]
    edges = seconds_per_frame * np.arange(1, frames)
    first = np.searchsorted(edges, start, side="right")
    last = np.maximum(first, np.searchsorted(edges, end, side="left"))
    # One row per note and frame that it sounds in.
    count = last - first + 1
    note = np.repeat(np.arange(len(notes)), count)
    frame = np.arange(len(note)) - np.repeat(np.cumsum(count) - count - first, count)
    edges = np.append(edges, np.inf)
    begins = np.where(frame == first[note], start[note], edges[frame - 1])
    ends = np.where(frame == last[note], end[note], edges[frame])
    cell = frame * 12 + notes["pitch"][note] % 12
    durations = np.bincount(cell, ends - begins, frames * 12).reshape(frames, 12)
    return _unit_rows(durations)


def _unit_rows(rows: np.ndarray) -> np.ndarray:
    norm = np.linalg.norm(rows, axis=1)
    return rows / np.where(norm > 0, norm, 1.0)[:, np.newaxis]


def _likeliest_path(frames: np.ndarray) -> list[tuple[int, int]]:
    """Viterbi: the numbers of the key and the chord in each frame.

    Every state is compared with every other, and of equals the first wins: many keys
    are equally likely, and a cleverer order of sums would choose differently.
    """
    start, transitions = _log_probabilities()
    heard = _CONCENTRATION * np.dot(frames, _chord_vectors().T)
    heard = np.tile(heard, [1, _KEYS])  # the key is not heard
    likelihood = start + heard[0]
    previous = np.zeros(heard.shape, np.int32)
    candidates = np.empty_like(transitions)
    for i in range(1, len(heard)):
        np.add(likelihood, transitions, out=candidates)
        previous[i] = candidates.argmax(axis=1)
        likelihood = candidates[np.arange(len(candidates)), previous[i]] + heard[i]
    path = [int(likelihood.argmax())]
    for i in range(len(heard) - 1, 0, -1):
        path.append(int(previous[i, path[-1]]))
    return [divmod(state, _CHORDS) for state in reversed(path)]


@functools.cache
def _chord_vectors() -> np.ndarray:
    """The pitch classes of each chord as unit vectors `[chords, 12]`; none for none."""
    return _unit_rows(_chord_pitches().astype(float))


@functools.cache
def _chord_pitches() -> np.ndarray:
    """Which pitch classes belong to each chord, `[chords, 12]` of 0 and 1."""
    pitches = np.zeros([_CHORDS, 12], int)
    for row, (root, kind) in enumerate(itertools.product(range(12), _KINDS.values())):
        pitches[1 + row, [(root + pitch) % 12 for pitch in kind]] = 1
    return pitches


@functools.cache
def _log_probabilities() -> tuple[np.ndarray, np.ndarray]:
    """Of each state at the start `[states]`, and of `[to, from]` another state.

    A state is `key * chords + chord`.
    """
    in_key = np.zeros([_KEYS, 12], int)
    for key in range(_KEYS):
        in_key[key, [(key + pitch) % 12 for pitch in _SCALE]] = 1
    inside = in_key @ _chord_pitches().T
    outside = (1 - in_key) @ _chord_pitches().T
    chords = (1 - _OUT_OF_KEY_PROBABILITY) ** inside * _OUT_OF_KEY_PROBABILITY**outside
    chords /= chords.sum(axis=1)[:, np.newaxis]  # [keys, chords]
    start = -np.log(12) + np.log(chords).ravel()
    return start, np.log(_transitions(chords))


def _transitions(chords: np.ndarray) -> np.ndarray:
    """Probabilities `[to, from]` of states, from those of chords in keys."""
    to = np.empty([_KEYS, _CHORDS, _KEYS, _CHORDS])
    # Into another key: what chord there was does not matter.
    to[:] = (_KEY_CHANGE_PROBABILITY / 11 * chords)[:, :, None, None]
    for key, likely in enumerate(chords):
        # In the same key, a change takes over the share of the chord that is left.
        change = likely[:, None] + likely / (_CHORDS - 1)
        stay = np.full(_CHORDS, 1 - _CHORD_CHANGE_PROBABILITY)
        change = _CHORD_CHANGE_PROBABILITY * change
        np.fill_diagonal(change, stay)
        to[key, :, key] = (1 - _KEY_CHANGE_PROBABILITY) * change
    return to.reshape(_KEYS * _CHORDS, _KEYS * _CHORDS)

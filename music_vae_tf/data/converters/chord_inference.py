"""The most probable chords and keys of a piece that names none, equal to Magenta's.

The model is a hidden Markov model. Its states are pairs of a key and a chord. Its
observations are the pitch classes that sound while a chord lasts (half a bar of 4/4).
`infer_chords_for_sequence` of note_seq has the same numbers, but builds its matrix of
transitions anew for every piece, one cell at a time.
"""

from __future__ import annotations

import functools
import itertools
import math
from typing import NamedTuple

import numpy as np
from note_seq.constants import NO_CHORD

from music_vae_tf.data.converters.base import NotConvertible
from music_vae_tf.data.converters.grid import Stretch

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
    """A chord, from a time on."""

    seconds: float
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
        InferredChord(i * seconds_per_chord, _SYMBOLS[chord], key)
        for i, (key, chord) in enumerate(_best_path(frames))
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


def _best_path(frames: np.ndarray) -> list[tuple[int, int]]:
    """Viterbi: the numbers of the key and the chord in each frame."""
    emissions = _CONCENTRATION * np.dot(frames, _chord_vectors().T)
    likelihood = _log_probabilities().start + emissions[0]
    paths = np.zeros([len(emissions), _KEYS, _CHORDS], np.int32)
    for i in range(1, len(emissions)):
        likelihood, paths[i] = _best_predecessors(likelihood)
        likelihood = likelihood + emissions[i]
    state = likelihood.argmax()
    path = [int(state)]
    for predecessors in paths[:0:-1]:
        path.append(int(predecessors.flat[path[-1]]))
    return [divmod(state, _CHORDS) for state in reversed(path)]


def _best_predecessors(likelihood: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Log likelihoods `[keys, chords]` of the best path to each state, without
    its own emission, and the state that this path comes from: `key * chords + chord`.

    Of equal paths, that from the first state counts: many keys are equally likely. So
    each sum is rounded as it would be in note_seq's matrix of all pairs of states.
    """
    log = _log_probabilities()
    key = np.arange(_KEYS)[:, np.newaxis]
    in_key = likelihood[:, np.newaxis, :] + log.in_key  # [keys, to, from]
    chord = in_key.argmax(axis=2)
    best = np.take_along_axis(in_key, chord[:, :, np.newaxis], axis=2)[:, :, 0]
    origin = key * _CHORDS + chord

    # From another key: few different probabilities, so all are tried.
    arriving = likelihood + log.key_changes[:, np.newaxis, np.newaxis]
    chord, of_key = arriving.argmax(axis=2), arriving.max(axis=2)  # [changes, from]
    others = np.where(np.eye(_KEYS, dtype=bool), -np.inf, of_key[:, np.newaxis, :])
    other_key, other_best = others.argmax(axis=2), others.max(axis=2)  # [changes, to]
    other_chord = np.take_along_axis(chord, other_key, axis=1)
    change = log.key_change_of, key
    other_best = other_best[change]
    other_origin = (other_key * _CHORDS + other_chord)[change]

    is_earlier = (other_best == best) & (other_origin < origin)
    is_better = (other_best > best) | is_earlier
    origin = np.where(is_better, other_origin, origin)
    return np.maximum(best, other_best), origin


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


class _LogProbabilities(NamedTuple):
    start: np.ndarray  # [keys, chords]
    in_key: np.ndarray  # [keys, to, from], of chords after chords, the key staying
    key_changes: np.ndarray  # [changes], distinct: of chords after a change of the key
    key_change_of: np.ndarray  # [keys, chords], which of them it is


@functools.cache
def _log_probabilities() -> _LogProbabilities:
    scale = np.zeros([_KEYS, 12], int)
    for key in range(_KEYS):
        scale[key, [(key + pitch) % 12 for pitch in _SCALE]] = 1
    inside = scale @ _chord_pitches().T
    outside = (1 - scale) @ _chord_pitches().T
    chords = _powers(1 - _OUT_OF_KEY_PROBABILITY)[inside]
    chords *= _powers(_OUT_OF_KEY_PROBABILITY)[outside]
    chords /= chords.sum(axis=1)[:, np.newaxis]  # [keys, chords]
    # A change takes over the share of the chord that is left.
    change = chords[:, :, np.newaxis] + chords[:, np.newaxis, :] / (_CHORDS - 1)
    change *= _CHORD_CHANGE_PROBABILITY
    change[:, np.arange(_CHORDS), np.arange(_CHORDS)] = 1 - _CHORD_CHANGE_PROBABILITY
    key_change = _KEY_CHANGE_PROBABILITY / (_KEYS - 1) * chords
    key_changes, key_change_of = np.unique(np.log(key_change), return_inverse=True)
    return _LogProbabilities(
        start=-np.log(_KEYS) + np.log(chords),
        in_key=np.log((1 - _KEY_CHANGE_PROBABILITY) * change),
        key_changes=key_changes,
        key_change_of=key_change_of.reshape(key_change.shape),
    )


def _powers(probability: float) -> np.ndarray:
    """Those of a number of pitches, 0 to 4.

    Python's powers are those of Magenta's NumPy. Newer NumPys round some of them
    otherwise, and this bit decides between keys that are equally likely.
    """
    return np.array([probability**pitches for pitches in range(5)])

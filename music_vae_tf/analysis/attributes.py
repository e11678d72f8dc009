"""Attributes of an example that its notes alone decide, without any metadata.

    onsets = onsets_of(sequence, quarters=8)
    measure(onsets)  # {'density': 3.5, 'syncopation': 1.5, 'swing': 1.02, ...}

Each attribute is a function of the notes; NaN is "not defined of these notes", as the
pitch range of drums is. Times are in quarters from the beginning of the example.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

import numpy as np

from music_vae_tf.errors import UserFacingError

DEFAULT_QPM = 120.0  # of a NoteSequence without a tempo
QUARTERS_PER_BAR = 4
STEPS_PER_QUARTER = 4  # the sixteenths that syncopation and timing are measured on

# Pitches of General MIDI whose rhythm syncopates a drum loop. Cymbals keep time.
KICKS, SNARES = (35, 36), (37, 38, 40)

# Of a bar of sixteenths in 4/4: 0 is the downbeat, each level of the metre below is one
# less (Longuet-Higgins and Lee 1984).
METRIC_WEIGHTS = np.array(
    [0, -4, -3, -4, -2, -4, -3, -4, -1, -4, -3, -4, -2, -4, -3, -4]
)

# Phases of a beat at which an off-beat eighth may be: from halfway between the straight
# sixteenth at 1/4 and the eighth at 1/2, to halfway between the triplet at 2/3 and the
# straight sixteenth at 3/4.
EARLIEST_OFF_BEAT, LATEST_OFF_BEAT = 3 / 8, 17 / 24

LARGEST_AMOUNT = 5.0  # standard deviations


class BadAmounts(UserFacingError, ValueError):
    """Amounts of attributes that are not numbers, or far beyond all data."""


class Onsets(NamedTuple):
    """The notes of an example, in the order of their starts: N each."""

    starts: np.ndarray  # quarters
    pitches: np.ndarray  # MIDI pitches
    velocities: np.ndarray  # MIDI velocities, 0 to 127
    is_drum: np.ndarray  # bool
    quarters: float  # length of the example

    def having(self, mask: np.ndarray) -> Onsets:
        """Some of the notes: bool [N]."""
        return Onsets(*(column[mask] for column in self[:4]), self.quarters)


class Attribute(NamedTuple):
    """A number about an example.

    Attributes:
        measure: gives the number, or NaN where it is not defined.
        unit: of the number.
        description: what a high number means, in a user's words.
        is_of_hits: whether onsets and pitches alone decide it; otherwise velocities or
            timing do, so that it can be moved where all hits stay.
    """

    measure: Callable[[Onsets], float]
    unit: str
    description: str
    is_of_hits: bool


def onsets_of(sequence: Any, quarters: float) -> Onsets:
    """The notes of a NoteSequence of one tempo.

    Args:
        sequence: a `NoteSequence`, or what has its `notes` and `tempos`.
        quarters: how long the example is, which its last note does not tell.
    """
    qpm = sequence.tempos[0].qpm if sequence.tempos else DEFAULT_QPM
    notes = sorted(sequence.notes, key=lambda note: (note.start_time, note.pitch))
    return Onsets(
        np.array([note.start_time for note in notes], float) * qpm / 60.0,
        np.array([note.pitch for note in notes], int),
        np.array([note.velocity for note in notes], float),
        np.array([note.is_drum for note in notes], bool),
        float(quarters),
    )


def density(onsets: Onsets) -> float:
    """Notes in a quarter; notes that sound together count one by one.

    jSymbolic's "note density per quarter note" (McKay, Cumming and Fujinaga,
    "jSymbolic 2.2", 2018).
    """
    return len(onsets.starts) / onsets.quarters


def syncopation(onsets: Onsets) -> float:
    """Syncopation in a bar, as Longuet-Higgins and Lee ("The rhythmic interpretation of
    monophonic music", 1984) count it; 0 is none.

    A note is syncopated if it is followed by a rest, or held, on a stronger sixteenth
    before the next note: it then counts by how much stronger that one is (1 to 4). Of
    drums, kick and snare are counted apart and added, as in Witek et al. ("Syncopation,
    Body-Movement and Pleasure in Groove Music", 2014) without their weights of drums.
    Of other music all notes are one rhythm. Onsets count as on the nearest sixteenth.
    """
    bars = max(onsets.quarters / QUARTERS_PER_BAR, 1.0)
    return sum(map(_syncopation, _rhythms(onsets))) / bars


def _rhythms(onsets):
    """Which sixteenths have an onset, for each rhythm that is counted: bool [T]."""
    drums = onsets.having(onsets.is_drum)
    parts = [onsets.having(~onsets.is_drum)]
    parts += [drums.having(np.isin(drums.pitches, drum)) for drum in (KICKS, SNARES)]
    for part in parts:
        rhythm = np.zeros(round(onsets.quarters * STEPS_PER_QUARTER), bool)
        steps = np.round(part.starts * STEPS_PER_QUARTER).astype(int)
        rhythm[steps[(steps >= 0) & (steps < len(rhythm))]] = True
        yield rhythm


def _syncopation(rhythm: np.ndarray) -> int:
    weights = np.resize(METRIC_WEIGHTS, len(rhythm))
    steps = np.flatnonzero(rhythm)
    total = 0
    for step, following in zip(steps, [*steps[1:], len(rhythm)]):
        strongest = weights[step + 1 : following].max(initial=-len(weights))
        total += max(int(strongest - weights[step]), 0)
    return total


def swing(onsets: Onsets) -> float:
    """Swing ratio of eighths: the time before an off-beat eighth over the time after
    it. 1 is straight, 2 a triplet.

    Source: Friberg and Sundström, "Swing ratios and ensemble timing in jazz
    performance", 2002.

    Of the mean phase of all onsets between 3/8 and 17/24 of a beat; NaN without one.
    """
    phases = onsets.starts % 1.0
    off_beat = phases[(phases >= EARLIEST_OFF_BEAT) & (phases <= LATEST_OFF_BEAT)]
    if not len(off_beat):
        return np.nan
    return off_beat.mean() / (1.0 - off_beat.mean())


def laid_back(onsets: Onsets) -> float:
    """How late the notes of the beats come, in sixteenths; below 0 they are pushed.

    The mean deviation from the beat of all onsets less than half a sixteenth from one;
    NaN without one. Off-beats are left to `swing`. (Asynchrony against the metronome,
    as in Kilchenmann and Senn, "Microtiming in Swing and Funk", 2015.)
    """
    steps = onsets.starts * STEPS_PER_QUARTER
    nearest = np.round(steps)
    on_beat = nearest % STEPS_PER_QUARTER == 0
    return _mean((steps - nearest)[on_beat])


def velocity(onsets: Onsets) -> float:
    """Mean MIDI velocity; NaN without notes. jSymbolic's "average note dynamics" is its
    neighbour there, a mean of changes."""
    return _mean(onsets.velocities)


def velocity_range(onsets: Onsets) -> float:
    """Between soft and loud notes: 90th less 10th percentile of the MIDI velocities.

    jSymbolic's "dynamic range" is maximum less minimum, which one note decides. NaN
    with fewer than two notes.
    """
    if len(onsets.velocities) < 2:
        return np.nan
    soft, loud = np.percentile(onsets.velocities, [10, 90])
    return loud - soft


def pitch_range(onsets: Onsets) -> float:
    """Semitones from the lowest note to the highest: jSymbolic's "range". NaN for
    drums, and without notes."""
    pitches = onsets.pitches[~onsets.is_drum]
    return float(np.ptp(pitches)) if len(pitches) else np.nan


def interval(onsets: Onsets) -> float:
    """Mean size of the steps and leaps of a melody, in semitones: jSymbolic's "mean
    melodic interval". Of notes that begin together, the highest counts. NaN for drums,
    and with fewer than two notes.
    """
    melody = onsets.having(~onsets.is_drum)
    # In the order of starts and pitches, the last of equal starts is the highest.
    is_last = np.append(np.diff(melody.starts) > 0, True)[: len(melody.starts)]
    return _mean(np.abs(np.diff(melody.pitches[is_last])))


def _mean(values) -> float:
    return float(np.mean(values)) if len(values) else np.nan


ATTRIBUTES = {
    "density": Attribute(density, "notes per quarter", "more notes", True),
    "syncopation": Attribute(
        syncopation, "Longuet-Higgins and Lee, per bar", "more off the beat", True
    ),
    "swing": Attribute(swing, "ratio", "later off-beat eighths", False),
    "laid_back": Attribute(
        laid_back, "sixteenths", "later on the beat; below 0 pushed", False
    ),
    "velocity": Attribute(velocity, "MIDI velocity", "louder", False),
    "velocity_range": Attribute(
        velocity_range, "MIDI velocity", "more between soft and loud notes", False
    ),
    "pitch_range": Attribute(pitch_range, "semitones", "a wider range", True),
    "interval": Attribute(interval, "semitones", "larger leaps", True),
}
NAMES = tuple(ATTRIBUTES)


def measure(onsets: Onsets) -> dict[str, float]:
    """All attributes of an example; NaN where one is not defined."""
    return {name: float(one.measure(onsets)) for name, one in ATTRIBUTES.items()}


def table(examples: Iterable[Onsets]) -> np.ndarray:
    """All attributes of N examples: [N, K] in the order of `NAMES`."""
    rows = [list(measure(onsets).values()) for onsets in examples]
    return np.array(rows, float).reshape(-1, len(NAMES))


def parse_amounts(amounts: str | Mapping[str, float]) -> dict[str, float]:
    """`density=+1,swing=-0.5`, or a mapping -> `{'density': 1.0, 'swing': -0.5}`.

    Raises:
        BadAmounts: an amount is not a number from -5 to 5, or a name is a duplicate.
    """
    pairs = _pairs(amounts) if isinstance(amounts, str) else amounts.items()
    parsed: dict[str, float] = {}
    for name, amount in pairs:
        if name in parsed:
            raise BadAmounts(f"duplicate attribute {name}")
        parsed[name] = _amount(name, amount)
    if not parsed:
        raise BadAmounts("no attribute is named; expected NAME=AMOUNT, as density=+1")
    return parsed


def _pairs(text):
    for part in filter(None, map(str.strip, text.split(","))):
        match = re.fullmatch(r"(\w+)\s*=\s*(\S+)", part)
        if match is None:
            raise BadAmounts(f"{part!r}: expected NAME=AMOUNT, as in density=+1")
        yield match[1], match[2]


def _amount(name, amount) -> float:
    try:
        number = float(amount)
    except (TypeError, ValueError, OverflowError):
        number = math.nan
    if not abs(number) <= LARGEST_AMOUNT:
        raise BadAmounts(
            f"{name}={amount}: expected a number of standard deviations, from "
            f"{-LARGEST_AMOUNT:g} to {LARGEST_AMOUNT:g}"
        )
    return number

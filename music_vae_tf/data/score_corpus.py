"""String quartets and chorales from music21's corpus, arranged for three families.

The corpus lies in the music21 package, so this needs no download. A score is arranged
in each of the seven ways in which piano, guitar and bass can play alone or together.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import NamedTuple

import numpy as np

from music_vae_tf.data.converters.piano_roll import (
    BASS,
    GUITAR,
    PIANO,
    PROGRAMS,
    VELOCITY,
)
from music_vae_tf.errors import UserFacingError

# Who plays the upper parts, the lowest but one, and the lowest; None rests.
ARRANGEMENTS = {
    "piano": (PIANO, PIANO, PIANO),
    "guitar": (GUITAR, GUITAR, GUITAR),
    "bass": (None, None, BASS),
    "piano+guitar": (PIANO, GUITAR, GUITAR),
    "piano+bass": (PIANO, PIANO, BASS),
    "guitar+bass": (GUITAR, GUITAR, BASS),
    "piano+guitar+bass": (PIANO, GUITAR, BASS),
}
QUARTETS = ("haydn", "mozart", "beethoven", "schumann_robert")  # folders of the corpus
FEWEST_PARTS = 3
# Chorales name no tempo, for which readers put 120 BPM.
CHORALE_QPM, UNNAMED_QPM = 80.0, 120.0


class NoCorpus(UserFacingError, ValueError):
    """music21 is not installed."""


class Score(NamedTuple):
    """A file of the corpus."""

    root: Path  # of the corpus
    name: str  # below it: `haydn/opus74no1/movement1.mxl`
    stretch: float  # factor of all its times


def scores() -> list[Score]:
    """The quartets and chorales of the corpus, in order of their names.

    Raises:
        NoCorpus: music21 is not installed.
    """
    try:
        from music21 import corpus
    except ImportError as error:
        raise NoCorpus(
            "the scores to train on without files of your own are music21's: "
            "pip install 'music_vae_tf[score]', or give --input_dir"
        ) from error
    root = Path(corpus.__file__).parent
    chorales = [
        (path, UNNAMED_QPM / CHORALE_QPM) for path in sorted(root.glob("bach/bwv*.mxl"))
    ]
    quartets = [
        (path, 1.0)
        for composer in QUARTETS
        for path in sorted(root.glob(f"{composer}/**/*.mxl"))
    ]
    return [
        Score(root, os.fspath(path.relative_to(root)), stretch)
        for path, stretch in chorales + quartets
    ]


def arrangements(sequence, stretch: float = 1.0) -> dict[str, object]:
    """A score as a NoteSequence -> one for each of ARRANGEMENTS, by its name; none of a
    score with fewer than three parts.

    Parts are distinguished by the height of their notes.
    """
    heights = {}
    for note in sequence.notes:
        heights.setdefault(note.part, []).append(note.pitch)
    parts = sorted(heights, key=lambda part: -np.mean(heights[part]))
    if len(parts) < FEWEST_PARTS:
        return {}
    return {
        name: _played(sequence, dict(zip(parts, _players(players, parts))), stretch)
        for name, players in ARRANGEMENTS.items()
    }


def _players(players, parts) -> list[int | None]:
    """Who plays each part, the highest first."""
    upper, lowest_but_one, lowest = players
    return [upper] * (len(parts) - 2) + [lowest_but_one, lowest]


def _played(sequence, players: dict[int, int | None], stretch: float):
    """A copy in which the parts that do not rest are played by these classes."""
    played = type(sequence)(ticks_per_quarter=sequence.ticks_per_quarter)
    for note in sequence.notes:
        player = players[note.part]
        if player is None:
            continue
        copy = played.notes.add(pitch=note.pitch, velocity=note.velocity or VELOCITY)
        copy.start_time = note.start_time * stretch
        copy.end_time = note.end_time * stretch
        copy.instrument, copy.program = player, PROGRAMS[player][0]
    played.total_time = sequence.total_time * stretch
    return played

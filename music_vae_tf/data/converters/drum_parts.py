"""Which notes of a NoteSequence are drums, for models whose music is drums.

Magenta's groove converter takes every note for a drum, those of a bass or a piano, too.
Here notes on channel 10 are drums. Without any, a single instrument counts that plays
what a drum kit plays; of several, those count that are named as drum kits are. Other
choices can be made by name.
"""

from __future__ import annotations

import dataclasses
import re
from collections import Counter
from typing import NamedTuple

import numpy as np

from music_vae_tf.data.converters import drum_classes
from music_vae_tf.data.converters.base import NotConvertible
from music_vae_tf.data.converters.score import Score
from music_vae_tf.errors import UserFacingError

AUTO, CHANNEL_10, ALL = "auto", "channel10", "all"
TRACK = "track:"  # followed by a name
CHOICES = f"{AUTO}, {CHANNEL_10}, {ALL} or {TRACK}NAME"
NO_DRUMS = "no drums on channel 10"
TAKEN_AS_DRUMS = "taken as drums: nothing on channel 10"
# MIDI's percussive programs; 0 is also what is named where no program is.
KIT_PROGRAMS = (0, *range(112, 120))
# What grooves mostly are. Music for other instruments may keep to the pitches of a drum
# map, which are half a piano's, but not to these.
KICKS, SNARES = (35, 36), (37, 38, 39, 40)
CYMBALS = (22, 26, 42, 44, 46, 51, 53, 59)
SHARE_OF_THESE = 0.6
KIT_NAME = re.compile(r"drum|\bkit\b|perc|beat|groove", re.IGNORECASE)


class BadDrums(UserFacingError, ValueError):
    """An option `drums` that says nothing known."""


class Drums(NamedTuple):
    """The notes that are drums."""

    mask: np.ndarray  # bool [N], of all notes
    remarks: Counter[str]  # what a user should know of the choice


class Marked(NamedTuple):
    """A score whose notes have the field `is_drum`."""

    score: Score
    remarks: Counter[str]


def check(drums: str) -> None:
    """
    Raises:
        BadDrums: it is none of the answers there are.
    """
    is_track = drums.startswith(TRACK) and drums.removeprefix(TRACK).strip()
    if drums not in (AUTO, CHANNEL_10, ALL) and not is_track:
        raise BadDrums(f"drums={drums}: expected {CHOICES}")


def choose(sequence, notes: np.ndarray, drums: str, pitch_classes) -> Drums:
    """The drums among the notes `[N]` of `score.NOTE` of a NoteSequence.

    Args:
        drums: one of CHOICES.
        pitch_classes: of the converter, as `drum_classes.classes` gives them.

    Raises:
        NotConvertible: there are none.
    """
    if not len(notes):
        raise NotConvertible("no notes")
    if drums == ALL:
        return Drums(np.ones(len(notes), bool), Counter())
    if drums.startswith(TRACK):
        return _on_track(sequence, notes, drums.removeprefix(TRACK).strip())
    if notes["is_drum"].any():
        return Drums(notes["is_drum"], Counter())
    if drums == AUTO and _is_kit(sequence, notes, pitch_classes):
        return Drums(np.ones(len(notes), bool), Counter([TAKEN_AS_DRUMS]))
    if drums == AUTO and (mask := _named_kits(sequence, notes, pitch_classes)).any():
        return Drums(mask, Counter([TAKEN_AS_DRUMS]))
    raise NotConvertible(NO_DRUMS)


def _on_track(sequence, notes, name):
    numbers = [
        info.instrument
        for info in sequence.instrument_infos
        if info.name.strip().lower() == name.lower()
    ]
    mask = np.isin(notes["instrument"], numbers)
    if not mask.any():
        raise NotConvertible(f"no notes on a track named {name}")
    return Drums(mask, Counter())


def _is_kit(sequence, notes, pitch_classes):
    """Whether one instrument alone plays, and that a drum kit's notes."""
    instruments = np.unique(notes["instrument"])
    programs = np.unique(notes["program"])
    if len(instruments) > 1 or not np.isin(programs, KIT_PROGRAMS).all():
        return False
    drums, _ = drum_classes.assign(notes["pitch"], pitch_classes)
    return bool((drums >= 0).all()) and (
        any(KIT_NAME.search(info.name) for info in sequence.instrument_infos)
        or _is_groove(notes["pitch"])
    )


def _named_kits(sequence, notes, pitch_classes):
    """Which notes are of instruments that are named as kits, and play as such."""
    mask = np.zeros(len(notes), bool)
    for info in sequence.instrument_infos:
        mine = notes["instrument"] == info.instrument
        drums, _ = drum_classes.assign(notes["pitch"][mine], pitch_classes)
        is_kit = np.isin(notes["program"][mine], KIT_PROGRAMS).all()
        if KIT_NAME.search(info.name) and is_kit and (drums >= 0).all():
            mask |= mine
    return mask


def _is_groove(pitches):
    kicks, snares, cymbals = (np.isin(pitches, p) for p in (KICKS, SNARES, CYMBALS))
    is_common = kicks | snares | cymbals
    has_drums = kicks.any() or snares.any()
    return has_drums and cymbals.any() and is_common.mean() >= SHARE_OF_THESE


def marked(sequence, score: Score, drums: str, pitch_classes) -> Marked:
    """The same score, whose notes are drums as `choose` says.

    Raises:
        NotConvertible: there are none.
    """
    mask, remarks = choose(sequence, score.notes, drums, pitch_classes)
    notes = score.notes.copy()
    notes["is_drum"] = mask
    return Marked(score._replace(notes=notes), remarks)


def decided(converter, sequence):
    """A converter for parts of a sequence: what is a drum, the whole sequence says."""
    if getattr(converter, "drums", None) != AUTO:
        return converter
    if not any(note.is_drum for note in sequence.notes):
        return converter
    return dataclasses.replace(converter, drums=CHANNEL_10)

"""Which notes of a NoteSequence are drums, for models whose music is drums.

Magenta's groove converter takes every note for a drum, those of a bass or a piano, too.
Here notes on channel 10 are drums. Without any, a single instrument counts that plays
what a drum kit plays; of several, those count that are named as drum kits are. Other
choices can be made by name.

For training the looks of a kit are judged strictly: a melodic piece among thousands
spoils examples unseen. A model that is given one file finds more: see `kits`.
"""

from __future__ import annotations

import dataclasses
import re
from collections import Counter
from typing import NamedTuple

import numpy as np

from music_vae_tf.data import limits, track_names
from music_vae_tf.data.converters import drum_classes, kits
from music_vae_tf.data.converters.base import NotConvertible
from music_vae_tf.data.converters.score import Score, read
from music_vae_tf.errors import UserFacingError

AUTO, CHANNEL_10, ALL = "auto", "channel10", "all"
TRACK = "track:"  # followed by names or numbers of tracks that have notes
CHOICES = f"{AUTO}, {CHANNEL_10}, {ALL} or {TRACK}NAME"
# What `for_inference` and `decided` make of choices; not for users.
FOR_INFERENCE, FOR_TAPS = "auto for inference", "auto for taps"
INSTRUMENTS = "instruments:"  # followed by their numbers
NO_DRUMS = "no drums on channel 10"
TAKEN_AS_DRUMS = "taken as drums: nothing on channel 10"
TAKEN_TOO = "taken as drums beside channel 10: tracks with names of drums"
KIT_NAME = re.compile(r"drum|\bkit\b|perc|beat|groove", re.IGNORECASE)  # for training


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
    is_track = drums.startswith(TRACK) and drums.removeprefix(TRACK).strip(" ,")
    is_internal = drums in (FOR_INFERENCE, FOR_TAPS) or drums.startswith(INSTRUMENTS)
    if drums not in (AUTO, CHANNEL_10, ALL) and not is_track and not is_internal:
        raise BadDrums(f"drums={drums}: expected {CHOICES}")


def for_inference(drums: str, takes_taps: bool = False) -> str:
    """The choice of a converter that is given a user's file, where training has this.

    takes_taps: whether the encoder reads no more than a rhythm.
    """
    if drums != AUTO:
        return drums
    return FOR_TAPS if takes_taps else FOR_INFERENCE


def choose(sequence, notes: np.ndarray, drums: str, pitch_classes) -> Drums:
    """The drums among the notes `[N]` of `score.NOTE` of a NoteSequence.

    Args:
        drums: one of CHOICES; auto is that of inference.
        pitch_classes: of the converter, as `drum_classes.classes` gives them.

    Raises:
        NotConvertible: there are none.
    """
    if not len(notes):
        raise NotConvertible("no notes")
    if drums == ALL:
        return Drums(np.ones(len(notes), bool), Counter())
    if drums.startswith(TRACK):
        return _on_tracks(sequence, notes, drums.removeprefix(TRACK))
    if drums.startswith(INSTRUMENTS):
        numbers = map(int, drums.removeprefix(INSTRUMENTS).split(","))
        return _known_drums(np.isin(notes["instrument"], list(numbers)))
    if drums == CHANNEL_10:
        return _known_drums(notes["is_drum"])
    takes_taps = drums == FOR_TAPS
    mask = kits.found(sequence, notes, pitch_classes, takes_taps)
    return _known_drums(mask, _remarks(notes, mask))


def _known_drums(mask, remarks=()) -> Drums:
    if not mask.any():
        raise NotConvertible(NO_DRUMS)
    return Drums(mask, Counter(remarks))


def _remarks(notes, mask):
    if (mask == notes["is_drum"]).all():
        return []
    return [TAKEN_TOO if notes["is_drum"].any() else TAKEN_AS_DRUMS]


def choose_for_training(
    sequence, notes: np.ndarray, drums: str, pitch_classes
) -> Drums:
    """The same, where only what is beyond doubt is drums.

    Raises:
        NotConvertible: there are none.
    """
    if drums != AUTO or not len(notes):
        return choose(sequence, notes, drums, pitch_classes)
    if notes["is_drum"].any():
        return Drums(notes["is_drum"], Counter())
    if _is_kit(sequence, notes, pitch_classes):
        return Drums(np.ones(len(notes), bool), Counter([TAKEN_AS_DRUMS]))
    mask = _named_kits(sequence, notes, pitch_classes)
    return _known_drums(mask, [TAKEN_AS_DRUMS])


def _on_tracks(sequence, notes, text):
    """The notes of tracks `Kick, Snare`, by their names, or else their numbers.

    Numbers count tracks that have notes, from 1, as music_vae_inspect shows them.
    """
    names = track_names.of_instruments(sequence)
    with_notes = np.unique(notes["instrument"]).tolist()
    whole = _named(names, with_notes, text)
    words = [word.strip() for word in text.split(",") if word.strip()]
    found = {word: _named(names, with_notes, word) for word in words}
    for word in words:
        if not found[word] and word.isdecimal() and 0 < int(word) <= len(with_notes):
            found[word] = [with_notes[int(word) - 1]]
    missing = [word for word in words if not found[word]]
    if missing and not whole:
        raise NotConvertible(f"no notes on a track named {', '.join(missing)}")
    chosen = whole or [number for numbers in found.values() for number in numbers]
    return Drums(np.isin(notes["instrument"], chosen), Counter())


def _named(names, numbers, name):
    same = lambda n: n in names and track_names.is_same(names[n], name)
    return [number for number in numbers if same(number)]


def _is_kit(sequence, notes, pitch_classes):
    """Whether one instrument alone plays, and that a drum kit's notes."""
    instruments = np.unique(notes["instrument"])
    programs = np.unique(notes["program"])
    if len(instruments) > 1 or not np.isin(programs, kits.KIT_PROGRAMS).all():
        return False
    drums, _ = drum_classes.assign(notes["pitch"], pitch_classes)
    names = track_names.of_instruments(sequence).values()
    return bool((drums >= 0).all()) and (
        any(map(_is_kit_name, names)) or kits.is_groove(notes["pitch"])
    )


def _named_kits(sequence, notes, pitch_classes):
    """Which notes are of instruments that are named as kits, and play as such."""
    mask = np.zeros(len(notes), bool)
    for number, name in track_names.of_instruments(sequence).items():
        mine = notes["instrument"] == number
        drums, _ = drum_classes.assign(notes["pitch"][mine], pitch_classes)
        is_kit = np.isin(notes["program"][mine], kits.KIT_PROGRAMS).all()
        if _is_kit_name(name) and is_kit and (drums >= 0).all():
            mask |= mine
    return mask


def _is_kit_name(name):
    return KIT_NAME.search(name) and not kits.MELODIC_NAME.search(name)


def marked(sequence, score: Score, drums: str, pitch_classes) -> Marked:
    """The same score, whose notes are drums as `choose_for_training` says.

    Raises:
        NotConvertible: there are none.
    """
    mask, remarks = choose_for_training(sequence, score.notes, drums, pitch_classes)
    notes = score.notes.copy()
    notes["is_drum"] = mask
    return Marked(score._replace(notes=notes), remarks)


def decided(converter, sequence):
    """A converter for parts of a sequence: what is a drum, the whole sequence says."""
    drums = converter.drums
    if drums == AUTO and any(note.is_drum for note in sequence.notes):
        return dataclasses.replace(converter, drums=CHANNEL_10)
    if drums in (FOR_INFERENCE, FOR_TAPS) or (drums or "").startswith(TRACK):
        return _decided_by_notes(converter, sequence)
    return converter


def _decided_by_notes(converter, sequence):
    # A converter of tokens has no classes, and each pitch for itself.
    reduced = drum_classes.classes("reduced")
    classes = converter.pitch_classes if converter.is_drums else reduced
    try:
        notes = read(sequence).notes
        mask, _ = choose(sequence, notes, converter.drums, classes)
    except (NotConvertible, limits.BeyondLimits):
        if converter.drums.startswith(TRACK):
            return converter  # which refuses all parts with the reason
        return dataclasses.replace(converter, drums=CHANNEL_10)
    if (mask == notes["is_drum"]).all():
        return dataclasses.replace(converter, drums=CHANNEL_10)
    numbers = ",".join(map(str, np.unique(notes["instrument"][mask])))
    return dataclasses.replace(converter, drums=f"{INSTRUMENTS}{numbers}")

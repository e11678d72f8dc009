"""Kits whose drums lie on other notes than General MIDI's, as tables.

A table is a YAML file. `read` maps notes of the kit to notes of General MIDI, and
`write` maps notes of General MIDI to notes of the kit. Notes in neither stay.
"""

from __future__ import annotations

import functools
import importlib.resources
from pathlib import Path
from typing import NamedTuple

import numpy as np
import yaml
from note_seq.protobuf.music_pb2 import NoteSequence

from music_vae_tf import safe_yaml
from music_vae_tf.errors import UserFacingError

MIDI_PITCHES = 128
KEYS = ("name", "source", "read", "write")


class BadDrumMap(UserFacingError, ValueError):
    """A drum map that does not exist, or a file that is none."""


class DrumMap(NamedTuple):
    """A kit.

    Attributes:
        read: `[128]`, the note of General MIDI for each note of the kit.
        write: `[128]`, the note of the kit for each note of General MIDI.
    """

    name: str
    read: np.ndarray
    write: np.ndarray


GENERAL_MIDI = DrumMap("General MIDI", *[np.arange(MIDI_PITCHES)] * 2)


def names() -> list[str]:
    """The maps that come with the package."""
    files = importlib.resources.files(__package__).iterdir()
    return sorted(
        f.name.removesuffix(".yaml") for f in files if f.name.endswith("yaml")
    )


def load(name_or_path: str) -> DrumMap:
    """The map of a name, or of a YAML file.

    Raises:
        BadDrumMap: there is none, or the file is not a drum map.
        OSError: the file cannot be read.
    """
    if name_or_path in names():
        return _packaged(name_or_path)
    path = Path(name_or_path).expanduser()
    if path.suffix not in (".yaml", ".yml"):
        raise BadDrumMap(
            f"drum_map={name_or_path}: expected one of {', '.join(names())}, or a "
            "YAML file"
        )
    try:
        text = safe_yaml.read_text(path)
    except yaml.YAMLError as error:
        raise BadDrumMap(f"{path}: not YAML: {error}") from error
    return _parsed(text, str(path))


@functools.cache
def _packaged(name) -> DrumMap:
    file = importlib.resources.files(__package__).joinpath(f"{name}.yaml")
    return _parsed(file.read_text(encoding="utf-8"), name)


def _parsed(text, where) -> DrumMap:
    try:
        tables = safe_yaml.load(text)
    except yaml.YAMLError as error:
        raise BadDrumMap(f"{where}: not YAML: {error}") from error
    if not isinstance(tables, dict) or not set(tables) <= set(KEYS):
        raise BadDrumMap(
            f"{where}: not a drum map: expected the keys {', '.join(KEYS)}"
        )
    read, write = (_table(tables.get(key) or {}, key, where) for key in KEYS[2:])
    if not tables.get("write"):
        write = _reversed(tables.get("read") or {})
    return DrumMap(str(tables.get("name", where)), read, write)


def _reversed(read) -> np.ndarray:
    """What leads to a note, if the note does not mean itself already."""
    table = np.arange(MIDI_PITCHES)
    for pitch, general in read.items():
        if general in read and read[general] != general and table[general] == general:
            table[general] = pitch
    return table


def _table(entries, key, where) -> np.ndarray:
    is_note = lambda value: type(value) is int and 0 <= value < MIDI_PITCHES
    wrong = not isinstance(entries, dict) or [
        f"{a}: {b}" for a, b in entries.items() if not (is_note(a) and is_note(b))
    ]
    if wrong:
        shown = ", ".join(wrong) if isinstance(wrong, list) else repr(entries)
        raise BadDrumMap(
            f"{where}: {key} has {shown}: expected MIDI notes, as in 22: 42"
        )
    table = np.arange(MIDI_PITCHES)
    for one, other in entries.items():
        table[one] = other
    return table


def translated(
    sequence: NoteSequence, table: np.ndarray, every: bool = False
) -> NoteSequence:
    """A copy whose drums have other notes.

    every: also notes that are not marked as drums, if none is.
    """
    result = NoteSequence()
    result.CopyFrom(sequence)
    every = every and not any(note.is_drum for note in sequence.notes)
    for note in result.notes:
        if note.is_drum or every:
            note.pitch = int(table[note.pitch])
    return result

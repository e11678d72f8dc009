"""Which tracks and channels a MIDI file has, also those that play nothing."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from music_vae_tf.data import midi_daw, midi_events, midi_lenient, track_names
from music_vae_tf.data.folder import kind_of


class Place(NamedTuple):
    """Where an instrument stands in its file; numbers from 1, as musicians count."""

    track: int
    channel: int


class Contents(NamedTuple):
    """The tracks of a MIDI file.

    Attributes:
        places: of the instruments of its NoteSequence, by their numbers.
        empty: tracks without notes: their numbers and names.
    """

    places: list[Place]
    empty: dict[int, str]


def read(path: str) -> Contents:
    """The tracks of a file that `midi.read_music_file` has read as a DAW does.

    Music that is not MIDI has none.

    Raises:
        OSError: the file cannot be opened.
    """
    if (kind_of(os.fspath(path)) or "midi") != "midi":
        return Contents([], {})
    return of_bytes(Path(path).read_bytes())


def of_bytes(data: bytes) -> Contents:
    """The tracks of a MIDI file that `midi.parse_as_daw` has read."""
    file = midi_daw.read_file(midi_lenient.unwrapped(data))
    places, empty = [], {}
    instruments = midi_daw.channels(file)
    tracks = midi_daw.tracks_in_time(file)
    for number, (track, channels) in enumerate(zip(tracks, instruments), 1):
        places += [Place(number, channel + 1) for channel in channels]
        if not channels:
            empty[number] = next(_names(track), "")
    return Contents(places, empty)


def _names(track) -> Iterator[str]:
    for status, _, data in track.events:
        if status == midi_events.META:
            yield track_names.decoded(data.decode("latin-1"))

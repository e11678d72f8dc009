"""The tracks and channels of a song that a user can take as drums."""

from __future__ import annotations

from collections import Counter
from typing import Any

from music_vae_tf.data import inspection, midi_tracks
from music_vae_tf.data.converters.drum_parts import TRACK
from music_vae_tf.data.inspection import Instrument

LONGEST_NAME, MOST_CHOICES = 100, 64


def choices(sequence: Any, data: bytes) -> list[dict[str, str]]:
    """What the page offers: `{"drums": "track:3", "label": "track 2 of the file, ..."}`
    in the order of the file, at most MOST_CHOICES.

    `drums` is as `music_vae_generate --drums` takes it. A track with a name is chosen
    by it. A track without one, and each channel of a track with several, is chosen by
    the number that `music_vae_inspect` lists.

    Args:
        sequence: the NoteSequence of the file, as a DAW plays it.
        data: the bytes of the file.
    """
    instruments = inspection.instruments(sequence, midi_tracks.of_bytes(data).places)
    names = Counter(one.name.casefold() for one in instruments)
    places = Counter((one.track, one.channel) for one in instruments)
    found, by_name = {}, {}
    for one in instruments:
        name = one.name.casefold()  # names are compared without case
        is_named = bool(name.strip(" ,")) and len(name) <= LONGEST_NAME
        if is_named:
            by_name.setdefault(name, (f"{TRACK}{one.name}", f"track {one.name}"))
            found[by_name[name][0]] = by_name[name][1]
        # A name that looks like this number would be taken in place of it.
        if not (is_named and names[name] == 1) and str(one.number) not in names:
            is_alone = places[one.track, one.channel] == 1
            found[f"{TRACK}{one.number}"] = _label(one, is_alone)
    offered = [{"drums": drums, "label": label} for drums, label in found.items()]
    return offered[:MOST_CHOICES]


def _label(one: Instrument, is_alone: bool) -> str:
    name = one.name[:LONGEST_NAME] or f"{one.track} of the file"
    program = "" if is_alone else f", program {one.program}"
    return f"track {name}, channel {one.channel}{program}"

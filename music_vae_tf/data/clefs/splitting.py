"""Stage 3, clef splitting: the parts of a score onto a treble and a bass staff."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from music_vae_tf.data.clefs import NotUsable
from music_vae_tf.data.clefs.extraction import Element

MIDDLE_C = 60


class Part(NamedTuple):
    """A part of a score: its elements, and the staff that its clef stands for."""

    elements: list[Element]
    staff: str | None  # 'treble', 'bass', or None where no clef decides

    @property
    def mean_pitch(self) -> float:
        """Of all its notes."""
        return float(np.mean([p for element in self.elements for p in element.pitches]))


def staff_of(part) -> str | None:
    """The staff that a music21 part's first clef stands for.

    A G clef is treble, an F clef bass. C clefs and the G clef that sounds an octave
    lower (a tenor's) leave it to the pitches.
    """
    clef = part.recurse().getElementsByClass("Clef").first()
    if clef is None or getattr(clef, "octaveChange", 0):
        return None
    return {"G": "treble", "F": "bass"}.get(clef.sign)


def split(parts: list[Part]) -> dict[str, list[list[Element]]]:
    """The parts on each staff, `{'treble': [...], 'bass': [...]}`, each at least one.

    A part without a deciding clef goes by its mean pitch. Where all parts are on one
    staff, the highest of them is treble and the lowest bass; a single part is split
    note by note at middle C.

    Raises:
        NotUsable: no part has notes, or all notes of the only part are on one side.
    """
    parts = [part for part in parts if any(e.pitches for e in part.elements)]
    if not parts:
        raise NotUsable("no notes")
    if len(parts) == 1:
        return _split_at_middle_c(parts[0].elements)
    parts = sorted(parts, key=lambda part: -part.mean_pitch)
    staves = [part.staff or _by_pitch(part) for part in parts]
    if len(set(staves)) == 1:
        staves[0], staves[-1] = "treble", "bass"
    return {
        staff: [part.elements for part, its in zip(parts, staves) if its == staff]
        for staff in ("treble", "bass")
    }


def _by_pitch(part):
    return "treble" if part.mean_pitch >= MIDDLE_C else "bass"


def _split_at_middle_c(elements):
    upper = [e.only(lambda pitch: pitch >= MIDDLE_C) for e in elements]
    lower = [e.only(lambda pitch: pitch < MIDDLE_C) for e in elements]
    for half, side in ((upper, "below"), (lower, "above")):
        if not any(element.pitches for element in half):
            raise NotUsable(f"one staff only, all of it {side} middle C")
    return {"treble": [upper], "bass": [lower]}

"""Stage 2, key transposing: major to C, minor to A minor, by the smallest shift."""

from __future__ import annotations

import re
from typing import NamedTuple

from music_vae_tf.data.clefs import NotUsable
from music_vae_tf.errors import UserFacingError

MODES = ("major", "minor")
HOME = {"major": 0, "minor": 9}  # pitch classes of C and A
STEPS = {"C": 0, "D": 2, "E": 4, "F": 5, "G": 7, "A": 9, "B": 11}
ACCIDENTALS = {"": 0, "#": 1, "b": -1, "-": -1}
# Of the keys that sound alike, the one with fewer sharps or flats.
MAJOR_NAMES = ("C", "Db", "D", "Eb", "E", "F", "F#", "G", "Ab", "A", "Bb", "B")
MINOR_NAMES = ("C", "C#", "D", "Eb", "E", "F", "F#", "G", "G#", "A", "Bb", "B")
NAMES = {"major": MAJOR_NAMES, "minor": MINOR_NAMES}


class UnknownKey(UserFacingError, ValueError):
    """A text that names no key."""


class Key(NamedTuple):
    """A key: where its scale begins, and which one it is."""

    tonic: int  # pitch class, C is 0
    mode: str  # 'major' or 'minor'

    @classmethod
    def parse(cls, text: str) -> Key:
        """The key in a text: `C`, `Am`, `F# minor`, `Eb major`, `B-m`.

        Raises:
            UnknownKey: it names none.
        """
        pattern = r"([A-Ga-g])([#b-]?)\s*(m|min|minor|maj|major|)"
        match = re.fullmatch(pattern, text.strip())
        if match is None:
            raise UnknownKey(
                f"{text!r} names no key; write C, Am, F#m, Bb or 'E minor'"
            )
        letter, accidental, mode = match.groups()
        is_minor = mode.startswith("m") and not mode.startswith("maj")
        tonic = (STEPS[letter.upper()] + ACCIDENTALS[accidental]) % 12
        return cls(tonic, "minor" if is_minor else "major")

    def __str__(self):
        """`Bb major`."""
        return f"{NAMES[self.mode][self.tonic]} {self.mode}"

    @property
    def semitones_home(self) -> int:
        """The smallest shift to C major or A minor: -6 to 5 semitones."""
        return (HOME[self.mode] - self.tonic + 6) % 12 - 6


def estimated_key(score) -> Key:
    """The key of a whole music21 score, by the Krumhansl-Schmuckler profiles.

    Raises:
        NotUsable: it has no pitches to tell it from.
    """
    try:
        key = score.analyze("key")
    except Exception as error:  # music21 raises several kinds where there are no notes
        raise NotUsable("no notes") from error
    return Key(key.tonic.pitchClass, key.mode)

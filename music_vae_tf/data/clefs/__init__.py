"""Piano music -> windows of events of its two staves, in eight stages.

    1 sampling             which files             files.py
    2 key transposing      to C major or A minor   keys.py
    3 clef splitting       treble, bass            splitting.py
    4 element extraction   notes, chords, rests    extraction.py
    5 data frames          one per clef            frames.py
    6 data transformation  chord -> chord label    transformation.py
    7 label encoding       label -> integer        labels.py
    8 windows              of 100 events           windows.py

Times are whole ticks of a 24th of a quarter note, which hold 32nds and triplets alike;
pitches are MIDI numbers, 60 is middle C, which music21 calls C4.
"""

from fractions import Fraction
from typing import NamedTuple

from music_vae_tf.errors import UserFacingError

TICKS_PER_QUARTER = 24
STAVES = ("treble", "bass")


class NotUsable(Exception):
    """Why a file gives nothing to learn from, in a few words: `no notes`."""

    def __init__(self, reason: str):
        super().__init__(reason)
        self.reason = reason


class ScoreLibrariesMissing(UserFacingError, ValueError):
    """The libraries of the extra `score` are not installed."""

    def __init__(self, missing: str):
        super().__init__(
            f"{missing} is not installed, and scores need it: "
            "pip install 'music_vae_tf[score]'"
        )


def require_libraries() -> None:
    """
    Raises:
        ScoreLibrariesMissing: music21 or pandas is not installed.
    """
    import importlib.util

    for name in ("music21", "pandas"):
        if importlib.util.find_spec(name) is None:
            raise ScoreLibrariesMissing(name)


def ticks(quarters) -> int:
    """A time or length in quarter notes, as the nearest tick."""
    return round(Fraction(quarters) * TICKS_PER_QUARTER)


def quarters(number_of_ticks: int) -> Fraction:
    """A number of ticks in quarter notes."""
    return Fraction(int(number_of_ticks), TICKS_PER_QUARTER)


class Form(NamedTuple):
    """How long a piece is, and in which metre."""

    bars: int
    numerator: int
    denominator: int

    @property
    def bar(self) -> int:
        """Ticks of a bar."""
        return self.numerator * TICKS_PER_QUARTER * 4 // self.denominator

    @property
    def end(self) -> int:
        """Ticks of the piece."""
        return self.bars * self.bar

"""A written score: parts of bars, with times in quarter notes."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from fractions import Fraction
from typing import NamedTuple

from music_vae_tf.errors import UserFacingError
from music_vae_tf.wording import shortened

# What is beyond these is refused before anything is allocated for it.
MAX_NOTES = 200_000  # as played; Mahler's longest movements have some 60,000
MAX_BARS = 25_000  # as played; `limits.MAX_QUARTERS` in 4/4
MAX_SECONDS = 6 * 3600
MAX_BAR_QUARTERS = 10_000
PITCHES = range(128)
DEFAULT_QPM = 120.0
QPM = (1.0, 3000.0)  # a tempo outside is no tempo
DEFAULT_VELOCITY = 64  # of a note without dynamics; Magenta's is 64 in MusicXML, too
DYNAMICS = {  # MIDI velocities; mf is note_seq's 64
    "pppppp": 8,
    "ppppp": 12,
    "pppp": 16,
    "ppp": 24,
    "pp": 36,
    "p": 49,
    "mp": 58,
    "mf": 64,
    "f": 80,
    "ff": 96,
    "fff": 112,
    "ffff": 120,
    "fffff": 124,
    "ffffff": 127,
    "sf": 96,
    "sfz": 96,
    "fz": 96,
    "sffz": 112,
    "rf": 88,
    "rfz": 88,
    "fp": 80,
    "sfp": 80,
}
# Acoustic drums by the place of the note on a staff with a bass or treble clef's lines
# read as treble: the usual drum set notation (Norman Weinberg's guidelines of 1998).
# As MIDI numbers of General MIDI, by step and octave.
DRUM_STAFF = {
    ("D", 4): 44,  # pedal hi-hat
    ("E", 4): 35,
    ("F", 4): 36,  # bass drum
    ("G", 4): 41,
    ("A", 4): 43,  # floor tom
    ("B", 4): 45,
    ("C", 5): 38,  # snare
    ("D", 5): 47,
    ("E", 5): 48,  # high tom
    ("F", 5): 51,  # ride
    ("G", 5): 42,  # closed hi-hat
    ("A", 5): 49,  # crash
    ("B", 5): 57,
    ("C", 6): 55,
}


class UnreadableScore(UserFacingError, ValueError):
    """A score of which no NoteSequence can be made; the message has the reason.

    It quotes the score, of which a word may have a million characters.
    """

    def __init__(self, message: str):
        super().__init__(shortened(message))


class Pitch(NamedTuple):
    """What a note sounds like."""

    number: int  # MIDI
    is_drum: bool = False
    program: int = 0  # General MIDI


class Tied(Enum):
    """Whether a note continues an earlier one that is tied."""

    NOT = 0
    BY_NEIGHBOUR = 1  # if that ends where it begins, as in ABC
    BY_SIGN = 2  # it has a tie of its own, as in MusicXML

    def __bool__(self):
        return self is not Tied.NOT


class Note(NamedTuple):
    """A written note. A chord is several."""

    onset: Fraction  # quarters since the bar began
    duration: Fraction  # quarters; 0 for a grace note
    pitch: Pitch
    velocity: int = DEFAULT_VELOCITY
    voice: int = 1
    tie: bool = False  # it goes on in a later note
    continues: Tied = Tied.NOT  # it goes on from an earlier note
    grace: int = 0  # for a grace note: its distance to the beat, 1 is the last before


class Jump(NamedTuple):
    """Where to go on at the end of a bar: D.C., D.S."""

    to_segno: bool  # else to the beginning
    label: str = ""  # of the segno, which distinguishes several


@dataclass
class Marks:
    """Directions of a bar: in which order bars are played."""

    repeat_start: bool = False
    repeat_plays: int = 0  # of the repeat that ends with this bar; 0 if none does
    ending: frozenset[int] = frozenset()  # passes in which the bar is played; all if {}
    ending_starts: bool = False
    segno: str | None = None  # label
    coda: str | None = None
    to_coda: str | None = None
    fine: bool = False
    jump: Jump | None = None
    section: str | None = None  # ABC's parts

    def merge(self, other: Marks):
        """Adds the directions of another part's same bar."""
        for name, value in vars(other).items():
            if value and not getattr(self, name) or getattr(self, name) is None:
                setattr(self, name, value)


class Metre(NamedTuple):
    """A time signature."""

    numerator: int
    denominator: int

    @property
    def quarters(self) -> Fraction:
        """Length of its bars."""
        return Fraction(4 * self.numerator, self.denominator)


class Key(NamedTuple):
    """A key signature as it sounds."""

    tonic: int  # 0 is C
    mode: str = "major"  # one of NoteSequence.KeySignature.Mode's names, any case


@dataclass
class Bar:
    """A bar of a part."""

    length: Fraction | None = None  # None: as long as that of the other parts
    notes: list[Note] = field(default_factory=list)
    marks: Marks = field(default_factory=Marks)
    tempos: list[tuple[Fraction, float]] = field(default_factory=list)  # onset, qpm
    chords: list[tuple[Fraction, str]] = field(default_factory=list)  # onset, symbol
    metre: Metre | None = None  # in force; None in free time
    key: Key | None = None  # in force


@dataclass
class Part:
    """A part: of one player, or a voice of a tune."""

    name: str
    bars: list[Bar]


@dataclass
class Score:
    """A score, as written."""

    parts: list[Part]
    title: str = ""
    composer: str = ""
    sections: list[str] = field(default_factory=list)  # ABC's order of parts


def rounded_pitch(semitones: float) -> int:
    """The MIDI number of a pitch with quarter tones, which are rounded up."""
    return int((semitones + 0.5) // 1)


def checked_pitch(semitones: float, words: str) -> int:
    """The MIDI number of a pitch; `words` name the note if it has none.

    Raises:
        UnreadableScore: it is outside MIDI's 128 pitches.
    """
    number = rounded_pitch(semitones)
    if number not in PITCHES:
        raise UnreadableScore(
            f"a pitch outside MIDI's range: {words} is number {number}, 0 to 127 exist"
        )
    return number


def is_tempo(qpm: float) -> bool:
    """Whether a number can be a tempo in BPM."""
    return QPM[0] <= qpm <= QPM[1]

"""ABC's fields: metre, unit note length, tempo, key, voices, parts."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from fractions import Fraction
from typing import NamedTuple

from music_vae_tf.data.scores.score import Key, Metre, UnreadableScore, is_tempo

SEMITONES = {"C": 0, "D": 2, "E": 4, "F": 5, "G": 7, "A": 9, "B": 11}
# MIDI velocities, as in note_seq.
MF = 90
DYNAMICS = {"pppp": 30, "ppp": 30, "pp": 45, "p": 60, "mp": 75, "mf": MF}
DYNAMICS |= {"f": 105, "ff": 120, "fff": 127, "ffff": 127, "sfz": 120}
_SHARPS = "FCGDAEB"
_MODES = {  # fifths from the major key of the same tonic
    "maj": (0, "major"),
    "ion": (0, "major"),
    "": (0, "major"),
    "m": (-3, "minor"),
    "min": (-3, "minor"),
    "aeo": (-3, "minor"),
    "mix": (-1, "mixolydian"),
    "dor": (-2, "dorian"),
    "phr": (-4, "phrygian"),
    "lyd": (1, "lydian"),
    "loc": (-5, "locrian"),
}
_KEY = re.compile(
    r"(?P<tonic>[A-Ga-g])\s*(?P<sign>[#b♯♭]?)\s*"
    r"(?P<mode>(?:maj|ion|min|aeo|mix|dor|phr|lyd|loc)[a-z]*|m(?![a-z=]))?",
    re.IGNORECASE,
)
_ACCIDENTAL = re.compile(r"(?<![\w=,'])(\^\^|\^|__|_|=)([A-Ga-g])(?![\w=])")
_ACCIDENTALS = {"^": 1, "^^": 2, "_": -1, "__": -2, "=": 0}
_FRACTION = re.compile(r"(\d{1,5})\s*/\s*(\d{1,5})")


class Signature(NamedTuple):
    """A key: what sounds without accidentals, and the key's name."""

    alterations: dict[str, int]  # note's letter -> semitones
    key: Key | None


NO_KEY = Signature({}, None)


@dataclass
class Properties:
    """What V:, K: and I: say of a voice beside its music."""

    name: str = ""
    octave: int = 0
    transpose: int = 0  # semitones
    clef_octave: int = 0
    is_drum: bool = False
    has_drum_staff: bool = False
    program: int = 0
    drums: dict[str, int] = field(default_factory=dict)  # note as written -> MIDI

    @property
    def shift(self) -> int:
        """Semitones from what is written to what sounds."""
        return self.transpose + 12 * (self.octave + self.clef_octave)

    def read(self, text: str):
        """Takes over `clef=`, `octave=`, `transpose=`, `name=` and the names of clefs
        from the text of a field."""
        for name, quoted, plain in re.findall(
            r"([\w-]+)\s*=\s*(?:\"([^\"]*)\"|(\S+))", text
        ):
            self._set(name.lower(), quoted or plain)
        rest = re.sub(r"[\w-]+\s*=\s*(\"[^\"]*\"|\S+)", "", text)
        clef = re.search(r"(?<!\S)(treble|bass|alto|tenor|perc)\d?([+-]8)?", rest)
        if clef:
            self._set("clef", clef[0])

    def _set(self, name, value):
        if name in ("octave", "transpose", "t", "sound") and _is_small(value):
            if name == "octave":
                self.octave = int(value)
            elif name != "sound":
                self.transpose = int(value)
        elif name == "clef":
            octaves = {"+8": 1, "-8": -1}
            self.clef_octave = octaves.get(value[-2:], 0)
            if value.startswith("perc"):
                self.is_drum = self.has_drum_staff = True
        elif name in ("name", "nm", "n"):
            self.name = value


def _is_small(text):
    return re.fullmatch(r"[+-]?\d{1,2}", text) is not None


def metre(text: str) -> Metre | None:
    """The metre of an M: field; None for free metre.

    Raises:
        UnreadableScore: it is none.
    """
    text = text.strip()
    named = {"C": Metre(4, 4), "C|": Metre(2, 2), "": None, "none": None}
    if text in named:
        return named[text]
    found = re.match(r"\(?([\d+\s]+)\)?\s*/\s*(\d{1,3})", text)
    if found:
        numbers = [int(number[:4]) for number in re.findall(r"\d+", found[1])]
        numerator, denominator = sum(numbers), int(found[2])
        if 0 < numerator < 256 and denominator in (1, 2, 4, 8, 16, 32, 64):
            return Metre(numerator, denominator)
    if re.match(r"C\|?(?!\w)|fre[ei]", text, re.IGNORECASE):
        return named.get(text[:2].strip().upper())
    raise UnreadableScore(f"M:{text[:20]} is not a metre, such as 3/4")


def unit_length(text: str) -> Fraction:
    """The unit note length of an L: field, in quarters.

    Raises:
        UnreadableScore: it is none.
    """
    found = _FRACTION.match(text.strip())
    if found and int(found[1]) and int(found[2]):
        return 4 * Fraction(int(found[1]), int(found[2]))
    if text.strip() == "1":
        return Fraction(4)
    raise UnreadableScore(f"L:{text.strip()[:20]} is not a note length, such as 1/8")


def usual_unit_length(of: Metre | None) -> Fraction:
    """The unit note length of a tune without L:, in quarters."""
    if of is not None and Fraction(of.numerator, of.denominator) < Fraction(3, 4):
        return Fraction(1, 4)
    return Fraction(1, 2)


def tempo(text: str, unit: Fraction) -> float | None:
    """BPM of a Q: field; None where it has words only.

    `unit` is the unit note length in quarters, for the old ways to write it.
    """
    text = re.sub(r'"[^"]*"', " ", text)
    rate = re.search(r"(?:=|^)\s*(\d+(?:\.\d+)?)\s*$", text.strip())
    if not rate:
        return None
    beats = [Fraction(int(n), int(d) or 1) for n, d in _FRACTION.findall(text)]
    quarters = 4 * sum(beats) if beats else unit
    multiple = re.match(r"\s*C(\d?)\s*=", text)
    if multiple:
        quarters = unit * int(multiple[1] or 1)
    qpm = float(rate[1][:12]) * float(quarters)
    return qpm if is_tempo(qpm) else None


def signature(text: str) -> Signature:
    """The key of a K: field.

    Raises:
        UnreadableScore: it names none.
    """
    text = text.strip()
    if text[:2].lower() == "hp":  # the Great Highland bagpipe
        return Signature({"F": 1, "C": 1}, Key(2, "major"))
    found = _KEY.match(text)
    if not found or re.match(r"(clef|bass|alto|none)\b", text, re.IGNORECASE):
        is_known = re.match(r"$|none|exp|clef|treble|bass|alto|tenor|perc|\S+=", text)
        if not is_known and not _ACCIDENTAL.match(text):
            raise UnreadableScore(f"K:{text[:20]} is not a key, such as Bb or F#m")
        return Signature(_with_accidentals({}, text), None)
    tonic = found["tonic"].upper()
    sign = {"#": 1, "♯": 1, "b": -1, "♭": -1}.get(found["sign"], 0)
    fifths_of_mode, mode = _MODES[(found["mode"] or "").lower()[:3]]
    fifths = _SHARPS.index(tonic) - 1 + 7 * sign
    key = Key((SEMITONES[tonic] + sign) % 12, mode)
    rest = text[found.end() :]
    is_explicit = re.match(r"\s*exp\b", rest)
    usual = {} if is_explicit else _alterations(fifths + fifths_of_mode)
    return Signature(_with_accidentals(usual, rest), key)


def _alterations(fifths):
    """Of a key signature: each seven fifths alter all notes once more."""
    sign = 1 if fifths > 0 else -1
    order = _SHARPS if fifths > 0 else _SHARPS[::-1]
    letters = [order[index % 7] for index in range(abs(fifths))]
    return {letter: sign * letters.count(letter) for letter in letters}


def _with_accidentals(alterations, text):
    changed = dict(alterations)
    for accidental, letter in _ACCIDENTAL.findall(text):
        changed[letter.upper()] = _ACCIDENTALS[accidental]
    return changed


def part_order(text: str) -> list[str]:
    """The parts of a P: field in the header: "A(AB)2C" is A, A, B, A, B, C.

    Raises:
        UnreadableScore: it gives more than a thousand.
    """
    stack = [[]]
    for token in re.findall(r"[A-Za-z]|\d+|[()]", text):
        if len(stack) > 20:
            raise UnreadableScore("P: with more than 20 parentheses in each other")
        if token == "(":
            stack.append([])
        elif token == ")" and len(stack) > 1:
            stack[-2].append(stack.pop())
        elif token.isdecimal() and stack[-1]:
            stack[-1].append(_times(stack[-1].pop(), int(token[:5])))
        elif token.isalpha():
            stack[-1].append([token])
    while len(stack) > 1:
        stack[-2].append(stack.pop())
    return list(_flat(stack[0]))


def _times(item, number):
    flat = list(_flat([item]))
    if len(flat) * number > 1000:
        raise UnreadableScore("P: gives more than 1000 parts, which is the limit")
    return flat * number


def _flat(items):
    for item in items:
        if isinstance(item, list):
            yield from _flat(item)
        else:
            yield item

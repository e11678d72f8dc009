"""A line of music in ABC -> what its voice does."""

from __future__ import annotations

import re
from collections import Counter
from fractions import Fraction

from music_vae_tf.data.scores.abc_fields import DYNAMICS
from music_vae_tf.data.scores.abc_voice import Event, Written
from music_vae_tf.data.scores.playback_order import marks_of_words
from music_vae_tf.data.scores.score import Jump, UnreadableScore

MAX_GRACES = 1000  # characters of a group
_LENGTH = r"\d{0,6}(?:/+\d{0,6})?"
_NOTE = r"(\^\^|\^/?|__|_/?|=)?([A-Ga-g])([,']*)(" + _LENGTH + ")"
_TOKEN = re.compile(
    "|".join(
        f"(?P<{name}>{pattern})"
        for name, pattern in {
            "note": rf"(?:\^\^|\^/?|__|_/?|=)?[A-Ga-g][,']*{_LENGTH}",
            "space": r"[\s`$;*?\\]+",
            "field": r"\[[A-Za-z]:[^\]]*\]",
            "bar": r"(?::*(?:\[\|+|\|+\]|\|)[|:\]]*|::)(?:\d[\d,.\-]*)?",
            "ending": r"\[\s*\d[\d,.\-]*",
            "chord": rf"\[(?:\"[^\"]*\"|[^\]\[|\"])*\]{_LENGTH}",
            "rest": rf"[zx]{_LENGTH}",
            "bars": r"[ZX]\d{0,4}",
            "tuplet": r"\(\d(?::\d*(?::\d*)?)?",
            "broken": r">+|<+",
            "tie": r"-",
            "text": r"\"[^\"]*\"",
            "sign": r"![^!\s|\"]{1,30}!|\+[a-zA-Z.()<>]{1,30}\+|[SO]",
            "graces": r"\{[^}]*\}",
            "overlay": r"&+",
            "silent": r"y\d*|[().\]~!]|[H-Wh-w]",
        }.items()
    )
)
_NOTES = re.compile(rf"{_NOTE}(\s*-)?")
_IN_CHORD = re.compile(rf"\"[^\"]*\"|![^!]*!|{_NOTE}(\s*-)?")
_ACCIDENTALS = {"^": 1, "^^": 2, "_": -1, "__": -2, "=": 0, "^/": 0.5, "_/": -0.5}
_IN_TIME_OF = {2: 3, 3: 2, 4: 3, 6: 2, 8: 3}
_CHORD_SYMBOL = re.compile(r"[A-G][#b♯♭]?[^\s]*$")
_SIGNS = {  # decorations that say where to go on
    "segno": {"segno": ""},
    "coda": {"coda": ""},
    "fine": {"fine": True},
    "dacoda": {"to_coda": ""},
    "tocoda": {"to_coda": ""},
    "dacapo": {"jump": Jump(False)},
    "d.c.": {"jump": Jump(False)},
    "d.s.": {"jump": Jump(True)},
}


class MusicReader:
    """Reads lines of music for a tune's current voice."""

    def __init__(self, tune):
        self._tune, self._meaningless = tune, Counter()

    def read(self, line: str):
        """Reads a line.

        Raises:
            UnreadableScore: it breaks the rules.
        """
        position = 0
        while position < len(line):
            found = _TOKEN.match(line, position)
            if found is None:
                self._skip(line[position])
                position += 1
                continue
            position = found.end()
            kind = found.lastgroup
            if kind not in ("space", "silent"):
                _READ[kind](self, found[0])

    def remarks(self) -> list[str]:
        """What had no meaning."""
        return [
            f"{number} characters {character!r} without a meaning in ABC left out"
            for character, number in self._meaningless.items()
        ]

    def _skip(self, character):
        if ord(character) < 32:
            raise UnreadableScore(f"not text: the character {character!r}")
        if character in "[{" and self._tune is not None:
            raise UnreadableScore(f"{character} is not closed")
        self._meaningless[character] += 1

    def _note(self, text):
        self._tune.voice.play([(_written(text), False)], _length(_parts(text)[3]))

    def _chord(self, text):
        inner, _, outer = text[1:].rpartition("]")
        found = [match for match in _IN_CHORD.finditer(inner) if match[2]]
        if not found:
            return
        notes = [(_written(match[0]), bool(match[5])) for match in found]
        length = _length(found[0][4]) * _length(outer)
        self._tune.voice.play(notes, length)

    def _rest(self, text):
        self._tune.voice.play([], _length(text[1:]))

    def _rest_bars(self, text):
        self._tune.voice.rest_bars(int(text[1:] or 1))

    def _graces(self, text):
        if len(text) > MAX_GRACES:
            raise UnreadableScore(
                f"a group of {len(text)} characters of grace notes; {MAX_GRACES} are "
                "the limit"
            )
        chords = []
        for match in re.finditer(rf"\[[^\]]*\]|{_NOTE}", text[1:-1]):
            chords.append([_written(m[0]) for m in _NOTES.finditer(match[0])])
        self._tune.voice.grace([chord for chord in chords if chord])

    def _tuplet(self, text):
        number, in_time_of, notes = ([*text[1:].split(":"), "", ""])[:3]
        number = int(number)
        if number < 1:
            raise UnreadableScore(f"{text} is not a tuplet")
        usual = _IN_TIME_OF.get(number) or (3 if self._is_compound() else 2)
        self._tune.voice.tuplet(
            number, int(in_time_of[:4] or usual), int(notes[:4] or number)
        )

    def _is_compound(self):
        metre = self._tune.voice.metre
        return bool(metre) and metre.denominator == 8 and metre.numerator in (6, 9, 12)

    def _broken(self, text):
        self._tune.voice.broken(len(text) if text[0] == ">" else -len(text))

    def _tie(self, _):
        self._tune.voice.tie()

    def _overlay(self, _):
        self._tune.voice.overlay()

    def _bar(self, text):
        sign = text.rstrip("0123456789,.-")
        ending = _passes(text[len(sign) :])
        sign = sign.replace("[|]", "") or "|"  # a bar line that is not seen
        if sign == "::":
            plays, starts = 2, True
        else:
            before, after = sign.split("|", 1)[0], sign.rsplit("|", 1)[1]
            plays = before.count(":") + 1 if ":" in before else 0
            starts = ":" in after
        closes = len(sign) > 1
        self._tune.voice.bar_line(plays, starts, ending, closes)

    def _ending(self, text):
        self._tune.voice.bar_line(ending=_passes(text[1:]))

    def _field(self, text):
        self._tune.field(text[1], text[3:-1].strip())

    def _text(self, text):
        text = text[1:-1].strip()
        if _CHORD_SYMBOL.match(text):
            self._tune.voice.say(Event(chord=text))
        else:
            self._tune.voice.mark(**marks_of_words(text.lstrip("^_<>@0123456789.,- ")))

    def _sign(self, text):
        name = {"S": "segno", "O": "coda"}.get(text, text[1:-1]).lower()
        if name in DYNAMICS:
            self._tune.voice.velocity = DYNAMICS[name]
        if name.startswith(("d.c.", "d.s.")):
            name = name[:4]
        self._tune.voice.mark(**_SIGNS.get(name, {}))


_READ = {
    "note": MusicReader._note,
    "field": MusicReader._field,
    "bar": MusicReader._bar,
    "ending": MusicReader._ending,
    "chord": MusicReader._chord,
    "rest": MusicReader._rest,
    "bars": MusicReader._rest_bars,
    "tuplet": MusicReader._tuplet,
    "broken": MusicReader._broken,
    "tie": MusicReader._tie,
    "text": MusicReader._text,
    "sign": MusicReader._sign,
    "graces": MusicReader._graces,
    "overlay": MusicReader._overlay,
}


def _parts(text):
    return _NOTES.match(text).groups()


def _written(text) -> Written:
    accidental, letter, octaves, *_ = _parts(text)
    octave = (4 if letter.isupper() else 5) + octaves.count("'") - octaves.count(",")
    return Written(
        letter.upper(),
        octave,
        _ACCIDENTALS[accidental] if accidental else None,
        (accidental or "") + letter + octaves,
    )


def _length(text: str) -> Fraction:
    """A length in unit note lengths: "3/2" is 3/2, "/" a half, "//" a quarter."""
    if not text:
        return Fraction(1)
    number, slashes, divisor = re.fullmatch(r"(\d*)(/*)(\d*)", text).groups()
    denominator = int(divisor) if divisor else 2 ** min(len(slashes), 20)
    if not denominator:
        raise UnreadableScore(f"a note length of {text}")
    return Fraction(int(number or 1), denominator)


def _passes(text):
    """The passes of an ending: "1,3" or "1-3"."""
    passes = set()
    for first, last in re.findall(r"(\d{1,3})(?:-(\d{1,3}))?", text):
        passes |= set(range(int(first), int(last or first) + 1))
    return frozenset(passes - {0})

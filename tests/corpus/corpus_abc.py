"""A piece of `corpus_music` as ABC, in one of many ways to write it."""

from __future__ import annotations

from fractions import Fraction
from typing import NamedTuple

from corpus_music import Event, Piece
from hypothesis import strategies as st

VELOCITIES = {"": 90, "p": 60, "f": 105}
# What sounds by the key, in semitones.
KEYS = {
    "C": {},
    "Am": {},
    "G": {"F": 1},
    "D": {"F": 1, "C": 1},
    "Bb": {"B": -1, "E": -1},
    "Ddor": {},
    "Amix": {"F": 1, "C": 1},
    "Fm": {"B": -1, "E": -1, "A": -1, "D": -1},
}
LETTERS = {"C": 0, "D": 2, "E": 4, "F": 5, "G": 7, "A": 9, "B": 11}
ACCIDENTALS = {-1: "_", 0: "=", 1: "^"}


class Style(NamedTuple):
    """How it is written."""

    unit: str  # L:
    key: str
    is_interleaved: bool  # a line for each voice in turn
    has_overlays: bool  # the second voice of a part; else it is a voice of its own
    has_broken_rhythm: bool
    is_explicit: bool  # accidentals that need not be written
    has_signs: (
        bool  # decorations, chord symbols, comments and lyrics, which say nothing
    )


styles = st.builds(
    Style,
    st.sampled_from(["1/4", "1/8", "1/16"]),
    st.sampled_from(list(KEYS)),
    *[st.booleans()] * 5,
)


def write(piece: Piece, style: Style, number: int = 1) -> str:
    """A tune."""
    header = [f"X:{number}", "T:Made up", f"M:{_metre(piece, 0)}", f"L:{style.unit}"]
    if piece.form.section_order:
        header.append(f"P:{piece.form.section_order}")
    lines = [*header, f"K:{style.key}"]
    voices = _voices(piece, style)
    bars = range(len(piece.lengths))
    for name, properties, directives, write_bar in voices:
        lines += [f"V:{name} {properties}".strip(), *directives]
        if not style.is_interleaved:
            lines += _lines([write_bar(bar) for bar in bars], style)
    for bar in bars if style.is_interleaved else ():
        for name, _, _, write_bar in voices:
            lines += [f"[V:{name}] {write_bar(bar)}"]
    return "\n".join(lines) + "\n"


def _lines(bars, style):
    """Some bars on a line each, with what says nothing between them."""
    for number, bar in enumerate(bars):
        yield bar + ("  % a comment" if style.has_signs and number % 2 else "")
        if style.has_signs and number == 0:
            yield "w: la la la"


def _metre(piece, bar):
    return "{}/{}".format(*piece.metres[bar])


def _voices(piece, style):
    """Name, properties, directives and writer of each."""
    found = []
    for number, part in enumerate(piece.parts):
        shift = f"transpose={part.transpose}" if part.transpose else ""
        kind = "channel 10" if part.is_drum else f"program {part.program}"
        layers = [[voice] for voice in part.voices]
        if style.has_overlays:
            layers = [part.voices]
        for voices in layers:
            writer = _Writer(piece, style, part, voices, is_first=not found)
            found.append((f"{number}{len(found)}", shift, [f"%%MIDI {kind}"], writer))
    return found


class _Writer:
    """Writes a voice's bars, in their order."""

    def __init__(self, piece, style, part, voices, is_first):
        self._piece, self._style, self._part = piece, style, part
        self._voices, self._is_first = voices, is_first
        self._unit = 4 * Fraction(style.unit)

    def __call__(self, bar) -> str:
        mark, self._altered = self._piece.form.marks[bar], {}
        text = self._before(mark, bar)
        layers = []
        for number, voice in enumerate(self._voices):
            has_tempos = self._is_first and number == 0
            continues = bar > 0 and voice[bar - 1][-1].tied
            layers.append(self._layer(voice[bar], bar, number, continues, has_tempos))
        return text + " & ".join(layers) + self._after(mark)

    def _before(self, mark, bar):
        text = f"P:{mark.section}\n" if mark.section else ""
        text = f"[P:{mark.section}]" if text and self._style.is_interleaved else text
        if mark.start:
            text += "|:"
        if mark.ending:
            text += f"[{mark.ending} "
        if bar and self._piece.metres[bar] != self._piece.metres[bar - 1]:
            text += f"[M:{_metre(self._piece, bar)}]"
        if self._is_first:
            text += "!segno!" * mark.segno + "!coda!" * mark.coda
        sign = self._part.dynamics[bar]
        return text + (f"!{sign}!" if sign else "")

    def _after(self, mark):
        text = " "
        if self._is_first:
            text += "!dacoda!" * mark.to_coda + "!fine!" * mark.fine
            text += {"": "", "dc": "!D.C.!", "ds": "!D.S.!"}[mark.jump]
        if mark.plays:
            return text + ":" * (mark.plays - 1) + "|"
        return text + ("||" if mark.is_last_ending else "|")

    def _layer(self, events, bar, number, continues, has_tempos):
        tempos = dict(self._piece.tempos[bar]) if has_tempos else {}
        texts, onset = [], Fraction(0)
        is_free = number == 0 and not self._style.is_explicit
        while events:
            has_change = tempos.keys() - {onset}
            group = _group(events, self._style.has_broken_rhythm and not has_change)
            events = events[len(group) :]
            factor, text = Fraction(1), ""
            if group[0].duration.denominator == 3:
                factor = Fraction(3, 2)
                text = "(3" if len(group) == 3 else f"(3:2:{len(group)}"
            is_broken = len(group) == 2 and factor == 1
            for i, event in enumerate(group):
                if onset in tempos:
                    text += f"[Q:1/4={tempos[onset]}]"
                duration = Fraction(1, 2) if is_broken else event.duration * factor
                text += self._event(event, duration, continues, is_free)
                if is_broken and i == 0:
                    text += ">" if event.duration > duration else "<"
                continues, onset = event.tied, onset + event.duration
            texts.append(text)
        if self._style.has_signs and "[Q" not in texts[0]:
            texts[0] = '"Am"!trill!.' + texts[0]
        return " ".join(texts)

    def _event(self, event, duration, continues, is_free):
        length = _length(duration / self._unit)
        if not event.pitches:
            return "z" + length
        text = ""
        if event.graces:
            graces = (self._note(pitch, False, False) for pitch in event.graces)
            text = "{" + "".join(graces) + "}"
        notes = [self._note(pitch, is_free, continues) for pitch in event.pitches]
        chord = notes[0] if len(notes) == 1 else f"[{''.join(notes)}]"
        return text + chord + length + "-" * event.tied

    def _note(self, pitch, is_free, continues):
        pitch -= self._part.transpose
        letter, alteration = _spelled(pitch, self._style.key)
        octave = (pitch - alteration) // 12 - 1
        usual = self._altered.get(letter, KEYS[self._style.key].get(letter, 0))
        # A tied note has the accidental of the note before.
        is_written = not is_free or usual != alteration or continues
        if is_written:
            self._altered[letter] = alteration
        accidental = ACCIDENTALS[alteration] if is_written else ""
        if octave >= 5:
            return accidental + letter.lower() + "'" * (octave - 5)
        return accidental + letter + "," * (4 - octave)


def _spelled(pitch, key):
    """Letter and alteration: as the key has it, else natural or sharp."""
    for letter, number in LETTERS.items():
        alteration = KEYS[key].get(letter, 0)
        if (number + alteration - pitch) % 12 == 0:
            return letter, alteration
    for alteration in (0, 1):
        for letter, number in LETTERS.items():
            if (number + alteration - pitch) % 12 == 0:
                return letter, alteration
    raise AssertionError(pitch)


def _group(events, may_break) -> list[Event]:
    """What is written together: a tuplet, a broken pair, or one event."""
    first = events[0]
    if first.duration.denominator == 3:
        group, total = [], Fraction(0)
        while not group or total.denominator != 1:
            group.append(events[len(group)])
            total += group[-1].duration
        return group
    pair = [event.duration for event in events[:2]]
    halves = [Fraction(3, 4), Fraction(1, 4)]
    is_pair = pair in (halves, halves[::-1]) and not first.tied
    return events[:2] if is_pair and may_break else events[:1]


def _length(units: Fraction) -> str:
    if units.denominator == 1:
        return "" if units == 1 else str(units.numerator)
    number = "" if units.numerator == 1 else str(units.numerator)
    if units.denominator == 2:
        return f"{number}/"
    return f"{number}/{units.denominator}"

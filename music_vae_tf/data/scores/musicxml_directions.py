"""MusicXML's directions, sounds, bar lines and chord symbols."""

from __future__ import annotations

import math
import re
from fractions import Fraction
from typing import NamedTuple

from music_vae_tf.data.scores.playback_order import marks_of_words
from music_vae_tf.data.scores.score import DYNAMICS, Jump, Marks, is_tempo

_FORTE = 90  # MIDI velocity that dynamics of 100 stand for
_BEATS = {  # quarters
    "breve": 8.0,
    "whole": 4.0,
    "half": 2.0,
    "quarter": 1.0,
    "eighth": 0.5,
    "16th": 0.25,
    "32nd": 0.125,
}
_ALTERATIONS = {-2: "bb", -1: "b", 0: "", 1: "#", 2: "##"}


class Direction(NamedTuple):
    """What holds from a direction on."""

    qpm: float | None
    velocity: int | None
    marks: Marks


def of_direction(element) -> Direction:
    """A `direction` by itself, without its `sound`s, which are more exact."""
    qpm = velocity = None
    marks = Marks()
    for kind in element.iterfind("direction-type/*"):
        if kind.tag == "metronome":
            qpm = _metronome(kind) or qpm
        elif kind.tag == "dynamics":
            found = [DYNAMICS[sign.tag] for sign in kind if sign.tag in DYNAMICS]
            velocity = found[-1] if found else velocity
        elif kind.tag in ("segno", "coda"):
            setattr(marks, kind.tag, "")
    words = " ".join(w.text or "" for w in element.iterfind("direction-type/words"))
    for name, value in marks_of_words(words).items():
        setattr(marks, name, value)
    if marks.to_coda is not None:
        marks.coda = None  # the sign beside "To Coda"
    return Direction(qpm, velocity, _corrected(marks, element))


def _corrected(marks, direction):
    """The signs of a direction without what its `sound` explains."""
    sounds = direction.findall("sound")
    if any(sound.get("tocoda") is not None for sound in sounds):
        marks.coda = None
    for name in ("segno", "coda"):
        labels = [s.get(name) for s in sounds if s.get(name) is not None]
        if labels and getattr(marks, name) is not None:
            setattr(marks, name, labels[0])
    if marks.jump and any(sound.get("dalsegno") is not None for sound in sounds):
        marks.jump = None  # the sound has the label
    return marks


def of_sound(element) -> Direction:
    """The effect of a `sound`."""
    qpm = finite(element.get("tempo"))
    marks = Marks(
        segno=element.get("segno"),
        coda=element.get("coda"),
        to_coda=element.get("tocoda"),
        fine=element.get("fine") not in (None, "no"),
        repeat_start=element.get("forward-repeat") == "yes",
    )
    if element.get("dacapo") == "yes":
        marks.jump = Jump(to_segno=False)
    elif element.get("dalsegno") is not None:
        marks.jump = Jump(True, element.get("dalsegno"))
    velocity = percent(element.get("dynamics"))
    return Direction(qpm if qpm and is_tempo(qpm) else None, velocity, marks)


def percent(text: str | None) -> int | None:
    """The MIDI velocity of a MusicXML `dynamics` attribute; None if not a number."""
    number = finite(text)
    if number is None or not 0 <= number < 1e6:
        return None
    return min(max(round(number * _FORTE / 100), 1), 127)


def of_barline(element, ending):
    """The effect of a `barline`: its marks, the ending in force, and whether that
    stops there. `ending` is the one before."""
    marks, stops = Marks(), False
    for sign in element:
        if sign.tag == "repeat" and sign.get("direction") == "forward":
            marks.repeat_start = True
        elif sign.tag == "repeat":
            times = sign.get("times") or ""
            marks.repeat_plays = max(int(times), 1) if _is_count(times) else 2
        elif sign.tag == "ending":
            if sign.get("type") == "start":
                ending = _passes(sign.get("number") or sign.text or "")
                marks.ending_starts = bool(ending)
            stops = stops or sign.get("type") in ("stop", "discontinue")
        elif sign.tag in ("segno", "coda"):
            setattr(marks, sign.tag, element.get(sign.tag, ""))
    return marks, ending, stops


def _is_count(text):
    return text.isascii() and text.isdecimal() and len(text) < 6


def _passes(text):
    """Numbers of an ending: "1, 2" or "1-3"; without any, the first is meant."""
    passes = set()
    for first, last in re.findall(r"(\d{1,3})(?:\s*-\s*(\d{1,3}))?", text):
        passes |= set(range(int(first), int(last or first) + 1))
    return frozenset(passes or {1})


def settle_codas(parts):
    """Of two coda signs without words, the first says where to leave the bars."""
    number = max((len(part.bars) for part in parts), default=0)
    leaves, codas = [], []
    for index in range(number):
        marks = [part.bars[index].marks for part in parts]
        leaves += [index] * any(mark.to_coda is not None for mark in marks)
        codas += [index] * any(mark.coda is not None for mark in marks)
    if leaves or len(codas) < 2:
        return
    for part in parts:
        mark = part.bars[codas[0]].marks
        mark.to_coda, mark.coda = mark.coda, None


def chord_symbol(element) -> str | None:
    """The figure of a `harmony`, as note_seq writes it; None if it has no root."""
    from note_seq.musicxml_parser import ChordSymbol

    kind = (element.findtext("kind") or "").strip()
    figure = ChordSymbol.CHORD_KIND_ABBREVIATIONS.get(kind)
    root = _step(element.find("root"), "root")
    if figure is None or (root is None and figure != "N.C."):
        return None
    if root is None:
        return figure
    bass = _step(element.find("bass"), "bass")
    degrees = "".join(map(_degree, element.findall("degree")))
    return root + figure + degrees + (f"/{bass}" if bass else "")


def _step(element, name):
    step = "" if element is None else (element.findtext(f"{name}-step") or "").strip()
    if step not in tuple("ABCDEFG"):
        return None
    alter = finite(element.findtext(f"{name}-alter")) or 0
    return step + _ALTERATIONS.get(int(alter), "")


def _degree(element):
    value = (element.findtext("degree-value") or "").strip()
    alter = _ALTERATIONS.get(int(finite(element.findtext("degree-alter")) or 0), "")
    kind = (element.findtext("degree-type") or "").strip()
    words = {"add": "add", "subtract": "no"}.get(kind, "")
    return f"({words}{alter}{value})" if value else ""


def _metronome(element):
    """Tempo in BPM; None for a metric modulation, or words."""
    unit = element.find("beat-unit")
    minute = re.search(r"\d+(?:[.,]\d+)?", element.findtext("per-minute") or "")
    beat = None if unit is None else _BEATS.get((unit.text or "").strip())
    if beat is None or minute is None or len(element.findall("beat-unit")) > 1:
        return None
    dots = min(len(element.findall("beat-unit-dot")), 4)
    qpm = float(minute[0].replace(",", ".")) * beat * float(2 - Fraction(1, 2**dots))
    return qpm if is_tempo(qpm) else None


def finite(text: str | None, otherwise: float | None = None) -> float | None:
    """A finite number, or `otherwise` for any other text."""
    try:
        number = float(text)
    except (TypeError, ValueError):
        return otherwise
    return number if math.isfinite(number) else otherwise

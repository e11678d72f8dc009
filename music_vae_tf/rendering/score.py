"""NoteSequence -> sheet music: MusicXML by music21, engraved as SVG, PNG and PDF.

Every instrument is one staff, and a staff is one line: notes that begin together are a
chord, which lasts until it ends or the next one begins.
"""

from __future__ import annotations

import importlib.util
import io
import itertools
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import NamedTuple
from xml.etree import ElementTree

from music_vae_tf.errors import UserFacingError
from music_vae_tf.rendering.reproducible import reproducible

TICKS_PER_QUARTER = 24  # the finest notes are 32nds, and triplets of them
MIDDLE_C = 60
PAGE_MM = (210, 297)
MARGIN_MM = 15
SVG = "http://www.w3.org/2000/svg"
FONT = "DejaVu Serif"
PLACE = ("x", "y", "text-anchor")
# Of the music fonts' private characters, those in tempo marks.
NOTE_CHARACTERS = {0xECA5: "\N{QUARTER NOTE}", 0xECB7: "."}
PNG_WIDTH_PX = 1654  # 200 pixels an inch
# Fifths from C to the tonic: negative in keys with flats.
FIFTHS = {0: 0, 7: 1, 2: 2, 9: 3, 4: 4, 11: 5, 6: 6, 1: -5, 8: -4, 3: -3, 10: -2, 5: -1}
LETTERS_BY_FIFTHS = "FCGDAEB"
# Lengths that one note can have, in ticks: of a beat or more, and within a beat.
LONG = (96, 72, 48, 36, 24)
SHORT = (24, 18, 16, 12, 9, 8, 6, 4, 3, 2, 1)


class LibraryMissing(UserFacingError, ValueError):
    """A library of the extra `score` is not installed."""


def require(*libraries: str) -> None:
    """
    Raises:
        LibraryMissing: one of the modules is not installed; says how to get it.
    """
    for name in libraries:
        if importlib.util.find_spec(name) is None:
            raise LibraryMissing(
                f"{name} is not installed, and sheet music needs it: "
                "pip install 'music_vae_tf[score]'"
            )


# What stands on the staves.


class Span(NamedTuple):
    """A chord or a rest from one tick to another."""

    start: int
    end: int
    pitches: tuple[int, ...]  # MIDI numbers, ascending; () is a rest


class Piece(NamedTuple):
    """One written note, chord or rest: a span or a part of one, within a bar."""

    start: int
    end: int
    pitches: tuple[int, ...]
    tied_before: bool
    tied_after: bool


class Metre(NamedTuple):
    """A time signature."""

    numerator: int
    denominator: int

    @property
    def bar(self) -> int:
        """Ticks of a bar."""
        return self.numerator * TICKS_PER_QUARTER * 4 // self.denominator

    @property
    def beat(self) -> int:
        """Ticks of a beat: three eighths in 6/8."""
        unit = TICKS_PER_QUARTER * 4 // self.denominator
        is_compound = self.numerator % 3 == 0 and self.numerator > 3
        return 3 * unit if is_compound and self.denominator >= 8 else unit


def spans(notes, seconds_per_quarter: float) -> list[Span]:
    """The chords of a staff, in their order, without the rests between them."""
    tick_s = seconds_per_quarter / TICKS_PER_QUARTER
    chords = {}
    for note in notes:
        start, end = round(note.start_time / tick_s), round(note.end_time / tick_s)
        chords.setdefault(start, []).append((note.pitch, max(end, start + 1)))
    starts = sorted(chords)
    return [
        Span(
            start,
            min(max(end for _, end in chords[start]), following),
            tuple(sorted({pitch for pitch, _ in chords[start]})),
        )
        for start, following in zip(starts, [*starts[1:], float("inf")])
    ]


def with_rests(chords: list[Span], end: int) -> list[Span]:
    """The same with rests wherever nothing sounds, up to `end`."""
    filled, now = [], 0
    for chord in chords:
        if chord.start > now:
            filled.append(Span(now, chord.start, ()))
        filled.append(chord)
        now = chord.end
    return [*filled, Span(now, end, ())] if now < end else filled


def written(span: Span, metre: Metre) -> Iterator[Piece]:
    """A span as notes that can be written and read: cut at bar lines and at beats, and
    into lengths that a note can have."""
    edges = [span.start]
    while edges[-1] < span.end:
        edges.append(edges[-1] + _length_of_next(edges[-1], span, metre))
    for start, end in itertools.pairwise(edges):
        tied = bool(span.pitches)
        yield Piece(
            start,
            end,
            span.pitches,
            tied_before=tied and start > span.start,
            tied_after=tied and end < span.end,
        )


def _length_of_next(start, span, metre):
    in_bar = start % metre.bar
    left = min(span.end - start, metre.bar - in_bar)
    if not span.pitches and left == metre.bar:
        return left  # a bar's rest, whatever the metre
    in_beat = in_bar % metre.beat
    half = metre.beat // 2
    is_syncope = in_beat == half and left == metre.beat and metre.beat == 24
    if is_syncope and span.pitches:
        return left
    if in_beat:
        left = min(left, metre.beat - in_beat)
    elif left > metre.beat and left not in LONG:
        left -= left % metre.beat
    lengths = LONG if left >= metre.beat and not in_beat else SHORT
    return next(length for length in (*lengths, *SHORT) if length <= left)


def spelled(pitch: int, fifths: int) -> str:
    """A MIDI number as music21 names it in a key: `F#4`, `B-3`.

    Of the names that sound alike, the one nearest on the circle of fifths: from three
    fifths below the tonic of the major key to eight above it, which are in C major the
    names from E flat to G sharp.
    """
    place = next(
        place
        for place in range(fifths - 3, fifths + 9)
        if (place * 7 - pitch) % 12 == 0
    )
    accidentals, letter = divmod(place + 1, 7)
    name = LETTERS_BY_FIFTHS[letter] + ("#" * accidentals or "-" * -accidentals)
    natural = pitch - accidentals
    return f"{name}{natural // 12 - 1}"


# MusicXML.


def musicxml(sequence, title: str) -> bytes:
    """A NoteSequence as MusicXML: its first tempo, metre and key hold to its end.

    Raises:
        LibraryMissing: music21 is not installed.
    """
    require("music21")
    from music21.musicxml.m21ToXml import GeneralObjectExporter

    return reproducible(GeneralObjectExporter(score(sequence, title)).parse())


def score(sequence, title: str):
    """The music21 score of a NoteSequence."""
    from music21 import layout, metadata, stream

    qpm = sequence.tempos[0].qpm if sequence.tempos else 120.0
    metre = Metre(4, 4)
    if sequence.time_signatures:
        first = sequence.time_signatures[0]
        metre = Metre(first.numerator, first.denominator)
    staves = _staves(sequence, 60.0 / qpm)
    ends = [span.end for _, chords in staves for span in chords]
    end = -(-max(ends, default=1) // metre.bar) * metre.bar
    parts = [
        _part(number, name, with_rests(chords, end), sequence, metre, len(staves))
        for number, (name, chords) in enumerate(staves)
    ]
    parts[0].measure(1).insert(0, _tempo_mark(qpm, metre))
    group = layout.StaffGroup(parts, symbol="brace", barTogether=True)
    return stream.Score([metadata.Metadata(title=title), *parts, group])


def _tempo_mark(qpm, metre):
    from music21 import duration, tempo

    is_dotted = metre.beat % 36 == 0
    beat = duration.Duration(1.5 if is_dotted else 1.0)
    per_minute = qpm / float(beat.quarterLength)
    return tempo.MetronomeMark(number=round(per_minute, 2), referent=beat)


def _staves(sequence, seconds_per_quarter):
    """The name and the chords of each instrument."""
    names = {info.instrument: info.name for info in sequence.instrument_infos}
    instruments = sorted({note.instrument for note in sequence.notes} | set(names))
    return [
        (
            names.get(instrument, ""),
            spans(
                [note for note in sequence.notes if note.instrument == instrument],
                seconds_per_quarter,
            ),
        )
        for instrument in instruments or [0]
    ]


def _part(number, name, line, sequence, metre, num_staves):
    from music21 import key, meter, stream

    part = stream.PartStaff(id=f"staff{number + 1}")
    part.partName = name if num_staves != 2 else ""  # a brace says it
    fifths, mode = _key(sequence)
    signature = key.KeySignature(fifths).asKey(mode)
    pieces = [piece for span in line for piece in written(span, metre)]
    for bar, group in itertools.groupby(pieces, lambda p: p.start // metre.bar):
        measure = stream.Measure(number=bar + 1)
        if bar == 0:
            measure.append(_clef(number, line, num_staves))
            measure.append(signature)
            measure.append(
                meter.TimeSignature(f"{metre.numerator}/{metre.denominator}")
            )
        for piece in group:
            measure.append(_written_element(piece, fifths, metre))
        part.append(measure)
    part.measure(-1).rightBarline = "final"
    return part


def _key(sequence):
    """Fifths (sharps, or minus flats) and mode of the first key."""
    if not sequence.key_signatures:
        return 0, "major"
    first = sequence.key_signatures[0]
    is_minor = first.mode == first.MINOR
    tonic_of_major = (first.key + 3) % 12 if is_minor else first.key
    return FIFTHS[tonic_of_major], "minor" if is_minor else "major"


def _clef(number, line, num_staves):
    from music21 import clef

    pitches = [pitch for span in line for pitch in span.pitches]
    mean = sum(pitches) / len(pitches) if pitches else MIDDLE_C
    is_treble = number == 0 if num_staves == 2 else mean >= MIDDLE_C
    return clef.TrebleClef() if is_treble else clef.BassClef()


def _written_element(piece, fifths, metre):
    from music21 import chord, note, tie

    length = Fraction(piece.end - piece.start, TICKS_PER_QUARTER)
    if not piece.pitches:
        rest = note.Rest(quarterLength=length)
        rest.fullMeasure = piece.end - piece.start == metre.bar
        return rest
    names = [spelled(pitch, fifths) for pitch in piece.pitches]
    element = chord.Chord(names) if len(names) > 1 else note.Note(names[0])
    element.quarterLength = length
    kinds = {(True, True): "continue", (True, False): "stop", (False, True): "start"}
    kind = kinds.get((piece.tied_before, piece.tied_after))
    if kind:
        element.tie = tie.Tie(kind)
    return element


# Pictures.


def svg_pages(xml: bytes) -> list[str]:
    """The engraved pages of a MusicXML document.

    Raises:
        LibraryMissing: verovio is not installed.
    """
    require("verovio")
    import verovio

    verovio.enableLog(verovio.LOG_ERROR)
    toolkit = verovio.toolkit()
    width, height = (10 * mm for mm in PAGE_MM)
    toolkit.setOptions(
        {
            "pageWidth": width,
            "pageHeight": height,
            "scale": 100,
            "header": "auto",
            "footer": "none",
            "spacingStaff": 16,  # hands reach far below and above their staves
            **dict.fromkeys(("pageMarginLeft", "pageMarginRight"), MARGIN_MM * 10),
            **dict.fromkeys(("pageMarginTop", "pageMarginBottom"), MARGIN_MM * 10),
            "breaks": "auto",
            "mnumInterval": 0,
            "xmlIdSeed": 1,  # or ids are random
        }
    )
    toolkit.loadData(xml.decode("utf-8"))
    pages = range(1, toolkit.getPageCount() + 1)
    return [_simplified(toolkit.renderToSVG(page)) for page in pages]


def _simplified(svg: str) -> str:
    """The same page without what not every program reads.

    Verovio nests texts, and a second SVG with other units in the first, and takes the
    note of a tempo mark from a font of its own.
    """
    ElementTree.register_namespace("", SVG)
    ElementTree.register_namespace("xlink", "http://www.w3.org/1999/xlink")
    page = ElementTree.fromstring(svg)
    for text in page.iter(f"{{{SVG}}}text"):
        _flatten(text)
    inner = page.find(f"{{{SVG}}}svg")
    page.set("viewBox", inner.attrib.pop("viewBox"))
    inner.tag = f"{{{SVG}}}g"
    return ElementTree.tostring(page, encoding="unicode")


def _flatten(text):
    """An SVG text as one string, of the size of its last words, at its place."""
    spans = list(text.iter(f"{{{SVG}}}tspan"))
    runs = [span for span in spans if (span.text or "").strip()]
    place = {}
    for element in (*reversed(spans), text):
        place |= {name: v for name, v in element.items() if name in PLACE}
    words = "".join(run.text for run in runs).translate(NOTE_CHARACTERS)
    size = runs[-1].get("font-size") if runs else "0px"
    text.clear()
    text.attrib |= {**place, "font-family": FONT, "font-size": size}
    text.text = words


def png(svg: str) -> bytes:
    """An SVG page as a PNG picture on white.

    Raises:
        LibraryMissing: resvg_py is not installed.
    """
    require("resvg_py")
    import resvg_py

    return bytes(
        resvg_py.svg_to_bytes(
            svg_string=svg,
            width=PNG_WIDTH_PX,
            background="white",
            font_files=[str(path) for path in _fonts()],
            font_family=FONT,
            serif_family=FONT,
        )
    )


def _fonts():
    """Those that matplotlib brings: a machine may have none."""
    import matplotlib

    folder = Path(matplotlib.get_data_path(), "fonts", "ttf")
    return [folder / "DejaVuSerif.ttf", folder / "DejaVuSerif-Bold.ttf"]


def pdf(svgs: list[str]) -> bytes:
    """SVG pages as one PDF document.

    Raises:
        LibraryMissing: svglib is not installed.
    """
    require("svglib")
    from reportlab.graphics import renderPDF
    from reportlab.lib.units import mm
    from reportlab.pdfgen import canvas
    from svglib.svglib import register_font, svg2rlg

    for path, weight in zip(_fonts(), ("normal", "bold")):
        register_font(FONT, str(path), weight)
    width, height = (length * mm for length in PAGE_MM)
    buffer = io.BytesIO()
    document = canvas.Canvas(buffer, pagesize=(width, height), invariant=True)
    for svg in svgs:
        drawing = svg2rlg(io.BytesIO(svg.encode("utf-8")))
        scale = width / drawing.width
        drawing.scale(scale, scale)
        renderPDF.draw(drawing, document, 0, height - drawing.height * scale)
        document.showPage()
    document.save()
    return buffer.getvalue()

"""NoteSequence -> MusicXML, by music21. Every instrument is one staff."""

from __future__ import annotations

import itertools
from fractions import Fraction

from music_vae_tf.rendering.libraries import require
from music_vae_tf.rendering.reproducible import reproducible
from music_vae_tf.rendering.staves import (
    TICKS_PER_QUARTER,
    Metre,
    spans,
    spelled,
    with_rests,
    written,
)

MIDDLE_C = 60
# Fifths from C to the tonic: negative in keys with flats.
FIFTHS = {0: 0, 7: 1, 2: 2, 9: 3, 4: 4, 11: 5, 6: 6, 1: -5, 8: -4, 3: -3, 10: -2, 5: -1}


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

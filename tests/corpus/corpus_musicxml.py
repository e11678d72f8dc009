"""A piece of `corpus_music` as MusicXML, in one of many ways to write it."""

from __future__ import annotations

import io
import zipfile
from fractions import Fraction
from typing import NamedTuple

from corpus_music import Piece
from hypothesis import strategies as st

VELOCITIES = {"": 64, "p": 49, "f": 80}
STEPS = ["C", "C#", "D", "D#", "E", "F", "F#", "G", "G#", "A", "A#", "B"]


class Style(NamedTuple):
    """How it is written."""

    divisions: int
    tempo: str  # sound, direction, metronome
    tie: str  # tie, tied, both
    jump: str  # sound, words, both
    is_timewise: bool
    is_compressed: bool
    has_cues: bool
    forwards: bool  # in place of rests


styles = st.builds(
    Style,
    st.sampled_from([12, 24, 480]),
    st.sampled_from(["sound", "direction", "metronome"]),
    st.sampled_from(["tie", "tied", "both"]),
    st.sampled_from(["sound", "words", "both"]),
    *[st.booleans()] * 4,
)


def write(piece: Piece, style: Style) -> bytes:
    """The bytes of a file."""
    parts = [
        [_measure(piece, style, number, bar) for bar in range(len(piece.lengths))]
        for number in range(len(piece.parts))
    ]
    names = [f"P{number}" for number in range(1, len(parts) + 1)]
    listed = "".join(map(_score_part, names, piece.parts))
    if style.is_timewise:
        body = "".join(
            f'<measure number="{i}">{"".join(map(_in_part, names, bars))}</measure>'
            for i, bars in enumerate(zip(*parts), 1)
        )
    else:
        body = "".join(map(_in_part, names, map(_measures, parts)))
    kind = "score-timewise" if style.is_timewise else "score-partwise"
    text = (
        f'<?xml version="1.0"?><{kind}><part-list>{listed}</part-list>{body}</{kind}>'
    )
    return _compressed(text) if style.is_compressed else text.encode()


def _compressed(text):
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w", zipfile.ZIP_DEFLATED) as archive:
        root = '<rootfile full-path="music/score.xml"/>'
        container = f"<container><rootfiles>{root}</rootfiles></container>"
        archive.writestr("META-INF/container.xml", container)
        archive.writestr("music/score.xml", text)
    return written.getvalue()


def _measures(bars):
    return "".join(
        f'<measure number="{i}">{b}</measure>' for i, b in enumerate(bars, 1)
    )


def _in_part(name, content):
    return f'<part id="{name}">{content}</part>'


def _score_part(name, part):
    if not part.is_drum:
        inside = f'<score-instrument id="{name}-I"><instrument-name>x</instrument-name>'
        inside += f'</score-instrument><midi-instrument id="{name}-I"><midi-channel>1'
        inside += f"</midi-channel><midi-program>{part.program + 1}</midi-program>"
        inside += "</midi-instrument>"
    else:
        drums = {p for v in part.voices for b in v for e in b for p in e.pitches}
        inside = "".join(
            f'<score-instrument id="{name}-I{drum}"><instrument-name>y'
            "</instrument-name></score-instrument>"
            for drum in sorted(drums)
        ) + "".join(
            f'<midi-instrument id="{name}-I{drum}"><midi-channel>10</midi-channel>'
            f"<midi-unpitched>{drum + 1}</midi-unpitched></midi-instrument>"
            for drum in sorted(drums)
        )
    return f'<score-part id="{name}"><part-name>{name}</part-name>{inside}</score-part>'


def _measure(piece, style, number, bar):
    part, mark = piece.parts[number], piece.form.marks[bar]
    written = _left_barline(mark) + _attributes(piece, style, part, bar)
    written += _before(mark, style) if number == 0 else ""
    if part.dynamics[bar]:
        sign = f"<dynamics><{part.dynamics[bar]}/></dynamics>"
        written += f"<direction><direction-type>{sign}</direction-type></direction>"
    for voice in range(len(part.voices)):
        if voice:
            written += f"<backup><duration>{_ticks(piece.lengths[bar], style)}</duration></backup>"  # noqa: E501
        has_tempo = number == voice == 0
        written += _voice(piece, style, number, voice, bar, has_tempo)
    if style.has_cues and not part.is_drum:
        length = f"<duration>{_ticks(piece.lengths[bar], style)}</duration>"
        written += f"<backup>{length}</backup><note><cue/>{_pitch(72)}{length}"
        written += "<voice>9</voice></note>"
    return written + (_after(mark, style) if number == 0 else "") + _right_barline(mark)


def _ticks(duration, style):
    ticks = duration * style.divisions
    assert ticks == int(ticks)
    return int(ticks)


def _attributes(piece, style, part, bar):
    inside = f"<divisions>{style.divisions}</divisions>" if bar == 0 else ""
    if bar == 0 or piece.metres[bar] != piece.metres[bar - 1]:
        beats, kind = piece.metres[bar]
        inside += f"<time><beats>{beats}</beats><beat-type>{kind}</beat-type></time>"
    if bar == 0 and part.transpose:
        octaves, semitones = divmod(part.transpose, 12)
        inside += f"<transpose><chromatic>{semitones}</chromatic>"
        inside += f"<octave-change>{octaves}</octave-change></transpose>"
    return f"<attributes>{inside}</attributes>" if inside else ""


def _voice(piece, style, number, voice, bar, has_tempo):
    part, written, onset = piece.parts[number], "", Fraction(0)
    events = part.voices[voice][bar]
    before = part.voices[voice][bar - 1][-1:] if bar else []
    for event, previous in zip(events, [*before, *events] if bar else [None, *events]):
        for at, qpm in piece.tempos[bar] if has_tempo else ():
            written += _tempo(qpm, style) if at == onset else ""
        continues = previous is not None and previous.tied
        written += _event(event, style, part, number, voice, continues)
        onset += event.duration
    return written


def _event(event, style, part, number, voice, continues):
    end = f"<voice>{voice + 1}</voice>"
    length = f"<duration>{_ticks(event.duration, style)}</duration>"
    if not event.pitches:
        is_silent = style.forwards and voice
        return f"<forward>{length}</forward>" if is_silent else (
            f"<note><rest/>{length}{end}</note>"
        )  # fmt: skip
    written = ""
    for pitch in event.graces:
        written += f"<note><grace/>{_what(pitch, part)}{end}</note>"
    for i, pitch in enumerate(event.pitches):
        chord = "<chord/>" if i else ""
        tie, tied = _ties(event.tied, continues, style)
        name = f'<instrument id="P{number + 1}-I{pitch}"/>' if part.is_drum else ""
        written += f"<note>{chord}{_what(pitch, part)}{length}{tie}{name}{end}{tied}"
        written += "</note>"
    return written


def _ties(starts, continues, style):
    types = ["stop"] * continues + ["start"] * starts
    tie = "".join(f'<tie type="{kind}"/>' for kind in types)
    tied = "".join(f'<tied type="{kind}"/>' for kind in types)
    tied = f"<notations>{tied}</notations>" if tied else ""
    return tie * (style.tie != "tied"), tied * (style.tie != "tie")


def _what(pitch, part):
    if part.is_drum:
        place = "<display-step>C</display-step><display-octave>5</display-octave>"
        return f"<unpitched>{place}</unpitched>"
    return _pitch(pitch - part.transpose)


def _pitch(number):
    step, *sharp = STEPS[number % 12]
    alter = "<alter>1</alter>" if sharp else ""
    return (
        f"<pitch><step>{step}</step>{alter}<octave>{number // 12 - 1}</octave></pitch>"
    )


def _tempo(qpm, style):
    if style.tempo == "sound":
        return f'<sound tempo="{qpm}"/>'
    metronome = "<metronome><beat-unit>quarter</beat-unit>"
    metronome += f"<per-minute>{qpm}</per-minute></metronome>"
    if style.tempo == "metronome":
        return _direction(metronome, "")
    return _direction("<words>Tempo</words>", f'tempo="{qpm}"')


def _direction(kind, sound):
    sound = f"<sound {sound}/>" if sound else ""
    return f"<direction><direction-type>{kind}</direction-type>{sound}</direction>"


def _sign(style, kind, sound):
    if style.jump == "sound":
        return f"<sound {sound}/>"
    return _direction(kind, sound if style.jump == "both" else "")


def _before(mark, style):
    segno = _sign(style, "<segno/>", 'segno="segno"') if mark.segno else ""
    return segno + (_sign(style, "<coda/>", 'coda="coda"') if mark.coda else "")


def _after(mark, style):
    written = ""
    if mark.to_coda:
        written += _sign(style, "<words>To Coda</words>", 'tocoda="coda"')
    if mark.fine:
        written += _sign(style, "<words>Fine</words>", 'fine="yes"')
    if mark.jump == "dc":
        written += _sign(style, "<words>D.C. al Fine</words>", 'dacapo="yes"')
    if mark.jump == "ds":
        written += _sign(style, "<words>D.S. al Coda</words>", 'dalsegno="segno"')
    return written


def _left_barline(mark):
    inside = f'<ending number="{mark.ending}" type="start"/>' if mark.ending else ""
    inside += '<repeat direction="forward"/>' if mark.start else ""
    return f'<barline location="left">{inside}</barline>' if inside else ""


def _right_barline(mark):
    kind = "discontinue" if mark.is_last_ending else "stop"
    inside = f'<ending number="{mark.ending}" type="{kind}"/>' if mark.ending else ""
    if mark.plays:
        times = f' times="{mark.plays}"' if mark.plays > 2 else ""
        inside += f'<repeat direction="backward"{times}/>'
    return f'<barline location="right">{inside}</barline>' if inside else ""

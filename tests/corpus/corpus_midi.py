"""Notes whose sound is known, as MIDI in one of many ways to write them.

`files` draws the bytes of a file and the `Sound` that a DAW plays.
"""

from __future__ import annotations

import struct
from random import Random
from typing import NamedTuple

from corpus_music import Note, Sound
from hypothesis import strategies as st

SIXTEENTH = 1 / 4  # quarters
END_OF_TRACK = b"\xff\x2f\x00"


class Strike(NamedTuple):
    """A note as it is written, and as it sounds; times in ticks."""

    channel: int
    pitch: int
    velocity: int
    start: int
    release: int | None  # None where none is written
    end: int = 0  # 0 where the end of the track decides


class Style(NamedTuple):
    """How a file is written, and what is wrong with it."""

    kind: int  # 0 or 1
    ticks_per_quarter: int
    is_riff: bool
    has_running_status: bool
    has_note_offs: bool  # or notes on of velocity 0
    has_foreign_chunks: bool
    length_error: int  # of the last track's length
    has_big_bytes: bool
    has_bad_key: bool
    has_empty_track: bool
    scatters: bool  # tempo, metre and key into any track


styles = st.builds(
    Style,
    st.integers(0, 1),
    st.sampled_from([24, 96, 480, 960]),
    st.booleans(),
    st.booleans(),
    st.booleans(),
    st.booleans(),
    st.sampled_from([0, 0, 0, -3, 1000]),
    *[st.booleans()] * 4,
)


@st.composite
def files(draw) -> tuple[bytes, Sound]:
    """The bytes of a file, and what it sounds like."""
    style = draw(styles)
    random = Random(draw(st.integers(0, 2**32)))
    number = draw(st.integers(1, 4))
    channels = random.sample(range(16), number)
    if draw(st.booleans()):
        channels[0] = 9
        channels[1:] = [c for c in channels[1:] if c != 9]
    programs = {channel: random.randrange(128) for channel in channels}
    tracks = [_strikes(random, channel, style) for channel in channels]
    if not any(tracks):
        tracks[0] = [Strike(channels[0], 60, 90, 0, 10, 10)]
    last = max(max(s.start, s.release or 0) for t in tracks for s in t)
    signatures = _signatures(random, style, last)
    if style.kind == 0:
        tracks = [sum(tracks, [])]
    ends = [last + random.choice([0, 100]) for _ in tracks]  # of the tracks
    sounding = [_ended(s, end, style) for t, end in zip(tracks, ends) for s in t]
    data = _file(random, style, tracks, programs, signatures, ends)
    return data, _sound(sounding, signatures, programs, style)


# What is played.


def _strikes(random, channel, style):
    """Notes of some pitches; each pitch has a habit of its own."""
    unit = style.ticks_per_quarter // 8
    found = []
    for pitch in random.sample(range(30, 90), random.randint(1, 4)):
        starts = random.sample(range(64), random.randint(1, 6))
        starts = [unit * start for start in sorted(starts)]
        habit = random.choice([_plain, _plain, _overlapping, _no_length, _unreleased])
        found += habit(random, channel, pitch, starts, unit, style)
    return found


def _plain(random, channel, pitch, starts, unit, _):
    following = [*starts[1:], starts[-1] + 12 * unit]
    for start, limit in zip(starts, following):
        end = random.randint(start + 1, limit)
        yield Strike(channel, pitch, random.randint(1, 127), start, end, end)


def _overlapping(random, channel, pitch, starts, unit, _):
    """Each release ends the oldest note."""
    longest = starts[-1] + 1 - starts[0]
    for start in starts:
        end = start + longest + unit // 2
        yield Strike(channel, pitch, random.randint(1, 127), start, end, end)


def _no_length(random, channel, pitch, starts, unit, style):
    """They last a sixteenth, or until the next."""
    for start, limit in zip(starts, [*starts[1:], starts[-1] + 12 * unit]):
        end = min(start + _sixteenth(style), limit)
        yield Strike(channel, pitch, random.randint(1, 127), start, start, end)


def _unreleased(random, channel, pitch, starts, unit, style):
    """Each ends with the next; the last with its track, on drums after a sixteenth."""
    for start, limit in zip(starts, [*starts[1:], 0]):
        end = limit
        if channel == 9:
            short = start + _sixteenth(style)
            end = min(short, limit) if limit else short
        yield Strike(channel, pitch, random.randint(1, 127), start, None, end)


def _sixteenth(style):
    return int(style.ticks_per_quarter * SIXTEENTH)


def _ended(strike, track_end, style):
    end = strike.end or max(track_end, strike.start + _sixteenth(style))
    return strike._replace(end=end)


class _Signatures(NamedTuple):
    """Changes, in ticks."""

    tempos: list[tuple[int, int]]  # microseconds
    metres: list[tuple[int, tuple[int, int]]]  # numerator, power of the denominator


def _signatures(random, style, last):
    """Before the last note, so that all of them count; each differs from the one
    before."""

    def changes(values):
        ticks = [0, *range(1, last, max(last // 3, 1))]
        chosen = sorted(random.sample(ticks, random.randint(0, len(ticks))))
        return list(zip(chosen, random.sample(values, len(chosen))))

    tempos = changes([300_000, 400_000, 500_001, 600_000, 750_000, 1_000_000])
    return _Signatures(tempos, changes([(3, 2), (4, 2), (6, 3), (5, 2), (7, 4)]))


def _sound(strikes, signatures, programs, style):
    starts, qpms = [0], [120.0]
    for tick, microseconds in signatures.tempos:
        if tick:
            starts.append(tick)
            qpms.append(6e7 / microseconds)
        else:
            qpms[0] = 6e7 / microseconds

    def seconds(tick):
        ends = [*starts[1:], max(tick, starts[-1])]
        return sum(
            max(min(tick, end) - start, 0) * 60 / qpm / style.ticks_per_quarter
            for start, end, qpm in zip(starts, ends, qpms)
        )

    notes = [
        Note(s.pitch, s.channel == 9, programs[s.channel], seconds(s.start),
             seconds(s.end), s.velocity)
        for s in strikes
    ]  # fmt: skip
    metres = [(seconds(at), top, 2**power) for at, (top, power) in signatures.metres]
    tempos = [(seconds(at), qpm) for at, qpm in zip(starts, qpms)]
    return Sound(sorted(notes), tempos, metres)


# How it is written.


def _file(random, style, tracks, programs, signatures, ends):
    contents = [[] for _ in tracks]
    for content, track in zip(contents, tracks):
        for channel in sorted({strike.channel for strike in track}):
            content.append((0, -1, bytes([0xC0 | channel, programs[channel]])))
        for strike in track:
            content += _note_events(strike, style)
    for event in _signature_events(signatures, style):
        contents[random.randrange(len(tracks)) if style.scatters else 0].append(event)
    if style.has_big_bytes and tracks[-1]:
        volume = bytes([0xB0 | tracks[-1][0].channel, 7, 200])
        contents[-1].append((0, -1, volume))
    chunks = [
        _chunk(b"MTrk", _track(content, end, style))
        for content, end in zip(contents, ends)
    ]
    if style.has_empty_track:
        chunks.append(_chunk(b"MTrk", b""))
    elif style.length_error:
        size = len(chunks[-1]) - 8 + style.length_error
        chunks[-1] = b"MTrk" + struct.pack(">L", max(size, 0)) + chunks[-1][8:]
    if style.has_foreign_chunks:
        chunks.insert(random.randint(0, len(chunks) - 1), _chunk(b"XFIH", b"\x01\x02"))
    head = struct.pack(">hhh", style.kind, len(tracks), style.ticks_per_quarter)
    data = _chunk(b"MThd", head) + b"".join(chunks)
    return _riff(data) if style.is_riff else data


def _chunk(name, content):
    return name + struct.pack(">L", len(content)) + content


def _riff(data):
    inside = b"RMIDdata" + struct.pack("<L", len(data)) + data
    return b"RIFF" + struct.pack("<L", len(inside)) + inside


def _note_events(strike, style):
    """Tick, order within the tick, bytes."""
    on = bytes([0x90 | strike.channel, strike.pitch, strike.velocity])
    yield strike.start, 2, on
    if strike.release is not None:
        kind = 0x80 if style.has_note_offs else 0x90
        is_late = strike.release == strike.start
        off = bytes([kind | strike.channel, strike.pitch, 64 if kind == 0x80 else 0])
        yield strike.release, 3 if is_late else 1, off


def _signature_events(signatures, style):
    for tick, microseconds in signatures.tempos:
        yield tick, 0, b"\xff\x51\x03" + microseconds.to_bytes(3, "big")
    for tick, (numerator, power) in signatures.metres:
        yield tick, 0, bytes([0xFF, 0x58, 4, numerator, power, 24, 8])
    if style.has_bad_key:
        yield 0, 0, bytes([0xFF, 0x59, 2, 9, 0])


def _track(content, end, style):
    written, now, status = b"", 0, None
    for tick, _, data in sorted(content, key=lambda event: event[:2]):
        written += _number(tick - now)
        is_message = data[0] < 0xF0
        is_running = style.has_running_status and is_message and data[0] == status
        written += data[1:] if is_running else data
        now, status = tick, data[0] if is_message else None
    return written + _number(max(end, now) - now) + END_OF_TRACK


def _number(value):
    """A number of variable length."""
    parts = [value & 127]
    while value := value >> 7:
        parts.append(value & 127 | 128)
    return bytes(reversed(parts))

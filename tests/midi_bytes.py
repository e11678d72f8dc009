"""MIDI files byte by byte, so that tests can write what no library would."""

import struct

QUARTER = 480  # ticks
DRUMS = 9  # the channel


def number(value):
    """A number of variable length."""
    parts = [value & 127]
    while value := value >> 7:
        parts.append(value & 127 | 128)
    return bytes(reversed(parts))


def chunk(name, content, size=None):
    """`size` may lie."""
    return name + struct.pack(">L", len(content) if size is None else size) + content


def track(*events, end=b"\x00\xff\x2f\x00"):
    """Events `(tick, bytes)`, in any order; those of a tick keep theirs."""
    content, now = b"", 0
    for tick, data in sorted(events, key=lambda event: event[0]):
        content += number(tick - now) + data
        now = tick
    return content + end


def midi(*contents, kind=1, division=QUARTER):
    """A file of tracks; content that is a whole chunk already stays as it is."""
    head = chunk(b"MThd", struct.pack(">hhH", kind, len(contents), division))
    return head + b"".join(
        content if content[:4] in (b"MTrk", b"XFIH") else chunk(b"MTrk", content)
        for content in contents
    )


def rmi(data):
    inside = b"RMID" + b"data" + struct.pack("<L", len(data)) + data
    return b"RIFF" + struct.pack("<L", len(inside)) + inside


def tempo(tick, microseconds):
    return tick, b"\xff\x51\x03" + microseconds.to_bytes(3, "big")


def metre(tick, numerator, power):
    return tick, bytes([0xFF, 0x58, 4, numerator, power, 24, 8])


def key(tick, sharps, minor=0):
    return tick, bytes([0xFF, 0x59, 2, sharps, minor])


def name(text):
    data = text.encode()
    return 0, b"\xff\x03" + number(len(data)) + data


def on(tick, pitch, channel=0, velocity=90):
    return tick, bytes([0x90 | channel, pitch, velocity])


def off(tick, pitch, channel=0):
    return tick, bytes([0x80 | channel, pitch, 0])


def note(tick, pitch, length=60, channel=0):
    return [on(tick, pitch, channel), off(tick + length, pitch, channel)]


def groove(bars=4, quarters=4, length=60, channel=DRUMS):
    """Hats in eighths, and kick and snare in turn: twelve hits a bar of 4/4."""
    events = []
    for beat in range(bars * quarters):
        start = beat * QUARTER
        events += note(start, (36, 38)[beat % 2], length, channel)
        events += note(start, 42, length, channel)
        events += note(start + QUARTER // 2, 42, length, channel)
    return events


HEAD = track(tempo(0, 500_000), metre(0, 4, 2))

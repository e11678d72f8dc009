"""Damage as disks, networks and strangers do it, to bytes, texts and NoteSequences."""

import math
import struct

EXTREMES = [0, 1, 0x7F, 0x80, 0xFF, 0x7FFF, 0xFFFF, 0x7FFFFFFF, 0xFFFFFFFF]
NUMBERS = [0, -1, 1, 127, 128, 255, 2**31 - 1, -(2**31)]
TIMES = [math.nan, math.inf, -math.inf, -1.0, 0.0, 1e-300, 0.25, 7.5, 1e4, 1e9, 1e300]
# Of texts: numbers that no music has, and what opens and closes.
PIECES = ["-1", "0", "999999999", "1e300", "nan", "[", "]", "|:", ":|", "<", "/>", "\0"]


def damaged(data: bytes, rng) -> bytes:
    """Bytes of which one to six places are changed, cut, doubled or moved."""
    data = bytearray(data)
    for _ in range(rng.integers(1, 7)):
        if data:
            _damage(data, int(rng.integers(len(data))), rng)
    return bytes(data)


def _damage(data, place, rng):
    kind, length = rng.integers(7), int(rng.integers(1, 17))
    if kind == 0:
        data[place] = rng.integers(256)
    elif kind == 1:
        data[place] ^= 1 << int(rng.integers(8))
    elif kind == 2:
        del data[place : place + length]
    elif kind == 3:
        data[place:place] = data[place : place + 4 * length]
    elif kind == 4:
        data[place:place] = rng.bytes(length)
    elif kind == 5:
        number = struct.pack(">L", EXTREMES[rng.integers(len(EXTREMES))])
        data[place : place + 4] = number
    elif not rng.integers(4):
        del data[place:]


def damaged_text(text: str, rng) -> str:
    """A text of which some words are changed, lost, doubled or moved."""
    for _ in range(rng.integers(1, 7)):
        place, length = int(rng.integers(len(text) + 1)), int(rng.integers(1, 30))
        kind = rng.integers(4)
        if kind == 0:
            text = text[:place] + text[place + length :]
        elif kind == 1:
            text = text[:place] + text[place : place + length] + text[place:]
        elif kind == 2:
            text = text[:place] + PIECES[rng.integers(len(PIECES))] + text[place:]
        else:
            text = text[:place] + chr(int(rng.integers(32, 127))) + text[place + 1 :]
    return text


def damaged_sequence(sequence, rng):
    """A copy of a NoteSequence with one to six fields of its events changed."""
    changed = type(sequence)()
    changed.CopyFrom(sequence)
    for _ in range(rng.integers(1, 7)):
        groups = [changed.notes, changed.tempos, changed.time_signatures]
        events = [event for group in groups for event in group]
        event = events[rng.integers(len(events))]
        fields = event.DESCRIPTOR.fields
        field = fields[rng.integers(len(fields))]
        if field.type == field.TYPE_DOUBLE:
            setattr(event, field.name, TIMES[rng.integers(len(TIMES))])
        elif field.type == field.TYPE_INT32:
            setattr(event, field.name, NUMBERS[rng.integers(len(NUMBERS))])
        elif field.type == field.TYPE_BOOL:
            setattr(event, field.name, bool(rng.integers(2)))
    if not rng.integers(4):
        changed.total_time = TIMES[rng.integers(len(TIMES))]
    return changed

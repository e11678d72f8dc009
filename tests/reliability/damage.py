"""Damage as disks, networks and strangers do it, to bytes, texts and NoteSequences."""

import copy
import math
import re
import struct
from xml.etree import ElementTree

from music_vae_tf.checkpoint import CheckpointError

EXTREMES = [0, 1, 0x7F, 0x80, 0xFF, 0x7FFF, 0xFFFF, 0x7FFFFFFF, 0xFFFFFFFF]
NUMBERS = [0, -1, 1, 127, 128, 255, 2**15, 2**31 - 1, -(2**31)]
TIMES = [math.nan, math.inf, -math.inf, -1.0, 0.0, 1e-300, 0.25, 7.5, 1e4, 1e9, 1e300]
# Of texts: numbers that no music has, and what opens and closes.
PIECES = ["-1", "0", "999999999", "1e300", "nan", "[", "]", "|:", ":|", "<", "/>", "\0"]
# What reads as a number, or nearly: too large, infinite, of other digits.
STRANGE = [
    "1e308",
    "-1e308",
    "inf",
    ".inf",
    "²",
    "٣",
    "9" * 400,
    "0" * 30 + "7",
    "1e-9",
]
# Places in ABC where a number or a command stands.
ABC_LINES = [
    *("%%MIDI program {}", "%%MIDI drummap C {}", "%%MIDI transpose {}", "M:{}/4"),
    *("M:4/{}", "L:1/{}", "Q:1/4={}", "Q:{}/8=90", "P:A{}", "K:C octave={}", "V:1"),
    *("C{}", "C/{}", "Z{}|", "({}CDE", "[{} C|", ":|{}"),
]


def _chord(rng):
    """Notes of one tick, which end one after another on the next."""
    number, pitch = int(rng.integers(1, 200)), int(rng.integers(128))
    key = bytes([pitch])
    begin = b"\0\x90" + key + b"\x40" + (b"\0" + key + b"\x40") * (number - 1)
    return begin + b"\1" + key + b"\0" + (b"\0" + key + b"\0") * (number - 1)


def _metre(rng):
    return b"\0\xff\x58\4" + bytes([rng.integers(256), rng.integers(20), 24, 8])


def _tempos(rng):
    """Tempos on one tick, the extremes among them."""
    values = rng.choice([0, 1, 255, 500_000, 2**24 - 1], rng.integers(1, 50))
    each = (b"\0\xff\x51\3" + int(value).to_bytes(3, "big") for value in values)
    return b"".join(each)


def _wait(rng):
    """A long silence before a text."""
    return bytes([0xFF, 0xFF, 0x7F])[: rng.integers(2, 4)] + b"\xff\1\0"


def damaged_midi(data: bytes, rng) -> bytes:
    """A MIDI file with up to two whole events more, then damaged."""
    for _ in range(rng.integers(3)):
        start = data.find(b"MTrk", int(rng.integers(len(data))))
        if start >= 0:
            event = EVENTS[rng.integers(len(EVENTS))](rng)
            size = int.from_bytes(data[start + 4 : start + 8], "big") + len(event)
            head = data[:start] + b"MTrk" + size.to_bytes(4, "big")
            data = head + event + data[start + 8 :]
    return damaged(data, rng) if rng.integers(4) else data


EVENTS = [_chord, _metre, _tempos, _wait]  # of MIDI, whole


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


def damaged_abc(text: str, rng) -> str:
    """ABC with up to three lines more in which a number is strange, then damaged."""
    lines = text.splitlines()
    for _ in range(rng.integers(4)):
        line = ABC_LINES[rng.integers(len(ABC_LINES))]
        lines.insert(rng.integers(1, len(lines) + 1), line.format(strange(rng)))
    text = "\n".join(lines) + "\n"
    return damaged_text(text, rng) if rng.integers(2) else text


def strange(rng) -> str:
    """A number that no music has."""
    return STRANGE[rng.integers(len(STRANGE))]


def damaged_text(text: str, rng) -> str:
    """A text of which some words are changed, lost, doubled or moved, and some numbers
    strange."""
    for _ in range(rng.integers(1, 7)):
        place, length = int(rng.integers(len(text) + 1)), int(rng.integers(1, 30))
        kind = rng.integers(5)
        if kind == 0:
            text = text[:place] + text[place + length :]
        elif kind == 4:
            text = _with_strange_number(text, rng)
        elif kind == 1:
            text = text[:place] + text[place : place + length] + text[place:]
        elif kind == 2:
            text = text[:place] + PIECES[rng.integers(len(PIECES))] + text[place:]
        else:
            text = text[:place] + chr(int(rng.integers(32, 127))) + text[place + 1 :]
    return text


def _with_strange_number(text, rng):
    numbers = list(re.finditer(r"\d+(\.\d+)?", text))
    if not numbers:
        return text
    found = numbers[rng.integers(len(numbers))]
    return text[: found.start()] + strange(rng) + text[found.end() :]


# Words of MusicXML, those of another element among them, and what is none.
WORDS = ["C", "H", "stop", "forward", "minor", "4/4", "", " ", "é", "0.5", "-3", "16"]

XML_NUMBERS = ["0", "1", "2", "3", "7", "12", "-1", "0.5", "96", "1000", "999999999"]


def damaged_xml(text: str, rng) -> str:
    """Well-formed XML of which one to four elements or attributes are changed.

    One in eight is damaged as a text too, so that what is no XML stays among them.
    """
    root = ElementTree.fromstring(text)
    for _ in range(rng.integers(1, 5)):
        _damage_element(root, rng)
    text = ElementTree.tostring(root, encoding="unicode")
    return text if rng.integers(8) else damaged_text(text, rng)


def _damage_element(root, rng):
    pairs = [(parent, child) for parent in root.iter() for child in parent]
    if not pairs:
        return
    parent, child = pairs[rng.integers(len(pairs))]
    values = WORDS + STRANGE + [piece for piece in PIECES if piece != "\0"]
    value = values[rng.integers(len(values))]
    kind = rng.integers(12)
    if kind < 5:
        _set_value(root, value, rng)
    elif kind < 7:
        _set_attribute(root, value, rng)
    elif kind == 7:
        parent.remove(child)
    elif kind == 8:
        parent.insert(int(rng.integers(len(parent) + 1)), copy.deepcopy(child))
    elif kind == 9:  # to another place, as a copy: no element is within itself
        pairs[rng.integers(len(pairs))][0].append(copy.deepcopy(child))
    elif kind == 10:
        child.tag = pairs[rng.integers(len(pairs))][1].tag
    else:
        parent[:] = [parent[place] for place in rng.permutation(len(parent))]


def _set_value(root, value, rng):
    leaves = [element for element in root.iter() if not len(element)]
    leaf = leaves[rng.integers(len(leaves))]
    is_number = (leaf.text or "").strip().isdigit()
    if is_number and rng.integers(4):  # mostly a number stays one
        numbers = XML_NUMBERS + STRANGE
        value = numbers[rng.integers(len(numbers))]
    leaf.text = value


def _set_attribute(root, value, rng):
    places = [(element, name) for element in root.iter() for name in element.attrib]
    if not places:
        return
    element, name = places[rng.integers(len(places))]
    if rng.integers(3):
        element.set(name, value)
    else:
        del element.attrib[name]


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


def refused(call):
    """Whether a call is refused in words; anything else that is raised is a failure."""
    try:
        call()
    except CheckpointError:
        return True
    return False

"""Damage as disks, networks and strangers do it, to bytes, texts and NoteSequences."""

import copy
import math
import struct
from xml.etree import ElementTree

from music_vae_tf.checkpoint import CheckpointError

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
    values = WORDS + [piece for piece in PIECES if piece != "\0"]
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
        value = XML_NUMBERS[rng.integers(len(XML_NUMBERS))]
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

"""Many notes of a NoteSequence at once, out of the bytes that it is serialized to.

Reading seven fields of each note one after the other is what most of converting would
cost. Serialized, a note is the tag of the field `notes`, its length, and for each of
its own fields that is not zero a tag and a value:

    42 18  08 24  10 64  19 <8 bytes: start>  21 <8 bytes: end>  48 01

Most notes of a piece have the same fields. Those that follow each other are rows of
one array of bytes, of which the values are columns.
"""

from __future__ import annotations

import numpy as np

VARINT, DOUBLE, BYTES, FLOAT = 0, 1, 2, 5  # kinds of values: a tag's last three bits
NOTES = 8 << 3 | BYTES
MAX_RUNS = 8  # with more of them it is no quicker


class NotInRows(Exception):
    """Notes that lie otherwise: they have to be read one after the other."""


def read_columns(sequence, fields: dict[int, str], dtype: np.dtype) -> np.ndarray:
    """The notes of a NoteSequence, `[N]` of `dtype`.

    Args:
        fields: the numbers of a note's fields in its protocol buffer, and the names
            that they have in `dtype`.

    Raises:
        NotInRows
    """
    notes = np.zeros(len(sequence.notes), dtype)
    done = 0
    for rows in _runs(sequence.SerializeToString(), len(notes)):
        for field, column in _columns(rows):
            if field in fields:
                notes[fields[field]][done : done + len(rows)] = column
        done += len(rows)
    return notes


def _runs(data, count):
    """Consecutive notes of one length, as uint8 `[notes, length]`, until all `count` of
    them have come."""
    array = np.frombuffer(data, np.uint8)
    place = _first_note(data)
    for _ in range(MAX_RUNS):
        if not count:
            return
        if place + 1 >= len(data) or data[place] != NOTES or data[place + 1] > 127:
            raise NotInRows
        size = 2 + data[place + 1]
        most = min(count, (len(data) - place) // size)
        rows = array[place : place + most * size].reshape(most, size)
        is_alike = (rows[:, 0] == NOTES) & (rows[:, 1] == size - 2)
        length = most if is_alike.all() else int(is_alike.argmin())
        yield rows[:length]
        place += length * size
        count -= length
    if count:
        raise NotInRows


def _first_note(data):
    place = 0
    while place < len(data) and data[place] != NOTES:
        tag, place = _number(data, place)
        if tag & 7 == VARINT:
            _, place = _number(data, place)
        elif tag & 7 == BYTES:
            length, place = _number(data, place)
            place += length
        else:
            place += 8 if tag & 7 == DOUBLE else 4
    return place


def _number(data, place):
    """A number of variable length, the lowest bits first, and the place after it."""
    number = shift = 0
    while data[place] > 127:
        number |= (data[place] & 127) << shift
        place, shift = place + 1, shift + 7
    return number | data[place] << shift, place + 1


def _columns(rows):
    """The number of each field that the notes have, and its values `[notes]`."""
    place = 2
    while place < rows.shape[1]:
        tags = rows[:, place]
        tag, place = int(tags[0]), place + 1
        size = {VARINT: 1, DOUBLE: 8}.get(tag & 7)
        if size is None or tag > 127 or (tags != tag).any():
            raise NotInRows
        values = rows[:, place : place + size]
        place += size
        if size == 8:
            yield tag >> 3, np.ascontiguousarray(values).view("<f8")[:, 0]
        elif (values > 127).any():
            raise NotInRows
        else:
            yield tag >> 3, values[:, 0]

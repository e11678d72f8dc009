"""TFRecord files of NoteSequences, without TensorFlow.

A record is

    uint64  length of the data, in bytes
    uint32  masked CRC-32C of the length
    bytes   data, a serialized NoteSequence
    uint32  masked CRC-32C of the data

with numbers in little-endian order.
"""

from __future__ import annotations

import contextlib
import glob
import os
import struct
from collections.abc import Iterator

import google_crc32c

from music_vae_tf.data.whole_file import whole_file
from music_vae_tf.errors import UserFacingError

LENGTH = struct.Struct("<Q")
CHECKSUM = struct.Struct("<I")
MASK_DELTA = 0xA282EAD8
MAKE_ANEW = "make it anew with convert_dir_to_note_sequences"


class BadRecords(UserFacingError, ValueError):
    """TFRecord files that are not there, or do not hold what they should."""


@contextlib.contextmanager
def records_writer(path):
    """Yields `write(serialized)`; the file takes its name when the block ends well."""
    with whole_file(path) as file:
        yield lambda serialized: file.write(_frame(serialized))


def matching_files(pattern: str) -> list[str]:
    """The files, sorted, that a path or a pattern names: `data/*.tfrecord-*-of-00008`.

    Raises:
        BadRecords: there is none.
    """
    pattern = os.path.expanduser(pattern)
    names = [pattern] if os.path.exists(pattern) else sorted(glob.glob(pattern))
    files = [name for name in names if not os.path.isdir(name)]
    if not files and names:
        raise BadRecords(
            f"{names[0]} is a folder, where TFRecord files are expected: name a file, "
            f"or several as in '{os.path.join(names[0], '*.tfrecord')}'"
        )
    if not files:
        raise BadRecords(
            f"no file matches {pattern}: TFRecord files of NoteSequences are expected "
            "there; convert_dir_to_note_sequences makes one of a folder of MIDI"
        )
    return files


def read_note_sequences(pattern: str) -> Iterator:
    """All NoteSequences of the files that `matching_files` finds, in their order.

    Raises:
        BadRecords: there is no such file, no NoteSequence in all of them, or one of
            them is cut off, damaged, or something else.
    """
    files = matching_files(pattern)
    empty = True
    for path in files:
        for index, serialized in enumerate(read_records(path)):
            empty = False
            yield parse_note_sequence(serialized, f"{path}: record {index}")
    if empty:
        raise BadRecords(
            f"{', '.join(files)}: empty, where NoteSequences are expected; {MAKE_ANEW}"
        )


def read_records(path: str) -> Iterator[bytes]:
    """The data of all records of a file.

    Raises:
        BadRecords: the file is cut off, damaged, or no TFRecord at all.
    """
    with open(path, "rb") as file:
        yield from records_in(file, path)


def records_in(file, name: str) -> Iterator[bytes]:
    """The data of all records of an open binary file.

    Raises:
        BadRecords: `name`, as the message calls it, is cut off, damaged, or no TFRecord
            at all.
    """
    index = 0
    while header := file.read(LENGTH.size + CHECKSUM.size):
        yield _data_after(header, file, f"{name}: record {index}")
        index += 1


def parse_note_sequence(serialized: bytes, what: str):
    """The NoteSequence that a record holds.

    Raises:
        BadRecords: `what`, as the message calls it, is no NoteSequence.
    """
    from google.protobuf.message import DecodeError
    from note_seq.protobuf import music_pb2

    try:
        sequence = music_pb2.NoteSequence.FromString(serialized)
    except DecodeError:
        sequence = None
    if sequence is None or (serialized and not _has_music(sequence)):
        raise BadRecords(
            f"{what} is no NoteSequence; {MAKE_ANEW}. (Examples of tf.train.Example, "
            "as other models read, are something else.)"
        )
    return sequence


def _frame(data):
    length = LENGTH.pack(len(data))
    return b"".join([length, _checksum(length), data, _checksum(data)])


def _data_after(header, file, what):
    length, checksum = header[: LENGTH.size], header[LENGTH.size :]
    cut_off = BadRecords(f"{what} is cut off: the file is not whole; {MAKE_ANEW}")
    if len(checksum) < CHECKSUM.size:
        raise cut_off
    if checksum != _checksum(length):
        raise BadRecords(_misread(header, file, what))
    (size,) = LENGTH.unpack(length)
    data, checksum = file.read(size), file.read(CHECKSUM.size)
    if len(checksum) < CHECKSUM.size:
        raise cut_off
    if checksum != _checksum(data):
        raise BadRecords(f"{what} is damaged: its checksum is wrong; {MAKE_ANEW}")
    return data


def _checksum(data):
    """CRC-32C as TFRecord stores it: rotated by 15 bits, plus a constant."""
    crc = google_crc32c.value(data)
    return CHECKSUM.pack(((crc >> 15 | crc << 17) + MASK_DELTA) & 0xFFFFFFFF)


def _misread(header, file, what):
    if file.tell() > len(header):
        return f"{what} is damaged: its length is wrong; {MAKE_ANEW}"
    hint = "; unpack it with gunzip first" if header[:2] == b"\x1f\x8b" else ""
    return (
        f"{what}: no TFRecord file, it starts with {header[:4]!r}{hint}. A TFRecord "
        "file of NoteSequences is expected: convert_dir_to_note_sequences makes one"
    )


def _has_music(sequence):
    """Whether a field is set that every NoteSequence of a file has; in a message of
    another type that happens to parse, there is none."""
    fields = ("ticks_per_quarter", "total_time", "filename", "source_info", "notes")
    present = {field.name for field, _ in sequence.ListFields()}
    return not present.isdisjoint(fields)

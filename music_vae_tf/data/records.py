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
import logging
import os
import struct
from collections.abc import Iterator

import google_crc32c

from music_vae_tf.data.whole_file import whole_file
from music_vae_tf.errors import UserFacingError

log = logging.getLogger("music_vae_tf")
LENGTH = struct.Struct("<Q")
CHECKSUM = struct.Struct("<I")
MASK_DELTA = 0xA282EAD8
MAX_RECORD_BYTES = 2**31 - 1  # of any protocol buffer
PART_BYTES = 1 << 24
MAKE_ANEW = "make it anew with convert_dir_to_note_sequences"


class BadRecords(UserFacingError, ValueError):
    """TFRecord files that are not there, or do not hold what they should."""


@contextlib.contextmanager
def records_writer(path):
    """Yields `write(serialized)`; the file takes its name when the block ends well."""
    with whole_file(path, durable=True) as file:
        yield lambda serialized: file.write(_frame(serialized))


def matching_files(pattern: str) -> list[str]:
    """The files, sorted, that a path or a pattern names: `data/*.tfrecord-*-of-00008`.

    Raises:
        BadRecords: there is none.
    """
    pattern = os.path.expanduser(pattern)
    names = [pattern] if os.path.exists(pattern) else _matches(pattern)
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


def _matches(pattern: str) -> list[str]:
    """Names that fit a pattern; an existing folder is not a pattern."""
    folder, name = os.path.split(pattern)
    if os.path.isdir(folder):
        folder = glob.escape(folder)
    return sorted(glob.glob(os.path.join(folder, name)))


def read_note_sequences(pattern: str) -> Iterator:
    """All NoteSequences of the files that `matching_files` finds, in their order.

    A record that is something else is left out, with a warning.

    Raises:
        BadRecords: there is no such file, no NoteSequence in all of them, or one of
            them is cut off or damaged.
    """
    files = matching_files(pattern)
    found, refused = 0, []
    for path in files:
        for index, serialized in enumerate(read_records(path)):
            try:
                yield parse_note_sequence(serialized, f"{path}: record {index}")
                found += 1
            except BadRecords as error:
                refused.append(error)
                if found:
                    _warn_of(refused)
        if found:
            _warn_of(refused)
    if refused:
        raise refused[0]
    if not found:
        raise BadRecords(
            f"{', '.join(files)}: empty, where NoteSequences are expected; {MAKE_ANEW}"
        )


def _warn_of(refused: list[BadRecords]) -> None:
    """Once there is a NoteSequence, what is none is not all there is."""
    for error in refused:
        log.warning("left out: %s", error)
    refused.clear()


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
    index = offset = 0
    while header := file.read(LENGTH.size + CHECKSUM.size):
        data = _data_after(header, file, f"{name}: record {index}", offset)
        yield data
        offset += len(header) + len(data) + CHECKSUM.size
        index += 1


def parse_note_sequence(serialized: bytes, what: str):
    """The NoteSequence that a record holds.

    Raises:
        BadRecords: `what`, as the message calls it, is not a NoteSequence.
    """
    from google.protobuf.message import DecodeError
    from note_seq.protobuf import music_pb2

    try:
        sequence = music_pb2.NoteSequence.FromString(serialized)
    except DecodeError:
        sequence = None
    if sequence is None or (serialized and not _has_music(sequence)):
        raise BadRecords(
            f"{what} is not a NoteSequence; {MAKE_ANEW}. (Examples of "
            "tf.train.Example, as other models read, are something else.)"
        )
    return sequence


def _frame(data):
    length = LENGTH.pack(len(data))
    return b"".join([length, _checksum(length), data, _checksum(data)])


def _data_after(header, file, what, offset):
    length, checksum = header[: LENGTH.size], header[LENGTH.size :]
    cut_off = BadRecords(
        f"{what} is cut off, from byte {offset:,} on: the file is not whole; "
        f"{MAKE_ANEW}"
    )
    if len(checksum) < CHECKSUM.size:
        raise cut_off
    if checksum != _checksum(length):
        raise BadRecords(_misread(header, file, what))
    (size,) = LENGTH.unpack(length)
    if size > MAX_RECORD_BYTES:
        raise BadRecords(
            f"{what} is damaged at byte {offset:,}: it claims {size:,} bytes, "
            f"{MAX_RECORD_BYTES:,} are the limit; {MAKE_ANEW}"
        )
    data, checksum = _read_up_to(file, size), file.read(CHECKSUM.size)
    if len(checksum) < CHECKSUM.size:
        raise cut_off
    if checksum != _checksum(data):
        raise BadRecords(
            f"{what} is damaged at byte {offset:,}: its checksum is wrong; {MAKE_ANEW}"
        )
    return data


def _read_up_to(file, size: int) -> bytes:
    """As `file.read(size)`, which would allocate all of it if the file ends early."""
    parts = []
    while size and (part := file.read(min(size, PART_BYTES))):
        parts.append(part)
        size -= len(part)
    return b"".join(parts)


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

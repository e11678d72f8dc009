"""The file format of a checkpoint's index, read with all its lengths checked.

It is LevelDB's table: blocks of sorted keys, each without the prefix that it shares
with the one before. A footer holds the offset of the block of blocks. A block is
followed by one byte (whether it is compressed) and by a checksum. TensorFlow's own
reader ends the process for some damaged files, so it is not used for files of others.

Source: github.com/google/leveldb, doc/table_format.md.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

import google_crc32c

FOOTER_BYTES, HANDLES_BYTES = 48, 40
MAGIC = struct.Struct("<Q")
MAGIC_NUMBER = 0xDB4775248B80FB57
TRAILER = struct.Struct("<BL")  # compression, masked CRC-32C
COUNT = struct.Struct("<L")
MASK_DELTA = 0xA282EAD8
LONGEST_NUMBER = 10  # bytes of a variable-length number of 64 bits
MAX_KEY_BYTES = 4096
MAX_BYTES = 100_000_000  # an index takes some hundred bytes for each tensor
MAX_ENTRIES = 100_000
MAX_KEYS_BYTES = 20_000_000  # together, once what they share is written out


class BadTable(ValueError):
    """Bytes that are not a table, or are damaged; the message says what is wrong."""


def read(data: bytes) -> dict[bytes, bytes]:
    """The values of a table by their keys, in its order.

    Raises:
        BadTable: it is not one, or damaged, or of more than MAX_BYTES, MAX_ENTRIES or
            MAX_KEYS_BYTES.
    """
    if len(data) > MAX_BYTES:
        raise BadTable(f"{len(data):,} bytes, {MAX_BYTES:,} at most")
    values: dict[bytes, bytes] = {}
    keys_bytes = 0
    for block in _blocks(data):
        for key, value in _entries(block):
            if key in values:
                raise BadTable(f"duplicate key {_shown(key)}")
            values[key] = value
            keys_bytes += len(key)
            if len(values) > MAX_ENTRIES:
                raise BadTable(f"more than {MAX_ENTRIES:,} entries")
            if keys_bytes > MAX_KEYS_BYTES:
                raise BadTable(f"names of more than {MAX_KEYS_BYTES:,} bytes together")
    return values


def _blocks(data) -> Iterator[bytes]:
    """The blocks of entries, each of which is listed once."""
    taken, offsets = 0, set()
    for _, handle in _entries(_block(data, *_index_handle(data))):
        offset, place = number(handle, 0)
        size, _ = number(handle, place)
        taken += size + TRAILER.size
        # Blocks that lie in each other take more than the file has.
        if offset in offsets or taken > len(data):
            raise BadTable("a block is listed twice")
        offsets.add(offset)
        yield _block(data, offset, size)


def masked_crc(data: bytes) -> int:
    """CRC-32C as TensorFlow stores it: rotated by 15 bits, plus a constant."""
    crc = google_crc32c.value(bytes(data))
    return ((crc >> 15 | crc << 17) + MASK_DELTA) & 0xFFFFFFFF


def _index_handle(data):
    """Offset and size of the block that lists the others."""
    if len(data) < FOOTER_BYTES:
        raise BadTable(f"{len(data)} bytes, where {FOOTER_BYTES} are the least")
    footer = data[-FOOTER_BYTES:]
    if MAGIC.unpack_from(footer, HANDLES_BYTES)[0] != MAGIC_NUMBER:
        raise BadTable("the end of the file is not that of an index")
    place = 0
    for _ in range(2):  # a block of other facts comes first
        _, place = number(footer, place)
    offset, place = number(footer, place)
    size, _ = number(footer, place)
    return offset, size


def _block(data, offset, size):
    if offset + size + TRAILER.size > len(data):
        raise BadTable("a block lies outside the file")
    compression, crc = TRAILER.unpack_from(data, offset + size)
    if masked_crc(data[offset : offset + size + 1]) != crc:
        raise BadTable("a checksum is wrong")
    if compression:
        raise BadTable("it is compressed, which TensorFlow's are not")
    return data[offset : offset + size]


def _entries(block) -> Iterator[tuple[bytes, bytes]]:
    if len(block) < COUNT.size:
        raise BadTable("a block is too short")
    restarts = COUNT.unpack_from(block, len(block) - COUNT.size)[0]
    end = len(block) - COUNT.size * (restarts + 1)
    key, place = b"", 0
    while place < end:
        shared, place = number(block, place)
        added, place = number(block, place)
        length, place = number(block, place)
        if shared > len(key) or place + added + length > end:
            raise BadTable("an entry lies outside its block")
        key = key[:shared] + block[place : place + added]
        if len(key) > MAX_KEY_BYTES:
            raise BadTable(f"a name of {len(key):,} bytes")
        place += added + length
        yield key, block[place - length : place]


def number(data: bytes, place: int) -> tuple[int, int]:
    """A number of variable length, and the place after it."""
    value = 0
    for index, byte in enumerate(data[place : place + LONGEST_NUMBER]):
        value |= (byte & 127) << 7 * index
        if byte < 128:
            return value, place + index + 1
    raise BadTable("a number without an end")


def _shown(key: bytes) -> str:
    return key.decode("utf-8", "backslashreplace")

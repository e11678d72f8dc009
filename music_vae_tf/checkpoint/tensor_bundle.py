"""Tensors of a checkpoint in TensorFlow's format, read without TensorFlow's C++.

    PREFIX.index                  a table: name -> type, shape, file, offset, size
    PREFIX.data-00000-of-00001    the numbers

Names, types, shapes and offsets are checked against the sizes of the files before any
memory is allocated. A path is taken as it is, whatever characters are in it.
"""

from __future__ import annotations

import dataclasses
import math
import os
from collections.abc import Iterable, Mapping

import numpy as np

from music_vae_tf import quiet
from music_vae_tf.checkpoint import sorted_table
from music_vae_tf.checkpoint.sorted_table import BadTable, masked_crc

MAX_RANK = 32
MAX_SHARDS = 1000
STRING_CHECKSUM_BYTES = 4


@dataclasses.dataclass(frozen=True)
class Entry:
    """Where a tensor lies."""

    dtype: np.dtype | None  # None: a string
    shape: tuple[int, ...]
    shard: int
    offset: int  # bytes
    size: int  # bytes
    crc: int


@dataclasses.dataclass(frozen=True)
class TensorBundle:
    """The tensors of a checkpoint."""

    prefix: str
    num_shards: int
    entries: Mapping[str, Entry]

    @classmethod
    def open(cls, prefix: str) -> TensorBundle:
        """
        Raises:
            BadTable: the index is damaged, or does not fit the data.
            OSError: a file cannot be read.
        """
        with open(f"{prefix}.index", "rb") as file:
            values = sorted_table.read(file.read(sorted_table.MAX_BYTES + 1))
        num_shards = _num_shards(values.pop(b"", None))
        bundle = cls(
            prefix,
            num_shards,
            {_name(key): _entry(key, value) for key, value in values.items()},
        )
        bundle._check_places()
        return bundle

    def read(self, names: Iterable[str]) -> dict[str, np.ndarray]:
        """Arrays by their names.

        Raises:
            BadTable: the checksum of one is wrong.
            OSError: a file cannot be read.
        """
        return {name: self._read(name, self.entries[name]) for name in names}

    def _read(self, name, entry):
        with open(self._file(entry.shard), "rb") as file:
            file.seek(entry.offset)
            data = file.read(entry.size)
        if entry.dtype is None:
            return _strings(name, data, entry)
        if len(data) != entry.size or masked_crc(data) != entry.crc:
            raise BadTable(f"the checksum of {name} is wrong")
        return np.frombuffer(data, entry.dtype).reshape(entry.shape).copy()

    def _file(self, shard):
        return f"{self.prefix}.data-{shard:05d}-of-{self.num_shards:05d}"

    def _check_places(self):
        sizes = [os.path.getsize(self._file(n)) for n in range(self.num_shards)]
        for name, entry in self.entries.items():
            if not 0 <= entry.shard < self.num_shards:
                raise BadTable(f"{name} is in file {entry.shard} of {self.num_shards}")
            if entry.offset < 0 or entry.offset + entry.size > sizes[entry.shard]:
                raise BadTable(f"{name} lies outside {self._file(entry.shard)}")
        if sum(entry.size for entry in self.entries.values()) > sum(sizes):
            raise BadTable("several tensors lie in the same place")


def _name(key: bytes) -> str:
    try:
        return key.decode()
    except UnicodeDecodeError as error:
        raise BadTable(f"a name that is not Unicode: {key[:40]!r}") from error


def _num_shards(value: bytes | None) -> int:
    quiet.import_quietly()
    from tensorflow.core.protobuf.tensor_bundle_pb2 import BundleHeaderProto

    if value is None:
        raise BadTable("its header is missing")
    header = _parsed(BundleHeaderProto, value, "its header")
    if header.endianness != BundleHeaderProto.LITTLE:
        raise BadTable("its bytes are in big-endian order, which is not supported")
    if not 0 < header.num_shards <= MAX_SHARDS:
        raise BadTable(f"{header.num_shards} files of data, 1 to {MAX_SHARDS} expected")
    return header.num_shards


def _parsed(message, value, what):
    from google.protobuf.message import DecodeError

    try:
        return message.FromString(value)
    except DecodeError as error:
        raise BadTable(f"{what} cannot be understood") from error


def _entry(key: bytes, value: bytes) -> Entry:
    from tensorflow.core.protobuf.tensor_bundle_pb2 import BundleEntryProto

    name = _name(key)
    entry = _parsed(BundleEntryProto, value, name)
    if entry.slices:
        raise BadTable(f"{name} is stored in slices, which is not supported")
    shape = tuple(dim.size for dim in entry.shape.dim)
    if entry.shape.unknown_rank or len(shape) > MAX_RANK or min(shape, default=0) < 0:
        raise BadTable(f"{name} has the impossible shape {list(shape)[:MAX_RANK]}")
    dtype = _dtype(name, entry.dtype)
    size = math.prod(shape) * (dtype.itemsize if dtype else 1)
    if (dtype and entry.size != size) or entry.size < size:
        raise BadTable(f"{name} {list(shape)} takes {size:,} bytes, not {entry.size:,}")
    return Entry(dtype, shape, entry.shard_id, entry.offset, entry.size, entry.crc32c)


def _dtype(name: str, number: int) -> np.dtype | None:
    import tensorflow as tf

    try:
        dtype = tf.as_dtype(number)
    except TypeError:
        dtype = tf.variant
    if dtype == tf.string:
        return None
    if not (dtype.is_floating or dtype.is_integer or dtype.is_bool):
        raise BadTable(f"{name} is of type {number}, which is not one of numbers")
    return np.dtype(dtype.as_numpy_dtype)


def _strings(name, data, entry):
    """Lengths, a checksum of these, then the strings."""
    lengths, place = [], 0
    for _ in range(math.prod(entry.shape)):
        length, place = sorted_table.number(data, place)
        lengths.append(length)
    place += STRING_CHECKSUM_BYTES
    if place + sum(lengths) != len(data):
        raise BadTable(f"the lengths of {name} do not fit its size")
    strings = []
    for length in lengths:
        strings.append(data[place : place + length])
        place += length
    return np.array(strings, object).reshape(entry.shape)

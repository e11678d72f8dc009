"""Tar archives, opened so that no header makes a reader unpack or allocate much."""

from __future__ import annotations

import bz2
import contextlib
import gzip
import lzma
import os
import tarfile
import zlib
from collections.abc import Iterator
from typing import IO

COMPRESSIONS = {b"\x1f\x8b": gzip.open, b"BZh": bz2.open, b"\xfd7zXZ": lzma.open}
MAX_RATIO = 100  # of unpacked to packed bytes; zeros reach 1000, weights hardly 2
ALWAYS_ALLOWED_BYTES = 100_000_000
MAX_READ_BYTES = 1 << 18  # at once; tarfile reads the headers of a member at once
DAMAGED = (
    tarfile.TarError,
    EOFError,
    zlib.error,
    lzma.LZMAError,
    gzip.BadGzipFile,
    # Headers that make no sense:
    ValueError,
    OverflowError,
    RecursionError,
)


class DamagedStream(ValueError):
    """What a compressed file holds cannot be unpacked."""


class TooLarge(Exception):
    """An archive that unpacks to more than it may; says to how much."""


@contextlib.contextmanager
def opened(path: str) -> Iterator[tarfile.TarFile]:
    """A tar archive, whichever way it is compressed.

    Raises:
        TooLarge: while it is read, when it unpacks to too many times its size.
        tarfile.TarError, ...: it is damaged; see DAMAGED.
        OSError: it cannot be read.
    """
    with open(path, "rb") as packed:
        head = packed.read(6)
        packed.seek(0)
        unpack = next((f for m, f in COMPRESSIONS.items() if head.startswith(m)), None)
        if unpack is None:
            stream, limit = packed, os.path.getsize(path)
        else:
            stream = unpack(packed)
            limit = max(MAX_RATIO * os.path.getsize(path), ALWAYS_ALLOWED_BYTES)
        limited = _Limited(stream, limit)
        with tarfile.open(fileobj=limited, mode="r:") as tar:  # type: ignore[call-overload]
            yield tar


def is_tar(path: str) -> bool:
    """Whether a file begins as a tar archive does."""
    try:
        with opened(path):
            return True
    except (*DAMAGED, TooLarge):
        return False


class _Limited:
    """A file that is not read beyond a limit, nor much of it at once."""

    def __init__(self, file: IO[bytes], limit: int):
        self._file, self._limit = file, limit

    def read(self, size: int = -1) -> bytes:
        if not 0 <= size <= MAX_READ_BYTES:
            raise TooLarge(f"it holds a header or a piece of {size:,} bytes")
        self._check(self._file.tell() + size)
        with _damage_is_no_os_error():
            return self._file.read(size)

    def seek(self, place: int, whence: int = os.SEEK_SET) -> int:
        if whence == os.SEEK_SET:
            self._check(place)
        with _damage_is_no_os_error():
            return self._file.seek(place, whence)

    def tell(self) -> int:
        return self._file.tell()

    def _check(self, place):
        # What an end of the file is rounded up to is never read.
        if place > self._limit + tarfile.RECORDSIZE:
            raise TooLarge(
                f"it would unpack to {place:,} bytes or more, "
                f"{self._limit:,} are the limit for its size"
            )


@contextlib.contextmanager
def _damage_is_no_os_error():
    """The libraries of gzip and bzip2 raise OSErrors without a number."""
    try:
        yield
    except OSError as error:
        if error.errno is None:
            raise DamagedStream(str(error)) from error
        raise

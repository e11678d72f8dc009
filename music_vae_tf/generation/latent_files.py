"""Files of latent vectors, as others may have made them."""

from __future__ import annotations

import os
import tokenize
import zlib

import numpy as np

from music_vae_tf.errors import UserFacingError

MAGIC = b"\x93NUMPY"
MAX_VECTORS = 10_000
# What NumPy raises for headers that are damaged, or nested without end.
DAMAGE = (
    ValueError,
    EOFError,
    TypeError,
    KeyError,
    AttributeError,
    OverflowError,
    MemoryError,
    RuntimeError,
    SyntaxError,
    tokenize.TokenError,
    zlib.error,
)


class BadLatents(UserFacingError, ValueError):
    """A file that does not hold latent vectors of the size asked for."""


def read_z(path: str | os.PathLike, z_size: int) -> np.ndarray:
    """The vectors in a NumPy file, float32 [N, Z].

    Raises:
        BadLatents: they are of a wrong shape or number, or not finite numbers.
        OSError: the file cannot be read.
    """
    path = os.path.expanduser(os.fspath(path))
    expected = f"expected finite numbers [N, {z_size}], N up to {MAX_VECTORS:,}"
    try:
        with open(path, "rb") as file:
            head = file.read(len(MAGIC))
        # Of the formats that NumPy reads, zip files and pickles are none for vectors.
        if head.startswith(b"PK"):
            raise BadLatents(f"{path}: {expected}; got a file of several arrays")
        if head != MAGIC:
            raise ValueError("not the beginning of a .npy file")
        # Mapped, so that a shape which the file does not fill is not allocated.
        with np.errstate(over="ignore"):  # sizes beyond 64 bits, which then do not fit
            array = np.load(path, mmap_mode="r", allow_pickle=False)
    except BadLatents:
        raise
    except DAMAGE as error:
        raise BadLatents(f"{path}: no NumPy file of numbers; {expected}") from error
    z = np.atleast_2d(array)
    is_number = z.dtype.kind in "fiu"
    if not is_number or z.ndim != 2 or z.shape[1] != z_size or len(z) > MAX_VECTORS:
        raise BadLatents(f"{path}: {expected}; got {str(z.dtype)[:40]} {list(z.shape)}")
    with np.errstate(over="ignore"):
        z = z.astype(np.float32)
    if not len(z) or not np.isfinite(z).all():
        what = "some that are not finite" if len(z) else "none"
        raise BadLatents(f"{path}: {expected}; got {what}")
    return z

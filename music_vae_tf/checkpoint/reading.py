"""Reads the tensors of a checkpoint, from a tar archive too."""

from __future__ import annotations

import contextlib
import gzip
import lzma
import os
import shutil
import tarfile
import tempfile
import zlib
from collections.abc import Iterable, Iterator
from pathlib import PurePosixPath
from typing import Any

import numpy as np

from music_vae_tf.checkpoint import compact
from music_vae_tf.checkpoint.finding import (
    CheckpointError,
    find,
    is_whole,
    missing_files,
)


def read(path: Any, names: Iterable[str] | None = None) -> dict[str, np.ndarray]:
    """{Magenta's name: array} of a checkpoint; all tensors, or those named.

    Raises:
        CheckpointError: there is no checkpoint at the path, or it is damaged.
    """
    with opened(path) as tensors:
        return tensors.read(tensors.shapes if names is None else names)


class _Tensors:
    """The tensors of a checkpoint on disk; `path` names it in errors."""

    def __init__(self, prefix, path):
        import tensorflow as tf

        self._path = path
        with self._failure_is_an_error():
            self._reader = tf.train.load_checkpoint(prefix)
            shapes = self._reader.get_variable_to_shape_map()
        self.shapes = {name: tuple(shape) for name, shape in shapes.items()}

    def read(self, names):
        with self._failure_is_an_error():
            return {name: self._reader.get_tensor(name) for name in names}

    @contextlib.contextmanager
    def _failure_is_an_error(self):
        import tensorflow as tf

        try:
            yield
        except (tf.errors.OpError, IndexError) as error:  # IndexError: cut short
            raise CheckpointError(
                f"the checkpoint {self._path} cannot be read: {error}. If it is "
                "damaged, get it again; in a training run, remove its files to resume "
                "from the checkpoint before."
            ) from error


@contextlib.contextmanager
def opened(path: Any) -> Iterator[_Tensors]:
    """The tensors of a checkpoint in any form that `find` understands."""
    found = find(path)
    if found.endswith(compact.SUFFIX):
        yield compact.CompactTensors(found)
        return
    if is_whole(found):
        yield _Tensors(found, found)
        return
    with tempfile.TemporaryDirectory() as directory:
        yield _Tensors(_untarred(found, directory), found)


def _untarred(archive, directory):
    """Unpacks the checkpoint in a tar archive, and nothing else; returns its prefix."""
    try:
        with tarfile.open(archive) as tar:
            members = tar.getmembers()
            _refuse_unsafe(archive, members)
            prefix = _first_prefix(archive, members)
            for member in members:
                if member.isfile() and member.name.startswith(prefix + "."):
                    target = os.path.join(directory, os.path.basename(member.name))
                    packed = tar.extractfile(member)
                    assert packed is not None  # it is a file
                    with open(target, "wb") as file:
                        shutil.copyfileobj(packed, file)
    except (tarfile.TarError, EOFError, zlib.error, lzma.LZMAError, gzip.BadGzipFile):
        raise CheckpointError(
            f"the archive {archive} is damaged or was cut short. Get it again."
        ) from None
    unpacked = os.path.join(directory, os.path.basename(prefix))
    if missing_files(unpacked):
        raise CheckpointError(
            f"{archive} holds only half a checkpoint: {prefix}.index without its data."
        )
    return unpacked


def _refuse_unsafe(archive, members):
    for member in members:
        path = PurePosixPath(member.name)
        if path.is_absolute() or ".." in path.parts:
            fault = "points outside the folder it is unpacked in"
        elif not (member.isfile() or member.isdir()):
            fault = "is a link or a device"
        else:
            continue
        raise CheckpointError(
            f"{archive} is not unpacked: its member {member.name!r} {fault}. It should "
            "have plain files only."
        )


def _first_prefix(archive, members):
    """As in Magenta, the first member ending in .index is the checkpoint."""
    for member in members:
        if member.name.endswith(".index"):
            return member.name.removesuffix(".index")
    names = ", ".join(member.name for member in members[:10]) or "nothing"
    raise CheckpointError(
        f"there is no checkpoint in {archive}: none of its members ends in .index. It "
        f"holds {names}."
    )

"""Reads the tensors of a checkpoint, from a tar archive too."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

from music_vae_tf.checkpoint import archive, compact
from music_vae_tf.checkpoint.finding import CheckpointError, find, is_whole
from music_vae_tf.checkpoint.sorted_table import BadTable
from music_vae_tf.checkpoint.tensor_bundle import TensorBundle


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
        self._path = path
        with self._failure_is_an_error():
            self._bundle = TensorBundle.open(prefix)
        self.shapes = {name: e.shape for name, e in self._bundle.entries.items()}

    def read(self, names):
        with self._failure_is_an_error():
            return self._bundle.read(names)

    @contextlib.contextmanager
    def _failure_is_an_error(self):
        try:
            yield
        except (BadTable, OSError) as error:
            raise CheckpointError(
                f"the checkpoint {self._path} cannot be read: {error}. If it is "
                "damaged, get it again; in a training run, remove its files to resume "
                "from the checkpoint before."
            ) from error


@contextlib.contextmanager
def opened(path: Any) -> Iterator[_Tensors | compact.CompactTensors]:
    """The tensors of a checkpoint in any form that `find` understands."""
    found = find(path)
    if found.endswith(compact.SUFFIX):
        yield compact.CompactTensors(found)
        return
    if is_whole(found):
        yield _Tensors(found, found)
        return
    with tempfile.TemporaryDirectory() as directory:
        yield _Tensors(archive.unpacked(found, directory), found)


def config_in(path: Any) -> str | None:
    """The config, as YAML, that a .safetensors file or a bundle holds; else None.

    Raises:
        CheckpointError: there is no checkpoint at the path, or it is damaged.
    """
    found = find(path)
    if found.endswith(compact.SUFFIX):
        return compact.metadata(found).config
    return None if is_whole(found) else archive.config_in(found)

"""Compact weights: a safetensors file of 16 or 8 bits per weight, for inference.

Tensors have Magenta's names. A matrix of 8 bits has a second tensor, `NAME:scale`, with
a float32 scale for each column: `weight = scale * integer`, from -127 to 127. Vectors
keep their 32 bits. The metadata hold the config as YAML, the step, files that belong to
the model (labels, a vocabulary) and a checksum of all tensors.
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import hashlib
import json
import os
from collections.abc import Iterable, Mapping

import numpy as np

from music_vae_tf.checkpoint.finding import CheckpointError
from music_vae_tf.data.whole_file import whole_file
from music_vae_tf.machine import memory_bytes

SUFFIX = ".safetensors"
FORMAT = "music_vae_tf compact 1"  # the key of the metadata
SCALE = ":scale"
LARGEST = 127
# Vectors are small, and a rounded bias moves every output.
SMALLEST_RANK = 2
BITS = (16, 8)
STORED = ("F32", "F16", "I8")  # the types of tensors that are written, and read
MAX_RANK = 8


# What is raised for metadata that are damaged, or nested without end.
DAMAGE = (KeyError, ValueError, TypeError, OverflowError, RecursionError)


@dataclasses.dataclass(frozen=True)
class Metadata:
    """The metadata of a file of compact weights.

    Attributes:
        config: the config that was trained, as YAML.
        step: training step of the checkpoint.
        files: {name: text} of what belongs to the model beside its weights.
    """

    config: str
    step: int
    files: Mapping[str, str] = dataclasses.field(default_factory=dict)


def write(
    path: str | os.PathLike,
    weights: Mapping[str, np.ndarray],
    metadata: Metadata,
    bits: int = 16,
) -> None:
    """Writes weights as a compact file, completely or not at all.

    Args:
        path: file to write; its name ends in `.safetensors`.
        weights: {Magenta's name: float array}.
        bits: 16 or 8 per weight of a matrix.

    Raises:
        ValueError: a weight is not finite, or too large for 16 bits.
    """
    from safetensors.numpy import save

    tensors = {}
    for name, array in sorted(weights.items()):
        tensors.update(_packed(name, np.asarray(array, np.float32), bits))
    content = {"sha256": _digest(tensors), **dataclasses.asdict(metadata)}
    # One entry alone: safetensors writes several in any order.
    header = {FORMAT: json.dumps(content, sort_keys=True)}
    with whole_file(path, durable=True) as file:
        file.write(save(tensors, header))


def _packed(name, array, bits):
    if not np.isfinite(array).all():
        raise ValueError(f"{name} has weights that are not finite numbers")
    if bits == 8 and array.ndim >= SMALLEST_RANK:
        scale = np.abs(array).max(axis=tuple(range(array.ndim - 1))) / LARGEST
        scale = np.where(scale > 0, scale, 1).astype(np.float32)
        return {name: np.rint(array / scale).astype(np.int8), f"{name}{SCALE}": scale}
    if array.ndim < SMALLEST_RANK:
        return {name: array}
    if np.abs(array).max(initial=0) > np.finfo(np.float16).max:
        raise ValueError(f"{name} has weights too large for 16 bits")
    return {name: array.astype(np.float16)}


def _digest(tensors) -> str:
    digest = hashlib.sha256()
    for name in sorted(tensors):
        array = np.ascontiguousarray(tensors[name])
        digest.update(f"{name} {array.dtype} {array.shape}\n".encode())
        digest.update(array.tobytes())
    return digest.hexdigest()


class CompactTensors:
    """The tensors of a compact file, read as float32.

    The header is read at once, and the tensors when the first of them is asked for: a
    file whose shapes do not fit a model is never read further.

    Attributes:
        shapes: {Magenta's name: shape}.
        metadata: of the file, such as its config.

    Raises:
        CheckpointError: the file is not compact weights of this project, or larger
            than the memory.
    """

    def __init__(self, path: str | os.PathLike):
        self._path = path
        shapes, (self.metadata, self._sha256) = _header(path)
        self.shapes = {n: shape for n, shape in shapes.items() if not n.endswith(SCALE)}

    def read(self, names: Iterable[str]) -> dict[str, np.ndarray]:
        """{name: float32 array} of the tensors that are named.

        Raises:
            CheckpointError: the file is damaged.
        """
        try:
            return {name: self._unpacked(name) for name in names}
        except MemoryError as error:
            raise CheckpointError(
                f"{self._path} does not fit into the memory of this machine"
            ) from error

    @functools.cached_property
    def _stored(self) -> dict[str, np.ndarray]:
        with _opened(self._path) as file:
            stored = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        if _digest(stored) != self._sha256:
            raise CheckpointError(
                f"{self._path} is damaged: the checksum of its weights does not fit. "
                "Get it again."
            )
        return stored

    def _unpacked(self, name):
        array = self._stored[name].astype(np.float32)
        scale = self._stored.get(f"{name}{SCALE}")
        return array if scale is None else array * scale


def metadata(path: str | os.PathLike) -> Metadata:
    """The metadata of a compact file, without its weights.

    Raises:
        CheckpointError: the file is not compact weights of this project.
    """
    with _opened(path) as file:
        return _metadata(path, file.metadata() or {})[0]


def _header(path):
    """The shapes in a safetensors file, and what `_metadata` reads of it."""
    size = os.path.getsize(path)
    if size > memory_bytes():
        raise CheckpointError(
            f"{path} has {size:,} bytes, and this machine's memory {memory_bytes():,}"
        )
    with _opened(path) as file:
        found = _metadata(path, file.metadata() or {})
        # The library checks offsets and sizes against the file, and reads nothing yet.
        parts = {name: file.get_slice(name) for name in file.keys()}  # noqa: SIM118
        shapes = {name: tuple(part.get_shape()) for name, part in parts.items()}
        for name, part in parts.items():
            _check(path, name, part.get_dtype(), shapes)
        return shapes, found


def _check(path, name, dtype, shapes):
    """
    Raises:
        CheckpointError: a tensor is not one that `write` could have written.
    """
    shape, matrix = shapes[name], name.removesuffix(SCALE)
    if dtype not in STORED or len(shape) > MAX_RANK or 0 in shape:
        raise CheckpointError(
            f"{path}: {name} is of type {dtype} and shape {list(shape)}; compact "
            f"weights are {', '.join(STORED)} of {MAX_RANK} axes at most"
        )
    if matrix != name and shapes.get(matrix, ())[-1:] != shape:
        raise CheckpointError(
            f"{path}: {name} has the shape {list(shape)}, and what it scales "
            f"{list(shapes.get(matrix, ()))}"
        )


@contextlib.contextmanager
def _opened(path):
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="numpy") as file:
            yield file
    except (SafetensorError, OSError, TypeError, KeyError) as error:
        raise CheckpointError(
            f"{path} is not a readable safetensors file: {error}. Get it again."
        ) from error


def _metadata(path, header) -> tuple[Metadata, str]:
    """The metadata, and the checksum that the weights should have."""
    if FORMAT not in header:
        raise CheckpointError(
            f"{path} does not hold compact weights of music_vae_tf: its metadata have "
            f"no entry {FORMAT!r}. music_vae_export --format=safetensors writes it"
        )
    try:
        content = json.loads(header[FORMAT])
        config, step, files = (content[key] for key in ("config", "step", "files"))
        files = {str(name): str(text) for name, text in dict(files).items()}
        return Metadata(str(config), int(step), files), content["sha256"]
    except DAMAGE as error:
        raise CheckpointError(f"{path}: bad metadata: {error}") from error

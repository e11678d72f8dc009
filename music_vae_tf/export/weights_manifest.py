"""Named arrays as TensorFlow.js keeps them: a manifest, and shards of bytes.

`weights_manifest.json` lists the arrays in the order in which their bytes follow each
other in the shards. A quantised array is stored as `q` with value `q * scale + min`, or
as float16.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from music_vae_tf.export.errors import ExportError
from music_vae_tf.json_files import read_json

SHARD_BYTES = 4 * 2**20
QUANTIZATIONS = ("none", "float16", "uint16", "uint8")
MANIFEST = "weights_manifest.json"
# A manifest of a stranger may name any shape: no array of a model is as large as this.
LARGEST_ARRAY = 2**30
LONGEST_NAME = 255
# A Python float: NumPy cannot compare its own with a whole number of 400 digits.
LARGEST_NUMBER = float(np.finfo(np.float32).max)


def write(folder: Path, arrays: Mapping[str, np.ndarray], quantization: str) -> int:
    """Writes manifest and shards into a folder; returns the bytes of all shards.

    Args:
        arrays: {name: float array}.
        quantization: one of `QUANTIZATIONS`.

    Raises:
        ExportError: a value is not finite, or too large for float16.
    """
    entries, pieces = [], []
    for name, array in arrays.items():
        entry, data = _encoded(name, np.asarray(array, np.float32), quantization)
        entries.append(entry)
        pieces.append(data)
    data = b"".join(pieces)
    number = max(1, math.ceil(len(data) / SHARD_BYTES))
    paths = [f"group1-shard{i}of{number}" for i in range(1, number + 1)]
    for index, path in enumerate(paths):
        start = index * SHARD_BYTES
        (folder / path).write_bytes(data[start : start + SHARD_BYTES])
    manifest = [{"paths": paths, "weights": entries}]
    (folder / MANIFEST).write_text(json.dumps(manifest), encoding="utf-8")
    return len(data)


def _encoded(name, array, quantization):
    """The manifest's entry of an array, and its bytes."""
    if not np.isfinite(array).all():
        raise ExportError(f"{name} has values that are not finite: nothing is exported")
    entry = {"name": name, "shape": list(array.shape), "dtype": "float32"}
    if quantization == "none":
        return entry, array.astype("<f4").tobytes()
    if quantization == "float16":
        return entry | {"quantization": {"dtype": "float16"}}, _half(name, array)
    dtype = np.dtype(quantization)
    low, scale = _range(array, np.iinfo(dtype).max)
    levels = np.rint((array.astype(np.float64) - low) / scale)
    limits = {"dtype": quantization, "min": low, "scale": scale}
    return entry | {"quantization": limits}, levels.astype(dtype).tobytes()


def _half(name, array):
    largest = float(np.abs(array).max(initial=0))
    if largest > float(np.finfo(np.float16).max):
        raise ExportError(
            f"{name} has a value of {largest:g}, and float16 ends at 65504: use "
            "--quantize=uint16 or --quantize=none"
        )
    return array.astype("<f2").tobytes()


def _range(array, levels: int) -> tuple[float, float]:
    """(min, scale) that cover an array, and have 0 exactly where it is between."""
    low, high = (float(f(array)) if array.size else 0.0 for f in (np.min, np.max))
    if low == high:
        return low, 1.0
    scale = (high - low) / levels
    if low < 0 < high:
        # Rounding moves both ends by half a level at most: one level more covers them.
        scale = (high - low) / (levels - 1)
        low = -scale * math.ceil(-low / scale)
    return low, scale


def read(folder: Path) -> dict[str, np.ndarray]:
    """{name: float32 array} of a folder that holds a manifest and its shards.

    Raises:
        ExportError: the manifest is damaged, names a file outside the folder, or does
            not fit the shards; names what came and what was expected.
        OSError: a file cannot be read.
    """
    groups = _groups(folder)
    arrays = {}
    for group in groups:
        data = b"".join(_shard(folder, path) for path in group["paths"])
        offset = 0
        for entry in group["weights"]:
            array, size = _decoded(folder, entry, data[offset:])
            arrays[entry["name"]] = array
            offset += size
        if offset != len(data):
            raise ExportError(
                f"{folder / MANIFEST} lists {offset:,} bytes, and its shards hold "
                f"{len(data):,}: the folder is damaged, or was cut short"
            )
    return arrays


def _groups(folder):
    file = folder / MANIFEST
    try:
        groups = read_json(file, list)
        for group in groups:
            assert all(isinstance(path, str) for path in group["paths"])
            assert all(isinstance(entry["name"], str) for entry in group["weights"])
    except FileNotFoundError:
        raise ExportError(
            f"{folder} has no {MANIFEST}: not a Magenta.js model"
        ) from None
    except (ValueError, TypeError, KeyError, AssertionError):
        raise ExportError(
            f"{file} is not a manifest of weights: a list of groups with `paths` and "
            "`weights` is expected"
        ) from None
    return groups


def _shard(folder, path):
    if not _is_file_name(path):
        raise ExportError(
            f"{folder / MANIFEST} names the file {path[:LONGEST_NAME]!r}: only files "
            "in the folder itself are read"
        )
    file = folder / path
    if not file.resolve().is_relative_to(folder.resolve()):
        raise ExportError(f"{file} is a link that leaves the folder: it is not read")
    if not file.is_file():
        raise ExportError(f"{folder / MANIFEST} names {path}, which is not there")
    return file.read_bytes()


def _is_file_name(path):
    """Half of a surrogate pair is in no file name, and not printable."""
    return (
        path.isprintable()
        and len(path) <= LONGEST_NAME
        and not any(c in path for c in "/\\")
        and path not in ("", ".", "..")
    )


def _decoded(folder, entry, data):
    """The array of a manifest's entry, and how many bytes it takes."""
    name, shape = entry["name"], entry.get("shape")
    quantization = entry.get("quantization") or entry
    dtype = quantization.get("dtype") if isinstance(quantization, dict) else None
    # TensorFlow.js has int32 as well: a training's step, for instance.
    if dtype not in ("float32", "int32", "float16", "uint16", "uint8"):
        raise ExportError(f"{folder / MANIFEST}: {name} is stored as {dtype!r}")
    if not _is_shape(shape):
        raise ExportError(f"{folder / MANIFEST}: {name} has the shape {shape!r}")
    stored = np.dtype(dtype).newbyteorder("<")
    size = math.prod(shape) * stored.itemsize
    if size > len(data):
        raise ExportError(
            f"{folder / MANIFEST}: {name} needs {size:,} bytes, and {len(data):,} are "
            "left in the shards: the folder is damaged, or was cut short"
        )
    array = np.frombuffer(data[:size], stored).reshape(shape).astype(np.float32)
    if dtype.startswith("uint"):
        scale, low = (
            _number(folder, name, quantization, key) for key in ("scale", "min")
        )
        array = array * scale + low
    if not np.isfinite(array).all():
        raise ExportError(f"{folder / MANIFEST}: {name} has values that are not finite")
    return array, size


def _number(folder, name, quantization, key):
    value = quantization.get(key)
    if type(value) not in (int, float) or not abs(value) <= LARGEST_NUMBER:
        raise ExportError(
            f"{folder / MANIFEST}: {name} has the {key} {value!r}; a number is expected"
        )
    return np.float32(value)


def _is_shape(shape):
    return (
        isinstance(shape, list)
        and len(shape) <= 4
        and all(type(size) is int and 0 < size <= LARGEST_ARRAY for size in shape)
        and math.prod(shape) <= LARGEST_ARRAY
    )

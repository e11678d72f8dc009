"""Named arrays as TensorFlow.js keeps them: a manifest, and shards of bytes.

`weights_manifest.json` lists the arrays in the order in which their bytes follow each
other in the shards. A quantised array is stored as `q` with value `q * scale + min`, or
as float16.
"""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np

from music_vae_tf.export.errors import ExportError
from music_vae_tf.json_files import read_json

SHARD_BYTES = 4 * 2**20
QUANTIZATIONS = ("none", "float16", "uint16", "uint8")
MANIFEST = "weights_manifest.json"
# A manifest of a stranger may name any shape: no array of a model is as large as this.
LARGEST_ARRAY = 2**30
MAX_BYTES = 2**32  # of the shards of a group; published models have 0.2 GB at most
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
    _refuse_repeats(folder, groups)
    arrays = {}
    for group in groups:
        files = [_shard(folder, path) for path in group["paths"]]
        entries = [_entry(folder, entry) for entry in group["weights"]]
        _compare_sizes(folder, files, entries)  # before anything is read
        data = memoryview(b"".join(file.read_bytes() for file in files))
        offset = 0
        for entry in entries:
            arrays[entry.name] = _decoded(folder, entry, data[offset:][: entry.size])
            offset += entry.size
    return arrays


class _Entry(NamedTuple):
    """Where a manifest's array is, and how it is stored."""

    name: str
    shape: list[int]
    stored: np.dtype
    scale: tuple[np.float32, ...]  # of whole numbers: scale and min
    size: int  # bytes


def _refuse_repeats(folder, groups):
    """A shard that is named a thousand times would be read as often."""
    for names in (
        [path for group in groups for path in group["paths"]],
        [entry["name"] for group in groups for entry in group["weights"]],
    ):
        twice, number = max(
            Counter(names).items(), key=lambda item: item[1], default=("", 0)
        )
        if number > 1:
            raise ExportError(
                f"{folder / MANIFEST} names {twice[:LONGEST_NAME]!r} more than once"
            )


def _compare_sizes(folder, files, entries):
    held, offset = sum(file.stat().st_size for file in files), 0
    if held > MAX_BYTES:
        raise ExportError(
            f"the shards that {folder / MANIFEST} names have {held:,} bytes, "
            f"{MAX_BYTES:,} are the limit"
        )
    for entry in entries:
        if entry.size > held - offset:
            raise ExportError(
                f"{folder / MANIFEST}: {entry.name} needs {entry.size:,} bytes, and "
                f"{held - offset:,} are left in the shards: the folder is damaged, or "
                "was cut short"
            )
        offset += entry.size
    if offset != held:
        raise ExportError(
            f"{folder / MANIFEST} lists {offset:,} bytes, and its shards hold "
            f"{held:,}: the folder is damaged, or was cut short"
        )


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
    return file


def _is_file_name(path):
    """Half of a surrogate pair is in no file name, and not printable."""
    return (
        path.isprintable()
        and len(path) <= LONGEST_NAME
        and not any(c in path for c in "/\\")
        and path not in ("", ".", "..")
    )


def _entry(folder, entry) -> _Entry:
    """
    Raises:
        ExportError: it is not one of a manifest.
    """
    name, shape = entry["name"], entry.get("shape")
    if len(name) > LONGEST_NAME or not name.isprintable():
        raise ExportError(
            f"{folder / MANIFEST} has an array named {name[:40]!r}..., which no model "
            "has"
        )
    quantization = entry.get("quantization") or entry
    dtype = quantization.get("dtype") if isinstance(quantization, dict) else None
    # TensorFlow.js has int32 as well: a training's step, for instance.
    if dtype not in ("float32", "int32", "float16", "uint16", "uint8"):
        raise ExportError(
            f"{folder / MANIFEST}: {name} is stored as {_shown(dtype)}, which is none "
            "of the types of Magenta.js"
        )
    if not _is_shape(shape):
        raise ExportError(f"{folder / MANIFEST}: {name} has the shape {_shown(shape)}")
    stored = np.dtype(dtype).newbyteorder("<")
    size = math.prod(shape) * stored.itemsize
    keys = ("scale", "min") if stored.kind == "u" else ()
    scale = tuple(_number(folder, name, quantization, key) for key in keys)
    return _Entry(name, shape, stored, scale, size)


def _shown(value) -> str:
    """Briefly, and not where it is nested, perhaps without end."""
    if value is None or isinstance(value, (int, float)):
        return str(value)[:40]
    if not isinstance(value, (str, list)):
        return repr(type(value))
    nested = isinstance(value, list) and any(isinstance(v, (list, dict)) for v in value)
    return "a nested list" if nested else repr(value[:8])[:200]


def _decoded(folder, entry, data) -> np.ndarray:
    """The array of a manifest's entry in its bytes."""
    name = entry.name
    array = np.frombuffer(data, entry.stored).reshape(entry.shape).astype(np.float32)
    if entry.scale:
        scale, low = entry.scale
        with np.errstate(over="ignore"):  # infinite then, which is refused
            array = array * scale + low
    if not np.isfinite(array).all():
        raise ExportError(f"{folder / MANIFEST}: {name} has values that are not finite")
    return array


def _number(folder, name, quantization, key):
    value = quantization.get(key)
    if type(value) not in (int, float) or not abs(value) <= LARGEST_NUMBER:
        raise ExportError(
            f"{folder / MANIFEST}: {name} has the {key} {_shown(value)}; a number is "
            "expected"
        )
    return np.float32(value)


def _is_shape(shape):
    return (
        isinstance(shape, list)
        and len(shape) <= 4
        and all(type(size) is int and 0 < size <= LARGEST_ARRAY for size in shape)
        and math.prod(shape) <= LARGEST_ARRAY
    )

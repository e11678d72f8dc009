"""Compares two folders of golden data: `python tests/golden/compare.py FOLDER`.

It runs in this project's own environment and prints each difference between
`tests/golden` and FOLDER. Floating-point numbers may differ in their last bits, because
processors round differently; all others must be equal.
"""

import io
import json
import lzma
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np

GOLDEN = Path(__file__).parent
TOLERANCE = {"rtol": 1e-4, "atol": 1e-5}
ARRAYS = (".npz", ".xz", ".index")


def arrays_of(path: Path) -> dict[str, np.ndarray]:
    """The arrays of a file by name: those of an archive or of a checkpoint."""
    if path.suffix == ".index":
        from music_vae_tf import checkpoint

        return checkpoint.read(str(path.with_suffix("")))
    data = path.read_bytes()
    data = lzma.decompress(data) if path.suffix == ".xz" else data
    with np.load(io.BytesIO(data)) as arrays:
        return dict(arrays)


def numbers_of(value: object, name: str = "") -> dict[str, object]:
    """The leaves of parsed JSON by their path."""
    if not isinstance(value, (dict, list)):
        return {name: value}
    items = value.items() if isinstance(value, dict) else enumerate(value)
    return {
        leaf: number
        for key, child in items
        for leaf, number in numbers_of(child, f"{name}/{key}").items()
    }


def values_of(path: Path) -> dict[str, object]:
    """What a file holds, by name."""
    if path.suffix in ARRAYS:
        return arrays_of(path)
    if path.suffix == ".json":
        return numbers_of(json.loads(path.read_text()))
    return {"": np.frombuffer(path.read_bytes(), np.uint8)}


def is_equal(one: object, other: object) -> bool:
    one, other = np.asarray(one), np.asarray(other)
    if (one.dtype, one.shape) != (other.dtype, other.shape):
        return False
    if one.dtype.kind == "f":
        return np.allclose(one, other, **TOLERANCE)
    return np.array_equal(one, other)


def files_of(folder: Path) -> set[str]:
    """The golden files; the data of a checkpoint are read with its index."""
    files = (path for path in folder.rglob("*") if path.is_file())
    names = (path.relative_to(folder) for path in files)
    return {
        str(name)
        for name in names
        if name.suffix not in (".py", ".pyc")
        and ".data-" not in name.name
        # Caches of tools.
        and not name.parts[0].startswith(".")
    }


def differences(one: Path, other: Path) -> Iterator[str]:
    """A line for each file and each value that differs."""
    files, others = files_of(one), files_of(other)
    yield from (f"{name}: only in one folder" for name in sorted(files ^ others))
    for name in sorted(files & others):
        values, other_values = values_of(one / name), values_of(other / name)
        if values.keys() != other_values.keys():
            yield f"{name}: other names"
        for key in sorted(values.keys() & other_values.keys(), key=str):
            if not is_equal(values[key], other_values[key]):
                yield f"{name}: {key} differs"


if __name__ == "__main__":
    found = list(differences(GOLDEN, Path(sys.argv[1])))
    print(*found or ["no differences"], sep="\n")
    sys.exit(bool(found))

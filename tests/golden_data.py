"""Reads golden data: the numbers that the original Magenta computed.

`tests/golden` holds a compact set, made of the project's own music.
docs/build/testing.md describes the files and how they are made.
"""

import io
import itertools
import json
import lzma
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from note_seq.protobuf.music_pb2 import NoteSequence

from music_vae_tf.data.records import read_records

COMPACT = Path(__file__).parent / "golden"


class Example(NamedTuple):
    """One example of a converter; inputs, outputs and controls are `[steps, depth]`."""

    inputs: np.ndarray
    outputs: np.ndarray
    controls: np.ndarray
    length: int | np.ndarray


class Case(NamedTuple):
    """What one converter made of one NoteSequence.

    `examples` is None where Magenta raised `info["raises"]`. `from_tensors` holds the
    serialized NoteSequences of the first examples; it is None where Magenta raised, and
    where no example exists.
    """

    notesequence: str
    mode: str
    info: dict[str, Any]
    examples: list[Example] | None
    from_tensors: list[bytes] | None


class Golden:
    """A folder of golden data."""

    def __init__(self, folder: Path = COMPACT):
        self.folder = Path(folder)

    def path(self, *parts: str) -> str:
        return str(self.folder.joinpath(*parts))

    def json(self, *parts: str) -> Any:
        return json.loads(self.folder.joinpath(*parts).read_text())

    @cached_property
    def notesequences(self) -> dict[str, bytes]:
        """Serialized NoteSequences by name: those converted and those derived."""
        converted = {
            f"{file.stem}/{NoteSequence.FromString(record).filename}": record
            for file in sorted(self.folder.glob("conversion/*.tfrecord"))
            for record in read_records(str(file))
        }
        derived = {
            name: array.tobytes()
            for file in self.folder.glob("*.npz")
            for name, array in _arrays(file).items()
        }
        return converted | derived

    def collections(self) -> list[str]:
        """The folders of `midi/` that Magenta converted."""
        return sorted(self.json("conversion", "index.json"))

    def conversions(self, collection: str) -> list[tuple[str, dict, bytes | None]]:
        """(file name, its entry in the index, serialized NoteSequence), by name."""
        index = self.json("conversion", "index.json")[collection]
        return [
            (name, entry, self.notesequences.get(f"{collection}/{name}"))
            for name, entry in sorted(index.items())
        ]

    def models(self) -> list[str]:
        """The configs whose numbers are known."""
        return sorted(path.name for path in self.folder.glob("models/*"))

    def model(self, config: str) -> tuple[dict, dict[str, np.ndarray]]:
        """The manifest and the arrays of a config's model."""
        folder = self.folder / "models" / config
        manifest = json.loads((folder / "manifest.json").read_text())
        return manifest, _arrays(folder / "arrays.npz")

    def converter_variants(self) -> dict[str, dict]:
        """What is known of each converter, by the name of the variant."""
        return self._variants

    @cached_property
    def _variants(self):
        return self.json("converters", "index.json")["variants"]

    def converter_cases(self, variant: str, mode: str) -> list[Case]:
        """What a converter made of each of its NoteSequences in a mode."""
        (path,) = self.folder.glob(f"converters/{variant}.npz*")
        arrays = _arrays(path)
        files = self._variants[variant]["files"]
        return [
            _case(arrays, number, file, mode) for number, file in sorted(files.items())
        ]


def _arrays(path):
    data = path.read_bytes()
    data = lzma.decompress(data) if path.suffix == ".xz" else data
    with np.load(io.BytesIO(data)) as arrays:
        return dict(arrays)


def _case(arrays, number, file, mode):
    info = file["modes"][mode]
    if "raises" in info:
        return Case(file["notesequence"], mode, info, None, None)
    examples = _examples(arrays, f"{number}/{info.get('tensors_same_as', mode)}")
    back = f"{number}/{info.get('from_tensors_same_as', mode)}/from_tensors"
    is_decoded = back in arrays and "from_tensors_raises" not in info
    decoded = [part.tobytes() for part in _parts(arrays, back)] if is_decoded else None
    return Case(file["notesequence"], mode, info, examples, decoded)


def _examples(arrays, prefix):
    """The examples of one NoteSequence, none where nothing is stored for it."""
    if f"{prefix}/outputs" not in arrays:
        return []
    outputs = _parts(arrays, f"{prefix}/outputs")
    has = lambda kind: f"{prefix}/{kind}" in arrays
    inputs = _parts(arrays, f"{prefix}/inputs") if has("inputs") else outputs
    controls = [np.zeros([len(rows), 0]) for rows in outputs]
    controls = _parts(arrays, f"{prefix}/controls") if has("controls") else controls
    columns = (inputs, outputs, controls, arrays[f"{prefix}/lengths"])
    return list(itertools.starmap(Example, zip(*columns)))


def _parts(arrays, name):
    """An array that holds others one after the other, cut into these."""
    ends = np.cumsum(arrays[f"{name}_rows"])
    return np.split(arrays[name], ends[:-1]) if len(ends) else []

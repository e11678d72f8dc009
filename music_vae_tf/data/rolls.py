"""Files of class rolls: windows of pieces, as models read them.

A file is NumPy's .npz with

    cells  uint8 [N, T, 32]  the classes of T steps and 128 pitches, four to a byte, the
                             lowest pitch in the lowest bits (`batch.TwoBit`)
    steps  int32 [N]         how many of the T steps are music, not silence after it
    names  str [N]           the piece, and where two rolls are of one, its number
"""

from __future__ import annotations

import math
import re
import zipfile
from collections import Counter
from pathlib import Path
from typing import NamedTuple

import numpy as np

from music_vae_tf.batch import Batch, TwoBit
from music_vae_tf.data import pieces
from music_vae_tf.data.converters.piano_roll import PITCHES, PianoRollConverter
from music_vae_tf.data.example_store import ExampleStore
from music_vae_tf.data.holdout import held_out, rank
from music_vae_tf.data.whole_file import whole_file
from music_vae_tf.errors import UserFacingError
from music_vae_tf.machine import memory_bytes

LAYOUT = TwoBit(PITCHES)
# A file is refused that takes a larger share of the memory, or many more bytes than it
# has. Those of music have some 40 for each.
MEMORY_SHARE, MOST_RATIO, FREE_BYTES = 1 / 4, 500, 50_000_000
MAKE_ONE = "piano_roll_vae_prepare makes one of a folder of MIDI"


class BadRolls(UserFacingError, ValueError):
    """A file that does not hold class rolls of the length asked for."""


class Rolls(NamedTuple):
    """N windows of class rolls."""

    cells: np.ndarray  # uint8 [N, T, 32], packed
    steps: np.ndarray  # int32 [N]
    names: np.ndarray  # str [N]

    def __len__(self) -> int:
        return len(self.steps)

    def part(self, chosen: slice | np.ndarray) -> Rolls:
        """The rolls of these numbers."""
        return Rolls(*(array[chosen] for array in self))

    def classes(self, part: slice = slice(None)) -> np.ndarray:
        """Class numbers, uint8 [N, steps, 128], of a part of the steps."""
        return LAYOUT.unpack(self.cells[:, part]).astype(np.uint8)


def of_sequence(
    sequence, converter: PianoRollConverter, name: str, number: int = 0
) -> tuple[Rolls, Counter[str]]:
    """All windows of a NoteSequence, and what of it was left out.

    number: of the NoteSequence in its collection, from 0.
    """
    examples, left_out = pieces.extract(converter, sequence, number)
    cells = np.zeros([len(examples), converter.window_steps, LAYOUT.width], np.uint8)
    for window, example in zip(cells, examples):
        window[:] = example.targets
    steps = np.array([example.length for example in examples], np.int32)
    numbers = range(1, len(examples) + 1)
    names = [f"{name} {n}" if len(examples) > 1 else name for n in numbers]
    return Rolls(cells, steps, np.array(names, str)), left_out


def joined(parts: list[Rolls]) -> Rolls:
    """All rolls of all parts, in their order."""
    return Rolls(*(np.concatenate(arrays) for arrays in zip(*parts)))


def from_note_sequences(data, converter: PianoRollConverter) -> Rolls:
    """All windows of NoteSequences, named by their files or their numbers.

    Args:
        data: in one of the forms that `Source.from_data` takes.

    Raises:
        BadRolls: they give no window.
    """
    from music_vae_tf.data.source import Source

    parts = [
        of_sequence(
            sequence, converter, sequence.filename or f"sequence-{number}", number
        )[0]
        for number, sequence in enumerate(Source.from_data(data).read())
    ]
    if not any(map(len, parts)):
        raise BadRolls(
            f"{len(parts)} NoteSequences give no class roll of {converter.window_steps}"
            " steps: they are too short, or have no piano, guitar or bass"
        )
    return joined(parts)


def split(rolls: Rolls, share: float, seed: int, name: str) -> tuple[Rolls, Rolls]:
    """The rolls without those of a share of the pieces, and the latter alone.

    The rolls of one piece stay together. Which pieces are held out depends on their
    names and the seed.

    Args:
        name: of the collection, for the message.

    Raises:
        NothingHeldOut: there are fewer than two pieces.
    """
    ranks = [rank(_piece(roll).encode(), seed) for roll in rolls.names]
    chosen = held_out(ranks, share, name)
    is_out = np.array([each in chosen for each in ranks])
    return rolls.part(~is_out), rolls.part(is_out)


def _piece(name: str) -> str:
    """The piece of a roll's name, which may end in the number of the roll."""
    return re.sub(r" \d+$", "", str(name))


def write(rolls: Rolls, path) -> None:
    """Writes a file of rolls, which takes its name when it is whole."""
    with whole_file(path) as file:
        np.savez_compressed(file, **rolls._asdict())


def read(path, num_steps: int) -> Rolls:
    """The rolls of a file, each of so many steps.

    Raises:
        BadRolls: it is not a file of rolls, has none, or rolls of another length.
        OSError: it cannot be read.
    """
    path = Path(path).expanduser()
    with open(path, "rb") as file:
        try:
            with zipfile.ZipFile(file) as archive:
                _check_before(archive, path, num_steps)
                rolls = Rolls(*(_array(archive, name) for name in Rolls._fields))
        except (OSError, BadRolls):
            raise
        except Exception as error:  # NumPy and zipfile raise nearly anything
            raise BadRolls(
                f"{path} is not a file of class rolls; {MAKE_ONE}"
            ) from error
    _check(rolls, path, num_steps)
    return rolls


class _Header(NamedTuple):
    """What a file of an array says before the array."""

    shape: tuple[int, ...]
    is_in_columns: bool
    dtype: np.dtype


def _header(archive, name) -> _Header:
    with archive.open(f"{name}.npy") as file:
        if np.lib.format.read_magic(file) == (1, 0):
            return _Header(*np.lib.format.read_array_header_1_0(file))
        return _Header(*np.lib.format.read_array_header_2_0(file))


def _array(archive, name) -> np.ndarray:
    with archive.open(f"{name}.npy") as file:
        return np.lib.format.read_array(file, allow_pickle=False)


def _check_before(archive, path, num_steps):
    """Checks sizes and shapes while nothing of their length is allocated."""
    headers = Rolls(*(_header(archive, name) for name in Rolls._fields))
    members = [archive.getinfo(f"{name}.npy") for name in Rolls._fields]
    size = sum(member.file_size for member in members)
    for header, member in zip(headers, members):
        if math.prod(header.shape) * header.dtype.itemsize > member.file_size:
            raise ValueError("cut off")
    if any(header.dtype.hasobject for header in headers):
        raise ValueError("pickles")
    ratio = size / max(sum(member.compress_size for member in members), 1)
    share = MEMORY_SHARE * memory_bytes()
    if size > share or (size > FREE_BYTES and ratio > MOST_RATIO):
        raise BadRolls(
            f"{path} would take {size / 1e6:,.0f} MB of memory, {ratio:,.0f} times its "
            f"size; {share / 1e6:,.0f} MB and {MOST_RATIO} times are the limits"
        )
    if headers.names.dtype.kind != "U" or len(headers.names.shape) != 1:
        raise ValueError("names")
    _check_cells(headers.cells, headers.names.shape[0], path, num_steps)


def _check_cells(cells, number, path, num_steps):
    """cells: an array, or its header."""
    expected = (number, num_steps, LAYOUT.width)
    if cells.shape != expected or cells.dtype != LAYOUT.dtype:
        raise BadRolls(
            f"{path} holds {cells.dtype} rolls of shape {list(cells.shape)}; uint8 of "
            f"{list(expected)} are expected, which is [rolls, steps, 128 pitches by "
            "four]"
        )


def _check(rolls: Rolls, path, num_steps: int):
    _check_cells(rolls.cells, rolls.names.size, path, num_steps)
    if not len(rolls.names):
        raise BadRolls(f"{path} holds no rolls; {MAKE_ONE}")
    steps = rolls.steps
    is_whole = steps.dtype.kind in "iu" and steps.shape == (len(rolls.names),)
    if not is_whole or steps.min() < 0 or steps.max() > num_steps:
        raise BadRolls(
            f"{path}: the lengths of its rolls should be whole numbers from 0 to "
            f"{num_steps}; {MAKE_ONE}"
        )


# For training.


def store(rolls: Rolls) -> ExampleStore:
    """The rolls as examples in memory."""
    count, num_steps, width = rolls.cells.shape
    return ExampleStore(
        {"targets": LAYOUT},
        {"targets": rolls.cells.reshape(count * num_steps, width)},
        np.arange(count + 1, dtype=np.int64) * num_steps,
        rolls.steps,
    )


def transposed(batch: Batch, low: int, high: int, noise) -> Batch:
    """A batch of rolls, each as many semitones higher as is drawn for it from `low` to
    `high`; what leaves the 128 pitches is lost.

    noise: has a method `uniform(shape)`.
    """
    import tensorflow as tf

    draws = noise.uniform([tf.shape(batch.targets)[0]])
    semitones = low + tf.cast(draws * (high - low + 1), tf.int32)
    sources = tf.range(PITCHES) - semitones[:, None]  # [B, pitches]
    is_there = (sources >= 0) & (sources < PITCHES)
    rolls = tf.gather(
        batch.targets, tf.clip_by_value(sources, 0, PITCHES - 1), axis=2, batch_dims=1
    )
    rolls = tf.where(is_there[:, None], rolls, 0.0)
    return batch._replace(inputs=rolls, targets=rolls)

"""The folder that preparing makes of music files, and the pieces in it.

pieces/NAME/treble.csv, bass.csv   data frames of the staves, in C major or A minor
pieces/NAME/piece.json             its key, bars and metres; or why it is refused
split.json                         which pieces are for training, validation, test
"""

from __future__ import annotations

import fnmatch
import hashlib
import json
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path, PurePath

from music_vae_tf.data.clefs import (
    STAVES,
    TICKS_PER_QUARTER,
    NotUsable,
    extraction,
    files,
    frames,
    keys,
    splitting,
    transformation,
)
from music_vae_tf.data.clefs.windows import Piece
from music_vae_tf.data.limits import MAX_QUARTERS
from music_vae_tf.data.whole_file import whole_file
from music_vae_tf.errors import UserFacingError
from music_vae_tf.json_files import BadJson, read_json

FORMAT = 2  # of piece.json and the frames; others are made anew
MAX_TICKS = MAX_QUARTERS * TICKS_PER_QUARTER  # of a piece
SPLITS = ("train", "validation", "test")


class BadPreparation(UserFacingError, ValueError):
    """A folder that is not what preparing makes."""


@dataclass(frozen=True)
class Facts:
    """The content of a file's piece.json."""

    source: str  # digest of the file it was made of
    refused: str | None = None  # why nothing was made of it
    key: str = ""  # that it was in
    semitones: int = 0  # that it was shifted by
    mode: str = ""
    metres: tuple[str, ...] = ()
    bars: tuple[int, ...] = ()  # ticks
    end: int = 0  # ticks
    clefs: tuple[str, ...] = ()  # of its parts
    quantization: str = "fine"  # of MIDI, see `files.parse`
    format: int = FORMAT

    @property
    def remarks(self) -> list[str]:
        """What is unusual, though no reason to refuse it."""
        return ["changing time signature"] if len(self.metres) > 1 else []


# Making one.


def prepare_file(
    root: str, output_dir: str, name: str, quantization: str = "fine"
) -> Facts:
    """Makes the data frames of the file `name` below `root`, unless they are there.

    `quantization` is that of MIDI, 'fine' or 'original', see `files.parse`. The
    file's piece.json is written last: where that is, all is.
    """
    folder, source = piece_folder(output_dir, name), _digest(Path(root, name))
    facts = _read_facts(folder)
    if facts is not None and _made_of(facts) == (source, FORMAT, quantization):
        return facts
    folder.mkdir(parents=True, exist_ok=True)
    try:
        facts, tables = _stages(Path(root, name), source, quantization)
    except NotUsable as refusal:
        facts = Facts(source, refused=refusal.reason, quantization=quantization)
        tables = {}
    for staff, table in tables.items():
        with whole_file(folder / f"{staff}.csv", durable=True) as file:
            file.write(frames.to_csv(table))
    with whole_file(folder / "piece.json", durable=True) as file:
        file.write(json.dumps(vars(facts)).encode())
    return facts


def _made_of(facts):
    return facts.source, facts.format, facts.quantization


def piece_folder(output_dir, name: str) -> Path:
    """Where the frames of a file are kept."""
    return Path(output_dir, "pieces", name)


def _digest(path):
    try:
        return hashlib.sha1(path.read_bytes()).hexdigest()
    except OSError:
        return ""


def _stages(path, source, quantization):
    """Stages 2 to 5: a file -> its facts, and a data frame for each staff."""
    score = files.parse(path, quantization)
    if extraction.is_percussion(score):
        raise NotUsable("drums only")
    parts = list(score.parts) or [score]
    key = keys.estimated_key(score)
    shift = key.semitones_home
    staves = [splitting.staff_of(part) for part in parts]
    split = splitting.split(
        [
            splitting.Part(extraction.elements(part, shift), staff)
            for part, staff in zip(parts, staves)
        ]
    )
    ends = [e.offset + e.duration for its in split.values() for p in its for e in p]
    facts = Facts(
        source,
        None,
        str(key),
        shift,
        key.mode,
        tuple(extraction.metres(parts[0])),
        tuple(extraction.bar_starts(parts[0])),
        max(ends),
        tuple(staff or "none" for staff in staves),
        quantization,
    )
    return facts, {staff: frames.to_frame(its) for staff, its in split.items()}


def _read_facts(folder: Path) -> Facts | None:
    try:
        values = read_json(folder / "piece.json")
        lists = {key: tuple(v) for key, v in values.items() if isinstance(v, list)}
        facts = Facts(**{**values, **lists})
    except (OSError, BadJson, TypeError):
        return None
    return facts if _makes_sense(facts) else None


def _makes_sense(facts: Facts) -> bool:
    texts = (facts.source, facts.key, facts.mode, facts.quantization)
    tuples = (facts.metres, facts.bars, facts.clefs)
    return (
        all(isinstance(its, tuple) for its in tuples)
        and all(isinstance(text, str) for text in (*texts, *facts.metres, *facts.clefs))
        and all(type(number) is int for number in (facts.semitones, *facts.bars))
        and type(facts.end) is int
        and 0 <= facts.end <= MAX_TICKS
        and all(one < next_one for one, next_one in pairwise(facts.bars))
        and (facts.refused is None or isinstance(facts.refused, str))
    )


def _is_names(names) -> bool:
    """Whether it is a list of names that stay in their folder."""
    return isinstance(names, list) and all(
        isinstance(name, str)
        and name.isprintable()
        and not PurePath(name).is_absolute()
        and ".." not in PurePath(name).parts
        for name in names
    )


def split_by_name(names: list[str], test=(), validation=()) -> dict[str, list[str]]:
    """Which files are for training, validation and test: a tenth each for the latter.

    The choice goes by a checksum of the names, so it is the same for the same files.

    Args:
        test, validation: patterns like `*op10*` that choose instead.
    """
    order = sorted(names, key=lambda name: (zlib.crc32(name.encode()), name))
    tenth = max(round(len(names) / 10), 1) if len(names) >= 3 else 0
    chosen = {}
    for split, patterns in (("test", test), ("validation", validation)):
        left = [name for name in order if name not in sum(chosen.values(), [])]
        chosen[split] = [
            name
            for i, name in enumerate(left)
            if (_matches(name, patterns) if patterns else i < tenth)
        ]
    taken = sum(chosen.values(), [])
    chosen["train"] = [name for name in order if name not in taken]
    return {split: sorted(chosen[split]) for split in SPLITS}


def _matches(name, patterns):
    return any(fnmatch.fnmatch(name, pattern) for pattern in patterns)


def write_split(output_dir, split: dict[str, list[str]]) -> None:
    """Writes split.json, which makes the folder whole."""
    with whole_file(Path(output_dir, "split.json"), durable=True) as file:
        file.write((json.dumps(split, indent=1) + "\n").encode())


# Reading one.


@dataclass(frozen=True)
class Prepared:
    """A prepared folder."""

    path: Path

    @property
    def split(self) -> dict[str, list[str]]:
        """The names of the pieces, by what they are for.

        Raises:
            BadPreparation: the folder holds none, or is not finished.
        """
        path = self.path / "split.json"
        try:
            split = read_json(path)
        except OSError as error:
            raise BadPreparation(
                f"{self.path} is not a finished folder of clef_lstm_prepare: it has "
                "no split.json. Make one with "
                "clef_lstm_prepare --input_dir=... --output_dir=..."
            ) from error
        except BadJson as error:
            raise BadPreparation(f"{error}. Run clef_lstm_prepare again") from error
        names = {name: split.get(name) for name in SPLITS}
        if not all(_is_names(its) for its in names.values()):
            raise BadPreparation(
                f"{path} is damaged: expected a list of names of files for each of "
                f"{', '.join(SPLITS)}. Run clef_lstm_prepare again"
            )
        return names

    def pieces(self, split: str, voices: str) -> Iterator[Piece]:
        """The pieces of a split, as lines.

        Args:
            voices: 'merged' into lines that keep the time, or 'flattened'.

        Raises:
            BadPreparation: a piece is missing, or damaged.
        """
        for name in self.split[split]:
            yield self._piece(name, voices)

    def _piece(self, name, voices):
        folder = piece_folder(self.path, name)
        facts = _read_facts(folder)
        try:
            if facts is None or facts.refused or not facts.bars:
                raise ValueError("no whole piece.json")
            parts = {staff: _parts(folder / f"{staff}.csv", facts) for staff in STAVES}
            return piece_of(parts, facts, voices)
        except (OSError, ValueError, LookupError, TypeError, ArithmeticError) as error:
            raise BadPreparation(
                f"{folder} is damaged: run clef_lstm_prepare again ({error})"
            ) from error


def _parts(path, facts):
    """The elements by part of a staff's data frame.

    Raises:
        ValueError, ...: it is damaged, as by hand.
    """
    parts = frames.from_frame(frames.from_csv(path.read_bytes()))
    for element in (element for part in parts for element in part):
        if not 0 <= element.offset <= element.offset + element.duration <= facts.end:
            raise ValueError(f"{path.name} has notes outside the piece")
    return parts


def piece_of(parts: dict, facts: Facts, voices: str) -> Piece:
    """Elements by staff and part -> a piece, its voices 'merged' or 'flattened'."""
    if voices == "merged":
        lines = {
            staff: transformation.merged_line(its, list(facts.bars), facts.end)
            for staff, its in parts.items()
        }
        return Piece(lines, facts.bars, facts.end, facts.mode)
    lines = {staff: transformation.flattened_line(its) for staff, its in parts.items()}
    # These lines are longer than the music: its bars are counted on.
    end = max(line[-1].onset + line[-1].duration for line in lines.values())
    bar = (facts.bars[1:2] or (facts.end,))[0] - facts.bars[0]
    bars = tuple(range(facts.bars[0], end, bar))
    return Piece(lines, bars, end, facts.mode)

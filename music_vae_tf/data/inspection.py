"""What is in a music file, and what converters make of it.

It answers the question of a data set without examples: which notes, bars, tempos and
drums there are, and why a config refuses them.
"""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from music_vae_tf.data import beats, drum_maps
from music_vae_tf.data.converters import drum_classes, drum_parts
from music_vae_tf.data.converters.base import NotConvertible, grouped
from music_vae_tf.data.converters.score import read
from music_vae_tf.data.midi import DAW, Reading, read_music_file

CHANNEL_10 = "channel 10"


@dataclass(frozen=True)
class Instrument:
    """Notes of one track and program."""

    name: str
    program: int
    is_drum: bool
    notes: int
    lowest: int  # MIDI pitches
    highest: int


@dataclass(frozen=True)
class Drums:
    """The notes that models of drums read with `--drums=auto`.

    Attributes:
        found_by: `channel 10`, `looks` (name and notes of a kit), or '' without drums.
        classes: notes in each class of General MIDI's reduced kit.
        unmapped: `{pitch: notes}` in no class.
    """

    found_by: str
    notes: int
    classes: dict[str, int]
    unmapped: dict[int, int]


@dataclass(frozen=True)
class Music:
    """What a file holds.

    Attributes:
        tempos: BPM of the first, the slowest and the fastest; `tempo_changes` more.
        time_signatures: `{'4/4': bars}`.
        mended: what is broken in the file, and is left out or guessed.
    """

    seconds: float
    bars: int
    notes: int
    tempos: tuple[float, float, float]
    tempo_changes: int
    time_signatures: dict[str, int]
    instruments: list[Instrument]
    drums: Drums
    mended: dict[str, int]


@dataclass(frozen=True)
class Made:
    """What a config makes of a piece for training."""

    config: str
    examples: int
    left_out: dict[str, int]


@dataclass
class FileReport:
    """A file, its music, and what configs make of it; or why it cannot be read."""

    path: str
    tune: str = ""
    problem: str = ""
    music: Music | None = None
    made: list[Made] = field(default_factory=list)

    def as_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return asdict(self)


def inspect(
    path: str, converters: dict[str, Any], drum_map: drum_maps.DrumMap
) -> list[FileReport]:
    """A file's reports, one for each tune; it never raises for what is in the file.

    Args:
        converters: `{config: its converter}`.
        drum_map: of the file.
    """
    try:
        reading = read_music_file(path, DAW)
    except (OSError, ValueError) as error:
        problem = getattr(error, "strerror", None) or str(error)
        return [FileReport(path, problem=problem)]
    return [
        _report(path, tune, sequence, reading, converters, drum_map)
        for tune, sequence in reading.sequences.items()
    ]


def _report(path, tune, sequence, reading: Reading, converters, drum_map):
    sequence = drum_maps.translated(sequence, drum_map.read)
    report = FileReport(path, tune)
    report.music = _music(sequence, dict(reading.mended))
    for name, converter in converters.items():
        report.made.append(_made(name, converter, sequence))
    return report


def _made(name, converter, sequence) -> Made:
    examples, left_out = converter.extract(sequence)
    left_out = grouped(left_out)
    if not examples and not left_out:
        left_out = Counter(["no notes of the kind"])
    return Made(name, len(examples), dict(left_out.most_common()))


def _music(sequence, mended) -> Music:
    bars = beats.bars(beats.in_beats(sequence))
    qpm = [tempo.qpm for tempo in sorted(sequence.tempos, key=lambda t: t.time)]
    qpm = [q for q in qpm if math.isfinite(q) and q > 0] or [beats.DEFAULT_QPM]
    return Music(
        seconds=round(float(sequence.total_time), 3),
        bars=len(bars),
        notes=len(sequence.notes),
        tempos=(round(qpm[0], 2), round(min(qpm), 2), round(max(qpm), 2)),
        tempo_changes=len(qpm) - 1,
        time_signatures=dict(Counter("{}/{}".format(*bar.metre) for bar in bars)),
        instruments=_instruments(sequence),
        drums=_drums(sequence),
        mended=mended,
    )


def _instruments(sequence) -> list[Instrument]:
    names = {info.instrument: info.name for info in sequence.instrument_infos}
    parts = {}
    for note in sequence.notes:
        key = note.instrument, note.program, note.is_drum
        parts.setdefault(key, []).append(note.pitch)
    return [
        Instrument(names.get(key[0], ""), *key[1:], len(p), min(p), max(p))
        for key, p in sorted(parts.items())
    ]


def _drums(sequence) -> Drums:
    classes = drum_classes.classes("reduced")
    notes = read(sequence).notes
    try:
        mask, remarks = drum_parts.choose(sequence, notes, drum_parts.AUTO, classes)
    except NotConvertible:
        return Drums("", 0, {}, {})
    pitches = notes["pitch"][mask]
    numbers, _ = drum_classes.assign(pitches, classes)
    found = np.bincount(numbers[numbers >= 0], minlength=len(classes)).tolist()
    names = [drum.name for drum in drum_classes.REDUCED]
    return Drums(
        "looks" if drum_parts.TAKEN_AS_DRUMS in remarks else CHANNEL_10,
        int(mask.sum()),
        {name: count for name, count in zip(names, found) if count},
        dict(sorted(Counter(pitches[numbers < 0].tolist()).items())),
    )

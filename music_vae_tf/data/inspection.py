"""What is in a music file, and what converters make of it.

It answers the question of a data set without examples: which notes, bars, tempos and
drums there are, and why a config refuses them.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from music_vae_tf.data import beats, drum_maps, midi_tracks, track_names
from music_vae_tf.data.converters import drum_classes, drum_parts
from music_vae_tf.data.converters.base import NotConvertible, grouped
from music_vae_tf.data.converters.score import read
from music_vae_tf.data.midi import DAW, read_music_file

CHANNEL_10 = "channel 10"


@dataclass(frozen=True)
class Instrument:
    """Notes of one track, channel and program.

    Attributes:
        number: among instruments that have notes, from 1, as in `--drums=track:3`.
        track, channel: in the file, from 1; None where it is not MIDI.
    """

    number: int
    track: int | None
    channel: int | None
    name: str
    program: int
    is_drum: bool
    notes: int
    lowest: int  # MIDI pitches
    highest: int


@dataclass(frozen=True)
class Drums:
    """The notes that trained models of drums read.

    Attributes:
        found_by: `channel 10`, `looks` (name and notes of a kit), `both`, `choice` (as
            --drums says), or '' without drums.
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
    empty_tracks: dict[int, str]  # number in the file: name
    drums: Drums
    mended: dict[str, int]


@dataclass(frozen=True)
class Used:
    """What is read of a piece, examples or notes, and why not more."""

    count: int
    left_out: dict[str, int]


@dataclass(frozen=True)
class Made:
    """What a config makes of a piece.

    Attributes:
        examples, left_out: for training.
        generate: examples that a trained model reads, in beats.
        transform: notes that `--mode=transform` reads; None where there is no such
            mode.
    """

    config: str
    examples: int
    left_out: dict[str, int]
    generate: Used
    transform: Used | None = None


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
    path: str,
    converters: dict[str, Any],
    drum_map: drum_maps.DrumMap,
    drums: str | None = None,
    transform: Callable[[str], dict[str, Used]] = lambda path: {},
) -> list[FileReport]:
    """A file's reports, one for each tune; it never raises for what is in the file.

    Args:
        converters: `{config: its converter for training}`.
        drum_map: of the file.
        drums: which notes are drums, one of `drum_parts.CHOICES`; by default auto.
        transform: what `--mode=transform` reads of a path: `{config: notes}`.
    """
    try:
        reading = read_music_file(path, DAW)
        contents = midi_tracks.read(path)
    except (OSError, ValueError) as error:
        problem = getattr(error, "strerror", None) or str(error)
        return [FileReport(path, problem=problem)]
    reports, transformed = [], transform(path)
    for tune, sequence in reading.sequences.items():
        sequence = drum_maps.translated(sequence, drum_map.read)
        report = FileReport(path, tune)
        report.music = _music(sequence, contents, drums, dict(reading.mended))
        for name, converter in converters.items():
            report.made.append(_made(name, converter, sequence, transformed.get(name)))
        reports.append(report)
    return reports


def _made(name, converter, sequence, transformed) -> Made:
    training = _used(converter, sequence)
    inference = drum_parts.decided(converter.for_inference(), sequence)
    in_beats = beats.in_beats(sequence)
    generate = _used(inference, in_beats)
    return Made(name, training.count, training.left_out, generate, transformed)


def _used(converter, sequence) -> Used:
    examples, left_out = converter.extract(sequence)
    left_out = grouped(left_out)
    if not examples and not left_out:
        left_out = Counter(["no notes of the kind"])
    return Used(len(examples), dict(left_out.most_common()))


def _music(sequence, contents, drums, mended) -> Music:
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
        instruments=instruments(sequence, contents.places),
        empty_tracks=contents.empty,
        drums=_drums(sequence, drums),
        mended=mended,
    )


def instruments(sequence: Any, places: Sequence[midi_tracks.Place]) -> list[Instrument]:
    """The instruments of a NoteSequence, in the order of their numbers.

    places: where each stands in its file; fewer where the file is not MIDI.
    """
    names, parts = track_names.of_instruments(sequence), {}
    numbers = sorted({note.instrument for note in sequence.notes})
    unknown = midi_tracks.Place(None, None)
    for note in sequence.notes:
        key = note.instrument, note.program, note.is_drum
        parts.setdefault(key, []).append(note.pitch)
    return [
        Instrument(
            numbers.index(key[0]) + 1,
            *(places[key[0]] if key[0] < len(places) else unknown),
            names.get(key[0], ""),
            *key[1:],
            len(p),
            min(p),
            max(p),
        )
        for key, p in sorted(parts.items())
    ]


def _drums(sequence, drums) -> Drums:
    classes = drum_classes.classes("reduced")
    notes = read(sequence).notes
    try:
        mask, remarks = drum_parts.choose(
            sequence, notes, drums or drum_parts.AUTO, classes
        )
    except NotConvertible:
        return Drums("", 0, {}, {})
    pitches = notes["pitch"][mask]
    numbers, _ = drum_classes.assign(pitches, classes)
    found = np.bincount(numbers[numbers >= 0], minlength=len(classes)).tolist()
    names = [drum.name for drum in drum_classes.REDUCED]
    return Drums(
        _found_by(drums, remarks),
        int(mask.sum()),
        {name: count for name, count in zip(names, found) if count},
        dict(sorted(Counter(pitches[numbers < 0].tolist()).items())),
    )


def _found_by(drums, remarks) -> str:
    if drums not in (None, drum_parts.AUTO, drum_parts.CHANNEL_10):
        return "choice"
    if drum_parts.TAKEN_TOO in remarks:
        return "both"
    return "looks" if drum_parts.TAKEN_AS_DRUMS in remarks else CHANNEL_10

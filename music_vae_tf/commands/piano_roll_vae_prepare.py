"""Make class rolls of piano, guitar and bass for piano_roll_vae_train.

    piano_roll_vae_prepare --recursive --input_dir=midi/ --output_dir=rolls/

writes rolls/train.npz, and rolls/held_out.npz with every tenth piece, to evaluate on.
Reads what convert_dir_to_note_sequences reads. Without --input_dir it arranges the
string quartets and chorales of music21's corpus, which need no download:

    pip install 'music_vae_tf[score]'
    piano_roll_vae_prepare --output_dir=rolls/
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import logging
import os
import sys
from collections import Counter
from pathlib import Path
from typing import NamedTuple

from music_vae_tf.commands.command import Command, UserError, writable_directory
from music_vae_tf.commands.convert_dir_to_note_sequences import (
    Remarks,
    add_midi_reader,
    add_score_reader,
    add_workers,
    kind_of_reason,
    list_music,
    score_options,
    worker_limits,
)
from music_vae_tf.commands.progress import progress

log = logging.getLogger("music_vae_tf")

CONVERTING = [
    "music_vae_tf.data.midi",
    "music_vae_tf.data.score_corpus",
    "music_vae_tf.data.scores.files",
]
TRAIN, HELD_OUT = "train.npz", "held_out.npz"

command = Command("piano_roll_vae_prepare", __doc__)
command.string("input_dir", None, "Folder of music files.")
command.boolean("recursive", False, "Look into subfolders as well.")
command.boolean(
    "corpus",
    None,
    "Arrange music21's quartets and chorales; by default, without --input_dir alone.",
)
command.string("output_dir", None, "Where the rolls go.", required=True)
command.string("config", "conv_cvae", "Name of a config, or a YAML file.")
command.float("held_out", 0.1, "Share of the pieces to evaluate on.", at_least=0.0)
add_workers(command)
add_midi_reader(command)
add_score_reader(command)


def main(flags):
    if not flags.held_out < 1:
        raise UserError(f"--held_out is {flags.held_out}; a share below 1 is expected")
    files = _files(flags)
    directory = writable_directory("output_dir", flags.output_dir)
    converter = _converter(flags.config)
    convert = functools.partial(
        convert_one, converter, flags.midi_reader, score_options(flags)
    )
    pieces, left_out = _convert(files, convert, flags.num_workers, worker_limits(flags))
    _say_what_was_left_out(left_out)
    if not pieces:
        why = ", ".join(f"{count:,} {reason}" for reason, count in left_out.items())
        raise UserError(f"no piece gave a roll, nothing is written: {why}")
    held_out = [p for p in pieces if _is_held_out(p.name, flags.held_out)]
    trained_on = [p for p in pieces if not _is_held_out(p.name, flags.held_out)]
    for name, part in ((TRAIN, trained_on), (HELD_OUT, held_out)):
        if part:
            _write(directory / name, part)
        elif flags.held_out:
            log.warning("%d pieces are too few for a %s", len(pieces), name)


class File(NamedTuple):
    """A music file to be converted."""

    root: str
    name: str  # below the root
    stretch: float | None  # factor of its times, if it is a score to be arranged


class Piece(NamedTuple):
    """The rolls of a file."""

    name: str
    rolls: list  # of `data.rolls.Rolls`, one an arrangement
    left_out: Counter[str]
    conversion: NamedTuple  # a `data.midi.Conversion`, without its records


def _files(flags) -> list[File]:
    files = []
    if flags.input_dir:
        root = os.path.expanduser(flags.input_dir)
        music = list_music(root, flags.recursive).music
        files += [File(root, name, None) for name in music]
    if flags.corpus or (flags.corpus is None and not flags.input_dir):
        from music_vae_tf.data import score_corpus

        files += [
            File(os.fspath(score.root), score.name, score.stretch)
            for score in score_corpus.scores()
        ]
    if not files:
        raise UserError("--nocorpus leaves nothing: name a folder with --input_dir")
    return files


def _converter(name):
    from music_vae_tf import build
    from music_vae_tf import config as configs

    config = configs.load(name)
    if config.converter.kind != "piano_roll":
        raise UserError(
            f"config {config.name} has the converter {config.converter.kind}; one with "
            "the converter piano_roll is expected, such as conv_cvae"
        )
    return build.converter(config)


def _convert(files, convert, num_workers, limits) -> tuple[list[Piece], Counter[str]]:
    """The pieces that gave rolls, and what was left out, by reason."""
    from music_vae_tf.data.workers import map_in_processes

    pieces, left_out, remarks = [], Counter(), Remarks()
    with (
        contextlib.closing(
            map_in_processes(convert, files, num_workers, CONVERTING, limits)
        ) as results,
        progress(len(files), "Converting", unit="files") as bar,
    ):
        for file, result in zip(files, results):
            piece = _piece(file, result)
            left_out += piece.left_out
            remarks.add(piece.conversion)
            if piece.rolls:
                pieces.append(piece)
            bar.advance()
    for line in remarks.lines():
        print(line)
    return pieces, left_out


def _piece(file, result) -> Piece:
    """A file's piece; one that cannot be read is counted for that, and nothing else."""
    from music_vae_tf.data.midi import Conversion
    from music_vae_tf.data.workers import Died

    if isinstance(result, Died):
        conversion = Conversion([], [result.problem])
        unread = Counter([kind_of_reason(conversion.problems[0])])
        result = Piece(file.name, [], unread, conversion)
    for problem in result.conversion.problems:
        log.warning("%s: %s", file.name, problem)
    return result


def convert_one(converter, midi_reader, scores, file: File) -> Piece:
    """The rolls of a file; what cannot be read gives none, and a problem."""
    from music_vae_tf.data import midi
    from music_vae_tf.data.rolls import of_sequence

    conversion = midi.convert(file.root, file.name, midi_reader, scores)
    rolls, left_out = [], Counter()
    if not conversion.records:
        left_out[kind_of_reason(conversion.problems[0])] += 1
    for title, sequence in _versions(file, conversion.records):
        found, reasons = of_sequence(sequence, converter, title)
        left_out += reasons
        if len(found):
            rolls.append(found)
    return Piece(file.name, rolls, left_out, conversion._replace(records=[]))


def _versions(file, records):
    """Yields name and NoteSequence of all that a file gives: tunes, or arrangements."""
    from note_seq.protobuf import music_pb2

    from music_vae_tf.data import score_corpus

    for record in records:
        sequence = music_pb2.NoteSequence.FromString(record)
        if file.stretch is None:
            yield file.name, sequence
            continue
        arrangements = score_corpus.arrangements(sequence, file.stretch)
        for name, arrangement in arrangements.items():
            yield f"{file.name} for {name}", arrangement


def _say_what_was_left_out(left_out):
    if left_out:
        log.info("Left out:")
    for reason, count in left_out.most_common():
        log.info("%9s  %s", f"{count:,}", reason)


def _is_held_out(name: str, share: float) -> bool:
    """Whether a piece is evaluated on: its name alone decides, and so for ever."""
    digest = hashlib.sha1(name.encode()).digest()
    return int.from_bytes(digest[:4], "big") < share * 2**32


def _write(path: Path, pieces: list[Piece]):
    from music_vae_tf.data import rolls

    together = rolls.joined([part for piece in pieces for part in piece.rolls])
    rolls.write(together, path)
    print(f"{len(together):,} rolls of {len(pieces):,} pieces: {path}")


run = command.entry(main)

if __name__ == "__main__":
    sys.exit(run())

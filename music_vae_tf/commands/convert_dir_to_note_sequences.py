"""Convert a folder of music files into a TFRecord file of NoteSequences.

Reads MIDI (.mid, .midi, .kar, .smf, .rmi), MusicXML (.musicxml, .xml, .mxl) and ABC
(.abc). A file that cannot be read, or has no note, is skipped and named, with the
reason.

MIDI gives the NoteSequences of Magenta. What that way of reading loses is counted, and
--midi_reader=daw reads it. MusicXML and ABC give what they sound like; with
--score_reader=magenta, they are read as Magenta does, which fails on half of them.

Example:

    convert_dir_to_note_sequences --recursive \\
        --input_dir=groove/ --output_file=notesequences.tfrecord
"""

from __future__ import annotations

import contextlib
import functools
import logging
import os
import sys
from collections import Counter

from music_vae_tf.commands.command import Command, UserError
from music_vae_tf.commands.progress import progress
from music_vae_tf.wording import amount, counted

log = logging.getLogger("music_vae_tf")

command = Command("convert_dir_to_note_sequences", __doc__)
command.string("input_dir", None, "Folder of music files.", required=True)
command.string(
    "output_file",
    None,
    "TFRecord file to write. One that is there is replaced when the new one is whole.",
    required=True,
)
command.boolean("recursive", False, "Look into subfolders as well.")


MAX_SECONDS = 86_400
MAX_MEGABYTES = 10_000_000


def add_num_workers(command: Command) -> None:
    """The flag of the processes that read files."""
    command.integer(
        "num_workers",
        None,
        "Processes that share the work; one per core if not given.",
        at_least=1,
        at_most=1_000,
    )


def add_workers(command: Command) -> None:
    """The flags of the processes that read files, and of what one file may take."""
    add_num_workers(command)
    add_limits(command)


def add_limits(command: Command) -> None:
    """The flags of what one file may take; `worker_limits` reads them."""
    command.float(
        "max_seconds_per_file",
        10,
        "Seconds that one file may take; one that takes longer is not read. 0 sets no "
        "limit.",
        at_least=0,
        at_most=MAX_SECONDS,
    )
    command.float(
        "max_mb_per_file",
        1000,
        "Megabytes of memory that one file may take, on Linux; one that takes more is "
        "not read. 0 sets no limit.",
        at_least=0,
        at_most=MAX_MEGABYTES,
    )


def worker_limits(flags):
    """The values of these flags, as `data.workers.map_in_processes` takes it."""
    from music_vae_tf.data.workers import Limits

    return Limits(flags.max_seconds_per_file, flags.max_mb_per_file)


add_workers(command)


def add_midi_reader(command: Command) -> None:
    """The flag that says how MIDI is read."""
    command.enum(
        "midi_reader",
        "magenta",
        ["magenta", "daw"],
        "How MIDI is read. magenta: as Magenta does. daw: as a DAW plays it, "
        "including tempo and time signatures of every track.",
    )


def add_score_reader(command: Command) -> None:
    """The flags that say how MusicXML and ABC are read."""
    command.enum(
        "score_reader",
        "sounding",
        ["sounding", "magenta"],
        "How MusicXML and ABC are read: as they sound, or by the parsers of Magenta, "
        "which know no ties, percussion, rests in ABC, and more.",
    )
    command.boolean(
        "repeats",
        True,
        "Play the repeats, endings, D.C. and D.S. of scores; --norepeats takes the "
        "bars as they are written.",
    )


def score_options(flags):
    """The values of these flags, as `data.midi.convert` takes it."""
    from music_vae_tf.data.scores.files import ScoreOptions

    return ScoreOptions(flags.score_reader, flags.repeats)


add_midi_reader(command)
add_score_reader(command)


def main(flags):
    root = os.path.expanduser(flags.input_dir)
    output_file = os.path.expanduser(flags.output_file)
    listing = list_music(root, flags.recursive)
    os.makedirs(os.path.dirname(output_file) or ".", exist_ok=True)
    summary = convert(
        root,
        listing.music,
        output_file,
        flags.num_workers,
        flags.midi_reader,
        score_options(flags),
        worker_limits(flags),
    )
    for line in summary.lines():
        print(line)
    if others := _counts(listing.others):
        print(f"Left alone: {others}")


def list_music(root, recursive):
    """The files of --input_dir, at least one; logs folders that cannot be read."""
    from music_vae_tf.data.folder import KINDS, list_folder

    try:
        listing = list_folder(root, recursive)
    except OSError as error:
        raise UserError(
            f"--input_dir={root}: {error.strerror}; a folder of music files is expected"
        ) from error
    if not listing.music:
        folders = f"; --recursive looks into its {len(listing.closed)} folders as well"
        raise UserError(
            f"--input_dir={root}: no music file ({', '.join(KINDS)}) there"
            + (folders if listing.closed and not recursive else "")
        )
    if listing.closed and recursive:
        log.warning("not looked into: %s", ", ".join(listing.closed))
    return listing


def convert(
    root,
    names,
    output_file,
    num_workers=None,
    midi_reader="magenta",
    scores=None,
    limits=None,
) -> Summary:
    """Writes the NoteSequences of all files that can be read, in the order of names.

    Args:
        names: of music files, relative to the folder `root`.
        num_workers: processes that share the work, one per core if None.
        midi_reader: 'magenta' or 'daw'.
        scores: how MusicXML and ABC are read, a `data.scores.files.ScoreOptions`.
        limits: of what one file may take, a `data.workers.Limits`.

    Raises:
        UserError: none of them can be read; nothing is written.
    """
    from music_vae_tf.data.records import records_writer
    from music_vae_tf.data.workers import Limits, map_in_processes

    summary = Summary(len(names), output_file)
    with (
        records_writer(output_file) as write,
        contextlib.closing(
            map_in_processes(
                functools.partial(_convert_one, root, midi_reader, scores),
                names,
                num_workers,
                ["music_vae_tf.data.midi", "music_vae_tf.data.scores.files"],
                limits or Limits(),
            )
        ) as conversions,
        progress(len(names), "Converting", unit="files") as bar,
    ):
        for name, conversion in zip(names, conversions):
            for record in summary.records_of(name, conversion):
                write(record)
            bar.advance()
        if not summary.sequences:
            raise UserError(
                f"no file could be read, nothing is written: {summary.why()}"
            )
    return summary


def _convert_one(root, midi_reader, scores, name):
    from music_vae_tf.data import midi  # only the processes that convert need it

    return midi.convert(root, name, midi_reader, scores)


class Summary:
    """What became of the files: each is converted, or skipped for one reason."""

    def __init__(self, num_files, output_file):
        self._num_files, self._output_file = num_files, output_file
        self.sequences = 0
        self._skipped, self._unread = Counter(), Counter()
        self._remarks = Remarks()

    def records_of(self, name, conversion):
        """Counts a file, says what is wrong with it, and gives its records."""
        from music_vae_tf.data.workers import Died

        if isinstance(conversion, Died):
            log.warning("skipped %s: %s", name, reason := conversion.problem)
            self._skipped[kind_of_reason(reason)] += 1
            return []
        self.sequences += len(conversion.records)
        if conversion.records:
            for problem in conversion.problems:
                log.info("%s: %s", name, problem)
                self._unread[kind_of_reason(problem)] += 1
        else:
            log.warning("skipped %s: %s", name, "; ".join(conversion.problems))
            self._skipped[kind_of_reason(conversion.problems[0])] += 1
        if conversion.records and conversion.mended:
            broken = ", ".join(amount(n, what) for what, n in conversion.mended.items())
            log.info("%s: broken, and read as a DAW does: %s", name, broken)
        self._remarks.add(conversion)
        return conversion.records

    def lines(self):
        skipped = self._skipped.total()
        converted = self._num_files - skipped
        yield (
            f"Converted {converted} of {self._num_files} files into {self.sequences} "
            f"NoteSequences: {self._output_file}"
        )
        if skipped:
            yield f"Skipped {skipped}: {self.why()}"
        if self._unread:
            yield f"Not read of the converted: {_counts(self._unread)}"
        yield from self._remarks.lines()

    def why(self):
        return _counts(self._skipped)


class Remarks:
    """What was lost of MIDI files that were read, over a whole command."""

    def __init__(self):
        self._lost, self._lost_in = Counter(), Counter()
        self._mended, self._mended_in = Counter(), Counter()

    def add(self, conversion):
        """Counts a file: a `data.midi.Conversion`."""
        self._lost.update(conversion.lost)
        self._lost_in.update(conversion.lost.keys())
        self._mended.update(conversion.mended)
        self._mended_in.update(conversion.mended.keys())

    def lines(self):
        """Yields a line for what Magenta's reader loses, and one for broken files."""
        if self._lost:
            yield (
                f"Lost by Magenta's way of reading MIDI: "
                f"{_in_files(self._lost, self._lost_in)}. --midi_reader=daw reads them"
            )
        if self._mended:
            yield (
                "Broken MIDI, read as a DAW does: "
                f"{_in_files(self._mended, self._mended_in)}"
            )


def kind_of_reason(problem: str) -> str:
    """What problems of a kind have in common; details follow a colon."""
    return problem.partition(":")[0]


def _in_files(counts, files):
    return ", ".join(
        f"{amount(count, what)} ({counted(files[what], 'file')})"
        for what, count in counts.most_common()
    )


def _counts(counter):
    return ", ".join(
        f"{count} {what or 'without suffix'}" for what, count in counter.most_common()
    )


run = command.entry(main)

if __name__ == "__main__":
    sys.exit(run())

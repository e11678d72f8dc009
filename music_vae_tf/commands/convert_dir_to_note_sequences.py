"""Convert a folder of music files into a TFRecord file of NoteSequences.

Reads MIDI (.mid, .midi), MusicXML (.xml, .mxl) and ABC (.abc). A file that cannot be
read is skipped and named, with the reason.

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

log = logging.getLogger(__name__)

command = Command("convert_dir_to_note_sequences", __doc__)
command.string("input_dir", None, "Folder of music files.", required=True)
command.string(
    "output_file",
    None,
    "TFRecord file to write. One that is there is replaced when the new one is whole.",
    required=True,
)
command.boolean("recursive", False, "Look into subfolders as well.")
command.integer(
    "num_workers",
    None,
    "Processes that share the work; one per core if not given.",
    at_least=1,
)


def main(flags):
    root = os.path.expanduser(flags.input_dir)
    output_file = os.path.expanduser(flags.output_file)
    listing = list_music(root, flags.recursive)
    os.makedirs(os.path.dirname(output_file) or ".", exist_ok=True)
    tally = convert(root, listing.music, output_file, flags.num_workers)
    for line in tally.lines():
        print(line)
    if others := _counts(listing.others):
        print(f"Left alone: {others}")


def list_music(root, recursive):
    """The files of --input_dir, which holds some; says what cannot be looked into."""
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


def convert(root, names, output_file, num_workers=None) -> Tally:
    """Writes the NoteSequences of all files that can be read, in the order of names.

    Args:
        names: of music files, relative to the folder `root`.
        num_workers: processes that share the work, one per core if None.

    Raises:
        UserError: none of them can be read; nothing is written.
    """
    from music_vae_tf.data.records import records_writer
    from music_vae_tf.data.workers import map_in_processes

    tally = Tally(len(names), output_file)
    with (
        records_writer(output_file) as write,
        contextlib.closing(
            map_in_processes(
                functools.partial(_convert_one, root),
                names,
                num_workers or usable_cores(),
                preload=["music_vae_tf.data.midi"],
            )
        ) as conversions,
        progress(len(names), "Converting", unit="files") as bar,
    ):
        for name, conversion in zip(names, conversions):
            for record in tally.records_of(name, conversion):
                write(record)
            bar.advance()
        if not tally.sequences:
            raise UserError(f"no file could be read, nothing is written: {tally.why()}")
    return tally


def _convert_one(root, name):
    from music_vae_tf.data import midi  # only the processes that convert need it

    return midi.convert(root, name)


class Tally:
    """What became of the files."""

    def __init__(self, num_files, output_file):
        self._num_files, self._output_file = num_files, output_file
        self.sequences = 0
        self._skipped, self._remarks = Counter(), Counter()

    def records_of(self, name, conversion):
        """Counts a file, says what is wrong with it, and gives its records."""
        from music_vae_tf.data.workers import Died

        if isinstance(conversion, Died):
            conversion = [], [f"crash: the process that read it {conversion.reason}"]
        records, problems = conversion
        self.sequences += len(records)
        for problem in problems:
            reason = problem.partition(":")[0]
            if records:
                log.info("%s: %s", name, problem)
                self._remarks[reason] += 1
            else:
                log.warning("skipped %s: %s", name, problem)
                self._skipped[reason] += 1
        return records

    def lines(self):
        skipped = self._skipped.total()
        converted = self._num_files - skipped
        yield (
            f"Converted {converted} of {self._num_files} files into {self.sequences} "
            f"NoteSequences: {self._output_file}"
        )
        if skipped:
            yield f"Skipped {skipped}: {self.why()}"
        if self._remarks:
            yield f"Not read of the converted: {_counts(self._remarks)}"

    def why(self):
        return _counts(self._skipped)


def _counts(counter):
    return ", ".join(
        f"{count} {what or 'without suffix'}" for what, count in counter.most_common()
    )


def usable_cores():
    """How many cores this process may use."""
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # not on macOS or Windows
        return os.cpu_count()


run = command.entry(main)

if __name__ == "__main__":
    sys.exit(run())

"""Prepare piano music for the clef-split LSTM: data frames of its two staves.

    clef_lstm_prepare --input_dir=chopin/ --output_dir=prepared

reads MIDI and MusicXML below a folder, moves each piece to C major or A minor, and
splits it into a treble and a bass staff. Without music of your own:

    clef_lstm_prepare --corpus=bach --output_dir=prepared

takes the scores by a composer that music21 brings along. A preparation that was stopped
goes on with the files that are missing when it is started again.
"""

from __future__ import annotations

import contextlib
import functools
import logging
import os
import sys
from collections import Counter

from music_vae_tf.commands.command import Command, UserError, writable_directory
from music_vae_tf.commands.convert_dir_to_note_sequences import (
    add_workers,
    list_music,
    worker_limits,
)
from music_vae_tf.commands.progress import progress

log = logging.getLogger("music_vae_tf")

command = Command("clef_lstm_prepare", __doc__)
command.string("input_dir", None, "Folder of piano music; subfolders are looked into.")
command.string(
    "corpus", None, "A composer in music21's own corpus, in place of input_dir: bach"
)
command.string(
    "output_dir", None, "Where the data frames of all pieces go.", required=True
)
command.integer(
    "num_files", None, "Draw so many of the files; by default all.", at_least=1
)
command.integer("seed", 0, "Of the files that num_files draws.", at_least=0)
command.string(
    "test_files",
    "",
    "Patterns of the files to keep for the test, with commas between: *op10*,*op25*. "
    "By default a tenth, chosen by a checksum of the names.",
)
command.string("validation_files", "", "The same for validation.")
command.enum(
    "quantization",
    "fine",
    ("fine", "original"),
    "Of MIDI: fine as its music, down to a 24th of a quarter, where performances that "
    "keep to no beat are refused; or to sixteenths and triplets, as the original.",
)
add_workers(command)


def main(flags):
    from music_vae_tf.data.clefs import require_libraries

    if bool(flags.input_dir) == bool(flags.corpus):
        raise UserError(
            "give either --input_dir, a folder of piano music, or --corpus=bach"
        )
    require_libraries()
    output_dir = writable_directory("output_dir", flags.output_dir)
    root, names = _files(flags)
    work = functools.partial(
        _prepare_one, str(root), str(output_dir), flags.quantization
    )
    usable = _prepare(
        work,
        names,
        output_dir,
        flags.num_workers,
        worker_limits(flags),
    )
    _split(flags, output_dir, usable)


def _files(flags):
    """The folder, and the names of the files to read in it."""
    from music_vae_tf.data.clefs import files

    if flags.corpus:
        root, names = files.corpus_files(flags.corpus)
    else:
        root = os.path.expanduser(flags.input_dir)
        names = list_music(root, recursive=True).music
    return root, files.sample_files(names, flags.num_files, flags.seed)


def _prepare_one(root, output_dir, quantization, name):
    from music_vae_tf.data.clefs.prepared import prepare_file

    return prepare_file(root, output_dir, name, quantization)


def _prepare(work, names, output_dir, num_workers, limits) -> list[str]:
    """Makes the data frames of all files; the names of those that gave some."""
    from music_vae_tf.data.workers import map_in_processes

    preload = ["music21", "music_vae_tf.data.clefs.prepared"]
    summary = _Summary()
    with (
        contextlib.closing(
            map_in_processes(work, names, num_workers, preload, limits)
        ) as results,
        progress(len(names), "Preparing", unit="files") as bar,
    ):
        for name, result in zip(names, results):
            summary.add(name, result)
            bar.advance()
    for line in summary.lines(output_dir):
        print(line)
    if not summary.usable:
        raise UserError("no file could be used; the reasons are above")
    return summary.usable


class _Summary:
    """What became of the files."""

    def __init__(self):
        self.usable = []
        self._keys, self._refused, self._remarks = Counter(), Counter(), Counter()

    def add(self, name, result):
        """Counts a file, and says what is wrong with it."""
        from music_vae_tf.data.workers import Died

        refused = result.problem if isinstance(result, Died) else result.refused
        if refused:
            log.warning("skipped %s: %s", name, refused)
            self._refused[refused.partition(":")[0]] += 1
            return
        self.usable.append(name)
        self._keys[result.mode] += 1
        for remark in result.remarks:
            log.info("%s: %s", name, remark)
            self._remarks[remark.partition(":")[0]] += 1

    def lines(self, output_dir):
        keys = ", ".join(f"{n} {mode}" for mode, n in self._keys.most_common())
        yield f"Prepared {len(self.usable)} pieces ({keys or 'none'}): {output_dir}"
        if self._refused:
            # Each of these files has one reason; a prepared one may have remarks.
            yield f"Skipped {self._refused.total()}: {_counts(self._refused)}"
        if self._remarks:
            yield f"Remarks: {_counts(self._remarks)}"


def _counts(counter):
    return ", ".join(f"{n} {why}" for why, n in counter.most_common())


def _split(flags, output_dir, names):
    from music_vae_tf.data.clefs.prepared import split_by_name, write_split

    patterns = [
        [pattern for pattern in text.split(",") if pattern]
        for text in (flags.test_files, flags.validation_files)
    ]
    for flag, given in zip(("test_files", "validation_files"), patterns):
        missing = [p for p in given if not split_by_name(names, test=[p])["test"]]
        if missing:
            raise UserError(f"--{flag}: no piece is called {', '.join(missing)}")
    split = split_by_name(names, *patterns)
    if not split["train"]:
        raise UserError("no piece is left to train on: keep fewer for the test")
    write_split(output_dir, split)
    for part in ("validation", "test"):
        print(f"Kept for {part}: {', '.join(split[part]) or 'none'}")
    print(f"Train with: clef_lstm_train --config=clef_lstm --data_dir={output_dir} ...")


run = command.entry(main)

if __name__ == "__main__":
    sys.exit(run())

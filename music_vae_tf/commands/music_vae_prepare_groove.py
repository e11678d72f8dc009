"""The Groove MIDI Dataset as TFRecord files of NoteSequences, one for each split.

    music_vae_prepare_groove --input_dir=groove/ --output_dir=groove_records/

Which performance is to learn from and which to be tested with is what the data set's
info.csv says. Nothing in the folder is moved, renamed or written.
"""

from __future__ import annotations

import logging
import os
import sys
from pathlib import Path

from music_vae_tf.commands import convert_dir_to_note_sequences as conversion
from music_vae_tf.commands.command import Command, UserError, writable_directory

log = logging.getLogger("music_vae_tf")

command = Command("music_vae_prepare_groove", __doc__)
command.string(
    "input_dir", None, "Folder of the data set, where info.csv lies.", required=True
)
command.string(
    "output_dir",
    None,
    "Where train.tfrecord, validation.tfrecord and test.tfrecord go. One that is there "
    "is replaced when the new one is whole.",
    required=True,
)
command.string(
    "splits", None, "Some splits only: train,validation. By default all in info.csv."
)
command.boolean(
    "skip_missing", False, "Leave out performances whose files are not there."
)
conversion.add_num_workers(command)


def main(flags):
    from music_vae_tf.data import groove_dataset

    root = Path(os.path.expanduser(flags.input_dir))
    if not root.is_dir():
        raise UserError(
            f"--input_dir={root}: there is no such folder; the unpacked Groove MIDI "
            "Dataset is expected"
        )
    columns = (groove_dataset.FILE, groove_dataset.SPLIT)
    rows = groove_dataset.read_info(root / "info.csv", columns)
    files = _chosen(groove_dataset.files_of_splits(rows), flags.splits)
    files = _present(root, files, flags.skip_missing)
    output_dir = writable_directory("output_dir", flags.output_dir)
    counts = {
        split: _write(root, names, output_dir / f"{split}.tfrecord", flags.num_workers)
        for split, names in files.items()
    }
    _compare(counts, flags.splits is None)


def _chosen(files, asked):
    """The files of the splits that are asked for."""
    from music_vae_tf.data.groove_dataset import SPLITS

    if asked is None:
        return files
    splits = [split.strip() for split in asked.split(",")]
    for split in splits:
        if split not in SPLITS:
            raise UserError(f"--splits: {split!r} is none of {', '.join(SPLITS)}")
        if split not in files:
            raise UserError(
                f"--splits: info.csv names no performance of the split {split}; it has "
                f"{', '.join(files)}"
            )
    return {split: files[split] for split in splits}


def _present(root, files, skip_missing):
    """The files that are there; all of them have to be, or one of each split."""
    from music_vae_tf.data.groove_dataset import listed, missing_files

    names = [name for split in files.values() for name in split]
    missing = missing_files(root, names)
    if not missing:
        return files
    what = (
        f"{len(missing):,} of the {len(names):,} files that info.csv names are not in "
        f"{root}:{listed(missing)}"
    )
    if not skip_missing:
        raise UserError(f"{what}\n--skip_missing leaves them out")
    log.warning("left out: %s", what)
    left = {
        split: [n for n in files[split] if n not in set(missing)] for split in files
    }
    for split, names in left.items():
        if not names:
            raise UserError(
                f"nothing is left of the split {split}: not one of its "
                f"{len(files[split]):,} files is there; --splits chooses others"
            )
    return left


def _write(root, names, output_file, num_workers):
    """Writes the NoteSequences of a split; returns how many."""
    summary = conversion.convert(root, names, str(output_file), num_workers)
    for line in summary.lines():
        print(line)
    return summary.sequences


def _compare(counts, all_splits):
    """Says what is otherwise than in the whole data set."""
    from music_vae_tf.data.groove_dataset import OFFICIAL_COUNTS

    expected = {
        split: count
        for split, count in OFFICIAL_COUNTS.items()
        if all_splits or split in counts
    }
    if counts == expected:
        print("These are all performances of the Groove MIDI Dataset 1.0.0")
        return
    for split, count in expected.items():
        if split not in counts:
            log.warning("%s: info.csv names no performance of this split", split)
        elif counts[split] != count:
            log.warning(
                "%s: %d performances, where the Groove MIDI Dataset 1.0.0 has %d",
                split,
                counts[split],
                count,
            )


run = command.entry(main)

if __name__ == "__main__":
    sys.exit(run())

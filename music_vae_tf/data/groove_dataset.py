"""The Groove MIDI Dataset as it is unpacked: info.csv, and the files that it names.

info.csv has a row for each performance: who played it, in which style and tempo, in
which file, and whether it is to learn from or to be tested with. Other folders with a
file like it are read the same way.
"""

from __future__ import annotations

import csv
import ntpath
import os
import posixpath
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path

from music_vae_tf.data.folder import KINDS, kind_of
from music_vae_tf.errors import UserFacingError

# Gillick et al. 2019; version 1.0.0 has so many performances of each split.
OFFICIAL_COUNTS = {"train": 897, "validation": 124, "test": 129}
SPLITS = tuple(OFFICIAL_COUNTS)
FILE, SPLIT = "midi_filename", "split"
FILES_LISTED = 10
TOO_MANY = "cells beyond the columns"


class BadGrooveDataset(UserFacingError, ValueError):
    """An info.csv that does not say what it must, or names what is not there."""


def read_info(path, columns: Iterable[str] = (FILE,)) -> list[dict[str, str]]:
    """The rows of an info.csv: `{column: text}`, one for each performance.

    Args:
        columns: those that must be there.

    Raises:
        BadGrooveDataset: there is no such file. Or a column, a cell of one, or all rows
            are missing. Or a row is longer than the others. Or a name leads out of the
            folder, or is not that of a music file.
    """
    try:
        with open(path, encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file, restkey=TOO_MANY, restval="")
            rows, present = list(reader), reader.fieldnames or ()
    except FileNotFoundError as error:
        raise BadGrooveDataset(
            f"there is no {path}: the folder of the Groove MIDI Dataset has an "
            "info.csv, which says of each performance what it is"
        ) from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise BadGrooveDataset(f"{path} is not a CSV file in UTF-8: {error}") from error
    for line, row in enumerate(rows, 2):
        if TOO_MANY in row:
            raise BadGrooveDataset(
                f"{path}, row {line}: more cells than there are columns; a text with "
                f"commas stands in quotation marks: {row[TOO_MANY]}"
            )
    for column in columns:
        if column not in present:
            raise BadGrooveDataset(
                f"{path} has no column {column}; it has {', '.join(present) or 'none'}"
            )
        for line, row in enumerate(rows, 2):
            if not row[column]:
                raise BadGrooveDataset(f"{path}, row {line}: nothing under {column}")
    if not rows:
        raise BadGrooveDataset(f"{path} names no performance: it has no row")
    for line, row in enumerate(rows, 2):
        if FILE in columns:
            row[FILE] = _checked_name(row[FILE], f"{path}, row {line}")
    return rows


def _checked_name(name: str, where: str) -> str:
    """The one name that a file has below the folder: of `./a.mid` it is `a.mid`.

    Raises:
        BadGrooveDataset: it leads out of the folder, or is not that of a music file.
    """
    plain = posixpath.normpath(name)
    leaves = plain.startswith(("/", "../")) or plain == ".." or "\0" in plain
    if leaves or ntpath.isabs(plain) or ntpath.splitdrive(plain)[0]:
        raise BadGrooveDataset(
            f"{where}: {name!r} leads out of the folder; names of files in it are "
            "expected"
        )
    if kind_of(plain) is None:
        raise BadGrooveDataset(
            f"{where}: {name!r} is not the name of a music file, which ends in "
            f"{', '.join(KINDS)}"
        )
    return plain


def files_of_splits(rows: Iterable[Mapping[str, str]]) -> dict[str, list[str]]:
    """`{split: its MIDI files}` in the order of the rows, for the splits they name.

    Raises:
        BadGrooveDataset: a row is of another split than train, validation and test, or
            a file is a duplicate.
    """
    files = {}
    for row in rows:
        if row[SPLIT] not in SPLITS:
            raise BadGrooveDataset(
                f"info.csv: {row[FILE]} is of the split {row[SPLIT]!r}; expected "
                f"{', '.join(SPLITS)}"
            )
        files.setdefault(row[SPLIT], []).append(row[FILE])
    names = Counter(name for split in files.values() for name in split)
    ((name, count),) = names.most_common(1)
    if count > 1:
        raise BadGrooveDataset(
            f"info.csv: {name} comes {count} times; a performance has one row and is "
            "of one split"
        )
    return {split: files[split] for split in SPLITS if split in files}


def missing_files(root, names: Iterable[str]) -> list[str]:
    """Those of the files that are not in the folder."""
    return [name for name in names if not os.path.exists(Path(root, name))]


def listed(names: list[str]) -> str:
    """The first names of a long list, a line each, and how many more there are."""
    shown = [f"\n  {name}" for name in names[:FILES_LISTED]]
    more = len(names) - len(shown)
    return "".join(shown) + (f"\n  and {more:,} more" if more else "")

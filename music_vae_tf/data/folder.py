"""Which files of a folder hold music, and of which kind."""

from __future__ import annotations

import os
from collections import Counter
from typing import NamedTuple

# As in Magenta, the end of the name alone decides, in any case. The kinds are those
# that Magenta writes into ids. It does not know .kar, .smf, .rmi and .musicxml.
KINDS = {
    ".mid": "midi",
    ".midi": "midi",
    ".kar": "midi",  # karaoke: lyrics beside the music
    ".smf": "midi",
    ".rmi": "midi",  # MIDI in RIFF
    ".musicxml": "musicxml",
    ".xml": "musicxml",
    ".mxl": "musicxml",
    ".abc": "abc",
}


class Listing(NamedTuple):
    """The files below a folder; names are relative to it."""

    music: list[str]  # sorted
    others: Counter[str]  # suffix -> number of files that are no music
    closed: list[str]  # folders that could not be read, or were not looked into


def kind_of(name: str) -> str | None:
    """`'midi'`, `'musicxml'`, `'abc'`, or None for a file that is none of these."""
    return next(
        (kind for suffix, kind in KINDS.items() if name.lower().endswith(suffix)), None
    )


def list_folder(root: str, recursive: bool) -> Listing:
    """What lies in a folder, and with `recursive` below it. Links are followed.

    The order is that of the names; Magenta's is that of the file system.

    Raises:
        OSError: `root` is missing, is not a folder, or cannot be read.
    """
    listing = Listing([], Counter(), [])
    _look_into(root, "", recursive, (os.path.realpath(root),), listing)
    listing.music.sort()
    return listing


def _look_into(root, below, recursive, ancestors, listing):
    with os.scandir(os.path.join(root, below)) as entries:
        for entry in entries:
            name = os.path.join(below, entry.name)
            if _is_dir(entry):
                _descend(root, name, recursive, ancestors, listing)
            elif kind_of(name):
                listing.music.append(name)
            else:
                listing.others[os.path.splitext(name)[1].lower()] += 1


def _is_dir(entry):
    try:
        return entry.is_dir()
    except OSError:  # a link to itself; only that file is skipped
        return False


def _descend(root, name, recursive, ancestors, listing):
    real = os.path.realpath(os.path.join(root, name))
    if not recursive or real in ancestors:  # a link to a folder that it lies in
        listing.closed.append(name)
        return
    try:
        _look_into(root, name, recursive, (*ancestors, real), listing)
    except OSError:
        listing.closed.append(name)

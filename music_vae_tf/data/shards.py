"""Shards of a local data set that take their names only when all of them are whole.

Beam takes the path of its output as a pattern, and deletes what matches before the new
files are there. So it writes into a folder of its own, whose path has no wildcard.
"""

from __future__ import annotations

import contextlib
import os
import re
import tempfile
from collections.abc import Collection, Iterator
from pathlib import Path

from music_vae_tf.data import whole_file
from music_vae_tf.errors import UserFacingError

NAME = "shard"  # what names of shards begin with until they are whole
WILDCARDS = re.compile(r"[*?\[\]{}\\]" if os.sep == "/" else r"[*?\[\]{}]")


class NoPlainFolder(UserFacingError, ValueError):
    """No folder for unfinished files whose path has no wildcard."""


@contextlib.contextmanager
def whole_shards(prefix: str, keep: Collection[str] = ()) -> Iterator[str]:
    """Yields the prefix to write `PREFIX-00000-of-00002` and so on with.

    If the block ends well, they replace the shards of `prefix`, and those of another
    number of shards are removed. Until then the earlier ones stay as they were. What
    killed processes left in the folder is removed.

    Args:
        prefix: what paths of the shards begin with, on this machine.
        keep: paths that are not removed, such as those of the input.

    Raises:
        OSError: a shard cannot be written.
        NoPlainFolder: the paths of the folder and of `tempfile` have wildcards.
    """
    folder, name = os.path.split(os.path.abspath(prefix))
    if not os.path.basename(prefix):  # `folder/` names shards -00000-of-00002
        folder, name = os.path.join(folder, name), ""
    os.makedirs(folder, exist_ok=True)
    _remove_those_of_earlier_versions(folder, name)
    with (
        whole_file.unfinished_folder(folder, "beam-temp-") as unfinished,
        _without_wildcards(unfinished) as plain,
    ):
        yield os.path.join(plain, NAME)
        _replace(unfinished, Path(folder), name, set(map(os.path.realpath, keep)))


def _replace(unfinished, folder, name, keep):
    """Moves the new shards to their names, then removes the surplus old ones."""
    numbers = [
        file.removeprefix(NAME)
        for file in sorted(os.listdir(unfinished))
        if _is_shard(file, NAME)
    ]
    for number in numbers:
        os.replace(os.path.join(unfinished, NAME + number), folder / (name + number))
    new = {name + number for number in numbers}
    old = {file for file in os.listdir(folder) if _is_shard(file, name)} - new
    for path in (folder / file for file in old):
        if path.is_file() and os.path.realpath(path) not in keep:
            path.unlink()


def _is_shard(file, name):
    return re.fullmatch(re.escape(name) + r"-\d{5}-of-\d{5}", file) is not None


@contextlib.contextmanager
def _without_wildcards(folder):
    """A path of the folder without wildcards: its own, or that of a link to it."""
    if not WILDCARDS.search(folder):
        yield folder
        return
    parent = tempfile.gettempdir()
    if WILDCARDS.search(parent):
        raise NoPlainFolder(
            f"{folder} and {parent} have wildcards in their names, which Beam cannot "
            "write to: set TMPDIR to a folder without them"
        )
    with whole_file.unfinished_folder(parent, "beam-temp-") as beside:
        link = os.path.join(beside, "output")
        os.symlink(folder, link, target_is_directory=True)
        yield link


def _remove_those_of_earlier_versions(folder, name):
    """Folders that Beam named itself, exactly after this prefix."""
    for file in os.listdir(folder):
        if re.fullmatch(rf"beam-temp-{re.escape(name)}-[0-9a-f]{{32}}", file):
            whole_file.remove(Path(folder, file))

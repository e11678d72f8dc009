"""Finds checkpoints: from a user's path, and the latest of a directory."""

from __future__ import annotations

import glob
import os
import re
from typing import Any

from music_vae_tf import quiet
from music_vae_tf.checkpoint.tar_stream import is_tar
from music_vae_tf.errors import UserFacingError


class CheckpointError(UserFacingError, ValueError):
    """A checkpoint that is not there, cannot be read, or does not fit."""


DATA = ".data-00000-of-00001"


def find(path: str | os.PathLike) -> str:
    """Resolves a user's path to the prefix of a checkpoint, or to a tar archive.

    Raises:
        CheckpointError: there is none, or only half of one.
    """
    path = os.path.expanduser(os.fspath(path))
    if os.path.isdir(path):
        return _find_in(path)
    if os.path.basename(path) == "checkpoint":
        return _find_in(os.path.dirname(path) or ".")
    prefix = re.sub(r"\.(index|meta|data-\d{5}-of-\d{5})$", "", path)
    if is_whole(prefix):
        return prefix
    if not os.path.isfile(path):
        raise CheckpointError(
            f"no checkpoint {path}: looked for {prefix}.index. "
            + _what_lies_in(os.path.dirname(path) or ".")
        )
    if path.endswith(".safetensors"):
        return path
    if not is_tar(path):
        raise CheckpointError(
            f"{path} is neither a checkpoint nor a tar archive of one. Give a run_dir, "
            "a prefix such as train/model.ckpt-200, or a .tar or .tar.gz file."
        )
    return path


def latest(directory: str | os.PathLike) -> str | None:
    """The prefix of the newest checkpoint in a directory, None if there is none.

    That is the one which the file `checkpoint` names, wherever the directory has been
    moved to since (Magenta writes absolute paths); else the one of the most steps.

    Raises:
        CheckpointError: it has an index, but no data.
    """
    directory = os.fspath(directory)
    state = state_of(directory)
    named = state.model_checkpoint_path if state else ""
    for prefix in (os.path.join(directory, os.path.basename(named)), named):
        # Data without an index are what a killed process left: no checkpoint.
        if os.path.isfile(prefix + ".index") and is_whole(prefix):
            return prefix
    indices = glob.glob(os.path.join(glob.escape(directory), "*.index"))
    prefixes = sorted((index.removesuffix(".index") for index in indices), key=step_of)
    whole = [prefix for prefix in prefixes if not missing_files(prefix)]
    if prefixes and not whole:
        is_whole(prefixes[-1])  # says what is missing
    return whole[-1] if whole else None


def _find_in(directory):
    found = latest(directory) or latest(os.path.join(directory, "train"))
    if not found:
        raise CheckpointError(
            f"no checkpoint in {directory}: looked for `checkpoint` and for "
            f"model.ckpt-*.index, there and in its folder `train`. "
            + _what_lies_in(directory)
        )
    return found


def _what_lies_in(directory):
    if not os.path.isdir(directory):
        return f"There is no directory {directory} either."
    names = sorted(os.listdir(directory))
    if not names:
        return f"{directory} is empty."
    listed = ", ".join(names[:10]) + (", ..." if len(names) > 10 else "")
    return f"In {directory} lie: {listed}."


def step_of(prefix: str) -> int:
    """The step that a checkpoint's name ends in, -1 if it ends in none."""
    number = re.search(r"-(\d+)$", prefix)
    return int(number[1]) if number else -1


def missing_files(prefix: str) -> list[str]:
    """Which of a checkpoint's two kinds of files are missing."""
    digits = "[0-9]" * 5
    shards = glob.glob(f"{glob.escape(prefix)}.data-{digits}-of-{digits}")
    missing = [] if os.path.isfile(prefix + ".index") else [".index"]
    if not shards or len(shards) < int(shards[0][-5:]):
        missing.append(DATA)
    return missing


def is_whole(prefix: str) -> bool:
    """Whether a checkpoint is there; half of one is an error."""
    missing = missing_files(prefix)
    if len(missing) == 1:
        raise CheckpointError(
            f"{prefix} is only half a checkpoint: {os.path.basename(prefix)}"
            f"{missing[0]} is not there. The .index and the .data file belong together."
        )
    return not missing


def state_of(directory: str | os.PathLike) -> Any:
    """The content of the file `checkpoint`; None if there is none."""
    quiet.import_quietly()
    import tensorflow as tf

    try:
        return tf.train.get_checkpoint_state(directory)
    except ValueError:  # empty, or not text
        return None

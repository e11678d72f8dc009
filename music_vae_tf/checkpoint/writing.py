"""Checkpoints written and kept as tf.train.Saver does, whole or not at all."""

from __future__ import annotations

import contextlib
import dataclasses
import glob
import json
import math
import os
import re
import shutil
import time
from collections.abc import Mapping

from music_vae_tf.checkpoint.finding import (
    DATA,
    CheckpointError,
    missing_files,
    state_of,
)
from music_vae_tf.checkpoint.names import magenta_names
from music_vae_tf.data.whole_file import sync_folder


def save(
    directory: str | os.PathLike,
    step: int,
    values: Mapping[str, object],
    to_keep: int = 0,
    every_n_hours: float = math.inf,
) -> str:
    """Writes `model.ckpt-<step>` into a directory and deletes what is not to be kept.

    What to keep is decided as tf.train.Saver does: the last `to_keep` checkpoints (0:
    all), and of those that drop out of them the first one of every n hours. All that
    this needs to know stands in the file `checkpoint`, so that it outlives the process.

    Args:
        directory: made if it is not there.
        step: written as `global_step`, without which Magenta cannot load a checkpoint.
        values: {our name: variable or array}.

    Returns:
        The prefix of the checkpoint.
    """
    name = f"model.ckpt-{step}"
    prefix = os.path.join(directory, name)
    write(prefix, {**values, "step": step})
    history = _History.of(directory).followed_by(name)
    history, surplus = history.cut(to_keep, 3600 * every_n_hours)
    history.write(directory)
    for old in surplus:
        _remove(os.path.join(directory, old))
    return prefix


def write(prefix: str | os.PathLike, values: Mapping[str, object]) -> None:
    """Writes `{our name: variable or array}` as a checkpoint, whole or not at all.

    Whole numbers become int64 and all else float32, which is what Magenta expects.

    Raises:
        CheckpointError: the disk is full, for instance.
    """
    import tensorflow as tf

    from music_vae_tf import raw_ops

    prefix = os.fspath(prefix)
    directory, name = os.path.split(prefix)
    names = magenta_names(values)
    tensors = {names[ours]: _as_saved(value) for ours, value in values.items()}
    unfinished = os.path.join(directory, ".unfinished")
    shutil.rmtree(unfinished, ignore_errors=True)  # a killed process may have left it
    os.makedirs(unfinished)
    temporary = os.path.join(unfinished, name)
    try:
        raw_ops.save(temporary, tensors)
        # The index goes first and comes last: without it there is no checkpoint, and
        # an old one never meets new data.
        _remove(prefix)
        for suffix in (DATA, ".index"):
            _flush(temporary + suffix)
            os.replace(temporary + suffix, prefix + suffix)
            # Each on its own: a power failure leaves no index without its data.
            sync_folder(directory or ".")
    except (tf.errors.OpError, OSError) as error:
        raise CheckpointError(f"cannot write {prefix}: {_reason(error)}") from error
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)


def remove_leftovers(directory: str | os.PathLike) -> None:
    """Removes what a killed process left: data without an index, unfinished files.

    No other process may be writing there.
    """
    directory = os.fspath(directory)
    shutil.rmtree(os.path.join(directory, ".unfinished"), ignore_errors=True)
    for name in os.listdir(directory):
        data = re.fullmatch(r"(model\.ckpt-\d+)\.data-\d{5}-of-\d{5}", name)
        is_orphan = data and data[1] + ".index" not in os.listdir(directory)
        if is_orphan or name.endswith(".unfinished"):
            with contextlib.suppress(OSError):
                os.remove(os.path.join(directory, name))


def _as_saved(value):
    import tensorflow as tf

    tensor = tf.convert_to_tensor(value)
    return tf.cast(tensor, tf.int64 if tensor.dtype.is_integer else tf.float32)


def _reason(error):
    """What is wrong, without what TensorFlow puts around it."""
    if isinstance(error, OSError):
        return error.strerror or str(error)
    return re.sub(r"^\{\{.*?\}\} | \[Op:\w+\].*$", "", error.message)


def _flush(path):
    with open(path, "rb+") as file:
        os.fsync(file.fileno())


def _remove(prefix):
    files = glob.glob(f"{glob.escape(prefix)}.data-*") + [prefix + ".meta"]
    for file in [prefix + ".index", *files]:
        with contextlib.suppress(FileNotFoundError):
            os.remove(file)


@dataclasses.dataclass(frozen=True)
class _History:
    """What the file `checkpoint` remembers; times are seconds since 1970."""

    saved_at: dict[str, float]  # {checkpoint: when}, oldest first
    preserved_at: float  # from here the hours to the next one preserved are counted

    @classmethod
    def of(cls, directory):
        state = state_of(directory)
        if state is None:
            return cls({}, time.time())
        prefixes = [
            os.path.join(directory, os.path.basename(path))
            for path in state.all_model_checkpoint_paths
        ]
        times = state.all_model_checkpoint_timestamps or [None] * len(prefixes)
        saved_at = {
            os.path.basename(prefix): at or os.path.getmtime(prefix + ".index")
            for prefix, at in zip(prefixes, times)  # Magenta writes no times
            if not missing_files(prefix)
        }
        return cls(saved_at, state.last_preserved_timestamp or time.time())

    def followed_by(self, name):
        others = {k: at for k, at in self.saved_at.items() if k != name}
        return _History({**others, name: time.time()}, self.preserved_at)

    def cut(self, to_keep, period_s):
        """(history of the last checkpoints, names of those to delete)."""
        names = list(self.saved_at)
        # As in Saver, 0 deletes nothing, and lists no more than the last one.
        listed = names[-(to_keep or 1) :]
        surplus, preserved_at = [], self.preserved_at
        for name in names[:-to_keep] if to_keep else []:
            waited_s = self.saved_at[name] - preserved_at
            if waited_s > period_s:
                # Whole periods, as in Saver; several at once after a pause.
                preserved_at += waited_s - (waited_s % period_s if period_s else 0)
            else:
                surplus.append(name)
        kept = {name: self.saved_at[name] for name in listed}
        return _History(kept, preserved_at), surplus

    def write(self, directory):
        """Relative names, so that a directory may be moved."""
        quoted = [json.dumps(name, ensure_ascii=False) for name in self.saved_at]
        lines = [
            f"model_checkpoint_path: {quoted[-1]}",
            *(f"all_model_checkpoint_paths: {name}" for name in quoted),
            *(f"all_model_checkpoint_timestamps: {t}" for t in self.saved_at.values()),
            f"last_preserved_timestamp: {self.preserved_at}",
        ]
        unfinished = os.path.join(directory, ".checkpoint.unfinished")
        state = os.path.join(directory, "checkpoint")
        try:
            with open(unfinished, "w", encoding="utf-8") as file:
                file.write("\n".join(lines) + "\n")
            _flush(unfinished)
            os.replace(unfinished, state)
            sync_folder(directory)
        except OSError as error:
            raise CheckpointError(f"cannot write {state}: {_reason(error)}") from error

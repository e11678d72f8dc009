"""Trained models of all kinds as one file of compact weights."""

from __future__ import annotations

import os
from pathlib import Path

from music_vae_tf import checkpoint
from music_vae_tf import config as configs
from music_vae_tf.checkpoint import compact
from music_vae_tf.checkpoint.names import TRAINING_STATE
from music_vae_tf.export.errors import ExportError


def export(
    config: configs.Config, checkpoint_path: str | os.PathLike, folder: Path, bits: int
) -> Path:
    """Writes `NAME.safetensors`: weights, config, and the files that belong to them.

    Args:
        config: what was trained.
        checkpoint_path: in any form that `checkpoint.find` understands.
        folder: where the file is written.
        bits: per weight of a matrix, 16 or 8.

    Returns:
        The path of the file.

    Raises:
        ExportError: a weight does not fit into the bits.
        checkpoint.CheckpointError: there is no checkpoint, or it is damaged.
    """
    found = checkpoint.find(checkpoint_path)
    tensors = checkpoint.read(found)
    weights = {k: v for k, v in tensors.items() if not TRAINING_STATE.fullmatch(k)}
    metadata = compact.Metadata(
        titled(config), checkpoint.step_of(found), checkpoint.companions(found)
    )
    path = folder / f"{config.name}{compact.SUFFIX}"
    try:
        compact.write(path, weights, metadata, bits)
    except ValueError as error:
        raise ExportError(f"{found}: {error}") from error
    return path


def titled(config: configs.Config) -> str:
    """A config as YAML, with its name in the first line."""
    return f"# Config {config.name}\n{configs.dump(config)}"

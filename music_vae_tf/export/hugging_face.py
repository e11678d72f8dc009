"""A folder for the Hugging Face Hub: model card, config, and compact weights."""

from __future__ import annotations

import os
from pathlib import Path

from music_vae_tf import checkpoint
from music_vae_tf import config as configs
from music_vae_tf.checkpoint import hub
from music_vae_tf.export import compact

# The Hub reads these lines. A licence is the author's to choose.
HEAD = """---
library_name: music_vae_tf
tags:
- music
- midi
- {config}
---
"""
CARD = """# {config}

A model of the config {config}, trained with music_vae_tf.

Data: not stated. Licence: not stated.
"""


def export(
    config: configs.Config,
    checkpoint_path: str | os.PathLike,
    folder: Path,
    bits: int,
    card: str | None,
) -> None:
    """Writes `README.md`, `config.yaml`, `model.safetensors` and a vocabulary.

    Args:
        config: what was trained.
        checkpoint_path: in any form that `checkpoint.find` understands.
        folder: where the files are written.
        bits: per weight of a matrix, 16 or 8.
        card: the model card, in Markdown; None writes one that states what is missing.

    Raises:
        ExportError: a weight does not fit into the bits.
        checkpoint.CheckpointError: there is no checkpoint, or it is damaged.
    """
    path = compact.export(config, checkpoint_path, folder, bits)
    path.rename(folder / hub.WEIGHTS)
    (folder / "config.yaml").write_text(compact.titled(config), encoding="utf-8")
    text = CARD.format(config=config.name) if card is None else card
    for name, companion in checkpoint.companions(checkpoint_path).items():
        (folder / name).write_text(companion, encoding="utf-8")
    head = "" if text.startswith("---\n") else HEAD.format(config=config.name)
    (folder / "README.md").write_text(head + text, encoding="utf-8")

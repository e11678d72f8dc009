"""SavedModels with named signatures, for TensorFlow without this package."""

from __future__ import annotations

from pathlib import Path

from music_vae_tf import config as configs
from music_vae_tf.models.trainable import Trainable

CONFIG = "config.yaml"  # beside the signatures, for people


def export(config: configs.Config, model: Trainable, folder: Path) -> list[str]:
    """Writes a model, and the config that it was trained with.

    Args:
        config: of the model.
        model: with its trained weights.
        folder: that `tf.saved_model.load` will load.

    Returns:
        The names of the signatures.
    """
    model.export(folder, verbose=False)
    (folder / CONFIG).write_text(configs.dump(config), encoding="utf-8")
    return sorted(model.endpoints())

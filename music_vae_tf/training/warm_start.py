"""Trainings that start from the weights of another model."""

from __future__ import annotations

import logging
import os
from typing import TYPE_CHECKING

from music_vae_tf.training.options import OptionError, TrainingOptions
from music_vae_tf.training.request import Request

if TYPE_CHECKING:
    from music_vae_tf.data.converters.base import TokenVocabulary
    from music_vae_tf.models.trainable import Trainable

log = logging.getLogger("music_vae_tf")
PRETRAINED = "pretrained"  # in place of the path of a checkpoint


def warm_start(
    asked: Request[TrainingOptions],
    model: Trainable,
    vocabulary: TokenVocabulary | None,
) -> None:
    """Gives a new model the weights that its training starts from, if it names any.

    Raises:
        OptionError: the run directory holds a training already.
    """
    from music_vae_tf import checkpoint

    path, directory = weights_to_start_from(asked), asked.directory
    if path is None:
        return
    if directory.checkpoint():
        raise OptionError(
            "{warm_start_checkpoint} starts a new training, and {path} holds one "
            "already: name another {run_dir}",
            path=directory.path,
        )
    if vocabulary is not None:
        checkpoint.check_vocabulary(path, vocabulary)
    fit = checkpoint.warm_start(model.named_variables, path)
    log.info("Starting from the weights in %s:\n%s", path, fit)


def weights_to_start_from(asked: Request[TrainingOptions]) -> str | None:
    """The path of a checkpoint; None if the training starts from random weights.

    Raises:
        pretrained.PretrainedError: the config has no pretrained model.
    """
    from music_vae_tf import pretrained

    named = asked.options.warm_start_checkpoint
    if not named:
        return None
    path = os.path.expanduser(os.fspath(named))
    return pretrained.weights_path(asked.config.name) if path == PRETRAINED else path

"""Losses and gradients that are not finite: which step, which pieces, what is kept."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from music_vae_tf import checkpoint
from music_vae_tf.errors import UserFacingError

log = logging.getLogger("music_vae_tf")
PIECES_NAMED = 8
WARNINGS = 3  # of gradients; more say nothing new


class LossNotFinite(UserFacingError, ValueError):
    """A training that went astray."""


class FiniteCheck:
    """Looks at the loss and the gradient of each step of a training."""

    def __init__(
        self,
        directory: Path,
        clip_mode: str,
        pieces_of_batch: Callable[[int], list[str]] = lambda step: [],
    ):
        """
        Args:
            directory: of the checkpoints.
            clip_mode: of the gradients. By global norm, one that is not finite is
                taken as zero, as in Magenta; by value, it would ruin the weights.
            pieces_of_batch: names the pieces that a batch, counted from 0, is from.
        """
        self._directory, self._clip_mode = directory, clip_mode
        self._pieces_of_batch = pieces_of_batch
        self._warnings_left = WARNINGS

    def __call__(self, step: int, logs: Mapping[str, Any]) -> float:
        """Looks at what a step logged, before anything is saved. Returns the loss.

        Raises:
            LossNotFinite: the training cannot go on.
        """
        loss = float(logs["loss"])
        if not math.isfinite(loss):
            raise self._end(f"the loss of step {step} is {loss}", step)
        norm = float(logs.get("global_norm", 0.0))
        if math.isfinite(norm):
            return loss
        what = f"the norm of the gradient of step {step} is {norm}"
        if self._clip_mode == "value":
            raise self._end(what, step)
        if self._warnings_left:
            self._warnings_left -= 1
            log.warning("%s; it is taken as zero. %s", what, self._pieces(step))
        return loss

    def _end(self, what, step):
        last = checkpoint.latest(self._directory)
        return LossNotFinite(
            f"{what}: training stops, and {last} stays the last checkpoint. "
            f"{self._pieces(step)}A lower learning rate may help "
            "(--hparams=learning_rate=...), or a look at the data."
        )

    def _pieces(self, step) -> str:
        names = list(dict.fromkeys(self._pieces_of_batch(step - 1)))
        if not names:
            return ""
        more = len(names) - PIECES_NAMED
        listed = ", ".join(names[:PIECES_NAMED])
        return f"Its batch is of {listed}{f' and {more} more' if more > 0 else ''}. "

"""A decoder that is given a part of its output, compiled once."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
import tensorflow as tf

from music_vae_tf.generation.compiling import compiled
from music_vae_tf.models.prng import PRNGKey

if TYPE_CHECKING:
    from music_vae_tf.generation.music_vae import TrainedModel


class HeldDecoder:
    """Latent vectors -> rows, some values of which are given."""

    def __init__(self, trained: TrainedModel):
        """
        Args:
            trained: its decoder takes forced rows.
        """
        self._trained = trained
        self._sample = compiled(self._sample_step)

    def __call__(
        self,
        z: np.ndarray,
        held: np.ndarray,
        controls: list[np.ndarray] | None,
        temperature: float,
        advance: Callable[[int], None] = lambda examples: None,
    ) -> np.ndarray:
        """Rows [N, T, D_out].

        Args:
            z: [N, Z].
            held: [N, T, D_out]; NaN is free.
            controls: N times [T, D_c], or None.
            advance: is called with the number of examples that are done.
        """
        # What is sampled at a time shares its controls.
        size = 1 if controls is not None else self._trained.batch_size
        rows = []
        for first in range(0, len(z), size):
            part = slice(first, first + size)
            missing = size - len(z[part])
            of_batch = self._sample(
                np.pad(z[part], [(0, missing), (0, 0)]).astype(np.float32),
                np.pad(held[part], [(0, missing), (0, 0), (0, 0)]).astype(np.float32),
                None if controls is None else controls[first].astype(np.float32),
                tf.constant(temperature, tf.float32),
                self._trained._next_seed(),
            ).numpy()
            rows.append(of_batch[: size - missing])
            advance(size - missing)
        return np.concatenate(rows)

    def _sample_step(self, z, held, controls, temperature, seed):
        rng, length = PRNGKey(seed), tf.constant(held.shape[1])
        samples = self._trained.model.sample(
            z, length, controls, temperature, rng, forced=held
        )
        return samples.rows

"""Grooves: hits, velocities and offsets, each with a loss of its own."""

from __future__ import annotations

import abc
from typing import Any

import keras
import tensorflow as tf

from music_vae_tf.models.metrics import WeightedMean
from music_vae_tf.models.outputs import Output, is_positive, with_held
from music_vae_tf.models.prng import PRNGKey

SMALLEST_PROBABILITY = 1e-6  # that is divided by


class GrooveColumns(Output):
    """Hits, velocities and offsets side by side, a third of D each.

    Each has a loss of its own. A temperature affects the hits alone: velocities and
    offsets are emitted with or without a hit.
    """

    def __init__(self, depth: int, **kwargs: Any):
        super().__init__(**kwargs)
        self.depth = self.params_size = depth
        self.num_draws = depth // 3  # of the hits

    @abc.abstractmethod
    def _column_losses(self, params, targets) -> list[tf.Tensor]:
        """Losses of hits, velocities and offsets: [..., P], [..., D] -> [...] each."""

    @abc.abstractmethod
    def _values(self, params) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        """Logits of hits, velocities in [0, 1], offsets in [-1, 1]: [..., D / 3]."""

    def loss(self, params: tf.Tensor, targets: tf.Tensor) -> tf.Tensor:
        return tf.add_n(self._column_losses(params, targets))

    def sample(self, params: tf.Tensor, temperature: Any, rng: PRNGKey) -> tf.Tensor:
        logits, velocities, offsets = self._values(params)
        hits = rng.bernoulli(tf.sigmoid(logits / temperature))
        return tf.concat([hits, velocities, offsets], axis=-1)

    def mode(self, params: tf.Tensor) -> tf.Tensor:
        logits, velocities, offsets = self._values(params)
        return tf.concat([is_positive(logits), velocities, offsets], axis=-1)

    def given_hits(self, rows: tf.Tensor, params: tf.Tensor) -> tf.Tensor:
        """Velocities and offsets of hits as they are given the hit.

        Targets are 0 where a drum rests, and the losses count these cells too. So the
        model emits the mean over both cases, E[v] = p(hit) E[v | hit]: too soft, and
        too near the grid, where the hit was improbable. Divided by p(hit), it is
        E[v | hit]. Magenta has nothing of the kind.
        """
        hits, velocities, offsets = tf.split(rows, 3, axis=-1)
        logits, *_ = tf.split(params, 3, axis=-1)
        probabilities = tf.maximum(tf.sigmoid(logits), SMALLEST_PROBABILITY)
        share = tf.where(hits > 0.5, probabilities, 1.0)
        columns = [
            hits,
            tf.minimum(velocities / share, 1.0),
            tf.clip_by_value(offsets / share, -1.0, 1.0),
        ]
        return tf.concat(columns, axis=-1)

    def hold(self, rows: tf.Tensor, params: tf.Tensor, held: tf.Tensor) -> tf.Tensor:
        """What is free is as it is given the hits, those held and those sampled."""
        hits, *others = tf.split(rows, 3, axis=-1)
        held_hits, *_ = tf.split(held, 3, axis=-1)
        rows = tf.concat([with_held(hits, held_hits), *others], axis=-1)
        return with_held(self.given_hits(rows, params), held)

    def metrics_of(
        self, params: tf.Tensor, targets: tf.Tensor, mask: tf.Tensor
    ) -> dict[str, WeightedMean]:
        names = ("hits_loss", "velocities_loss", "offsets_loss")
        return {
            f"metrics/{name}": WeightedMean.from_values(losses, mask)
            for name, losses in zip(names, self._column_losses(params, targets))
        }


@keras.saving.register_keras_serializable("music_vae_tf")
class Groove(GrooveColumns):
    """Hits by their log loss, velocities and offsets by their squared error.

    Gillick et al. 2019, "Learning to Groove with Inverse Sequence Transformations".
    """

    def _column_losses(self, params, targets):
        """Summed over all drums, hit or not."""
        logits, velocities, offsets = self._values(params)
        target_hits, target_velocities, target_offsets = tf.split(targets, 3, axis=-1)
        return [
            tf.reduce_sum(columns, axis=-1)
            for columns in (
                bernoulli_losses(logits, target_hits),
                tf.square(velocities - target_velocities),
                tf.square(offsets - target_offsets),
            )
        ]

    def _values(self, params):
        logits, velocities, offsets = tf.split(params, 3, axis=-1)
        return logits, tf.sigmoid(velocities), tf.tanh(offsets)


@keras.saving.register_keras_serializable("music_vae_tf")
class GrooveBernoulli(GrooveColumns):
    """The columns of `Groove`, each as a Bernoulli: a loss for comparison.

    A velocity v, and an offset o as (o + 1) / 2, are targets t between 0 and 1. A
    column costs its cross-entropy, -t ln p - (1 - t) ln (1 - p). No model can go below
    H(t), the entropy of t, which is 0 for hits and rests.

    A drum that rests has the offset 0, so t = 1/2 and H(t) = ln 2. Where all 9 drums
    rest for 64 steps, that is 576 ln 2 = 399 nats an example. Drums that are hit add
    the entropy of their velocity, and save a little on the offset. In the validation
    split of the Groove MIDI Dataset the mean floor is 427 nats. Losses of this kind
    and of `Groove` cannot be compared; accuracies can.
    """

    def _column_losses(self, params, targets):
        """Summed over all drums."""
        hits, velocities, offsets = tf.split(targets, 3, axis=-1)
        targets = (hits, velocities, (offsets + 1.0) / 2.0)
        return [
            tf.reduce_sum(
                tf.nn.sigmoid_cross_entropy_with_logits(target, logits), axis=-1
            )
            for target, logits in zip(targets, tf.split(params, 3, axis=-1))
        ]

    def _values(self, params):
        logits, velocities, offsets = tf.split(params, 3, axis=-1)
        return logits, tf.sigmoid(velocities), 2.0 * tf.sigmoid(offsets) - 1.0


def bernoulli_losses(logits: tf.Tensor, targets: tf.Tensor) -> tf.Tensor:
    """Log losses of columns, [...] each.

    1e-7 inside the logarithms, as in tf.losses.log_loss, which Magenta uses.
    """
    probabilities = tf.sigmoid(logits)
    return -(
        targets * tf.math.log(probabilities + 1e-7)
        + (1.0 - targets) * tf.math.log(1.0 - probabilities + 1e-7)
    )

"""The convolutional VAE of class rolls, and the decoder of their continuations.

Rolls are class numbers [B, T, 128], as `data/converters/piano_roll.py` makes them; the
models read them one-hot. A condition [B, 4] marks the classes of a roll, silence
included.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import keras
import tensorflow as tf

from music_vae_tf import losses
from music_vae_tf.batch import Batch
from music_vae_tf.models import roll_endpoints
from music_vae_tf.models.composed import Composed
from music_vae_tf.models.lstm import FLOAT32
from music_vae_tf.models.metrics import WeightedMean
from music_vae_tf.models.prng import PRNGKey
from music_vae_tf.models.roll_endpoints import CLASSES, PITCHES
from music_vae_tf.models.roll_layers import (
    RollDecoder,
    RollEncoder,
    Row,
    Size,
    TwoBiasLstm,
)
from music_vae_tf.models.trainable import Trainable

SILENT = 0


class RollLosses(NamedTuple):
    """The terms of the loss of a batch of rolls."""

    r_loss: tf.Tensor  # [B], nats, summed over cells with their weights
    kl_nats: tf.Tensor  # [B]
    logits: tf.Tensor  # [B, T, 128, 4]


def condition_of(rolls: tf.Tensor) -> tf.Tensor:
    """1 for each class in a roll: [B, T, 128] -> [B, 4]."""
    return tf.reduce_max(_one_hot(rolls), axis=[1, 2])


def weighted_cross_entropy(
    rolls: tf.Tensor,
    logits: tf.Tensor,
    positive_weight: float,
    steps: tf.Tensor | None = None,
) -> tf.Tensor:
    """Cross-entropy of each roll, in nats, summed over its cells: [B].

    A sounding cell weighs `positive_weight`, a silent one 1. One cell in forty sounds,
    so that without weights a model learns to predict silence everywhere.

    Args:
        rolls: [B, T, 128]; logits: [B, T, 128, 4].
        steps: [B], the length of each roll; None, all steps.
    """
    cells = tf.nn.sparse_softmax_cross_entropy_with_logits(
        tf.cast(rolls, tf.int32), logits
    )
    cells *= tf.where(rolls == SILENT, 1.0, positive_weight)
    by_step = tf.reduce_sum(cells, axis=2)  # [B, T]
    if steps is not None:
        by_step *= losses.step_mask(steps, rolls.shape[1])
    return tf.reduce_sum(by_step, axis=1)


def roll_metrics(
    rolls: tf.Tensor, logits: tf.Tensor, steps: tf.Tensor | None = None
) -> dict[str, WeightedMean]:
    """Class accuracy of all cells, and precision, recall and F1 of sounding cells.

    A sounding cell is correct if its class is. `steps` as above.
    """
    predictions = tf.argmax(logits, axis=-1, output_type=tf.int32)  # [B, T, 128]
    targets = tf.cast(rolls, tf.int32)
    mask = tf.ones(tf.shape(rolls), tf.float32)
    if steps is not None:
        mask *= losses.step_mask(steps, rolls.shape[1])[:, :, None]
    count = lambda cells: tf.reduce_sum(tf.cast(cells, tf.float32) * mask)
    correct = count((predictions == targets) & (targets != SILENT))
    predicted, sounding = count(predictions != SILENT), count(targets != SILENT)
    return {
        "metrics/class_accuracy": WeightedMean.from_values(
            predictions == targets, mask
        ),
        "metrics/precision": WeightedMean.from_totals(correct, predicted),
        "metrics/recall": WeightedMean.from_totals(correct, sounding),
        "metrics/f1": WeightedMean.from_totals(2 * correct, predicted + sounding),
    }


def _one_hot(rolls):
    return tf.one_hot(tf.cast(rolls, tf.int32), CLASSES)


@keras.saving.register_keras_serializable("music_vae_tf")
class ConvCvae(Composed, Trainable):
    """A convolutional VAE of rolls, conditioned on their classes."""

    shown_in_keras = {
        "loss": "loss",
        "r_loss": "losses/r_loss",
        "kl_bits": "losses/kl_bits",
        "f1": "metrics/f1",
    }

    def __init__(
        self,
        steps: int,
        z_size: int,
        filters: Sequence[int],
        convolution_dtype: str = FLOAT32,
        **kwargs: Any,
    ):
        """
        Args:
            steps: T, of a roll.
            z_size: Z.
            filters: of each convolution, in order.
            convolution_dtype: Keras's name of the dtype policy of the convolutions.
        """
        super().__init__(**kwargs)
        self.steps, self.z_size = steps, z_size
        size = Size(steps, PITCHES)
        self.encoder = RollEncoder(
            filters, size, z_size, convolution_dtype, name="encoder"
        )
        self.decoder = RollDecoder(
            filters, size, CLASSES, convolution_dtype, name="decoder"
        )
        self.build()

    def build(self, input_shape: Any = None) -> None:
        """Creates all variables; the shapes are known from the constructor."""
        self.encoder.build(CLASSES, CLASSES)
        self.decoder.build(self.z_size, CLASSES)

    def layer_table(self) -> list[Row]:
        """A row for each layer, in the order of the forward pass."""
        return self.encoder.rows() + self.decoder.rows()

    # The model.

    def call(self, batch: Batch, training: bool = False) -> tf.Tensor:
        """Reconstructs a Batch from its posterior mean: logits [B, T, 128, 4]."""
        rolls = self._rolls(batch)
        condition = condition_of(rolls)
        mu, _ = self.posterior(rolls, condition)
        return self.logits(mu, condition)

    def endpoints(self) -> dict[str, tuple]:
        """`decode` and `serve`, `encode`, `encode_windows`: see `roll_endpoints`."""
        return roll_endpoints.of_vae(self, condition_of)

    def posterior(
        self, rolls: tf.Tensor, condition: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Mean and standard deviation of z for each roll: [B, Z] each."""
        return self.encoder.posterior(_one_hot(rolls), condition)

    def logits(self, z: tf.Tensor, condition: tf.Tensor) -> tf.Tensor:
        """[B, Z], [B, 4] -> logits of the classes of each cell, [B, T, 128, 4]."""
        return self.decoder.logits(z, condition)

    def loss_terms(self, batch: Batch, rng: PRNGKey) -> RollLosses:
        """Encode, sample z, decode, compare."""
        rolls = self._rolls(batch)
        condition = condition_of(rolls)
        mu, sigma = self.posterior(rolls, condition)
        z = mu + sigma * rng.fold_in("z").normal(tf.shape(mu))
        logits = self.logits(z, condition)
        return RollLosses(
            weighted_cross_entropy(rolls, logits, self.objective.positive_weight),
            losses.kl_to_standard_normal_nats(mu, sigma),
            logits,
        )

    def window_latents(
        self, rolls: tf.Tensor, windows: int, rng: PRNGKey | None = None
    ) -> tf.Tensor:
        """z of each of so many equal windows of a roll, [B, windows, Z].

        A window is encoded in its place, with silence around it and the condition of
        the whole roll. The mean of z is linear in the convolutions' output, so the
        means of all windows add up to that of the roll, except at their seams.

        rng: key of draws from the posteriors; None yields their means.
        """
        condition = tf.repeat(condition_of(rolls), windows, axis=0)
        window_of_step = tf.range(self.steps) * windows // self.steps  # [T]
        is_in = window_of_step == tf.range(windows)[:, None]  # [windows, T]
        windowed = tf.where(is_in[None, :, :, None], rolls[:, None], float(SILENT))
        windowed = tf.reshape(windowed, [-1, self.steps, PITCHES])
        mu, sigma = self.posterior(windowed, condition)
        z = mu if rng is None else mu + sigma * rng.normal(tf.shape(mu))
        return tf.reshape(z, [-1, windows, self.z_size])

    def _rolls(self, batch):
        return batch.targets[:, : self.steps]

    # Training.

    def training_loss(
        self, batch: Batch, rng: PRNGKey, step: Any
    ) -> tuple[tf.Tensor, dict[str, Any]]:
        terms, beta = self.loss_terms(batch, rng), self.objective.beta(step)
        scalars = self._scalars(terms, beta)
        loss = tf.reduce_mean(scalars.pop("loss"))
        return loss, {name: tf.reduce_mean(value) for name, value in scalars.items()}

    def evaluation_metrics(
        self, batch: Batch, rng: PRNGKey, step: Any
    ) -> dict[str, WeightedMean]:
        terms = self.loss_terms(batch, rng)
        scalars = self._scalars(terms, self.objective.beta(step))
        means = {
            name: WeightedMean.from_values(value, 1.0)
            for name, value in scalars.items()
        }
        return {**means, **roll_metrics(self._rolls(batch), terms.logits)}

    def _scalars(self, terms: RollLosses, beta):
        kl_cost = losses.kl_cost_nats(terms.kl_nats, self.objective.free_bits)
        return {
            "loss": terms.r_loss + beta * kl_cost,
            "losses/r_loss": terms.r_loss,
            "losses/kl_loss": kl_cost,
            "losses/kl_bits": losses.kl_bits(terms.kl_nats),
            "losses/kl_beta": beta,
        }


@keras.saving.register_keras_serializable("music_vae_tf")
class ClstmDecoder(Composed, Trainable):
    """The continuation of a roll, from latents of the roll or of its windows.

    An LSTM reads the latents, and transposed convolutions decode its last output. The
    published model reads one z: its LSTM takes a single step from zeros, so that its
    recurrent weights have no effect. Over several windows they have one.
    """

    shown_in_keras = {"loss": "loss", "f1": "metrics/f1"}

    def __init__(
        self,
        steps: int,
        z_size: int,
        latent_windows: int,
        lstm_size: int,
        filters: Sequence[int],
        convolution_dtype: str = FLOAT32,
        **kwargs: Any,
    ):
        """
        Args:
            steps: T, of a continuation.
            z_size: Z of the CVAE whose latents are read.
            latent_windows: number of z read for a roll; 1 is one z for all of it.
            filters: of the CVAE's convolutions; they are used in reverse order.
            convolution_dtype: Keras's name of the dtype policy of the convolutions.
        """
        super().__init__(**kwargs)
        self.steps, self.z_size, self.latent_windows = steps, z_size, latent_windows
        self.lstm = TwoBiasLstm(lstm_size, latent_windows, name="lstm")
        size = Size(steps, PITCHES)
        self.decoder = RollDecoder(
            filters, size, CLASSES, convolution_dtype, name="decoder"
        )
        self.build()

    def build(self, input_shape: Any = None) -> None:
        """Creates all variables; the shapes are known from the constructor."""
        self.lstm.build(self.z_size + CLASSES)
        self.decoder.build(self.lstm.units, CLASSES)

    def layer_table(self) -> list[Row]:
        """A row for each layer, in the order of the forward pass."""
        return [self.lstm.row(), *self.decoder.rows()]

    def call(self, batch: Batch, training: bool = False) -> tf.Tensor:
        """Continues a Batch of latents: logits [B, T, 128, 4]."""
        return self.logits(batch.inputs, batch.controls)

    def endpoints(self) -> dict[str, tuple]:
        """`decode` and `serve`: see `roll_endpoints`."""
        return roll_endpoints.of_decoder(self)

    def logits(self, latents: tf.Tensor, condition: tf.Tensor) -> tf.Tensor:
        """[B, windows, Z], [B, 4] -> logits of the continuation, [B, T, 128, 4]."""
        conditions = tf.repeat(condition[:, None], self.latent_windows, axis=1)
        last = self.lstm(tf.concat([latents, conditions], axis=-1))
        return self.decoder.logits(last, condition)

    def training_loss(
        self, batch: Batch, rng: PRNGKey, step: Any
    ) -> tuple[tf.Tensor, dict[str, Any]]:
        """batch: as `continuation_batch` makes it."""
        _, r_loss, _ = self._compare(batch)
        return tf.reduce_mean(r_loss), {}

    def evaluation_metrics(
        self, batch: Batch, rng: PRNGKey, step: Any
    ) -> dict[str, WeightedMean]:
        """batch: as `continuation_batch` makes it."""
        logits, r_loss, has_music = self._compare(batch)
        return {
            "loss": WeightedMean.from_values(r_loss, has_music),
            **roll_metrics(batch.targets, logits, batch.lengths),
        }

    def _compare(self, batch):
        logits = self.logits(batch.inputs, batch.controls)
        weight = self.objective.positive_weight
        r_loss = weighted_cross_entropy(batch.targets, logits, weight, batch.lengths)
        return logits, r_loss, tf.cast(batch.lengths > 0, tf.float32)


def continuation_batch(
    cvae: ConvCvae, windows: int, batch: Batch, rng: PRNGKey | None
) -> Batch:
    """Windows of pieces -> inputs and targets of a ClstmDecoder.

    Args:
        batch: targets are rolls and their continuations, [B, T, 128]; lengths are the
            steps of these that are music.
        rng: key of draws from the posteriors; None yields their means.

    Returns:
        inputs: latents, [B, windows, Z]; targets: the continuations; controls: the
        conditions, [B, 4]; lengths: steps of the continuations that are music.
    """
    rolls, following = batch.targets[:, : cvae.steps], batch.targets[:, cvae.steps :]
    return Batch(
        cvae.window_latents(rolls, windows, rng),
        following,
        condition_of(rolls),
        tf.maximum(batch.lengths - cvae.steps, 0),
    )

"""The convolutional VAE of class rolls, and the decoder that continues what it wrote.

Rolls are class numbers [B, T, 128], as `data/converters/piano_roll.py` makes them; the
models read them one-hot. A condition [B, 4] says which classes there are in a roll, the
silent one among them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import keras
import tensorflow as tf

from music_vae_tf import losses
from music_vae_tf.batch import Batch
from music_vae_tf.models.composed import Composed
from music_vae_tf.models.metrics import WeightedMean
from music_vae_tf.models.prng import PRNGKey
from music_vae_tf.models.roll_layers import (
    RollDecoder,
    RollEncoder,
    Row,
    Size,
    TwoBiasLstm,
)
from music_vae_tf.models.trainable import Trainable

CLASSES = 4  # none, piano, guitar, bass
SILENT = 0
PITCHES = 128


class RollLosses(NamedTuple):
    """What the loss of a batch of rolls is made of."""

    r_loss: tf.Tensor  # [B], nats, summed over cells with their weights
    kl_nats: tf.Tensor  # [B]
    logits: tf.Tensor  # [B, T, 128, 4]


def condition_of(rolls):
    """1 for each class that a roll has: [B, T, 128] -> [B, 4]."""
    return tf.reduce_max(_one_hot(rolls), axis=[1, 2])


def weighted_cross_entropy(rolls, logits, sounding_weight: float, steps=None):
    """Cross-entropy of each roll, in nats, summed over its cells: [B].

    Cells that sound count `sounding_weight` times, silent ones once: of music's cells
    one in forty sounds, and to predict silence everywhere is easy.

    Args:
        rolls: [B, T, 128]; logits: [B, T, 128, 4].
        steps: [B], how many of each roll's steps count; None, all.
    """
    cells = tf.nn.sparse_softmax_cross_entropy_with_logits(
        tf.cast(rolls, tf.int32), logits
    )
    cells *= tf.where(rolls == SILENT, 1.0, sounding_weight)
    by_step = tf.reduce_sum(cells, axis=2)
    if steps is not None:
        by_step *= losses.step_mask(steps, rolls.shape[1])
    return tf.reduce_sum(by_step, axis=1)


def roll_metrics(rolls, logits, steps=None) -> dict[str, WeightedMean]:
    """Class accuracy of all cells, and precision, recall and F1 of those that sound.

    A sounding cell is right if it is of the right class. `steps` as above.
    """
    said = tf.argmax(logits, axis=-1, output_type=tf.int32)
    there = tf.cast(rolls, tf.int32)
    counts = tf.ones(tf.shape(rolls), tf.float32)
    if steps is not None:
        counts *= losses.step_mask(steps, rolls.shape[1])[:, :, None]
    total = lambda is_so: tf.reduce_sum(tf.cast(is_so, tf.float32) * counts)
    right = total((said == there) & (there != SILENT))
    said_to_sound, sounding = total(said != SILENT), total(there != SILENT)
    return {
        "metrics/class_accuracy": WeightedMean.from_values(said == there, counts),
        "metrics/precision": WeightedMean.from_totals(right, said_to_sound),
        "metrics/recall": WeightedMean.from_totals(right, sounding),
        "metrics/f1": WeightedMean.from_totals(2 * right, said_to_sound + sounding),
    }


def _one_hot(rolls):
    return tf.one_hot(tf.cast(rolls, tf.int32), CLASSES)


@keras.saving.register_keras_serializable("music_vae_tf")
class ConvCvae(Composed, Trainable):
    """A convolutional VAE of rolls, told which classes they have."""

    shown_in_keras = {
        "loss": "loss",
        "r_loss": "losses/r_loss",
        "kl_bits": "losses/kl_bits",
        "f1": "metrics/f1",
    }

    def __init__(self, steps: int, z_size: int, filters: Sequence[int], **kwargs):
        """
        Args:
            steps: T, of a roll.
            z_size: Z.
            filters: of each convolution, the first one first.
        """
        super().__init__(**kwargs)
        self.steps, self.z_size = steps, z_size
        size = Size(steps, PITCHES)
        self.encoder = RollEncoder(filters, size, z_size, name="encoder")
        self.decoder = RollDecoder(filters, size, CLASSES, name="decoder")
        self.build()

    def build(self, input_shape=None):
        """Creates all variables; the shapes are known from the constructor."""
        self.encoder.build(CLASSES, CLASSES)
        self.decoder.build(self.z_size, CLASSES)

    def layer_table(self) -> list[Row]:
        """A row for each layer, in the order in which a roll passes them."""
        return self.encoder.rows() + self.decoder.rows()

    # The model.

    def call(self, batch, training=False):
        """Reconstructs a Batch from its posterior mean: logits [B, T, 128, 4]."""
        rolls = self._rolls(batch)
        condition = condition_of(rolls)
        mu, _ = self.posterior(rolls, condition)
        return self.logits(mu, condition)

    def endpoints(self):
        """`serve`: z [B, Z], condition [B, 4] -> logits [B, T, 128, 4].
        `encode`: rolls of class numbers [B, T, 128] -> mu and sigma."""
        z = tf.TensorSpec([None, self.z_size], tf.float32)
        condition = tf.TensorSpec([None, CLASSES], tf.float32)
        rolls = tf.TensorSpec([None, self.steps, PITCHES], tf.uint8)

        def encode(rolls):
            mu, sigma = self.posterior(rolls, condition_of(rolls))
            return {"mu": mu, "sigma": sigma}

        return {"serve": (self.logits, [z, condition]), "encode": (encode, [rolls])}

    def posterior(self, rolls, condition):
        """Mean and standard deviation of z for each roll: [B, Z] each."""
        return self.encoder.posterior(_one_hot(rolls), condition)

    def logits(self, z, condition):
        """[B, Z], [B, 4] -> logits of the classes of each cell, [B, T, 128, 4]."""
        return self.decoder.logits(z, condition)

    def terms(self, batch: Batch, rng: PRNGKey) -> RollLosses:
        """Encode, sample z, decode, compare."""
        rolls = self._rolls(batch)
        condition = condition_of(rolls)
        mu, sigma = self.posterior(rolls, condition)
        z = mu + sigma * rng.fold_in("z").normal(tf.shape(mu))
        logits = self.logits(z, condition)
        return RollLosses(
            weighted_cross_entropy(rolls, logits, self.objective.sounding_weight),
            losses.kl_to_standard_normal_nats(mu, sigma),
            logits,
        )

    def window_latents(self, rolls, windows: int, rng: PRNGKey | None = None):
        """z of each of so many equal windows of a roll, [B, windows, Z].

        A window is encoded where it stands, with silence around it and the condition of
        the whole roll. As z's mean is linear in what the convolutions give, the means
        of all windows add up to that of the roll, but for the seams between them.

        noise: of draws from the posteriors; None gives their means.
        """
        condition = tf.repeat(condition_of(rolls), windows, axis=0)
        number_of_step = tf.range(self.steps) * windows // self.steps
        is_in = number_of_step == tf.range(windows)[:, None]  # [windows, T]
        windowed = tf.where(is_in[None, :, :, None], rolls[:, None], float(SILENT))
        windowed = tf.reshape(windowed, [-1, self.steps, PITCHES])
        mu, sigma = self.posterior(windowed, condition)
        z = mu if rng is None else mu + sigma * rng.normal(tf.shape(mu))
        return tf.reshape(z, [-1, windows, self.z_size])

    def _rolls(self, batch):
        return batch.targets[:, : self.steps]

    # Training.

    def training_loss(self, batch, rng, step):
        terms, beta = self.terms(batch, rng), self.objective.beta(step)
        scalars = self._scalars(terms, beta)
        loss = tf.reduce_mean(scalars.pop("loss"))
        return loss, {name: tf.reduce_mean(value) for name, value in scalars.items()}

    def evaluation_metrics(self, batch, rng, step):
        terms = self.terms(batch, rng)
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
    """What follows a roll, from the z of it or of its windows: an LSTM over these, and
    transposed convolutions of its last output.

    The published model reads one z: its LSTM takes a single step from a state of zeros,
    and its recurrent weights never act. Over several windows they do.
    """

    shown_in_keras = {"loss": "loss", "f1": "metrics/f1"}

    def __init__(
        self,
        steps: int,
        z_size: int,
        latent_windows: int,
        lstm_size: int,
        filters: Sequence[int],
        **kwargs,
    ):
        """
        Args:
            steps: T, of a continuation.
            z_size: Z of the CVAE whose latents are read.
            latent_windows: how many z of a roll are read; 1, that of all of it.
            filters: of the convolutions as the CVAE has them; these go the other way.
        """
        super().__init__(**kwargs)
        self.steps, self.z_size, self.latent_windows = steps, z_size, latent_windows
        self.lstm = TwoBiasLstm(lstm_size, latent_windows, name="lstm")
        size = Size(steps, PITCHES)
        self.decoder = RollDecoder(filters, size, CLASSES, name="decoder")
        self.build()

    def build(self, input_shape=None):
        """Creates all variables; the shapes are known from the constructor."""
        self.lstm.build(self.z_size + CLASSES)
        self.decoder.build(self.lstm.units, CLASSES)

    def layer_table(self) -> list[Row]:
        """A row for each layer, in the order in which a latent passes them."""
        return [self.lstm.row(), *self.decoder.rows()]

    def call(self, batch, training=False):
        """Continues a Batch of latents: logits [B, T, 128, 4]."""
        return self.logits(batch.inputs, batch.controls)

    def endpoints(self):
        """`serve`: latents [B, windows, Z], condition [B, 4] -> logits of what follows
        [B, T, 128, 4]."""
        latents = tf.TensorSpec([None, self.latent_windows, self.z_size], tf.float32)
        condition = tf.TensorSpec([None, CLASSES], tf.float32)
        return {"serve": (self.logits, [latents, condition])}

    def logits(self, latents, condition):
        """[B, windows, Z], [B, 4] -> logits of what follows, [B, T, 128, 4]."""
        conditions = tf.repeat(condition[:, None], self.latent_windows, axis=1)
        last = self.lstm(tf.concat([latents, conditions], axis=-1))
        return self.decoder.logits(last, condition)

    def training_loss(self, batch, rng, step):
        """The batch is as `continuation_batch` makes it."""
        _, r_loss, _ = self._compare(batch)
        return tf.reduce_mean(r_loss), {}

    def evaluation_metrics(self, batch, rng, step):
        """The batch is as `continuation_batch` makes it."""
        logits, r_loss, has_music = self._compare(batch)
        return {
            "loss": WeightedMean.from_values(r_loss, has_music),
            **roll_metrics(batch.targets, logits, batch.lengths),
        }

    def _compare(self, batch):
        logits = self.logits(batch.inputs, batch.controls)
        weight = self.objective.sounding_weight
        r_loss = weighted_cross_entropy(batch.targets, logits, weight, batch.lengths)
        return logits, r_loss, tf.cast(batch.lengths > 0, tf.float32)


def continuation_batch(
    cvae: ConvCvae, windows: int, batch: Batch, rng: PRNGKey | None
) -> Batch:
    """Windows of pieces -> what a ClstmDecoder reads and says.

    Args:
        batch: its targets are rolls with what follows them, [B, T, 128]; its lengths
            how many of these steps are music.
        noise: of draws from the posteriors; None gives their means.

    Returns:
        inputs: latents, [B, windows, Z]; targets: what follows the rolls; controls: the
        conditions, [B, 4]; lengths: how many steps of what follows are music.
    """
    rolls, following = batch.targets[:, : cvae.steps], batch.targets[:, cvae.steps :]
    return Batch(
        cvae.window_latents(rolls, windows, rng),
        following,
        condition_of(rolls),
        tf.maximum(batch.lengths - cvae.steps, 0),
    )

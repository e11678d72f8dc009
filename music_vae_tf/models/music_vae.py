"""MusicVAE: sequences to a latent vector and back (Roberts et al. 2018)."""

from __future__ import annotations

from typing import Any, ClassVar, NamedTuple

import keras
import tensorflow as tf

from music_vae_tf import losses
from music_vae_tf.batch import Batch
from music_vae_tf.models import prng
from music_vae_tf.models.composed import Composed
from music_vae_tf.models.decoder import (
    Decoder,
    Reconstruction,
    ReconstructOptions,
    SampleOptions,
    Samples,
)
from music_vae_tf.models.encoders import Encoder
from music_vae_tf.models.endpoints import Endpoints
from music_vae_tf.models.metrics import WeightedMean
from music_vae_tf.models.prng import PRNGKey
from music_vae_tf.models.trainable import Trainable


class Losses(NamedTuple):
    """The loss of a batch, and its terms."""

    loss: tf.Tensor  # scalar: mean(r_loss) + beta * mean(kl_cost)
    r_loss: tf.Tensor  # [B], nats, summed over steps and columns
    kl_cost: tf.Tensor  # [B], nats beyond the free bits
    kl_bits: tf.Tensor  # [B]
    reconstruction: Reconstruction


@keras.saving.register_keras_serializable("music_vae_tf")
class MusicVAE(Composed, Trainable):
    """A variational autoencoder of sequences, or with z_size 0 a decoder alone."""

    shown_in_keras: ClassVar = {
        "loss": "loss",
        "r_loss": "losses/r_loss",
        "kl_loss": "losses/kl_loss",
        "kl_bits": "losses/kl_bits",
    }

    def __init__(
        self,
        encoder: Encoder,
        decoder: Decoder,
        input_depth: int,
        control_depth: int,
        z_size: int,
        max_seq_len: int,
        **kwargs: Any,
    ):
        """
        Args:
            encoder: named 'encoder'.
            decoder: named 'decoder'.
            input_depth, control_depth: D_in and D_c.
            z_size: Z.
            max_seq_len: T; longer sequences are cut.
        """
        super().__init__(**kwargs)
        self.encoder = encoder
        self.decoder = decoder
        self.input_depth = input_depth
        self.control_depth = control_depth
        self.z_size = z_size
        self.max_seq_len = max_seq_len
        if z_size:
            self.mu = _latent_layer("mu", z_size)
            self.sigma = _latent_layer("sigma", z_size, "softplus")
        self.build()

    def build(self, input_shape: Any = None) -> None:
        """Creates all variables; the shapes are known from the constructor."""
        if self.z_size:
            self.encoder.build(self.input_depth + self.control_depth)
            self.mu.build((None, self.encoder.embedding_size))
            self.sigma.build((None, self.encoder.embedding_size))
        reencoding_size = None
        if self.decoder.needs_encoder:
            reencoding_size = self.encoder.levels[0].embedding_size
        self.decoder.build(self.z_size, self.control_depth, reencoding_size)

    # The model.

    def call(self, batch: Batch, training: bool = False) -> tf.Tensor:
        """Reconstructs a Batch from its posterior mean: parameters [B, T, P]."""
        batch = self._cut(batch)
        mu, _ = self.posterior(batch)
        return self._reconstruct(batch, mu, PRNGKey(0)).params

    def endpoints(self) -> dict[str, tuple]:
        """`decode` and `serve`, `encode`, `start` and `step`: see `Endpoints`."""
        return Endpoints(self).all()

    def loss_terms(
        self,
        batch: Batch,
        rng: PRNGKey,
        *,
        beta: Any = 1.0,
        free_bits: float = 0.0,
        sampling_probability: Any = 0.0,
        training: bool = False,
    ) -> Losses:
        """Encode, sample z, decode, compare: the loss and its terms.

        With beta 1 and no free bits, the loss is the negative evidence lower bound.

        Args:
            beta: weight of the KL divergence.
            free_bits: bits of KL divergence that cost nothing, per example.
            sampling_probability: of scheduled sampling.
            training: whether dropout acts.
        """
        batch = self._cut(batch)
        dropout = rng.fold_in("dropout") if training else None
        z, kl_nats = self._sample_posterior(batch, rng, dropout)  # [B, Z], [B]
        result = self._reconstruct(
            batch,
            z,
            rng.fold_in("decoder"),
            dropout=prng.fold_in(dropout, "decoder"),
            sampling_probability=sampling_probability,
        )
        r_loss = tf.reduce_sum(result.step_losses, axis=1)  # [B, T] -> [B]
        kl_cost = losses.kl_cost_nats(kl_nats, free_bits)
        return Losses(
            tf.reduce_mean(r_loss) + beta * tf.reduce_mean(kl_cost),
            r_loss,
            kl_cost,
            losses.kl_bits(kl_nats),
            result,
        )

    def posterior(
        self, batch: Batch, dropout: PRNGKey | None = None, needs_gradient: bool = True
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Mean and standard deviation of z for each example: [B, Z] each.

        needs_gradient: False is faster.
        """
        inputs = tf.concat([batch.inputs, batch.controls], axis=-1)
        embedding = self.encoder.embed(inputs, batch.lengths, dropout, needs_gradient)
        return self.mu(embedding), self.sigma(embedding)

    def encode(
        self,
        sequence: Any,
        sequence_length: tf.Tensor,
        control_sequence: tf.Tensor | None = None,
    ) -> Any:
        """The posterior of z as a distribution, as Magenta's `encode` returns it.

        [B, T, D_in], [B] or [B, S], [B, T, D_c] -> tfp MultivariateNormalDiag, [B, Z].
        """
        import tensorflow_probability as tfp

        sequence = tf.cast(sequence, tf.float32)
        controls = sequence[..., :0] if control_sequence is None else control_sequence
        batch = Batch(sequence, None, tf.cast(controls, tf.float32), sequence_length)
        mu, sigma = self.posterior(batch)
        return tfp.distributions.MultivariateNormalDiag(loc=mu, scale_diag=sigma)

    def sample(
        self,
        z: tf.Tensor,
        length: Any,
        controls: Any = None,
        temperature: Any = 1.0,
        rng: PRNGKey | None = None,
        **options: Any,
    ) -> Samples:
        """New sequences from z [B, Z]; Z is 0 for a decoder alone.

        Args:
            length: steps at most, a scalar.
            controls: [T, D_c] shared by the batch, or None.
            options: others of `decoder.SampleOptions`.
        """
        sample_options = SampleOptions(
            PRNGKey(0) if rng is None else rng,
            temperature,
            encoder=self.encoder if self.decoder.needs_encoder else None,
            **options,
        )
        if controls is not None:
            controls = tf.convert_to_tensor(controls, tf.float32)
        return self.decoder.sample(z, length, controls, sample_options)

    # Training and evaluation.

    def training_loss(
        self, batch: Batch, rng: PRNGKey, step: Any
    ) -> tuple[tf.Tensor, dict[str, Any]]:
        """The loss with dropout, and the scalars of Magenta's summaries."""
        beta = self.objective.beta(step)
        sampling_probability = self.objective.sampling_probability(step)
        terms = self.loss_terms(
            batch,
            rng,
            beta=beta,
            free_bits=self.objective.free_bits,
            sampling_probability=sampling_probability,
            training=True,
        )
        logs = {
            "losses/r_loss": tf.reduce_mean(terms.r_loss),
            "losses/kl_loss": tf.reduce_mean(terms.kl_cost),
            "losses/kl_bits": tf.reduce_mean(terms.kl_bits),
            "losses/kl_beta": beta,
        }
        if tf.is_tensor(sampling_probability):  # a number where there is no sampling
            logs["sampling_probability"] = sampling_probability
        return terms.loss, logs

    def evaluation_metrics(
        self, batch: Batch, rng: PRNGKey, step: Any
    ) -> dict[str, WeightedMean]:
        """All that Magenta reports in evaluation, by its names.

        There is no dropout. If training ever samples, the decoder reads its own samples
        throughout.
        """
        beta = self.objective.beta(step)
        terms = self.loss_terms(
            batch,
            rng,
            beta=beta,
            free_bits=self.objective.free_bits,
            sampling_probability=self.objective.evaluation_sampling_probability,
        )
        scalars = {
            # [B], not the mean of the batch: the last batch may be smaller.
            "loss": terms.r_loss + beta * terms.kl_cost,
            "losses/r_loss": terms.r_loss,
            "losses/kl_loss": terms.kl_cost,
            "losses/kl_bits": terms.kl_bits,
            "losses/kl_beta": beta,
        }
        batch = self._cut(batch)
        return {
            **self.decoder.reconstruction_metrics(
                terms.reconstruction.params, batch.targets, batch.lengths
            ),
            **{n: WeightedMean.from_values(v, 1.0) for n, v in scalars.items()},
        }

    def _cut(self, batch: Batch) -> Batch:
        cut = lambda sequence: sequence[:, : self.max_seq_len]
        return Batch(
            cut(batch.inputs),
            cut(batch.targets),
            cut(batch.controls),
            tf.minimum(batch.lengths, self.max_seq_len),
        )

    def _sample_posterior(self, batch, rng, dropout):
        """z [B, Z] and its KL divergence from the prior [B], in nats."""
        batch_size = tf.shape(batch.targets)[0]
        if not self.z_size:
            return tf.zeros([batch_size, 0]), tf.zeros([batch_size])
        mu, sigma = self.posterior(batch, prng.fold_in(dropout, "encoder"))
        z = mu + sigma * rng.fold_in("z").normal(tf.shape(mu))
        return z, losses.kl_to_standard_normal_nats(mu, sigma)

    def _reconstruct(self, batch, z, rng, **options):
        options = ReconstructOptions(
            rng=rng,
            encoder=self.encoder if self.decoder.needs_encoder else None,
            **options,
        )
        return self.decoder.reconstruct(
            batch.targets, batch.lengths, z, batch.controls, options
        )


def _latent_layer(name, z_size, activation=None):
    return keras.layers.Dense(
        z_size,
        activation=activation,
        kernel_initializer=keras.initializers.RandomNormal(stddev=0.001),
        name=name,
    )

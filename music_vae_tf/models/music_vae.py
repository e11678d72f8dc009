"""MusicVAE: sequences to a latent vector and back (Roberts et al. 2018)."""

from __future__ import annotations

import math
from typing import ClassVar, NamedTuple

import keras
import tensorflow as tf

from music_vae_tf import losses
from music_vae_tf.batch import Batch
from music_vae_tf.models.composed import Composed
from music_vae_tf.models.decoders import Reconstruction
from music_vae_tf.models.hierarchical import HierarchicalDecoder
from music_vae_tf.models.noise import Noise
from music_vae_tf.models.tally import Tally
from music_vae_tf.models.trainable import Trainable


class Terms(NamedTuple):
    """The negative evidence lower bound of a batch, and what it is made of."""

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
        encoder,
        decoder,
        input_depth,
        control_depth,
        z_size,
        max_seq_len,
        **kwargs,
    ):
        """
        Args:
            encoder: a layer of `encoders`, named 'encoder'.
            decoder: a layer of `decoders` or `hierarchical`, named 'decoder'.
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

    def build(self, input_shape=None):
        """Creates all variables; the shapes are known from the constructor."""
        if self.z_size:
            self.encoder.build(self.input_depth + self.control_depth)
            self.mu.build((None, self.encoder.embedding_size))
            self.sigma.build((None, self.encoder.embedding_size))
        sizes = (self.z_size, self.control_depth)
        if self._reencodes:
            self.decoder.build(*sizes, self.encoder.levels[0].embedding_size)
        else:
            self.decoder.build(*sizes)

    # The model.

    def call(self, batch, training=False):
        """Reconstructs a Batch from its posterior mean: parameters [B, T, P]."""
        batch = self._cut(batch)
        mu, _ = self.posterior(batch)
        return self._reconstruct(batch, mu, Noise(0)).parameters

    def endpoints(self):
        """`decode` and `serve`: z, steps, temperature, seed -> rows [B, T, D_out].

        `encode`: rows [B, T, D_in], lengths -> mu and sigma, where there is an encoder.
        Controls [T, D_c] come last where the model has them.
        """
        scalar = lambda dtype: tf.TensorSpec([], dtype)
        controls = [tf.TensorSpec([None, self.control_depth], tf.float32)]
        controls = controls if self.control_depth else []
        z = tf.TensorSpec([None, self.z_size], tf.float32)
        draws = [scalar(tf.int32), scalar(tf.float32), tf.TensorSpec([2], tf.int32)]
        decode = self._decode, [z, *draws, *controls]
        if not self.z_size:
            return {"decode": decode, "serve": decode}
        # An encoder of segments needs to know how many steps there are.
        segments = math.prod(getattr(self.encoder, "level_lengths", ())[1:])
        is_flat = not hasattr(self.encoder, "level_lengths")
        steps = None if is_flat else self.max_seq_len
        rows = tf.TensorSpec([None, steps, self.input_depth], tf.float32)
        lengths = tf.TensorSpec([None] if is_flat else [None, segments], tf.int32)
        encode = self._encode, [rows, lengths, *controls]
        return {"decode": decode, "serve": decode, "encode": encode}

    def _decode(self, z, length, temperature, seed, controls=None):
        return self.sample(z, length, controls, temperature, Noise(seed)).rows

    def _encode(self, inputs, lengths, controls=None):
        shape = tf.concat([tf.shape(inputs)[:2], [self.control_depth]], axis=0)
        controls = tf.zeros([1, 0]) if controls is None else controls
        batch = Batch(inputs, None, tf.broadcast_to(controls, shape), lengths)
        mu, sigma = self.posterior(batch, differentiable=False)
        return {"mu": mu, "sigma": sigma}

    def elbo(
        self,
        batch: Batch,
        noise: Noise,
        *,
        beta=1.0,
        free_bits=0.0,
        sampling_probability=0.0,
        training=False,
    ) -> Terms:
        """Encode, sample z, decode, compare: the negative evidence lower bound.

        beta, free_bits: the weight of the KL divergence, and how many bits of each
        example are free of it. Dropout acts if `training`.
        """
        batch = self._cut(batch)
        dropout = noise.fold("dropout") if training else None
        z, kl_nats = self._sample_posterior(batch, noise, dropout)
        result = self._reconstruct(
            batch,
            z,
            noise.fold("decoder"),
            dropout=dropout and dropout.fold("decoder"),
            sampling_probability=sampling_probability,
        )
        r_loss = tf.reduce_sum(result.step_losses, axis=1)
        kl_cost = losses.kl_cost_nats(kl_nats, free_bits)
        return Terms(
            tf.reduce_mean(r_loss) + beta * tf.reduce_mean(kl_cost),
            r_loss,
            kl_cost,
            losses.kl_bits(kl_nats),
            result,
        )

    def posterior(
        self, batch: Batch, dropout: Noise | None = None, differentiable=True
    ):
        """Mean and standard deviation of z for each example: [B, Z] each.

        Quicker where they need not be differentiable.
        """
        inputs = tf.concat([batch.inputs, batch.controls], axis=-1)
        embedding = self.encoder.embed(inputs, batch.lengths, dropout, differentiable)
        return self.mu(embedding), self.sigma(embedding)

    def encode(self, sequence, sequence_length, control_sequence=None):
        """The posterior of z as a distribution, as Magenta's `encode` returns it.

        [B, T, D_in], [B] or [B, S], [B, T, D_c] -> tfp MultivariateNormalDiag, [B, Z].
        """
        import tensorflow_probability as tfp

        sequence = tf.cast(sequence, tf.float32)
        controls = sequence[..., :0] if control_sequence is None else control_sequence
        batch = Batch(sequence, None, tf.cast(controls, tf.float32), sequence_length)
        mu, sigma = self.posterior(batch)
        return tfp.distributions.MultivariateNormalDiag(loc=mu, scale_diag=sigma)

    def sample(self, z, length, controls=None, temperature=1.0, noise=None, **options):
        """New sequences from z [B, Z] (of size 0 for a decoder alone): `Samples`."""
        if self._reencodes:
            options["encoder"] = self.encoder
        noise = Noise(0) if noise is None else noise
        if controls is not None:
            controls = tf.convert_to_tensor(controls, tf.float32)
        return self.decoder.sample(z, length, controls, temperature, noise, **options)

    # What training minimises, and what evaluation reports.

    def training_loss(self, batch: Batch, noise: Noise, step):
        """The negative evidence lower bound, and what Magenta's summaries show."""
        beta = self.objective.beta(step)
        sampling_probability = self.objective.sampling_probability(step)
        terms = self.elbo(
            batch,
            noise,
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

    def evaluation_tallies(self, batch: Batch, noise: Noise, step) -> dict[str, Tally]:
        """All that Magenta reports in evaluation, by its names.

        No dropout; where training ever samples, the decoder reads its own samples
        throughout.
        """
        beta = self.objective.beta(step)
        terms = self.elbo(
            batch,
            noise,
            beta=beta,
            free_bits=self.objective.free_bits,
            sampling_probability=self.objective.evaluation_sampling_probability,
        )
        return self._tallies(batch, terms, beta)

    def _tallies(self, batch: Batch, terms: Terms, beta) -> dict[str, Tally]:
        batch = self._cut(batch)
        tallies = self.decoder.tallies(
            terms.reconstruction.parameters, batch.targets, batch.lengths
        )
        scalars = {
            "loss": terms.loss,
            "losses/r_loss": terms.r_loss,
            "losses/kl_loss": terms.kl_cost,
            "losses/kl_bits": terms.kl_bits,
            "losses/kl_beta": beta,
        }
        for name, values in scalars.items():
            tallies[name] = Tally.of_steps(values, 1.0)
        return tallies

    @property
    def _reencodes(self):
        return isinstance(self.decoder, HierarchicalDecoder) and self.decoder.reencode

    def _cut(self, batch: Batch) -> Batch:
        cut = lambda sequence: sequence[:, : self.max_seq_len]
        return Batch(
            cut(batch.inputs),
            cut(batch.targets),
            cut(batch.controls),
            tf.minimum(batch.lengths, self.max_seq_len),
        )

    def _sample_posterior(self, batch, noise, dropout):
        """z [B, Z] and its KL divergence from the prior [B], in nats."""
        batch_size = tf.shape(batch.targets)[0]
        if not self.z_size:
            return tf.zeros([batch_size, 0]), tf.zeros([batch_size])
        mu, sigma = self.posterior(batch, dropout and dropout.fold("encoder"))
        z = mu + sigma * noise.fold("z").normal(tf.shape(mu))
        return z, losses.kl_to_standard_normal_nats(mu, sigma)

    def _reconstruct(self, batch, z, noise, **options):
        if self._reencodes:
            options["encoder"] = self.encoder
        return self.decoder.reconstruct(
            batch.targets, batch.lengths, z, batch.controls, noise=noise, **options
        )


def _latent_layer(name, z_size, activation=None):
    return keras.layers.Dense(
        z_size,
        activation=activation,
        kernel_initializer=keras.initializers.RandomNormal(stddev=0.001),
        name=name,
    )

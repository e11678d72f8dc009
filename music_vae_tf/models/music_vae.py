"""MusicVAE: sequences to a latent vector and back (Roberts et al. 2018)."""

from __future__ import annotations

from typing import NamedTuple

import keras
import tensorflow as tf

from music_vae_tf import losses
from music_vae_tf.batch import Batch
from music_vae_tf.models.composed import Composed
from music_vae_tf.models.decoders import Reconstruction
from music_vae_tf.models.hierarchical import HierarchicalDecoder
from music_vae_tf.models.noise import Noise
from music_vae_tf.models.outputs import Tally


class Terms(NamedTuple):
    """The negative evidence lower bound of a batch, and what it is made of."""

    loss: tf.Tensor  # scalar: mean(r_loss) + beta * mean(kl_cost)
    r_loss: tf.Tensor  # [B], nats, summed over steps and columns
    kl_cost: tf.Tensor  # [B], nats beyond the free bits
    kl_bits: tf.Tensor  # [B]
    reconstruction: Reconstruction


@keras.saving.register_keras_serializable("music_vae_tf")
class MusicVAE(Composed, keras.Model):
    """A variational autoencoder of sequences, or with z_size 0 a decoder alone."""

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
        # Keras's `evaluate` shows these.
        self.means = {
            name: keras.metrics.Mean(name)
            for name in ("loss", "r_loss", "kl_loss", "kl_bits")
        }
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

    @property
    def named_variables(self) -> dict[str, keras.Variable]:
        """Weights by name: `decoder/layer_0/kernel`.

        Their paths, without the model's own name and without the stacks', which only
        group layers.
        """
        return {
            variable.path.removeprefix(f"{self.name}/").replace(
                "/stack/", "/"
            ): variable
            for variable in self.trainable_variables
        }

    # The model.

    def call(self, batch, training=False):
        """Reconstructs a Batch from its posterior mean: parameters [B, T, P]."""
        batch = self._cut(batch)
        mu, _ = self.posterior(batch)
        return self._reconstruct(batch, mu, Noise(0)).parameters

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

    def posterior(self, batch: Batch, dropout: Noise | None = None):
        """Mean and standard deviation of z for each example: [B, Z] each."""
        inputs = tf.concat([batch.inputs, batch.controls], axis=-1)
        embedding = self.encoder.embed(inputs, batch.lengths, dropout)
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

    def metrics_of(self, batch: Batch, terms: Terms, beta) -> dict[str, Tally]:
        """All that Magenta reports in evaluation, by its names."""
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

    # Training, for Keras's `fit` and for the training command alike.

    def compile(self, optimizer, objective, seed=0, **options):
        """
        Args:
            optimizer: a Keras optimizer; its iterations are the training step.
            objective: beta, sampling_probability (functions of the step), free_bits,
                clip_mode, grad_clip and grad_norm_clip_to_zero, as `build.objective`
                makes it.
            seed: with the step, all that dropout and latent noise depend on.
        """
        super().compile(optimizer=optimizer, **options)
        self.objective = objective
        self.noise_seed = seed

    def get_compile_config(self):
        """None: schedules are functions, which no file holds. Compile anew."""

    def train_step(self, batch: Batch) -> dict[str, tf.Tensor]:
        """One step of the optimizer; returns what Magenta's summaries show, by tag."""
        step = self.optimizer.iterations
        beta = self.objective.beta(step)
        sampling_probability = self.objective.sampling_probability(step)
        with tf.GradientTape() as tape:
            terms = self.elbo(
                Batch(*batch),
                Noise(self.noise_seed).fold("training").fold(step),
                beta=beta,
                free_bits=self.objective.free_bits,
                sampling_probability=sampling_probability,
                training=True,
            )
        variables = self.trainable_variables
        gradients, global_norm = self._clip(tape.gradient(terms.loss, variables))
        learning_rate = self.optimizer.learning_rate
        self.optimizer.apply(gradients, variables)
        logs = {
            "loss": terms.loss,
            "losses/r_loss": tf.reduce_mean(terms.r_loss),
            "losses/kl_loss": tf.reduce_mean(terms.kl_cost),
            "losses/kl_bits": tf.reduce_mean(terms.kl_bits),
            "losses/kl_beta": beta,
            "learning_rate": tf.convert_to_tensor(learning_rate),
            "global_norm": global_norm,
        }
        if tf.is_tensor(sampling_probability):  # a number where there is no sampling
            logs["sampling_probability"] = sampling_probability
        return logs

    def test_step(self, batch: Batch) -> dict[str, tf.Tensor]:
        """Means over the evaluation so far, with the weights as they are."""
        terms, _ = self.evaluation_terms(Batch(*batch), self.optimizer.iterations, 0)
        values = (terms.loss, terms.r_loss, terms.kl_cost, terms.kl_bits)
        for mean, value in zip(self.means.values(), values):
            mean.update_state(value)
        return {name: mean.result() for name, mean in self.means.items()}

    def evaluation_terms(self, batch: Batch, step, batch_number):
        """Terms of a batch in evaluation at a training step, and the beta of that step.

        No dropout; where training ever samples, the decoder reads its own samples
        throughout.
        """
        beta = self.objective.beta(step)
        terms = self.elbo(
            batch,
            Noise(self.noise_seed).fold("evaluation").fold(batch_number),
            beta=beta,
            free_bits=self.objective.free_bits,
            sampling_probability=self.objective.evaluation_sampling_probability,
        )
        return terms, beta

    def _clip(self, gradients):
        """Gradients within the objective's limits, and their norm before."""
        objective = self.objective
        global_norm = tf.linalg.global_norm(gradients)
        if objective.clip_mode == "value":
            limit = objective.grad_clip
            return [tf.clip_by_value(g, -limit, limit) for g in gradients], global_norm
        clipped, _ = tf.clip_by_global_norm(gradients, objective.grad_clip, global_norm)
        # Too long, or not a number: the step is taken with zeros, and Adam's momentum.
        usable = global_norm < objective.grad_norm_clip_to_zero
        return [tf.where(usable, g, tf.zeros_like(g)) for g in clipped], global_norm

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

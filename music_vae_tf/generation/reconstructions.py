"""A model says back what it hears: told the truth of the last step, and on its own."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from music_vae_tf.batch import Batch
from music_vae_tf.losses import step_mask
from music_vae_tf.models.metrics import WeightedMean
from music_vae_tf.models.music_vae import MusicVAE
from music_vae_tf.models.prng import PRNGKey


class Reconstructions(NamedTuple):
    """Of a batch, as arrays."""

    there: np.ndarray  # [B, T, D], what was to be said
    counted: np.ndarray  # bool [B, T], which of it is no padding
    told: np.ndarray  # [B, T, D], the likeliest rows, with teacher forcing
    sampled: np.ndarray  # [B, T, D], zeros where it was over before
    mu: np.ndarray  # [B, Z]
    r_loss: np.ndarray  # [B], nats, with teacher forcing
    kl_cost: np.ndarray  # [B], nats beyond the free bits
    kl_bits: np.ndarray  # [B]
    metrics: dict[str, WeightedMean]  # Magenta's, with teacher forcing, by its names


class NoLatentSpace(ValueError):
    """A decoder alone reconstructs nothing."""

    for_the_user = True


def reconstructions(
    model: MusicVAE,
    batches: Iterable[Batch],
    *,
    free_bits: float,
    temperature: float = 1.0,
    seed: int = 0,
    **options,
) -> Iterator[Reconstructions]:
    """What a model says of each batch, from a draw of its posterior.

    Args:
        batches: of one example each for a model with controls, which sampling shares.
        temperature: of the samples.
        options: of `MusicVAE.sample`: `end_token`, `grammar`.

    Raises:
        NoLatentSpace: the model is a decoder alone.
    """
    if not model.z_size:
        raise NoLatentSpace("a model without a latent space has nothing to say back")

    @tf.function(autograph=False, reduce_retracing=True)
    def run(batch, number):
        rng = PRNGKey(seed).fold_in("reconstructions").fold_in(number)
        terms = model.loss_terms(batch, rng, free_bits=free_bits)
        mu, sigma = model.posterior(batch)
        z = mu + sigma * rng.fold_in("sampled z").normal(tf.shape(mu))
        steps = tf.minimum(tf.shape(batch.targets)[1], model.max_seq_len)
        samples = model.sample(
            z,
            steps,
            batch.controls[0, :steps] if model.control_depth else None,
            temperature,
            rng.fold_in("samples"),
            **options,
        )
        there = batch.targets[:, :steps]
        counted = _mask(batch.lengths, steps)
        rows_said = tf.shape(samples.rows)[1]
        said = samples.rows * _mask(samples.lengths, rows_said)[..., None]
        said = tf.pad(said, [(0, 0), (0, steps - rows_said), (0, 0)])
        params = terms.reconstruction.params
        told = model.decoder.mode(params)
        return Reconstructions(
            *(there, counted > 0, told, said, mu),
            *(terms.r_loss, terms.kl_cost, terms.kl_bits),
            model.decoder.reconstruction_metrics(params, there, batch.lengths),
        )

    for number, batch in enumerate(batches):
        results = run(Batch(*batch), tf.constant(number, tf.int64))
        yield tf.nest.map_structure(lambda tensor: tensor.numpy(), results)


def _mask(lengths, steps):
    """1.0 for the steps of sequences of lengths [B], or of segments of lengths [B, S],
    padded each: float32 [B, T]."""
    if lengths.shape.rank == 1:
        return step_mask(lengths, steps)
    segments = lengths.shape[1]
    mask = step_mask(tf.reshape(lengths, [-1]), steps // segments)
    return tf.reshape(mask, [-1, steps])

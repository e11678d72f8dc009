"""Reconstructions from the posterior: teacher-forced and autoregressive."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from music_vae_tf.batch import Batch
from music_vae_tf.errors import UserFacingError
from music_vae_tf.losses import step_mask
from music_vae_tf.models.metrics import WeightedMean
from music_vae_tf.models.music_vae import MusicVAE
from music_vae_tf.models.prng import PRNGKey


class Reconstructions(NamedTuple):
    """Reconstructions of a batch, as arrays."""

    targets: np.ndarray  # [B, T, D]
    mask: np.ndarray  # bool [B, T], False for padding
    teacher_forced: np.ndarray  # [B, T, D], the mode of each step
    autoregressive: np.ndarray  # [B, T, D], samples; zeros after their end
    mu: np.ndarray  # [B, Z]
    r_loss: np.ndarray  # [B], nats, with teacher forcing
    kl_cost: np.ndarray  # [B], nats beyond the free bits
    kl_bits: np.ndarray  # [B]
    metrics: dict[str, WeightedMean]  # Magenta's, with teacher forcing, by its names


class NoLatentSpace(UserFacingError, ValueError):
    """A decoder without an encoder cannot reconstruct."""


def reconstructions(
    model: MusicVAE,
    batches: Iterable[Batch],
    *,
    free_bits: float,
    temperature: float = 1.0,
    seed: int = 0,
    **options: Any,
) -> Iterator[Reconstructions]:
    """Reconstructs each batch from a draw of its posterior.

    Args:
        batches: of one example each for a model with controls, which sampling shares.
        temperature: of the samples.
        options: of `MusicVAE.sample`: `end_token`, `grammar`.

    Raises:
        NoLatentSpace: the model is a decoder alone.
    """
    if not model.z_size:
        raise NoLatentSpace("a model without a latent space cannot reconstruct")

    @tf.function(autograph=False, reduce_retracing=True)
    def run(batch, number):
        rng = PRNGKey(seed).fold_in("reconstructions").fold_in(number)
        return _reconstruct(model, batch, rng, free_bits, temperature, options)

    for number, batch in enumerate(batches):
        results = run(Batch(*batch), tf.constant(number, tf.int64))
        yield tf.nest.map_structure(lambda tensor: tensor.numpy(), results)


def _reconstruct(model, batch, rng, free_bits, temperature, options) -> Reconstructions:
    """Reconstructions of one batch, as tensors."""
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
    targets = batch.targets[:, :steps]  # [B, T, D]
    params = terms.reconstruction.params
    return Reconstructions(
        targets,
        _mask(batch.lengths, steps) > 0,  # [B, T]
        teacher_forced=model.decoder.mode(params),
        autoregressive=_padded(samples, steps),
        mu=mu,
        r_loss=terms.r_loss,
        kl_cost=terms.kl_cost,
        kl_bits=terms.kl_bits,
        metrics=model.decoder.reconstruction_metrics(params, targets, batch.lengths),
    )


def _padded(samples, steps):
    """The rows of samples, [B, T, D]: zeros after their ends."""
    sampled_steps = tf.shape(samples.rows)[1]
    rows = samples.rows * _mask(samples.lengths, sampled_steps)[..., None]
    return tf.pad(rows, [(0, 0), (0, steps - sampled_steps), (0, 0)])


def _mask(lengths, steps):
    """1.0 within the lengths, 0.0 in padding: float32 [B, T].

    lengths: [B] of sequences, or [B, S] of segments with a padding each.
    """
    if lengths.shape.rank == 1:
        return step_mask(lengths, steps)
    segments = lengths.shape[1]
    mask = step_mask(tf.reshape(lengths, [-1]), steps // segments)
    return tf.reshape(mask, [-1, steps])

"""The terms of the objective, as functions of their arguments."""

from __future__ import annotations

import math
from typing import Any

import tensorflow as tf


def kl_to_standard_normal_nats(mu: tf.Tensor, sigma: tf.Tensor) -> tf.Tensor:
    """KL(N(mu, sigma^2) || N(0, 1)) of each example, summed over Z.

    mu, sigma: [B, Z] -> [B], in nats.
    """
    squares = tf.square(mu) + tf.square(sigma)
    return tf.reduce_sum(0.5 * (squares - 1.0) - tf.math.log(sigma), axis=-1)


def kl_cost_nats(kl_nats: tf.Tensor, free_bits: float) -> tf.Tensor:
    """The KL divergence beyond the free bits of an example.

    kl_nats: [B] -> [B]. Kingma et al. 2016, as in Roberts et al. 2018, equation 4.
    """
    return tf.maximum(kl_nats - free_bits * math.log(2.0), 0.0)


def kl_bits(kl_nats: tf.Tensor) -> tf.Tensor:
    """[B] in nats -> [B] in bits."""
    return kl_nats / math.log(2.0)


def step_mask(lengths: tf.Tensor, num_steps: Any) -> tf.Tensor:
    """1 for the steps of each example, 0 for its padding: [B] -> float32 [B, T]."""
    return tf.sequence_mask(lengths, num_steps, dtype=tf.float32)

"""Schedules: float32 functions of the training step.

All compute in float32, as Magenta's graph does. Its rates are close to 1, where float32
and exact arithmetic differ in the third digit. `step` is a scalar of any type, and
counts the steps taken before this one.
"""

from __future__ import annotations

from typing import Any

import tensorflow as tf


def beta(step: Any, max_beta: float, beta_rate: float) -> tf.Tensor:
    """Weight of the KL term: `(1 - beta_rate ** step) * max_beta`.

    With the usual `beta_rate` 0 it is 0 at step 0, since 0 ** 0 is 1, and `max_beta`
    afterwards, as in Magenta.
    """
    return (1.0 - tf.pow(beta_rate, _float(step))) * max_beta


def learning_rate(
    step: Any, learning_rate: float, decay_rate: float, min_learning_rate: float
) -> tf.Tensor:
    """Exponential decay from `learning_rate` towards `min_learning_rate`."""
    decayed = tf.pow(decay_rate, _float(step))
    return (learning_rate - min_learning_rate) * decayed + min_learning_rate


def sampling_probability(step: Any, schedule: str, rate: float) -> tf.Tensor:
    """Probability that a decoder in training reads its own sample, not the target.

    Args:
        schedule: 'constant', always `rate`;
            'exponential', `1 - rate ** step` with a rate between 0 and 1; or
            'inverse_sigmoid', `1 - rate / (rate + exp(step / rate))`, rate at least 1.
    """
    return _SAMPLING[schedule](_float(step), tf.constant(rate, tf.float32))


def evaluation_sampling_probability(schedule: str, rate: float) -> float:
    """The same in evaluation: 1 if training ever samples, as in Magenta, else 0."""
    return 0.0 if schedule == "constant" and rate == 0 else 1.0


def _inverse_sigmoid(step, rate):
    # From step 88 * rate on, exp overflows to infinity; the result is 1, as intended.
    return 1.0 - rate / (rate + tf.exp(step / rate))


_SAMPLING = {
    "constant": lambda step, rate: rate,
    "exponential": lambda step, rate: 1.0 - tf.pow(rate, step),
    "inverse_sigmoid": _inverse_sigmoid,
}


def _float(step) -> tf.Tensor:
    return tf.cast(step, tf.float32)

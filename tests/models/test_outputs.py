"""Distributions of one step that Magenta does not have, and their likeliest rows."""

import math

import numpy as np
import pytest
import tensorflow as tf

from music_vae_tf.models import groove_outputs, outputs
from music_vae_tf.models.prng import PRNGKey

RNG = np.random.default_rng(0)
TARGETS = np.hstack(
    [RNG.integers(2, size=[5, 2]), RNG.random([5, 2]), RNG.uniform(-1, 1, [5, 2])]
).astype(np.float32)
LOGITS = RNG.normal(size=[5, 6]).astype(np.float32)


def test_the_loss_of_bernoulli_columns_is_their_cross_entropy():
    output = groove_outputs.GrooveBernoulli(6)
    targets = np.hstack([TARGETS[:, :4], (TARGETS[:, 4:] + 1) / 2])
    p = 1 / (1 + np.exp(-LOGITS.astype(np.float64)))
    columns = -targets * np.log(p) - (1 - targets) * np.log(1 - p)
    loss = output.loss(LOGITS, TARGETS)
    np.testing.assert_allclose(loss, columns.sum(axis=1), rtol=1e-5)
    metrics = output.metrics_of(LOGITS, TARGETS, tf.ones([5]))
    for number, name in enumerate(("hits", "velocities", "offsets")):
        mean = columns[:, 2 * number : 2 * number + 2].sum(axis=1).mean()
        value = metrics[f"metrics/{name}_loss"].value
        np.testing.assert_allclose(value, mean, rtol=1e-5)


def test_no_logits_bring_the_loss_of_four_silent_bars_below_399_nats():
    """9 drums for 64 steps, and the best logit of each column."""
    output = groove_outputs.GrooveBernoulli(27)
    best = np.hstack([np.full([64, 18], -100.0), np.zeros([64, 9])]).astype(np.float32)
    floor = float(tf.reduce_sum(output.loss(best, np.zeros([64, 27], np.float32))))
    assert floor == pytest.approx(576 * math.log(2), rel=1e-6)
    for step in (-0.1, 0.1):
        worse = output.loss(best + np.float32(step), np.zeros([64, 27], np.float32))
        assert float(tf.reduce_sum(worse)) > floor


def test_samples_of_bernoulli_columns_are_grooves():
    output = groove_outputs.GrooveBernoulli(6)
    rows = output.sample(LOGITS, 1.0, PRNGKey(1)).numpy()
    sigmoid = 1 / (1 + np.exp(-LOGITS))
    assert set(np.unique(rows[:, :2])) <= {0, 1}
    np.testing.assert_allclose(rows[:, 2:4], sigmoid[:, 2:4], rtol=1e-5)
    np.testing.assert_allclose(rows[:, 4:], 2 * sigmoid[:, 4:] - 1, rtol=1e-4)


def test_the_mode_is_the_row_of_the_largest_logits():
    logits = LOGITS.reshape(1, 5, 6)
    classes = outputs.Categorical(6).mode(logits).numpy()
    np.testing.assert_array_equal(classes.argmax(-1), logits.argmax(-1))
    bits = outputs.Bernoulli(6).mode(logits).numpy()
    np.testing.assert_array_equal(bits, logits > 0)
    parts = outputs.Concatenated((2, 4)).mode(logits).numpy()
    np.testing.assert_array_equal(
        [parts[..., :2].argmax(-1), parts[..., 2:].argmax(-1)],
        [logits[..., :2].argmax(-1), logits[..., 2:].argmax(-1)],
    )
    hits, velocities, offsets = np.split(groove_outputs.Groove(6).mode(logits), 3, -1)
    np.testing.assert_array_equal(hits, logits[..., :2] > 0)
    np.testing.assert_allclose(velocities, 1 / (1 + np.exp(-logits[..., 2:4])), 1e-5)
    np.testing.assert_allclose(offsets, np.tanh(logits[..., 4:]), 1e-5)

"""That a model's step through XLA, as GPUs take it, is the step of a CPU."""

import numpy as np
import tensorflow as tf

from music_vae_tf.batch import Batch
from music_vae_tf.models.prng import PRNGKey


def assert_xla_agrees(model, batch):
    """Loss and gradients of a compiled model are the same, through XLA or not."""

    def step(seed, *tensors):
        with tf.GradientTape() as tape:
            rng = PRNGKey(seed)
            loss, _ = model.training_loss(Batch(*tensors), rng, tf.constant(9))
        return loss, tape.gradient(loss, model.trainable_variables)

    (loss, gradients), (xla_loss, xla_gradients) = (
        # (A seed that is a constant would be drawn from before XLA is asked.)
        tf.function(step, autograph=False, jit_compile=jit)(tf.constant([0, 7]), *batch)
        for jit in (False, True)
    )
    np.testing.assert_allclose(xla_loss, loss, rtol=1e-5)
    for variable, ours, xla in zip(model.weights, gradients, xla_gradients):
        largest = np.abs(ours).max()
        np.testing.assert_allclose(
            xla, ours, atol=1e-5 * largest, err_msg=variable.path
        )

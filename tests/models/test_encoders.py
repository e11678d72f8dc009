"""Encoders give the same, with and without what a gradient needs."""

import numpy as np
import pytest
import tensorflow as tf

from music_vae_tf.models.encoders import BidirectionalLstmEncoder, HierarchicalEncoder


def embeddings(encoder, inputs, lengths):
    """As training and as generation compute them, in a graph."""
    inputs, lengths = tf.constant(inputs, tf.float32), tf.constant(lengths)
    return [
        tf.function(encoder.embed, autograph=False)(
            inputs, lengths, None, needs_gradient
        ).numpy()
        for needs_gradient in (True, False)
    ]


@pytest.mark.parametrize("sizes", [(2,), (2, 3)])
@pytest.mark.parametrize("residual", [False, True])
def test_both_ends_are_those_of_the_whole_sequence(sizes, residual):
    encoder = BidirectionalLstmEncoder(sizes, residual=residual)
    encoder.build(4)
    inputs = np.random.default_rng(0).normal(size=[5, 6, 4])
    with_gradient, without = embeddings(encoder, inputs, [6, 1, 0, 3, 5])
    np.testing.assert_allclose(without, with_gradient, atol=1e-6)
    assert (without[2] == 0).all()
    assert np.abs(without[[0, 1, 3, 4]]).max(axis=1).min() > 0


def test_a_hierarchy_may_do_without_gradients_as_well():
    levels = [BidirectionalLstmEncoder([2], name=f"level_{i}") for i in (0, 1)]
    encoder = HierarchicalEncoder(levels, [4, 3])
    encoder.build(2)
    inputs = np.random.default_rng(0).normal(size=[2, 12, 2])
    with_gradient, without = embeddings(encoder, inputs, [[4, 2, 3], [0, 0, 1]])
    np.testing.assert_allclose(without, with_gradient, atol=1e-6)

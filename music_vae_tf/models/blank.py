"""Models whose weights a checkpoint is about to fill."""

from __future__ import annotations

import contextlib

import tensorflow as tf


@contextlib.contextmanager
def weights_undrawn():
    """While it lasts, weights begin as whatever lies in memory, and none is drawn.

    To draw those of a large model takes a second or two.
    """
    shapes = tf.Graph()  # here initializers only tell the shape of what they would draw

    def create(next_creator, *, initial_value, trainable, **options):
        if trainable and callable(initial_value):
            with shapes.as_default():
                drawn = initial_value()
            initial_value = tf.raw_ops.Empty(shape=drawn.shape, dtype=drawn.dtype)
        return next_creator(initial_value=initial_value, trainable=trainable, **options)

    with tf.variable_creator_scope(create):
        yield

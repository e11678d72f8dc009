"""Models whose weights a checkpoint is about to fill."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import tensorflow as tf

from music_vae_tf import raw_ops


@contextlib.contextmanager
def uninitialized_weights() -> Iterator[None]:
    """Inside this context, weights are created without drawing their initial values.

    Their values are whatever the memory holds. Drawing them takes a second or two for a
    large model.
    """
    shapes = tf.Graph()  # initializers run here for the shape of their result alone

    def create(next_creator, *, initial_value, trainable, **options):
        if trainable and callable(initial_value):
            with shapes.as_default():
                drawn: Any = initial_value()
            initial_value = raw_ops.uninitialized(drawn.shape, drawn.dtype)
        return next_creator(initial_value=initial_value, trainable=trainable, **options)

    with tf.variable_creator_scope(create):
        yield

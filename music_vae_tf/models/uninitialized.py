"""Models whose weights a checkpoint is about to fill."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import tensorflow as tf

from music_vae_tf import raw_ops


@contextlib.contextmanager
def uninitialized_weights() -> Iterator[None]:
    """Inside this context, weights are created without drawing their initial values.

    Their values are whatever the memory holds. Drawing them takes a second or two for a
    large model.
    """
    with _initial_values(lambda drawn: raw_ops.uninitialized(drawn.shape, drawn.dtype)):
        yield


@contextlib.contextmanager
def weights_without_memory() -> Iterator[None]:
    """Inside this context, each weight is one number, whatever shape Keras says.

    A model that is made here can be counted, not run.
    """
    with _initial_values(lambda drawn: tf.zeros([], drawn.dtype)):
        yield


@contextlib.contextmanager
def _initial_values(instead: Callable[[tf.Tensor], tf.Tensor]) -> Iterator[None]:
    """Weights get the values that `instead` returns for a symbolic initial value."""
    shapes = tf.Graph()  # initializers run here for the shape of their result alone

    def create(next_creator, *, initial_value, trainable, **options):
        if trainable and callable(initial_value):
            with shapes.as_default():
                drawn: Any = initial_value()
            initial_value = instead(drawn)
        return next_creator(initial_value=initial_value, trainable=trainable, **options)

    with tf.variable_creator_scope(create):
        yield

"""Functions of trained models, compiled once for each model."""

from __future__ import annotations

import functools
from collections.abc import Callable

import tensorflow as tf


def compiled(function: Callable) -> Callable:
    """A `tf.function` of a method.

    TensorFlow warns of frequent retracing by counting the traces of one piece of code,
    over all objects that it is a method of. A partial is counted by itself.
    """
    return tf.function(
        functools.partial(function), autograph=False, reduce_retracing=True
    )

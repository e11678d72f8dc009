"""Random numbers that depend on nothing but a seed, a step and a name.

A training that was killed and goes on draws the numbers it would have drawn; no
generator has a state that a checkpoint would have to keep.
"""

from __future__ import annotations

import zlib

import tensorflow as tf


class Noise:
    """One random stream; `fold` makes independent ones out of it.

    Drawing twice from the same stream gives the same numbers: fold first.
    """

    def __init__(self, seed):
        """seed: an int, or an int32 tensor [2]."""
        self._seed = tf.convert_to_tensor([0, seed] if isinstance(seed, int) else seed)

    def fold(self, stream) -> Noise:
        """The stream of that name (a str) or number (an int or integer tensor)."""
        if isinstance(stream, str):
            stream = zlib.crc32(stream.encode()) & 0x7FFFFFFF
        return Noise(
            tf.random.experimental.stateless_fold_in(
                self._seed, tf.cast(stream, tf.int32)
            )
        )

    def uniform(self, shape):
        """float32 in [0, 1)."""
        return tf.random.stateless_uniform(shape, self._seed)

    def normal(self, shape):
        """float32, mean 0, standard deviation 1."""
        return tf.random.stateless_normal(shape, self._seed)

    def classes(self, logits):
        """A class number for each row of logits [B, C] -> int32 [B]."""
        return tf.random.stateless_categorical(logits, 1, self._seed, tf.int32)[:, 0]

    def bernoulli(self, probabilities):
        """1.0 with the given probability, else 0.0; any shape."""
        return tf.cast(
            self.uniform(tf.shape(probabilities)) < probabilities, tf.float32
        )

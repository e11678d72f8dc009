"""Random numbers that are a function of a seed, a step and a name.

No generator has a state, so a checkpoint need not keep one: a resumed training draws
the numbers that it would have drawn. A shard of a batch draws its share of the whole
batch's numbers. So a batch that is divided among devices or cores meets the same noise.
"""

from __future__ import annotations

import math
import zlib
from typing import Any

import tensorflow as tf

from music_vae_tf import raw_ops

SCRAMBLING_KEY = 0x02461E293EC8F720  # TensorFlow's, which turns a seed into a key


class PRNGKey:
    """The key of one random stream; `fold_in` derives independent streams from it.

    Drawing twice with the same key gives the same numbers: fold first.
    """

    def __init__(self, seed: Any, shard: Any = 0, num_shards: Any = 1):
        """
        Args:
            seed: an int, or an int32 tensor [2].
            shard: which of `num_shards` equal shards of a batch the numbers are for; an
                int or an integer tensor.
        """
        self._seed = tf.convert_to_tensor([0, seed] if isinstance(seed, int) else seed)
        self._shard, self._num_shards = shard, num_shards

    def fold_in(self, stream: Any) -> PRNGKey:
        """The stream of a name (a str) or of a number (an int or integer tensor)."""
        if isinstance(stream, str):
            stream = zlib.crc32(stream.encode()) & 0x7FFFFFFF
        drawn = self._int32(self._seed)
        seed = tf.stack([drawn, tf.cast(stream, tf.int32)])
        return type(self)(seed, self._shard, self._num_shards)

    def shard(self, shard: Any, num_shards: Any) -> PRNGKey:
        """The key with which one of several equal shards of the batch draws."""
        return type(self)(
            self._seed, self._shard * num_shards + shard, self._num_shards * num_shards
        )

    def uniform(self, shape: Any, batch_axis: int = 0) -> tf.Tensor:
        """float32 in [0, 1)."""
        return self._drawn(self._uniform, shape, batch_axis)

    def normal(self, shape: Any) -> tf.Tensor:
        """float32 of mean 0 and standard deviation 1, [B, ...]."""
        return self._drawn(self._normal, shape, 0)

    def classes(self, logits: tf.Tensor) -> tf.Tensor:
        """A class drawn by the softmax of each row of logits, [B, C] -> int32 [B]."""
        # The Gumbel-max trick (Gumbel 1954). Its noise does not depend on the logits.
        gumbel = -tf.math.log(-tf.math.log(self.uniform(tf.shape(logits))))
        return tf.argmax(logits + gumbel, axis=-1, output_type=tf.int32)

    def bernoulli(self, probabilities: tf.Tensor) -> tf.Tensor:
        """1.0 with the given probabilities, else 0.0; [B, ...]."""
        return tf.cast(
            self.uniform(tf.shape(probabilities)) < probabilities, tf.float32
        )

    def keep_mask(
        self, shape: Any, probability: float, batch_axis: int = 0
    ) -> tf.Tensor:
        """1.0 with a probability, else 0.0.

        The probability is met to within 1/65536: each random word of 32 bits yields two
        draws, which halves the work.
        """
        drawn = self._drawn(self._uint16, shape, batch_axis)
        limit = tf.constant(round(probability * 2**16), drawn.dtype)
        return tf.cast(drawn < limit, tf.float32)

    def _drawn(self, draw, shape, batch_axis):
        if self._num_shards == 1:
            return draw(shape, self._seed)
        # Draw for the whole batch, and keep this shard's share.
        shape = tf.unstack(tf.convert_to_tensor(shape))
        size = shape[batch_axis]
        shape[batch_axis] = size * self._num_shards
        first = tf.cast(self._shard, tf.int32) * size
        whole = draw(shape, self._seed)
        return tf.gather(whole, first + tf.range(size), axis=batch_axis)

    # The generator. `portable_prng` draws the same numbers without TensorFlow's own.

    def _int32(self, seed):
        """One random int32."""
        return tf.bitcast(_uint32([], seed), tf.int32)

    def _uint16(self, shape, seed):
        size = tf.reduce_prod(shape)
        halves = tf.bitcast(_uint32([(size + 1) // 2], seed), tf.uint16)
        return tf.reshape(tf.reshape(halves, [-1])[:size], shape)

    def _uniform(self, shape, seed):
        # TensorFlow's own conversion yields other floats of the same bits under XLA.
        bits = tf.bitwise.right_shift(_uint32(shape, seed), 8)
        return tf.cast(bits, tf.float32) * 2.0**-24

    def _normal(self, shape, seed):
        """Box and Muller 1958."""
        shape = tf.concat([shape, [2]], axis=0)
        first, second = tf.unstack(self._uniform(shape, seed), axis=-1)
        return tf.sqrt(-2.0 * tf.math.log(1.0 - first)) * tf.cos(2 * math.pi * second)


def fold_in(key: PRNGKey | None, stream: Any) -> PRNGKey | None:
    """`key.fold_in(stream)`. None, which stands for no randomness, stays None."""
    return None if key is None else key.fold_in(stream)


def shard(key: PRNGKey | None, index: int, num_shards: int) -> PRNGKey | None:
    """`key.shard(index, num_shards)`. None stays None."""
    return None if key is None else key.shard(index, num_shards)


def _uint32(shape, seed):
    """Random uint32, equal to `tf.random.stateless_uniform`'s.

    That function takes thirty operations for the seed alone.
    """
    key, counter = tf.constant([SCRAMBLING_KEY], tf.uint64), tf.cast(seed, tf.uint64)
    scrambled = tf.reshape(raw_ops.philox_uint32([4], key, counter), [2, 2])
    key, counter = tf.split(tf.bitcast(scrambled, tf.uint64), 2)
    return raw_ops.philox_uint32(shape, key, tf.pad(counter, [[1, 0]]))

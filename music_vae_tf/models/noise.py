"""Random numbers that depend on nothing but a seed, a step and a name.

A training that was killed and goes on draws the numbers it would have drawn; no
generator has a state that a checkpoint would have to keep. Whoever computes a part of a
batch draws what that part has in the whole: so a batch that is divided, among devices
or among the cores of one, meets the noise it would meet undivided.
"""

from __future__ import annotations

import functools
import math
import zlib

import tensorflow as tf

SCRAMBLING_KEY = 0x02461E293EC8F720  # TensorFlow's, of seeds


class Noise:
    """One random stream; `fold` makes independent ones out of it.

    Drawing twice from the same stream gives the same numbers: fold first.
    """

    def __init__(self, seed, part=0, parts=1):
        """seed: an int, or an int32 tensor [2]; part: of how many equal parts of a
        batch the noise is wanted for, a number or an integer tensor."""
        self._seed = tf.convert_to_tensor([0, seed] if isinstance(seed, int) else seed)
        self._part, self._parts = part, parts

    def fold(self, stream) -> Noise:
        """The stream of that name (a str) or number (an int or integer tensor)."""
        if isinstance(stream, str):
            stream = zlib.crc32(stream.encode()) & 0x7FFFFFFF
        drawn = tf.bitcast(_words([], self._seed), tf.int32)
        seed = tf.stack([drawn, tf.cast(stream, tf.int32)])
        return type(self)(seed, self._part, self._parts)

    def of_part(self, part, parts) -> Noise:
        """What one of some equal parts of the batch draws."""
        return type(self)(self._seed, self._part * parts + part, self._parts * parts)

    def uniform(self, shape, batch_axis=0):
        """float32 in [0, 1)."""
        return self._drawn(_uniform, shape, batch_axis)

    def normal(self, shape):
        """float32, mean 0, standard deviation 1, [B, ...]."""
        return self._drawn(_normal, shape, 0)

    def classes(self, logits):
        """A class number for each row of logits [B, C] -> int32 [B]."""
        # The largest logit after noise of this form is drawn as a softmax would have it
        # (Gumbel 1954); and the noise does not depend on the logits.
        gumbel = -tf.math.log(-tf.math.log(self.uniform(tf.shape(logits))))
        return tf.argmax(logits + gumbel, axis=-1, output_type=tf.int32)

    def bernoulli(self, probabilities):
        """1.0 with the given probability, else 0.0; [B, ...]."""
        return tf.cast(
            self.uniform(tf.shape(probabilities)) < probabilities, tf.float32
        )

    def kept(self, shape, probability: float, batch_axis=0):
        """1.0 with the given probability, else 0.0.

        The probability is met to within 1/65536: two draws are made of each random word
        of 32 bits, which is half the work.
        """
        drawn = self._drawn(_words_of_16_bits, shape, batch_axis)
        limit = tf.constant(round(probability * 2**16), tf.uint16)
        return tf.cast(drawn < limit, tf.float32)

    def _drawn(self, draw, shape, batch_axis):
        if self._parts == 1:
            return draw(shape, self._seed)
        # All of the batch is drawn, and one part of it kept.
        shape = tf.unstack(tf.convert_to_tensor(shape))
        size = shape[batch_axis]
        shape[batch_axis] = size * self._parts
        first = tf.cast(self._part, tf.int32) * size
        whole = draw(shape, self._seed)
        return tf.gather(whole, first + tf.range(size), axis=batch_axis)


def _uniform(shape, seed):
    # Not TensorFlow's: with XLA it makes other floats of the same bits.
    bits = tf.bitwise.right_shift(_words(shape, seed), 8)
    return tf.cast(bits, tf.float32) * 2.0**-24


def _normal(shape, seed):
    """Box and Muller 1958."""
    shape = tf.concat([shape, [2]], axis=0)
    first, second = tf.unstack(_uniform(shape, seed), axis=-1)
    return tf.sqrt(-2.0 * tf.math.log(1.0 - first)) * tf.cos(2 * math.pi * second)


def _words_of_16_bits(shape, seed):
    size = tf.reduce_prod(shape)
    halves = tf.bitcast(_words([(size + 1) // 2], seed), tf.uint16)
    return tf.reshape(tf.reshape(halves, [-1])[:size], shape)


def _words(shape, seed):
    """Random uint32, the same as tf.random.stateless_uniform's, which takes thirty
    operations for the seed alone."""
    philox = functools.partial(
        tf.raw_ops.StatelessRandomUniformFullIntV2,
        dtype=tf.uint32,
        alg=tf.random.Algorithm.PHILOX.value,
    )
    key, counter = tf.constant([SCRAMBLING_KEY], tf.uint64), tf.cast(seed, tf.uint64)
    scrambled = tf.reshape(philox(shape=[4], key=key, counter=counter), [2, 2])
    key, counter = tf.split(tf.bitcast(scrambled, tf.uint64), 2)
    return philox(shape=shape, key=key, counter=tf.pad(counter, [[1, 0]]))

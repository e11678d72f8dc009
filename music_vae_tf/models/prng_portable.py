"""Keys for exported models: random numbers without TensorFlow's own generator.

`PortableKey` draws the numbers of `PRNGKey`, by operations that ONNX has as well.
`GivenDraws` hands out numbers that a host program drew.
"""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from music_vae_tf.models.prng import SCRAMBLING_KEY, PRNGKey

# Of Philox 4x32-10 (Salmon et al. 2011, "Parallel Random Numbers: As Easy as 1, 2, 3").
ROUNDS = 10
MULTIPLIERS = 0xD2511F53, 0xCD9E8D57
KEY_INCREMENTS = 0x9E3779B9, 0xBB67AE85

WORD = 2**32
MASK = WORD - 1


class PortableKey(PRNGKey):
    """The numbers of `PRNGKey`, by integer arithmetic.

    Words of 32 bits are int64 tensors: ONNX Runtime multiplies no unsigned ones.
    """

    def _int32(self, seed):
        word = _words([], seed)
        return tf.cast(tf.where(word >= WORD // 2, word - WORD, word), tf.int32)

    def _uint16(self, shape, seed):
        size = tf.reduce_prod(shape)
        words = _words([tf.truncatediv(size + 1, 2)], seed)
        halves = tf.stack([_and(words, 0xFFFF), tf.truncatediv(words, 2**16)], axis=-1)
        return tf.reshape(tf.reshape(halves, [-1])[:size], shape)

    def _uniform(self, shape, seed):
        return tf.cast(tf.truncatediv(_words(shape, seed), 2**8), tf.float32) * 2.0**-24


class GivenDraws(PRNGKey):
    """Uniform numbers [B, N] that are given, from left to right."""

    def __init__(self, draws: tf.Tensor):
        """draws: in [0, 1), [B, N]."""
        self._draws, self._next = draws, tf.constant(0)

    def fold_in(self, stream: Any) -> GivenDraws:
        """The same numbers: a row draws each once."""
        return self

    def uniform(self, shape: Any, batch_axis: int = 0) -> tf.Tensor:
        """The next columns, as many as `shape` [B, n] has."""
        size = tf.convert_to_tensor(shape)[1]
        first, self._next = self._next, self._next + size
        return self._draws[:, first : self._next]


def _words(shape, seed):
    """What `prng._uint32` draws, as int64."""
    seed = tf.cast(seed, tf.int64)  # its sign goes into the upper word
    high = tf.where(seed < 0, tf.constant(MASK, tf.int64), 0)
    counter = tf.reshape(tf.stack([_and(seed, MASK), high], axis=-1), [4])
    key = tf.constant([SCRAMBLING_KEY & MASK, SCRAMBLING_KEY >> 32], tf.int64)
    scrambled = _philox(tf.constant([4]), key, counter)
    counter = tf.concat([tf.zeros([2], tf.int64), scrambled[2:]], axis=0)
    return _philox(tf.convert_to_tensor(shape, tf.int32), scrambled[:2], counter)


def _philox(shape, key, counter):
    """Random words of any shape; key: 2 words, counter: 4 words, of the first block."""
    size = tf.reduce_prod(shape)
    blocks = tf.cast(tf.range(tf.truncatediv(size + 3, 4)), tf.int64)  # [N]
    # The counters start at 0 or are few, so that only the first word moves.
    low = counter[0] + blocks
    rest = tf.zeros_like(blocks)
    even = tf.stack([low, counter[2] + rest])  # words 0 and 2, [2, N]
    odd = tf.stack([counter[1] + rest, counter[3] + rest])  # words 1 and 3
    multipliers = tf.constant(MULTIPLIERS, tf.int64)[:, None]
    increments = tf.constant(KEY_INCREMENTS, tf.int64)[:, None]

    def take_round(i, even, odd, key):
        high, low = _product(even, multipliers)
        mixed = _xor(_xor(high[::-1], odd), key)
        return i + 1, mixed, low[::-1], _and(key + increments, MASK)

    _, even, odd, _ = tf.while_loop(
        lambda i, *_: i < ROUNDS, take_round, (tf.constant(0), even, odd, key[:, None])
    )
    words = tf.stack([even[0], odd[0], even[1], odd[1]], axis=-1)  # [N, 4]
    return tf.reshape(tf.reshape(words, [-1])[:size], shape)


def _product(a, b):
    """Upper and lower word of the product of words."""
    upper, lower = a * tf.truncatediv(b, 2**16), a * _and(b, 0xFFFF)  # < 2^48 each
    lower += _and(upper, 0xFFFF) * 2**16  # < 2^49
    return tf.truncatediv(upper, 2**16) + tf.truncatediv(lower, WORD), _and(lower, MASK)


def _and(a, mask):
    return tf.bitwise.bitwise_and(a, tf.constant(mask, a.dtype))


def _xor(a, b):
    return tf.bitwise.bitwise_xor(a, b)

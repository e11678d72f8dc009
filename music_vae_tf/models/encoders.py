"""Encoders: a batch of sequences [B, T, D] -> one embedding each [B, E].

Each has `embedding_size`, E, and `embed(inputs, lengths, dropout, differentiable)`;
`dropout` is the `Noise` that training draws its dropout from, or None. Who wants no
gradient may say so: what it would need is not kept, then.
"""

from __future__ import annotations

import math

import keras
import tensorflow as tf

from music_vae_tf.models.composed import Composed
from music_vae_tf.models.lanes import in_lanes, lanes
from music_vae_tf.models.lstm import BidirectionalStack, LSTMStack


def time_major(sequence):
    """[B, T, D] <-> [T, B, D]."""
    return tf.transpose(sequence, [1, 0, 2])


class Encoder(keras.Layer):
    """What every encoder is."""

    embedding_size: int

    @property
    def output_shape(self):
        """Shown in Keras's summary."""
        return None, self.embedding_size


@keras.saving.register_keras_serializable("music_vae_tf")
class LstmEncoder(Encoder):
    """A stack of LSTMs; the embedding is the output at the last step of the batch.

    For an example shorter than the longest that output is zero: so it is in Magenta,
    which reads the last output of a dynamic RNN, and no config of Magenta's uses it.
    """

    def __init__(self, sizes, keep_probability=1.0, residual=False, **kwargs):
        super().__init__(**kwargs)
        self.embedding_size = sizes[-1]
        self.stack = LSTMStack(sizes, keep_probability, residual, name="stack")

    def build(self, input_size):
        self.stack.build(input_size)

    def embed(self, inputs, lengths, dropout=None, differentiable=True):
        inputs = time_major(inputs)
        states = self.stack.zero_state(tf.shape(inputs)[1])
        outputs, _ = self.stack.sequence([inputs], states, dropout)
        is_longest = tf.cast(lengths >= tf.shape(inputs)[0], tf.float32)
        return outputs[-1] * is_longest[:, None]


@keras.saving.register_keras_serializable("music_vae_tf")
class BidirectionalLstmEncoder(Encoder):
    """Stacked bidirectional LSTMs; the embedding is both final outputs of the top."""

    def __init__(self, sizes, keep_probability=1.0, residual=False, **kwargs):
        super().__init__(**kwargs)
        self.embedding_size = 2 * sizes[-1]
        self.stack = BidirectionalStack(sizes, keep_probability, residual, name="stack")

    def build(self, input_size):
        self.stack.build(input_size)

    def embed(self, inputs, lengths, dropout=None, differentiable=True):
        """lengths: [B], or [B, S] of segments whose rows lie end to end in `inputs`."""
        if lengths.shape.rank == 2:
            lengths = tf.reduce_sum(lengths, axis=1)
            inputs = inputs[:, : tf.reduce_max(lengths)]
        number = lanes(inputs.shape[0], cores_taken=2)

        def embed_part(i, inputs, lengths):
            noise = dropout and dropout.of_part(i, number)
            return self.stack.ends(time_major(inputs), lengths, noise, differentiable)

        return in_lanes(number, embed_part, inputs, lengths)


@keras.saving.register_keras_serializable("music_vae_tf")
class HierarchicalEncoder(Composed, Encoder):
    """Encodes segments, then sequences of their embeddings, up to a single one.

    With level_lengths (4, 3), 12 steps are three segments of 4 steps, padded each:
    [1, 2, 3, _] [4, 5, _, _] [6, 7, 8, 9] with lengths [3, 2, 4]. The second level
    reads the three embeddings, those of empty segments too.
    """

    def __init__(self, levels, level_lengths, **kwargs):
        """levels: one encoder per level, from the steps upwards, named level_0, ...;
        level_lengths: how many items each of them reads."""
        super().__init__(**kwargs)
        self.levels = list(levels)
        self.level_lengths = tuple(level_lengths)

    @property
    def embedding_size(self):
        return self.levels[-1].embedding_size

    def build(self, input_size):
        for level in self.levels:
            level.build(input_size)
            input_size = level.embedding_size

    def embed(self, inputs, lengths, dropout=None, differentiable=True):
        """lengths: [B, S] of the segments, or [B], each 0 or the whole length."""
        lengths = segment_lengths(
            lengths, math.prod(self.level_lengths[1:]), self.level_lengths[0]
        )
        for level, size in zip(self.levels, self.level_lengths):
            batch_size, depth = tf.shape(inputs)[0], inputs.shape[-1]
            groups = inputs.shape[1] // size
            if lengths is None:
                lengths = tf.fill([batch_size, groups], size)
            noise = dropout and dropout.fold(level.name)
            # All segments of a level at once: they share weights and see no neighbour.
            embeddings = level.embed(
                tf.reshape(inputs, [batch_size * groups, size, depth]),
                tf.reshape(lengths, [-1]),
                noise,
                differentiable,
            )
            inputs = tf.reshape(embeddings, [batch_size, groups, level.embedding_size])
            lengths = None
        return inputs[:, 0]


def segment_lengths(lengths, num_segments, segment_size):
    """Lengths [B] of whole sequences (0 or all of it) or [B, S] -> [B, S]."""
    if lengths.shape.rank == 2:
        return _checked(
            lengths,
            lengths <= segment_size,
            f"A segment has {segment_size} steps at most in this model. Got lengths:",
        )
    whole = _checked(
        lengths,
        tf.equal(lengths, 0) | tf.equal(lengths, num_segments * segment_size),
        "One length per example means 0 or the full length "
        f"{num_segments * segment_size} in a hierarchical model; give lengths "
        f"[batch, {num_segments}] otherwise. Got:",
    )
    return tf.repeat(whole[:, None] // num_segments, num_segments, axis=1)


def _checked(lengths, is_right, words):
    check = tf.debugging.Assert(tf.reduce_all(is_right), [words, lengths])
    with tf.control_dependencies([] if check is None else [check]):
        return tf.identity(lengths)

"""Encoders: a batch of sequences [B, T, D] -> one embedding each, [B, E]."""

from __future__ import annotations

import abc
import math
from collections.abc import Sequence
from typing import Any

import keras
import tensorflow as tf

from music_vae_tf.models import prng
from music_vae_tf.models.bidirectional import BidirectionalStack
from music_vae_tf.models.composed import Composed
from music_vae_tf.models.lstm import FLOAT32, LSTMStack
from music_vae_tf.models.prng import PRNGKey
from music_vae_tf.models.shards import in_shards, num_shards


def time_major(sequence: tf.Tensor) -> tf.Tensor:
    """[B, T, D] <-> [T, B, D]."""
    return tf.transpose(sequence, [1, 0, 2])


class Encoder(keras.Layer, abc.ABC):
    """Encodes sequences."""

    embedding_size: int  # E
    # Segments of a hierarchical encoder, which reads lengths [B, S]; None if flat.
    num_segments: int | None = None

    @abc.abstractmethod
    def build(self, input_size: int) -> None:
        """Creates all weights, for inputs of D columns."""

    @abc.abstractmethod
    def embed(
        self,
        inputs: tf.Tensor,
        lengths: tf.Tensor,
        dropout: PRNGKey | None = None,
        needs_gradient: bool = True,
    ) -> tf.Tensor:
        """Inputs [B, T, D] of lengths [B] or [B, S] -> embeddings [B, E].

        Args:
            dropout: key of the dropout; None, no dropout.
            needs_gradient: False skips saving activations for the backward pass.
        """

    @property
    def output_shape(self) -> tuple:
        """Shown in Keras's summary."""
        return None, self.embedding_size


@keras.saving.register_keras_serializable("music_vae_tf")
class LstmEncoder(Encoder):
    """A stack of LSTMs; the embedding is the output at the last step of the batch.

    That output is zero for an example shorter than the longest. Magenta does the same,
    since it reads the last output of a dynamic RNN; none of its configs uses this.
    """

    def __init__(
        self,
        sizes: Sequence[int],
        keep_probability: float = 1.0,
        residual: bool = False,
        cell_dtype: Any = FLOAT32,
        **kwargs: Any,
    ):
        super().__init__(**kwargs)
        self.embedding_size = sizes[-1]
        self.stack = LSTMStack(
            sizes, keep_probability, residual, cell_dtype, name="stack"
        )

    def build(self, input_size: int) -> None:
        self.stack.build(input_size)

    def embed(
        self,
        inputs: tf.Tensor,
        lengths: tf.Tensor,
        dropout: PRNGKey | None = None,
        needs_gradient: bool = True,
    ) -> tf.Tensor:
        inputs = time_major(inputs)  # [T, B, D]
        states = self.stack.zero_state(tf.shape(inputs)[1])
        outputs, _ = self.stack.sequence([inputs], states, dropout)  # [T, B, U]
        is_longest = tf.cast(lengths >= tf.shape(inputs)[0], tf.float32)  # [B]
        return outputs[-1] * is_longest[:, None]


@keras.saving.register_keras_serializable("music_vae_tf")
class BidirectionalLstmEncoder(Encoder):
    """Stacked bidirectional LSTMs; the embedding is both final outputs on top."""

    def __init__(
        self,
        sizes: Sequence[int],
        keep_probability: float = 1.0,
        residual: bool = False,
        cell_dtype: Any = FLOAT32,
        **kwargs: Any,
    ):
        super().__init__(**kwargs)
        self.embedding_size = 2 * sizes[-1]
        self.stack = BidirectionalStack(
            sizes, keep_probability, residual, cell_dtype, name="stack"
        )

    def build(self, input_size: int) -> None:
        self.stack.build(input_size)

    def embed(
        self,
        inputs: tf.Tensor,
        lengths: tf.Tensor,
        dropout: PRNGKey | None = None,
        needs_gradient: bool = True,
    ) -> tf.Tensor:
        """lengths: [B], or [B, S] of segments that are not padded in `inputs`."""
        if lengths.shape.rank == 2:
            lengths = tf.reduce_sum(lengths, axis=1)
            inputs = inputs[:, : tf.reduce_max(lengths)]
        # Both directions run side by side, so each shard takes two cores.
        number = num_shards(inputs.shape[0], cores_taken=2)

        def embed_shard(i, inputs, lengths):
            key = prng.shard(dropout, i, number)
            return self.stack.ends(time_major(inputs), lengths, key, needs_gradient)

        return in_shards(number, embed_shard, inputs, lengths)


@keras.saving.register_keras_serializable("music_vae_tf")
class HierarchicalEncoder(Composed, Encoder):
    """Encodes segments, then sequences of their embeddings, up to a single one.

    With level_lengths (4, 3), 12 steps are three segments of 4 steps, padded each:
    [1, 2, 3, _] [4, 5, _, _] [6, 7, 8, 9] with lengths [3, 2, 4]. The second level
    reads the three embeddings, empty segments included.
    """

    def __init__(
        self, levels: Sequence[Encoder], level_lengths: Sequence[int], **kwargs: Any
    ):
        """
        Args:
            levels: one encoder per level, from the steps upwards, named level_0, ...
            level_lengths: how many items each of them reads.
        """
        super().__init__(**kwargs)
        self.levels = list(levels)
        self.level_lengths = tuple(level_lengths)
        self.num_segments = math.prod(self.level_lengths[1:])
        self.embedding_size = self.levels[-1].embedding_size

    def build(self, input_size: int) -> None:
        for level in self.levels:
            level.build(input_size)
            input_size = level.embedding_size

    def embed(
        self,
        inputs: tf.Tensor,
        lengths: tf.Tensor,
        dropout: PRNGKey | None = None,
        needs_gradient: bool = True,
    ) -> tf.Tensor:
        """lengths: [B, S] of the segments, or [B], each 0 or the whole length."""
        num_segments = math.prod(self.level_lengths[1:])
        lengths = segment_lengths(lengths, num_segments, self.level_lengths[0])
        for level, size in zip(self.levels, self.level_lengths):
            batch_size, depth = tf.shape(inputs)[0], inputs.shape[-1]
            groups = inputs.shape[1] // size
            if lengths is None:  # above the steps, all items count
                lengths = tf.fill([batch_size, groups], size)
            # All segments of a level at once, [B, G * L, D] -> [B * G, L, D]: they
            # share weights, and none reads its neighbour.
            embeddings = level.embed(
                tf.reshape(inputs, [batch_size * groups, size, depth]),
                tf.reshape(lengths, [-1]),
                prng.fold_in(dropout, level.name),
                needs_gradient,
            )
            # [B * G, E] -> [B, G, E]: the items of the next level
            inputs = tf.reshape(embeddings, [batch_size, groups, level.embedding_size])
            lengths = None
        return inputs[:, 0]


def segment_lengths(
    lengths: tf.Tensor, num_segments: int, segment_size: int
) -> tf.Tensor:
    """Lengths [B] of whole sequences (0 or the full length) or [B, S] -> [B, S]."""
    if lengths.shape.rank == 2:
        return _checked(
            lengths,
            lengths <= segment_size,
            f"A segment has at most {segment_size} steps in this model. Got lengths:",
        )
    whole = _checked(
        lengths,
        tf.equal(lengths, 0) | tf.equal(lengths, num_segments * segment_size),
        "One length per example means 0 or the full length "
        f"{num_segments * segment_size} in a hierarchical model; give lengths "
        f"[batch, {num_segments}] otherwise. Got:",
    )
    return tf.repeat(whole[:, None] // num_segments, num_segments, axis=1)


def _checked(lengths, is_valid, message):
    check = tf.debugging.Assert(tf.reduce_all(is_valid), [message, lengths])
    with tf.control_dependencies([] if check is None else [check]):
        return tf.identity(lengths)

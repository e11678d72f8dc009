"""Bidirectional LSTMs: pairs of layers, one along the sequence and one against it.

Shapes: T steps, B examples, D columns of the input, U units. Sequences are time-major.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
import tensorflow as tf

from music_vae_tf.models import prng
from music_vae_tf.models.lstm import FLOAT32, LSTMLayer, dropout_factors
from music_vae_tf.models.prng import PRNGKey


@keras.saving.register_keras_serializable("music_vae_tf")
class BidirectionalStack(keras.Layer):
    """Pairs of LSTMs on top of each other."""

    def __init__(
        self,
        sizes: Sequence[int],
        keep_probability: float = 1.0,
        residual: bool = False,
        cell_dtype: Any = FLOAT32,
        **kwargs: Any,
    ):
        super().__init__(**kwargs)
        self.sizes = tuple(sizes)
        self.pairs = [
            LSTMPair(units, keep_probability, residual, cell_dtype, name=f"layer_{i}")
            for i, units in enumerate(sizes)
        ]

    def build(self, input_size: int) -> None:
        """Creates all weights; a pair reads the 2 U outputs of the pair below."""
        for pair, size in zip(self.pairs, (input_size, *(2 * u for u in self.sizes))):
            pair.build(size)

    def sequence(
        self, inputs: tf.Tensor, lengths: tf.Tensor, dropout: PRNGKey | None = None
    ) -> tf.Tensor:
        """[T, B, D] of lengths [B] -> outputs [T, B, 2 U], zeros in padding."""
        return _through(self.pairs, inputs, lengths, dropout)

    def ends(
        self,
        inputs: tf.Tensor,
        lengths: tf.Tensor,
        dropout: PRNGKey | None = None,
        needs_gradient: bool = True,
    ) -> tf.Tensor:
        """[T, B, D] of lengths [B] -> both final h of the top pair, [B, 2 U].

        The forward layer ends at the end of each example, the backward layer at its
        beginning. An example of length 0 yields zeros. needs_gradient: False is faster.
        """
        *below, top = self.pairs
        inputs = _through(below, inputs, lengths, dropout)  # [T, B, 2 U]
        return top.ends(
            inputs, lengths, prng.fold_in(dropout, top.name), needs_gradient
        )


def _through(pairs, inputs, lengths, dropout):
    """Outputs of pairs on top of each other, [T, B, 2 U]."""
    for pair in pairs:
        inputs = pair.sequence(inputs, lengths, prng.fold_in(dropout, pair.name))
    return inputs


@keras.saving.register_keras_serializable("music_vae_tf")
class LSTMPair(keras.Layer):
    """One LSTM along the sequence and one against it."""

    def __init__(
        self,
        units: int,
        keep_probability: float = 1.0,
        residual: bool = False,
        cell_dtype: Any = FLOAT32,
        **kwargs: Any,
    ):
        super().__init__(**kwargs)
        self.keep_probability = keep_probability
        self.forward = LSTMLayer(
            units, residual, residual, dtype=cell_dtype, name="forward"
        )
        self.backward = LSTMLayer(
            units, residual, residual, dtype=cell_dtype, name="backward"
        )

    def build(self, input_size: int) -> None:
        """Creates the weights of both layers."""
        self.forward.build(input_size)
        self.backward.build(input_size)

    def sequence(
        self, inputs: tf.Tensor, lengths: tf.Tensor, dropout: PRNGKey | None = None
    ) -> tf.Tensor:
        """[T, B, D] -> outputs [T, B, 2 U]."""
        along, against = self._both_ways(inputs, lengths, dropout)
        outputs = self.forward.padded_sequence(along, lengths)  # [T, B, U]
        # [T, B, U], in the reversed order
        reversed_outputs = self.backward.padded_sequence(against, lengths)
        return tf.concat([outputs, _reverse(reversed_outputs, lengths)], axis=-1)

    def ends(
        self,
        inputs: tf.Tensor,
        lengths: tf.Tensor,
        dropout: PRNGKey | None = None,
        needs_gradient: bool = True,
    ) -> tf.Tensor:
        """[T, B, D] -> final h of both layers, [B, 2 U]."""
        along, against = self._both_ways(inputs, lengths, dropout)
        end = self.forward.last_h(along, lengths, needs_gradient)  # [B, U]
        start = self.backward.last_h(against, lengths, needs_gradient)  # [B, U]
        return tf.concat([end, start], axis=-1)

    def _both_ways(self, inputs, lengths, dropout):
        """Inputs of the forward and of the backward layer, with their dropout."""
        return [
            self._dropped(layer, rows, dropout)
            for layer, rows in (
                (self.forward, inputs),
                (self.backward, _reverse(inputs, lengths)),
            )
        ]

    def _dropped(self, layer, inputs, dropout):
        key = prng.fold_in(dropout, layer.name)
        factors = dropout_factors(tf.shape(inputs), self.keep_probability, key)
        return inputs if factors is None else inputs * factors


def _reverse(sequence, lengths):
    """Each example of [T, B, D] backwards within its length."""
    return tf.reverse_sequence(sequence, lengths, seq_axis=0, batch_axis=1)

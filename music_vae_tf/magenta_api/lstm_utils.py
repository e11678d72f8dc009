"""Those of Magenta's `lstm_utils` that mean something here.

They work eagerly, in a `tf.function`, and in a graph of TensorFlow 1.
"""

from __future__ import annotations

from collections.abc import Sequence

import tensorflow as tf

from music_vae_tf.models.cell import State
from music_vae_tf.models.encoders import segment_lengths
from music_vae_tf.models.encoders import time_major as axes_swapped
from music_vae_tf.models.lstm import LSTMStack


def rnn_cell(
    rnn_cell_size: Sequence[int],
    dropout_keep_prob: float,
    residual: bool,
    is_training: bool = True,
) -> LSTMStack:
    """A stack of LSTMs, with dropout in training."""
    return LSTMStack(rnn_cell_size, dropout_keep_prob if is_training else 1.0, residual)


def initial_cell_state_from_embedding(cell: LSTMStack, z, name=None) -> list[State]:
    """States of all layers out of embeddings `[B, Z]`.

    The weights belong to the stack, so `name`, in Magenta that of their scope, has no
    effect.
    """
    return cell.states_from(z)


def get_final(sequence, sequence_length, time_major: bool = True):
    """The last item `[B, D]` of each sequence; of an empty one the first.

    sequence: `[T, B, D]`, or `[B, T, D]` if not `time_major`; sequence_length: `[B]`.
    """
    if time_major:
        sequence = axes_swapped(sequence)
    return tf.gather(sequence, _last(sequence_length), axis=1, batch_dims=1)


def set_final(sequence, sequence_length, values, time_major: bool = False):
    """The sequences with `values` `[B, D]` for their last items, and zeros after these;
    of an empty one the first item is the last.

    sequence: `[B, T, D]`, or `[T, B, D]` if `time_major`; sequence_length: `[B]`.
    """
    if time_major:
        sequence = axes_swapped(sequence)
        return axes_swapped(set_final(sequence, sequence_length, values))
    position = tf.range(tf.shape(sequence)[1])[:, None]
    last = _last(sequence_length)[:, None, None]
    is_last = tf.equal(position, last)
    final = tf.where(is_last, values[:, None], tf.zeros_like(sequence))
    return tf.where(position < last, sequence, final)


def _last(lengths):
    return tf.maximum(tf.cast(lengths, tf.int32) - 1, 0)


def maybe_split_sequence_lengths(sequence_length, num_splits: int, total_length: int):
    """Lengths `[B, num_splits]` of segments, from those of whole sequences `[B]`, which
    are 0 or `total_length`; or those of segments as they are.

    Raises:
        ValueError: a wrong shape, or segments of no whole number of steps.
        tf.errors.InvalidArgumentError: another length.
    """
    sequence_length = tf.convert_to_tensor(sequence_length)
    if sequence_length.shape.rank not in (1, 2):
        raise ValueError(
            "Give lengths of shape [batch] or [batch, num_splits]; got shape "
            f"{sequence_length.shape}"
        )
    if total_length % num_splits:
        raise ValueError(
            f"total_length {total_length} is not a multiple of num_splits {num_splits}"
        )
    return segment_lengths(sequence_length, num_splits, total_length // num_splits)

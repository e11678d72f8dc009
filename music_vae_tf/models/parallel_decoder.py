"""The hierarchical decoder whose conductors read nothing of the level below.

Shapes: S segments of L steps, so T = S * L; B examples; E columns of an embedding.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
import tensorflow as tf

from music_vae_tf.models import prng
from music_vae_tf.models.conductor import conductors
from music_vae_tf.models.decoder import Decoder, Reconstruction, Samples
from music_vae_tf.models.hierarchical import HierarchicalDecoder
from music_vae_tf.models.lstm import FLOAT32


@keras.saving.register_keras_serializable("music_vae_tf")
class ParallelHierarchicalDecoder(HierarchicalDecoder):
    """Conductors that read nothing of the level below, as in all of Magenta's configs.

    All embeddings are known before the first step is. A reconstruction decodes the
    segments side by side in one batch.
    """

    def __init__(
        self,
        core: Decoder,
        level_lengths: Sequence[int],
        sizes: Sequence[int],
        keep_probability: float = 1.0,
        residual: bool = False,
        cell_dtype: Any = FLOAT32,
        learned_input_size: int | None = None,
        embedding_size: int | None = None,
        carry_last_row: bool = True,
        **kwargs: Any,
    ):
        """
        Args:
            level_lengths: steps of each conductor, then of a segment of the core.
            learned_input_size: of a learned vector that a conductor reads at each step;
                None reads Magenta's zero.
            embedding_size: to which a conductor's output is projected; None keeps it.
            carry_last_row: the row before a segment is the last one of the segment
                before, as in Magenta. Otherwise it is zeros, as before the first.
        """
        levels = conductors(
            level_lengths,
            sizes,
            keep_probability,
            residual,
            cell_dtype,
            learned_input_size=learned_input_size,
            embedding_size=embedding_size,
        )
        super().__init__(core, levels, level_lengths, carry_last_row, **kwargs)

    def build(
        self, z_size: int, control_size: int, reencoding_size: int | None = None
    ) -> None:
        for level in self.levels:
            level.build(None, z_size)
            z_size = level.embedding_size
        self.core.build(z_size, control_size)

    def _embeddings(self, z, rng):
        """The embedding of each segment: z [B, Z] -> [B, S, E]."""
        batch_size = tf.shape(z)[0]
        embeddings = z
        for level, length in zip(self.levels, self.level_lengths):
            # Magenta builds these cells as if in training: where a config has dropout,
            # they drop out in evaluation and sampling too.
            dropout = prng.fold_in(rng, level.name)
            # Each level multiplies the batch: [B', E] -> [L', B', E] -> [B' * L', E]
            below = level.embeddings(embeddings, length, dropout)
            embeddings = tf.reshape(
                tf.transpose(below, [1, 0, 2]), [-1, below.shape[-1]]
            )
        embedding_size = self.levels[-1].embedding_size
        return tf.reshape(embeddings, [batch_size, self.num_segments, embedding_size])

    def _reconstruct(self, targets, lengths, z, controls, options):
        embeddings = self._embeddings(z, options.rng)  # [B, S, E]
        first = self._first_rows(targets)  # [B, S, D]
        result = self.core.reconstruct(
            self._as_batch(targets),  # [B * S, L, D]
            tf.reshape(lengths, [-1]),  # [B * S]
            tf.reshape(embeddings, [-1, embeddings.shape[-1]]),  # [B * S, E]
            self._as_batch(controls),
            options.fold_in("core").replace(
                first=tf.reshape(first, [-1, self.depth]), encoder=None
            ),
        )
        # [B * S, L, ...] -> [B, T, ...]
        joined = lambda t: tf.reshape(t, [-1, self.total_length, *t.shape[2:]])
        return Reconstruction(
            joined(result.step_losses),
            joined(result.params),
            joined(result.previous),
            result.states,
        )

    def _as_batch(self, sequence):
        """[B, S * L, D] -> [B * S, L, D]."""
        return tf.reshape(sequence, [-1, self.segment_size, sequence.shape[-1]])

    def _sample(self, z, sample_segment, options):
        # One segment after the other, since each begins with the last row before it.
        embeddings = self._embeddings(z, options.rng)  # [B, S, E]
        batch_size = tf.shape(embeddings)[0]

        def step(index, first, segments, lengths):
            samples, rows = sample_segment(index, embeddings[:, index], first)
            return (
                index + 1,
                self._first_row_after(samples),
                segments.write(index, rows),
                lengths.write(index, samples.lengths),
            )

        *_, segments, lengths = tf.while_loop(
            lambda index, *_: index < self.num_segments,
            step,
            (
                tf.constant(0),
                tf.zeros([batch_size, self.depth]),
                tf.TensorArray(tf.float32, self.num_segments),
                tf.TensorArray(tf.int32, self.num_segments),
            ),
            shape_invariants=(
                tf.TensorShape([]),
                tf.TensorShape([None, self.depth]),
                None,
                None,
            ),
        )
        rows = tf.transpose(segments.stack(), [1, 0, 2, 3])  # [B, S, L, D]
        rows = tf.reshape(rows, [batch_size, self.total_length, self.depth])
        return Samples(rows, tf.transpose(lengths.stack()), [])

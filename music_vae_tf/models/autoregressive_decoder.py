"""The hierarchical decoder whose conductors read what the level below decoded last.

Shapes: S segments of L steps, so T = S * L; B examples; E columns of an embedding, C of
a context.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

import keras
import tensorflow as tf

from music_vae_tf.models import prng
from music_vae_tf.models.conductor import conductors
from music_vae_tf.models.decoder import Decoder, Reconstruction, Samples
from music_vae_tf.models.hierarchical import HierarchicalDecoder
from music_vae_tf.models.lstm import FLOAT32, flat_states


@keras.saving.register_keras_serializable("music_vae_tf")
class AutoregressiveHierarchicalDecoder(HierarchicalDecoder):
    """Conductors of which some read what the level below them decoded last.

    Beside its own embedding, an autoregressive conductor reads a context [B, C]: the
    final state of the level below after the last segment. With `reencode` it is the
    last segment instead, encoded again by the model's hierarchical encoder.
    """

    def __init__(
        self,
        core: Decoder,
        level_lengths: Sequence[int],
        sizes: Sequence[int],
        keep_probability: float = 1.0,
        residual: bool = False,
        cell_dtype: Any = FLOAT32,
        parallel_levels: Collection[int] = (),
        reencode: bool = False,
        embedding_size: int | None = None,
        carry_last_row: bool = True,
        **kwargs: Any,
    ):
        """
        Args:
            level_lengths: steps of each conductor, then of a segment of the core.
            parallel_levels: numbers of conductors that read no context.
            reencode: the context is the last segment, encoded again.
            embedding_size, carry_last_row: as in `ParallelHierarchicalDecoder`.
        """
        levels = conductors(
            level_lengths,
            sizes,
            keep_probability,
            residual,
            cell_dtype,
            embedding_size=embedding_size,
        )
        super().__init__(core, levels, level_lengths, carry_last_row, **kwargs)
        self.reads_context = [i not in parallel_levels for i in range(len(levels))]
        self.reencode = self.needs_encoder = reencode

    def build(
        self, z_size: int, control_size: int, reencoding_size: int | None = None
    ) -> None:
        of_levels = [2 * sum(level.stack.sizes) for level in self.levels[1:]]
        sizes = (*of_levels, self.core.state_size)
        self.context_sizes = (reencoding_size,) * len(sizes) if self.reencode else sizes
        for level, reads, size in zip(
            self.levels, self.reads_context, self.context_sizes
        ):
            level.build(size if reads else None, z_size)
            z_size = level.embedding_size
        self.core.build(z_size, control_size)

    def _conduct(
        self, embedding, decode_segment, rng, encoder, level=0, done: tuple = ()
    ) -> tuple[tuple, tf.Tensor]:
        """Decodes all segments below a level, one after the other.

        Args:
            embedding: of the level, [B, E].
            decode_segment: (embedding [B, E], results so far) -> result, context.
            done: results of the segments before.

        Returns:
            Results so far, and the context for the level above, [B, C].
        """
        if level == len(self.levels):
            result, context = decode_segment(embedding, done)
            return (*done, result), context
        conductor, rng = self.levels[level], prng.fold_in(rng, f"level_{level}")
        batch_size = tf.shape(embedding)[0]
        states = conductor.stack.states_from(embedding)
        contexts = []
        if self.reads_context[level]:
            context = tf.zeros([batch_size, self.context_sizes[level]])  # [B, C]
        for i in range(self.level_lengths[level]):
            if self.reads_context[level]:
                inputs = tf.concat([context, embedding], axis=-1)  # [B, C + E]
            else:
                inputs = conductor.constant_input(batch_size)  # [B, 1]
            key = prng.fold_in(rng, i)
            below, states = conductor.step(inputs, states, key)  # [B, E']
            done, context = self._conduct(
                below, decode_segment, key, encoder, level + 1, done
            )
            contexts.append(context)
        if not self.reencode:
            return done, flat_states(states)
        lengths = tf.fill([batch_size], len(contexts))
        encoding_level = encoder.levels[len(self.levels) - level]
        return done, encoding_level.embed(tf.stack(contexts, axis=1), lengths)

    def _reconstruct(self, targets, lengths, z, controls, options):
        segments = list(
            zip(
                self._segments(targets),  # [B, L, D] each
                tf.unstack(lengths, axis=1),  # [B] each
                tf.unstack(self._first_rows(targets), axis=1),  # [B, D] each
                self._segments(controls),
            )
        )

        def decode_segment(embedding, done):
            index = len(done)
            target, length, first, control = segments[index]
            of_core = options.fold_in(index).replace(first=first, encoder=None)
            result = self.core.reconstruct(target, length, embedding, control, of_core)
            if not self.reencode:
                return result, flat_states(result.states)
            rows = _rows_to_reencode(result, target, length)  # [B, L, D]
            return result, options.encoder.levels[0].embed(rows, length)

        results, _ = self._conduct(z, decode_segment, options.rng, options.encoder)
        # S times [B, L, ...] -> [B, T, ...]
        joined = lambda name: tf.concat([getattr(r, name) for r in results], axis=1)
        return Reconstruction(
            joined("step_losses"),
            joined("params"),
            joined("previous"),
            results[-1].states,
        )

    def _sample(self, z, sample_segment, options):
        def decode_segment(embedding, done):
            first = self._first_row_after(done[-1][0]) if done else None
            samples, rows = sample_segment(len(done), embedding, first)
            if self.reencode:
                lowest = options.encoder.levels[0]
                context = lowest.embed(samples.rows, samples.lengths)
            else:
                context = flat_states(samples.states)
            return (samples, rows), context

        done, _ = self._conduct(z, decode_segment, options.rng, options.encoder)
        lengths = tf.stack([samples.lengths for samples, _ in done], axis=1)  # [B, S]
        rows = tf.concat([rows for _, rows in done], axis=1)  # [B, T, D]
        return Samples(rows, lengths, done[-1][0].states)


def _rows_to_reencode(result, targets, lengths):
    """The rows of a segment as the decoder read them, [B, L, D].

    The last row is the target: the decoder's own last row is read by no step, so
    Magenta takes the target there.
    """
    read_next = tf.pad(result.previous[:, 1:], [(0, 0), (0, 1), (0, 0)])  # [B, L, D]
    position = tf.range(tf.shape(targets)[1])[None, :, None]  # [1, L, 1]
    last = lengths[:, None, None] - 1  # [B, 1, 1]
    return tf.where(
        position < last, read_next, tf.where(position == last, targets, 0.0)
    )

"""Hierarchical decoders: conductor levels over a core decoder.

A conductor starts from z and emits one embedding per segment. Each takes the place of z
for the level below, down to the core decoder, which decodes the steps of one segment.
With level_lengths (16, 16), 16 conductor steps lead 16 segments of 16 steps. Each
segment has its own padding, as in `encoders.HierarchicalEncoder`. Roberts et al. 2018,
section 3.2.

Shapes: S segments of L steps, so T = S * L; B examples; E columns of an embedding.
"""

from __future__ import annotations

import abc
import math
from collections.abc import Callable, Collection, Sequence
from typing import Any

import keras
import tensorflow as tf

from music_vae_tf.models import prng
from music_vae_tf.models.composed import Composed
from music_vae_tf.models.conductor import Conductor
from music_vae_tf.models.decoder import (
    Decoder,
    Reconstruction,
    ReconstructOptions,
    SampleOptions,
    Samples,
)
from music_vae_tf.models.encoders import segment_lengths
from music_vae_tf.models.metrics import WeightedMean, merge_metrics


class HierarchicalDecoder(Composed, Decoder):
    """What both hierarchical decoders share; each is final."""

    def __init__(
        self,
        core: Decoder,
        levels: Sequence[Conductor],
        level_lengths: Sequence[int],
        carry_last_row: bool,
        **kwargs: Any,
    ):
        super().__init__(**kwargs)
        self.core = core
        self.levels = list(levels)
        self.level_lengths = tuple(level_lengths)
        self.carry_last_row = carry_last_row

        self.depth = core.depth
        self.params_size = core.params_size
        self.state_size = core.state_size

    @property
    def num_segments(self) -> int:
        """S."""
        return math.prod(self.level_lengths[:-1])

    @property
    def segment_size(self) -> int:
        """L."""
        return self.level_lengths[-1]

    @property
    def total_length(self) -> int:
        """T."""
        return math.prod(self.level_lengths)

    def reconstruction_metrics(
        self, params: tf.Tensor, targets: tf.Tensor, lengths: tf.Tensor
    ) -> dict[str, WeightedMean]:
        """Magenta's: each metric of each segment, and its mean over the segments."""
        lengths = self._segment_lengths(lengths)
        segments = zip(
            self._segments(params), self._segments(targets), tf.unstack(lengths, axis=1)
        )
        return merge_metrics(
            [self.core.reconstruction_metrics(*segment) for segment in segments],
            "segment/{i:03d}/{name}",
        )

    def mode(self, params: tf.Tensor) -> tf.Tensor:
        return self.core.mode(params)

    @abc.abstractmethod
    def _reconstruct(self, targets, lengths, z, controls, options) -> Reconstruction:
        """`reconstruct` with lengths [B, S]."""

    def reconstruct(
        self,
        targets: tf.Tensor,
        lengths: tf.Tensor,
        z: tf.Tensor,
        controls: tf.Tensor,
        options: ReconstructOptions = ReconstructOptions(),  # noqa: B008 it is frozen
    ) -> Reconstruction:
        """lengths: [B, S] of the segments, or [B], each 0 or the whole length."""
        lengths = self._segment_lengths(lengths)
        return self._reconstruct(targets, lengths, z, controls, options)

    @abc.abstractmethod
    def _sample(self, z, sample_segment: Callable, options) -> Samples:
        """`sample`, by a function (index, embedding [B, E], first [B, D]) -> Samples of
        the core, padded rows [B, L, D]."""

    def sample(
        self,
        z: tf.Tensor,
        length: Any,
        controls: tf.Tensor | None,
        options: SampleOptions,
    ) -> Samples:
        """Samples of the total length, each segment padded; their lengths are [B, S].

        length: the total length. `end_token` and `grammar` hold for each segment.
        """
        options.refuse(self, "forced")
        tf.debugging.assert_equal(
            length,
            self.total_length,
            "A hierarchical decoder decodes sequences of its whole length only.",
        )
        if controls is not None:
            controls = tf.reshape(
                controls, [self.num_segments, self.segment_size, controls.shape[-1]]
            )  # [S, L, D_c]

        def sample_segment(index, embedding, first):
            of_core = options.fold_in("core").fold_in(index)
            samples = self.core.sample(
                embedding,
                self.segment_size,
                None if controls is None else controls[index],
                of_core.replace(first=first, encoder=None),
            )
            missing = self.segment_size - tf.shape(samples.rows)[1]
            rows = tf.pad(samples.rows, [(0, 0), (0, missing), (0, 0)])
            return samples, tf.ensure_shape(rows, [None, self.segment_size, self.depth])

        return self._sample(z, sample_segment, options)

    def _first_row_after(self, samples):
        """The row before the next segment, [B, D]: the last sampled row, no padding."""
        last = samples.rows[:, -1]
        return last if self.carry_last_row else tf.zeros_like(last)

    def _first_rows(self, targets):
        """The row before each segment, [B, S, D]: zeros, then each segment's last."""
        last = targets[:, self.segment_size - 1 :: self.segment_size]  # [B, S, D]
        if not self.carry_last_row:
            return tf.zeros_like(last)
        return tf.concat([tf.zeros_like(last[:, :1]), last[:, :-1]], axis=1)

    def _segment_lengths(self, lengths):
        """[B] or [B, S] -> [B, S]."""
        return segment_lengths(lengths, self.num_segments, self.segment_size)

    def _segments(self, sequence):
        """[B, T, D] -> S times [B, L, D]."""
        return tf.split(sequence, self.num_segments, axis=1)


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
        levels = [
            Conductor(
                sizes,
                keep_probability,
                residual,
                learned_input_size,
                embedding_size,
                name=f"level_{i}",
            )
            for i in range(len(level_lengths) - 1)
        ]
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
        levels = [
            Conductor(
                sizes,
                keep_probability,
                residual,
                embedding_size=embedding_size,
                name=f"level_{i}",
            )
            for i in range(len(level_lengths) - 1)
        ]
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
            return done, _flat(states)
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
                return result, _flat(result.states)
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
                context = _flat(samples.states)
            return (samples, rows), context

        done, _ = self._conduct(z, decode_segment, options.rng, options.encoder)
        lengths = tf.stack([samples.lengths for samples, _ in done], axis=1)  # [B, S]
        rows = tf.concat([rows for _, rows in done], axis=1)  # [B, T, D]
        return Samples(rows, lengths, done[-1][0].states)


def _flat(states):
    """States of all layers side by side: c0, h0, c1, h1, ... -> [B, state size]."""
    return tf.concat([part for state in states for part in state], axis=-1)


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

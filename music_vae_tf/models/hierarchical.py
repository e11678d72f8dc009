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
from collections.abc import Callable, Sequence
from typing import Any

import tensorflow as tf

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

    step_obstacle = "its decoder is hierarchical, and decodes whole segments"

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
        lengths = self._segment_lengths(lengths)  # [B, S]
        segments = zip(  # S times [B, L, P], [B, L, D], [B]
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
        lengths = self._segment_lengths(lengths)  # [B] -> [B, S]
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
                None if controls is None else controls[index],  # [L, D_c]
                of_core.replace(first=first, encoder=None),
            )
            missing = self.segment_size - tf.shape(samples.rows)[1]
            # [B, T', D] -> [B, L, D]: T' is less where all have ended
            rows = tf.pad(samples.rows, [(0, 0), (0, missing), (0, 0)])
            return samples, tf.ensure_shape(rows, [None, self.segment_size, self.depth])

        return self._sample(z, sample_segment, options)

    def _first_row_after(self, samples):
        """The row before the next segment, [B, D]: the last sampled row, no padding."""
        last = samples.rows[:, -1]  # [B, T', D] -> [B, D]
        return last if self.carry_last_row else tf.zeros_like(last)

    def _first_rows(self, targets):
        """The row before each segment, [B, S, D]: zeros, then each segment's last."""
        last = targets[:, self.segment_size - 1 :: self.segment_size]  # [B, S, D]
        if not self.carry_last_row:
            return tf.zeros_like(last)
        # zeros [B, 1, D], then [B, S - 1, D]
        return tf.concat([tf.zeros_like(last[:, :1]), last[:, :-1]], axis=1)

    def _segment_lengths(self, lengths):
        """[B] or [B, S] -> [B, S]."""
        return segment_lengths(lengths, self.num_segments, self.segment_size)

    def _segments(self, sequence):
        """[B, T, D] -> S times [B, L, D]."""
        return tf.split(sequence, self.num_segments, axis=1)

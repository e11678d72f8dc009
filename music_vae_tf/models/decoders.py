"""Decoders that are made of decoders: with preprocessed controls, and side by side."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
import tensorflow as tf

from music_vae_tf.models import prng
from music_vae_tf.models.bidirectional import BidirectionalStack
from music_vae_tf.models.composed import Composed
from music_vae_tf.models.decoder import (
    Decoder,
    Reconstruction,
    ReconstructOptions,
    SampleOptions,
    Samples,
    StepInputs,
)
from music_vae_tf.models.encoders import time_major
from music_vae_tf.models.lstm import FLOAT32
from music_vae_tf.models.metrics import WeightedMean, merge_metrics


@keras.saving.register_keras_serializable("music_vae_tf")
class ControlPreprocessingDecoder(Composed, Decoder):
    """A decoder whose controls pass through a bidirectional LSTM first."""

    step_obstacle = "its decoder reads all controls before its first step"

    def __init__(
        self,
        core: Decoder,
        sizes: Sequence[int],
        keep_probability: float = 1.0,
        residual: bool = False,
        cell_dtype: Any = FLOAT32,
        **kwargs: Any,
    ):
        super().__init__(**kwargs)
        self.core = core
        self.controls = BidirectionalStack(
            sizes, keep_probability, residual, cell_dtype, name="controls"
        )

        self.depth = core.depth
        self.params_size = core.params_size
        self.state_size, self.has_memory = core.state_size, core.has_memory

    def build(
        self, z_size: int, control_size: int, reencoding_size: int | None = None
    ) -> None:
        self.controls.build(control_size)
        self.core.build(z_size, 2 * self.controls.sizes[-1])

    def reconstruct(
        self,
        targets: tf.Tensor,
        lengths: tf.Tensor,
        z: tf.Tensor,
        controls: tf.Tensor,
        options: ReconstructOptions = ReconstructOptions(),  # noqa: B008 it is frozen
    ) -> Reconstruction:
        dropout = prng.fold_in(options.dropout, "controls")
        # [T, B, 2 U]
        preprocessed = self.controls.sequence(time_major(controls), lengths, dropout)
        return self.core.reconstruct(
            targets, lengths, z, time_major(preprocessed), options
        )

    def reconstruction_metrics(
        self, params: tf.Tensor, targets: tf.Tensor, lengths: tf.Tensor
    ) -> dict[str, WeightedMean]:
        return self.core.reconstruction_metrics(params, targets, lengths)

    def mode(self, params: tf.Tensor) -> tf.Tensor:
        return self.core.mode(params)

    def sample(
        self,
        z: tf.Tensor,
        length: Any,
        controls: tf.Tensor | None,
        options: SampleOptions,
    ) -> Samples:
        """
        Raises:
            ValueError: there are no controls.
        """
        if controls is None:
            raise ValueError("a decoder with preprocessed controls needs controls")
        steps = tf.shape(controls)[0]
        # The LSTM reads all controls up to the length asked for.
        lengths = tf.reshape(tf.minimum(length, steps), [1])
        # [T, 1, D_c] -> [T, 1, 2 U]
        preprocessed = self.controls.sequence(controls[:, None], lengths)
        return self.core.sample(z, length, preprocessed[:, 0], options)


@keras.saving.register_keras_serializable("music_vae_tf")
class SplitDecoder(Composed, Decoder):
    """Decoders side by side, one for each group of columns, all with the same z."""

    def __init__(self, parts: Sequence[Decoder], **kwargs: Any):
        """parts: decoders, named part_0, part_1, ..."""
        super().__init__(**kwargs)
        self.parts = list(parts)

        self.depth = sum(part.depth for part in parts)
        self.params_size = sum(part.params_size for part in parts)
        self.state_size = sum(part.state_size for part in parts)
        self.has_memory = any(part.has_memory for part in parts)

    @property
    def step_obstacle(self) -> str:
        """The first part's that has one."""
        return next(filter(None, (part.step_obstacle for part in self.parts)), "")

    @property
    def num_draws(self) -> int:
        """Of all parts together."""
        return sum(part.num_draws for part in self.parts)

    def build(
        self, z_size: int, control_size: int, reencoding_size: int | None = None
    ) -> None:
        for part in self.parts:
            part.build(z_size, control_size)

    def _split_rows(self, rows):
        """[..., D] -> the columns of each part."""
        depths = [part.depth for part in self.parts]
        return [None] * len(depths) if rows is None else tf.split(rows, depths, axis=-1)

    def _split_params(self, params):
        """[..., P] -> the parameters of each part."""
        return tf.split(params, [part.params_size for part in self.parts], axis=-1)

    def reconstruct(
        self,
        targets: tf.Tensor,
        lengths: tf.Tensor,
        z: tf.Tensor,
        controls: tf.Tensor,
        options: ReconstructOptions = ReconstructOptions(),  # noqa: B008 it is frozen
    ) -> Reconstruction:
        columns = zip(
            self.parts, self._split_rows(targets), self._split_rows(options.first)
        )
        results = [
            part.reconstruct(
                target,
                lengths,
                z,
                controls,
                options.fold_in(part.name).replace(first=first),
            )
            for part, target, first in columns
        ]
        return Reconstruction(
            tf.add_n([r.step_losses for r in results]),  # [B, T]
            tf.concat([r.params for r in results], axis=-1),  # [B, T, P]
            tf.concat([r.previous for r in results], axis=-1),  # [B, T, D]
            [state for r in results for state in r.states],
        )

    def reconstruction_metrics(
        self, params: tf.Tensor, targets: tf.Tensor, lengths: tf.Tensor
    ) -> dict[str, WeightedMean]:
        columns = zip(self.parts, self._split_params(params), self._split_rows(targets))
        metrics = [part.reconstruction_metrics(p, t, lengths) for part, p, t in columns]
        return merge_metrics(metrics, "{name}/output_{i}")

    def mode(self, params: tf.Tensor) -> tf.Tensor:
        columns = zip(self.parts, self._split_params(params))
        return tf.concat([part.mode(p) for part, p in columns], axis=-1)

    def sample(
        self,
        z: tf.Tensor,
        length: Any,
        controls: tf.Tensor | None,
        options: SampleOptions,
    ) -> Samples:
        """
        Raises:
            ValueError: an end token, a grammar or forced rows are given, which hold for
                whole rows.
        """
        options.refuse(self, "end_token", "grammar", "forced")
        results = [
            part.sample(
                z,
                length,
                controls,
                options.fold_in(part.name).replace(first=first),
            )
            for part, first in zip(self.parts, self._split_rows(options.first))
        ]
        return Samples(
            tf.concat([r.rows for r in results], axis=-1),  # [B, T, D]
            results[0].lengths,
            [state for r in results for state in r.states],
        )

    def start(self, z: tf.Tensor) -> tf.Tensor:
        return tf.concat([part.start(z) for part in self.parts], axis=-1)

    def step(self, inputs: StepInputs) -> tuple[tf.Tensor, tf.Tensor]:
        rows = self._split_rows(inputs.previous)
        states = tf.split(inputs.state, [p.state_size for p in self.parts], axis=-1)
        taken = [
            part.step(
                inputs._replace(
                    previous=row, state=state, rng=inputs.rng.fold_in(part.name)
                )
            )
            for part, row, state in zip(self.parts, rows, states)
        ]
        sampled, after = zip(*taken)
        return tf.concat(sampled, axis=-1), tf.concat(after, axis=-1)

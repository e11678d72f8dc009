"""The interface of decoders: z [B, Z] -> sequences [B, T, D], step by step.

The input of a step is [previous row, z, control]; the row before the first is zeros.
An output may ask for earlier rows too, see `earlier_rows`.
Teacher forcing takes the previous row from the targets, scheduled sampling sometimes
from the decoder's own samples, and sampling always does.
"""

from __future__ import annotations

import abc
import dataclasses
from collections.abc import Callable
from typing import Any, NamedTuple

import keras
import tensorflow as tf

from music_vae_tf.batch import Grammar
from music_vae_tf.models import prng
from music_vae_tf.models.cell import State
from music_vae_tf.models.metrics import WeightedMean
from music_vae_tf.models.prng import PRNGKey


class Reconstruction(NamedTuple):
    """A decoder's output for given targets."""

    step_losses: tf.Tensor  # [B, T], 0 in padding
    params: tf.Tensor  # [B, T, P], of the output's distribution
    previous: tf.Tensor  # [B, T, D], the previous rows that the decoder read
    states: list[State]  # after the last step of the batch


class Samples(NamedTuple):
    """New sequences."""

    rows: tf.Tensor  # [B, T, D]
    lengths: tf.Tensor  # int32 [B], an end token included
    states: list[State]  # after the last step


class StepInputs(NamedTuple):
    """What one step of sampling reads."""

    previous: tf.Tensor  # [B, D], the row before; zeros before the first
    z: tf.Tensor  # [B, Z]
    state: tf.Tensor  # [B, state_size]
    control: tf.Tensor | None  # [B, D_c]
    temperature: Any
    rng: PRNGKey


@dataclasses.dataclass(frozen=True)
class ReconstructOptions:
    """How targets are decoded; by default with pure teacher forcing.

    Attributes:
        first: the row [B, D] before the first one; None is zeros.
        sampling_probability: of reading the decoder's own sample of the previous step
            instead of the target (Bengio et al. 2015). A Python 0.0 builds no sampler.
        dropout: key of the dropout; None, no dropout.
        rng: key of the samples, and of what Magenta draws outside training too.
        encoder: the model's encoder, for a decoder that `needs_encoder`.
    """

    first: tf.Tensor | None = None
    sampling_probability: Any = 0.0
    dropout: PRNGKey | None = None
    rng: PRNGKey | None = None
    encoder: Any = None

    def replace(self, **changes: Any) -> ReconstructOptions:
        """The same options but for these."""
        return dataclasses.replace(self, **changes)

    def fold_in(self, stream: Any) -> ReconstructOptions:
        """The same options, with both keys folded."""
        return self.replace(
            dropout=prng.fold_in(self.dropout, stream),
            rng=prng.fold_in(self.rng, stream),
        )

    def shard(self, index: int, num_shards: int) -> ReconstructOptions:
        """The same options, with both keys of one shard of the batch."""
        return self.replace(
            dropout=prng.shard(self.dropout, index, num_shards),
            rng=prng.shard(self.rng, index, num_shards),
        )

    @property
    def is_teacher_forced(self) -> bool:
        """Whether no step ever reads a sample."""
        probability = self.sampling_probability
        return isinstance(probability, float) and probability == 0


@dataclasses.dataclass(frozen=True)
class SampleOptions:
    """How new sequences are decoded.

    Attributes:
        rng: key of all draws.
        temperature: above 0; below 1 what is probable becomes more probable.
        first: the row [B, D] before the first one; None is zeros.
        end_token: the class that ends a sequence, or for rows that are not one-hot a
            predicate [B, D] -> bool [B].
        grammar: of one-hot rows; what it forbids has probability 0.
        forced: [B, T, D]; values that are not NaN replace samples, before the next
            step reads them. So the hits of a groove are held while its velocities and
            offsets are predicted. (Magenta has nothing of the kind.)
        given_hits: whether velocities and offsets of a groove are those given its
            sampled hits, see `Output.given_hits`; where hits are `forced` they are.
            (Magenta has nothing of the kind.)
        encoder: the model's encoder, for a decoder that `needs_encoder`.
    """

    rng: PRNGKey
    temperature: Any = 1.0
    first: tf.Tensor | None = None
    end_token: int | Callable[[tf.Tensor], tf.Tensor] | None = None
    grammar: Grammar | None = None
    forced: tf.Tensor | None = None
    given_hits: bool = False
    encoder: Any = None

    def replace(self, **changes: Any) -> SampleOptions:
        """The same options but for these."""
        return dataclasses.replace(self, **changes)

    def fold_in(self, stream: Any) -> SampleOptions:
        """The same options, with the key folded."""
        return self.replace(rng=self.rng.fold_in(stream))

    def refuse(self, decoder: Decoder, *names: str) -> None:
        """Raises ValueError if one of these options is given, which `decoder` lacks."""
        for name in names:
            if getattr(self, name) is not None:
                raise ValueError(f"a {type(decoder).__name__} takes no {name}")


class Decoder(keras.Layer, abc.ABC):
    """Decodes latent vectors, either against targets or into samples."""

    depth: int  # D
    params_size: int  # P
    state_size: int  # of all layers' states side by side

    # Whether `reconstruct` and `sample` need the model's encoder in their options.
    needs_encoder: bool = False
    # Whether a step reads more rows than the one before it.
    has_memory: bool = False
    # Whether `sample` takes `forced` rows.
    takes_forced_rows: bool = False

    @abc.abstractmethod
    def build(
        self, z_size: int, control_size: int, reencoding_size: int | None = None
    ) -> None:
        """Creates all weights.

        reencoding_size: the embedding size of the encoder's lowest level, for a decoder
            that `needs_encoder`.
        """

    @abc.abstractmethod
    def reconstruct(
        self,
        targets: tf.Tensor,
        lengths: tf.Tensor,
        z: tf.Tensor,
        controls: tf.Tensor,
        options: ReconstructOptions = ReconstructOptions(),  # noqa: B008 it is frozen
    ) -> Reconstruction:
        """Decodes targets [B, T, D] of lengths [B] from z [B, Z].

        lengths: a decoder of a hierarchy also takes [B, S], those of the segments.
        controls: [B, T, D_c]; D_c is 0 without controls.
        """

    @abc.abstractmethod
    def sample(
        self,
        z: tf.Tensor,
        length: Any,
        controls: tf.Tensor | None,
        options: SampleOptions,
    ) -> Samples:
        """Decodes z [B, Z] into new sequences of at most `length` steps, a scalar.

        controls: [T, D_c] shared by the batch, or None.
        """

    @abc.abstractmethod
    def reconstruction_metrics(
        self, params: tf.Tensor, targets: tf.Tensor, lengths: tf.Tensor
    ) -> dict[str, WeightedMean]:
        """Magenta's metrics of a reconstruction: [B, T, P], [B, T, D], [B]."""

    @abc.abstractmethod
    def mode(self, params: tf.Tensor) -> tf.Tensor:
        """The most probable row of each step: [..., P] -> [..., D]."""

    # Single steps, for a host program that keeps the state.

    step_obstacle: str = ""  # why there are none; empty where there are
    num_draws: int  # uniform random numbers that a step draws for a row

    def start(self, z: tf.Tensor) -> tf.Tensor:
        """The state before the first step: z [B, Z] -> [B, state_size]."""
        raise NotImplementedError(self.step_obstacle)

    def step(self, inputs: StepInputs) -> tuple[tf.Tensor, tf.Tensor]:
        """One step: a sampled row [B, D], and the state after it [B, state_size]."""
        raise NotImplementedError(self.step_obstacle)

    @property
    def output_shape(self) -> tuple:
        """Shown in Keras's summary."""
        return None, None, self.depth

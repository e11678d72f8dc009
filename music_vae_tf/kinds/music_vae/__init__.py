"""MusicVAE: an encoder, a latent vector, and a decoder (Magenta's)."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Literal, NamedTuple

from music_vae_tf.config.schema import (
    ConfigError,
    Count,
    Kind,
    NonNegative,
    PositiveRate,
    Rate,
    Rule,
    Sizes,
)
from music_vae_tf.kinds import BetaSchedule, ModelKind

if TYPE_CHECKING:
    import tensorflow as tf

    from music_vae_tf.config import Config
    from music_vae_tf.data.converters.base import Converter
    from music_vae_tf.models.music_vae import MusicVAE


@dataclasses.dataclass(frozen=True)
class MusicVAEConfig:
    """An encoder, a latent vector, and a decoder (Magenta's MusicVAE)."""

    encoder: Kind
    decoder: Kind
    max_seq_len: Count  # steps; the product of all level lengths
    z_size: Annotated[int, Rule("of at least 0", lambda n: n >= 0)]  # 0: no encoder
    enc_rnn_size: Sizes  # units per layer and direction
    dec_rnn_size: Sizes  # units per layer
    dropout_keep_prob: PositiveRate = 1.0  # of the inputs of every cell
    residual_encoder: bool = False
    residual_decoder: bool = False
    control_preprocessing_rnn_size: Sizes = (256,)
    nade_num_hidden: Count | None = None
    conditional: bool = True  # part of Magenta's hparams, read by nothing
    use_cudnn: bool = False  # the same, since Magenta 2

    def __post_init__(self):
        for levels in _level_lengths((self.encoder, self.decoder)):
            if math.prod(levels) != self.max_seq_len:
                raise ConfigError(
                    f"level_lengths {list(levels)} multiply to {math.prod(levels)}; "
                    f"they must multiply to max_seq_len, which is {self.max_seq_len}"
                )


def _level_lengths(value: object) -> Iterator[tuple[int, ...]]:
    """All lists called `level_lengths` in a Kind, in the Kinds inside it, and so on."""
    if isinstance(value, Kind):
        levels = value.arguments.get("level_lengths", ())
        # Others than whole numbers are for the class of this kind to refuse.
        if isinstance(levels, tuple) and levels and all(type(n) is int for n in levels):
            yield levels
        value = tuple(value.arguments.values())
    if isinstance(value, tuple):
        for item in value:
            yield from _level_lengths(item)


@dataclasses.dataclass(frozen=True)
class MusicVAEObjectiveConfig(BetaSchedule):
    """What is minimised: reconstruction loss + beta * max(KL - free bits, 0)."""

    free_bits: NonNegative  # bits of KL that cost nothing, per example
    max_beta: NonNegative
    beta_rate: Rate  # beta = (1 - beta_rate ** step) * max_beta
    sampling_schedule: Literal["constant", "exponential", "inverse_sigmoid"]
    sampling_rate: float

    def __post_init__(self):
        interval, holds = {
            "constant": ("from 0 to 1", 0 <= self.sampling_rate <= 1),
            "exponential": ("between 0 and 1", 0 < self.sampling_rate < 1),
            "inverse_sigmoid": ("of at least 1", self.sampling_rate >= 1),
        }[self.sampling_schedule]
        if not holds:
            raise ConfigError(
                f"sampling_rate is {self.sampling_rate}; sampling_schedule "
                f"{self.sampling_schedule} needs a rate {interval}"
            )

    def sampling_probability(self, step: tf.Tensor | float) -> tf.Tensor | float:
        """Of scheduled sampling at a training step: a float32 scalar.

        0.0, a Python number, if training never samples: the decoder builds no sampler.
        """
        from music_vae_tf import schedules

        if not self.evaluation_sampling_probability:
            return 0.0
        return schedules.sampling_probability(
            step, self.sampling_schedule, self.sampling_rate
        )

    @property
    def evaluation_sampling_probability(self) -> float:
        """Of scheduled sampling in evaluation: 1.0 if training ever samples, else 0."""
        from music_vae_tf import schedules

        return schedules.evaluation_sampling_probability(
            self.sampling_schedule, self.sampling_rate
        )


class Plan(NamedTuple):
    """What the parts of a model are made from."""

    section: MusicVAEConfig
    cell_dtype: str  # of all LSTM cells: one of `models.lstm`

    @property
    def encoder_cells(self) -> tuple:
        """Units by layer, keep probability, whether residual, dtype."""
        section = self.section
        return (
            section.enc_rnn_size,
            section.dropout_keep_prob,
            section.residual_encoder,
            self.cell_dtype,
        )

    @property
    def decoder_cells(self) -> tuple:
        """The same of the decoder."""
        section = self.section
        return (
            section.dec_rnn_size,
            section.dropout_keep_prob,
            section.residual_decoder,
            self.cell_dtype,
        )


def _build(config: Config, converter: Converter, cell_dtype: str) -> MusicVAE:
    return music_vae(
        config.model,
        converter.inputs.depth,
        converter.targets.depth,
        converter.controls.depth if converter.controls else 0,
        cell_dtype,
    )


def _example_size(config: Config, converter: Converter) -> int:
    layouts = (converter.inputs, converter.targets, converter.controls)
    return config.model.max_seq_len * sum(one.depth for one in layouts if one)


def music_vae(
    section: MusicVAEConfig,
    input_depth: int,
    output_depth: int,
    control_depth: int,
    cell_dtype: str = "float32",
) -> MusicVAE:
    """The untrained model of a config's section `model`, for rows of these depths."""
    from music_vae_tf.kinds.music_vae.decoders import decoder
    from music_vae_tf.kinds.music_vae.encoders import encoder
    from music_vae_tf.models.music_vae import MusicVAE

    plan = Plan(section, cell_dtype)
    return MusicVAE(
        encoder(section.encoder, plan, "encoder"),
        decoder(section.decoder, plan, output_depth, "decoder"),
        input_depth=input_depth,
        control_depth=control_depth,
        z_size=section.z_size,
        max_seq_len=section.max_seq_len,
        name="music_vae",
    )


KIND = ModelKind(
    model=MusicVAEConfig,
    objective=MusicVAEObjectiveConfig,
    build=_build,
    data="music_vae_tf.training.note_sequences:NoteSequenceData",
    load="music_vae_tf.training.note_sequences:load_trained",
    command="music_vae_train",
    free_keys=("dropout_keep_prob", "conditional", "use_cudnn"),
    example_size=_example_size,
)

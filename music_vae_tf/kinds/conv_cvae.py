"""The convolutional VAE of class rolls."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from music_vae_tf.config.schema import Count, NonNegative, Positive, Rate, Sizes
from music_vae_tf.kinds import BetaSchedule, ModelKind

if TYPE_CHECKING:
    from music_vae_tf.config import Config
    from music_vae_tf.data.converters.piano_roll import PianoRollConverter
    from music_vae_tf.models.piano_roll_vae import ConvCvae


@dataclasses.dataclass(frozen=True)
class ConvCvaeConfig:
    """A convolutional VAE of class rolls; the converter says how long they are."""

    z_size: Count
    filters: Sizes  # of each convolution of the encoder; the decoder goes the other way


@dataclasses.dataclass(frozen=True)
class ConvCvaeObjectiveConfig(BetaSchedule):
    """What is minimised: cross-entropy of the cells + beta * max(KL - free bits, 0)."""

    positive_weight: Positive  # of a sounding cell; a silent one weighs 1
    free_bits: NonNegative  # bits of KL that cost nothing, per example
    max_beta: NonNegative
    beta_rate: Rate  # beta = (1 - beta_rate ** step) * max_beta


def _build(config: Config, converter: PianoRollConverter, layer_dtype: str) -> ConvCvae:
    from music_vae_tf.models.piano_roll_vae import ConvCvae

    section = config.model
    return ConvCvae(
        converter.roll_steps,
        section.z_size,
        section.filters,
        layer_dtype,
        name="conv_cvae",
    )


KIND = ModelKind(
    model=ConvCvaeConfig,
    objective=ConvCvaeObjectiveConfig,
    build=_build,
    data="music_vae_tf.training.class_rolls:ClassRollData",
    load="music_vae_tf.training.class_rolls:load_conv_cvae",
    command="piano_roll_vae_train",
    example_size=lambda config, converter: (
        converter.roll_steps * converter.targets.depth
    ),
)

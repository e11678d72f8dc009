"""The decoder of what follows a class roll."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from music_vae_tf.config.schema import ConfigError, Count, Positive, Sizes
from music_vae_tf.kinds import ModelKind

if TYPE_CHECKING:
    from music_vae_tf.config import Config
    from music_vae_tf.data.converters.piano_roll import PianoRollConverter
    from music_vae_tf.models.piano_roll_vae import ClstmDecoder


@dataclasses.dataclass(frozen=True)
class ClstmDecoderConfig:
    """A decoder of what follows a class roll, from latents of a convolutional VAE."""

    z_size: Count  # of that VAE
    latent_windows: Count  # equal parts of the roll with a latent each; 1: all of it
    lstm_size: Count
    filters: Sizes  # as of the VAE's encoder; this goes the other way


@dataclasses.dataclass(frozen=True)
class ClstmDecoderObjectiveConfig:
    """What is minimised: cross-entropy of the cells that follow."""

    positive_weight: Positive  # of a sounding cell; a silent one weighs 1


def _build(
    config: Config, converter: PianoRollConverter, layer_dtype: str
) -> ClstmDecoder:
    from music_vae_tf.models.piano_roll_vae import ClstmDecoder

    section = config.model
    if converter.roll_steps % section.latent_windows:
        raise ConfigError(
            f"config {config.name} > model > latent_windows: {converter.roll_steps} "
            f"steps cannot be cut into {section.latent_windows} equal windows"
        )
    return ClstmDecoder(
        converter.continuation_steps,
        section.z_size,
        section.latent_windows,
        section.lstm_size,
        section.filters,
        layer_dtype,
        name="clstm_decoder",
    )


KIND = ModelKind(
    model=ClstmDecoderConfig,
    objective=ClstmDecoderObjectiveConfig,
    build=_build,
    data="music_vae_tf.training.class_rolls:ClassRollData",
    load="music_vae_tf.training.class_rolls:load_clstm_decoder",
    command="piano_roll_vae_train",
    example_size=lambda config, converter: (
        converter.roll_steps * converter.targets.depth
    ),
)

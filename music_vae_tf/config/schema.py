"""What a config is: frozen dataclasses, one for each section."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Iterator, Mapping
from typing import Annotated, Any, Literal, NamedTuple

from music_vae_tf.errors import UserFacingError


class ConfigError(UserFacingError, ValueError):
    """A config, or a change to one, that cannot be read; says what would be right."""


@dataclasses.dataclass(frozen=True)
class Kind:
    """A class by its short name, with the arguments to make an object of it."""

    kind: str
    arguments: Mapping[str, object]  # scalars, tuples, other Kinds


class Rule(NamedTuple):
    """What a value must fulfil beside its type: `Annotated[int, Rule(...)]`."""

    words: str
    holds: Callable[[object], bool]


Count = Annotated[int, Rule("of at least 1", lambda n: n >= 1)]
Sizes = Annotated[tuple[Count, ...], Rule("that is not empty", bool)]
NonNegative = Annotated[float, Rule("of at least 0", lambda x: x >= 0)]
Positive = Annotated[float, Rule("above 0", lambda x: x > 0)]
Rate = Annotated[float, Rule("from 0 to 1", lambda x: 0 <= x <= 1)]
PositiveRate = Annotated[float, Rule("above 0 and at most 1", lambda x: 0 < x <= 1)]


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
class MusicVAEObjectiveConfig:
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


@dataclasses.dataclass(frozen=True)
class TrainingConfig:
    """One step of Adam: how many examples, how far, and how gradients are clipped."""

    batch_size: Count  # examples over all devices together
    learning_rate: NonNegative
    decay_rate: PositiveRate  # of what the learning rate has above its minimum
    min_learning_rate: NonNegative
    clip_mode: Literal["global_norm", "value"]
    grad_clip: Positive
    grad_norm_clip_to_zero: Positive  # gradients this long are dropped altogether


@dataclasses.dataclass(frozen=True)
class DatasetConfig:
    """Where examples come from by default, and how training varies them."""

    tfds_name: str | None = None  # of TensorFlow Datasets
    transpose_range: tuple[int, int] | None = None  # semitones, both included
    stretch_range: tuple[Positive, Positive] | None = None  # factors of duration

    def __post_init__(self):
        for name in ("transpose_range", "stretch_range"):
            low, high = getattr(self, name) or (0, 0)
            if low > high:
                raise ConfigError(f"{name} is [{low}, {high}]; the lower comes first")


@dataclasses.dataclass(frozen=True)
class ConvCvaeConfig:
    """A convolutional VAE of class rolls; the converter says how long they are."""

    z_size: Count
    filters: Sizes  # of each convolution of the encoder; the decoder goes the other way


@dataclasses.dataclass(frozen=True)
class ConvCvaeObjectiveConfig:
    """What is minimised: cross-entropy of the cells + beta * max(KL - free bits, 0)."""

    positive_weight: Positive  # of a sounding cell; a silent one weighs 1
    free_bits: NonNegative  # bits of KL that cost nothing, per example
    max_beta: NonNegative
    beta_rate: Rate  # beta = (1 - beta_rate ** step) * max_beta


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


@dataclasses.dataclass(frozen=True)
class ClefLSTMConfig:
    """Two networks, one for each staff of piano music."""

    lstm_sizes: Sizes  # units per layer, of either network
    dropout_keep_prob: PositiveRate  # between LSTMs
    outer_keep_prob: PositiveRate  # before the first and after the last
    dense_size: Count  # before the two heads
    note_input: Literal["multi_hot", "label", "scalar"]  # how a chord is read
    factored_logits: bool  # a chord's logit is its own plus those of its notes
    shared_clock: bool  # both read the time in the bar, and the bass the treble


@dataclasses.dataclass(frozen=True)
class ClefLSTMObjectiveConfig:
    """What is minimised: cross-entropy of the next notes and durations."""

    loss_on: Literal["all", "last"]  # all events of a window, or its last one


class Sections(NamedTuple):
    """What the sections of a config hold for one kind of model."""

    model: type
    objective: type


# By `kind` of the section `model`.
MODELS = {
    "music_vae": Sections(MusicVAEConfig, MusicVAEObjectiveConfig),
    "conv_cvae": Sections(ConvCvaeConfig, ConvCvaeObjectiveConfig),
    "clstm_decoder": Sections(ClstmDecoderConfig, ClstmDecoderObjectiveConfig),
    "clef_lstm": Sections(ClefLSTMConfig, ClefLSTMObjectiveConfig),
}


@dataclasses.dataclass(frozen=True)
class Config:
    """A whole configuration."""

    name: str
    converter: Kind
    model: Any  # of one of the MODELS
    objective: Any  # of the same
    training: TrainingConfig
    dataset: DatasetConfig = DatasetConfig()

    @property
    def kind(self) -> str:
        """Of its model."""
        return next(k for k, s in MODELS.items() if type(self.model) is s.model)


HPARAMS_SECTIONS = ("model", "objective", "training")

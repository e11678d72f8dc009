"""What a config is: frozen dataclasses, one for each section."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Annotated, Any, Literal, NamedTuple

from music_vae_tf.errors import UserFacingError


class ConfigError(UserFacingError, ValueError):
    """A config, or a change to one, that cannot be read.

    The message has what is expected.
    """


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
Several = Annotated[int, Rule("of at least 2", lambda n: n >= 2)]
Sizes = Annotated[tuple[Count, ...], Rule("that is not empty", bool)]
NonNegative = Annotated[float, Rule("of at least 0", lambda x: x >= 0)]
Positive = Annotated[float, Rule("above 0", lambda x: x > 0)]
Rate = Annotated[float, Rule("from 0 to 1", lambda x: 0 <= x <= 1)]
PositiveRate = Annotated[float, Rule("above 0 and at most 1", lambda x: 0 < x <= 1)]


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
class Config:
    """A whole configuration."""

    name: str
    kind: str  # of model: the name of a module in `music_vae_tf.kinds`
    converter: Kind
    model: Any  # of the section `model` of that kind
    objective: Any  # of its section `objective`
    training: TrainingConfig
    dataset: DatasetConfig = DatasetConfig()


HPARAMS_SECTIONS = ("model", "objective", "training")

"""Config -> objects: its converter, its augmentation, its model, its learning rate."""

from __future__ import annotations

import music_vae_tf.models  # noqa: F401  first: TensorFlow starts quietly there

# isort: split

import importlib
from collections.abc import Callable
from typing import TYPE_CHECKING

import tensorflow as tf

from music_vae_tf import kinds, schedules
from music_vae_tf.config import Config, TrainingConfig, construct
from music_vae_tf.config.blueprints import check_kind
from music_vae_tf.data.converters.base import Converter
from music_vae_tf.models import size
from music_vae_tf.models.lstm import FLOAT32
from music_vae_tf.models.trainable import Trainable
from music_vae_tf.models.uninitialized import uninitialized_weights

if TYPE_CHECKING:
    from music_vae_tf.data.augment import Augmenter
    from music_vae_tf.data.clefs.windows import Windows

# A converter is imported when it is needed, because each needs its own libraries.
CONVERTERS = {
    "clefs": "ClefsConverter",
    "drums": "DrumsConverter",
    "groove": "GrooveConverter",
    "melody": "MelodyConverter",
    "multitrack": "MultitrackConverter",
    "piano_roll": "PianoRollConverter",
    "tokens": "TokensConverter",
    "trio": "TrioConverter",
}


def converter(config: Config) -> Converter:
    """The converter of a config, for training and evaluation."""
    kind = config.converter
    check_kind(CONVERTERS, kind, f"config {config.name} > converter")
    module = importlib.import_module(f"music_vae_tf.data.converters.{kind.kind}")
    cls = getattr(module, CONVERTERS[kind.kind])
    return construct(cls, kind.arguments, f"config {config.name} > converter")


def augmenter(config: Config) -> Augmenter | None:
    """The augmentation of training data: a `data.augment.Augmenter`, or None."""
    dataset = config.dataset
    if dataset.transpose_range is None and dataset.stretch_range is None:
        return None
    from music_vae_tf.data.augment import Augmenter

    return Augmenter(dataset.transpose_range, dataset.stretch_range)


def model(
    config: Config,
    converter: Converter | Windows,
    copies: int = 1,
    layer_dtype: str = FLOAT32,
) -> Trainable:
    """The untrained model of a config, as wide as the converter's rows.

    layer_dtype: of LSTM cells and of convolutions, `models.lstm.FLOAT32` or
        `MIXED_BFLOAT16`.

    Raises:
        TooLargeModel: so many copies of its weights, or a batch of its longest examples
            where it has several copies for training, do not fit into memory.
    """
    kind = kinds.find(config.kind)
    num_examples = config.training.batch_size if copies > 1 else 1
    example_size = kind.example_size(config, converter)
    size.check_batch_fits(num_examples, example_size, config.name)
    make = lambda: kind.build(config, converter, layer_dtype)
    size.check_fits(size.count_weights(make), copies, config.name)
    return make()


def uninitialized_model(config: Config, converter: Converter | Windows) -> Trainable:
    """The same, with uninitialised weights that a checkpoint will fill."""
    with uninitialized_weights():
        return model(config, converter)


def learning_rate(training: TrainingConfig) -> Callable[[tf.Tensor], tf.Tensor]:
    """The learning rate as a function of the training step."""
    return lambda step: schedules.learning_rate(
        step, training.learning_rate, training.decay_rate, training.min_learning_rate
    )

"""Kinds of models: each module here registers one, as its `KIND`.

The name of the module is the `kind` of the section `model` in configs. A module imports
nothing heavy: TensorFlow starts when a model is built.
"""

from __future__ import annotations

import functools
import importlib
import pkgutil
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import tensorflow as tf


@dataclass(frozen=True)
class ModelKind:
    """What the package knows of a kind of model.

    Attributes:
        model: the dataclass of the section `model` of a config.
        objective: that of the section `objective`. The model's loss reads it.
        build: (config, converter, layer_dtype) -> the untrained model, a `Trainable`.
            layer_dtype: Keras's name of the dtype policy of LSTM cells and of
            convolutions.
        data: the `data.training_data.TrainingData` that it trains on, as module:class.
        load: (result, checkpoint, batch_size, seed) -> the trained model, for
            `TrainingResult.load`, as module:function.
        command: the console command that trains it; None if only `train` does.
        free_keys: of the section `model`, that a resumed training may change.
        example_size: (config, converter) -> how many numbers the longest example is, as
            the model reads it; 0 where the data alone say it.
    """

    model: type
    objective: type
    build: Callable[[Any, Any, str], Any]
    data: str
    load: str
    command: str | None = None
    free_keys: tuple[str, ...] = ()
    example_size: Callable[[Any, Any], int] = lambda config, converter: 0


class BetaSchedule:
    """The section `objective` of a VAE's config: beta grows up to a limit."""

    max_beta: float
    beta_rate: float

    def beta(self, step: tf.Tensor | float) -> tf.Tensor:
        """Weight of the KL term at a training step: a float32 scalar."""
        from music_vae_tf import schedules

        return schedules.beta(step, self.max_beta, self.beta_rate)


def names() -> list[str]:
    """All kinds of models, sorted."""
    return sorted(module.name for module in pkgutil.iter_modules(__path__))


@functools.cache
def find(name: str) -> ModelKind:
    """The kind of model with this name, one of `names()`."""
    return importlib.import_module(f"{__name__}.{name}").KIND


def trained_by(command: str) -> list[str]:
    """The kinds of models that a console command trains."""
    return [name for name in names() if find(name).command == command]


def imported(reference: str) -> Any:
    """What a reference `module:name` stands for."""
    module, name = reference.split(":")
    return getattr(importlib.import_module(module), name)

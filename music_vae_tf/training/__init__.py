"""Training: what to train on, the loop, and `train` and `evaluate` around both.

Importing this package imports nothing: its names are imported when they are first
used. `train` checks what it was given before it imports TensorFlow.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from music_vae_tf.training.evaluation import EvaluationResult, evaluate
    from music_vae_tf.training.options import (
        EvaluationOptions,
        OptionError,
        TrainingOptions,
    )
    from music_vae_tf.training.result import TrainingResult
    from music_vae_tf.training.run import TrainingInterrupted, train

_MODULES = {
    "Adam": "optimizer",
    "Evaluation": "validation",
    "EvaluationOptions": "options",
    "EvaluationResult": "evaluation",
    "LossNotFinite": "finite",
    "OptionError": "options",
    "Saver": "loop",
    "TrainingInterrupted": "run",
    "TrainingOptions": "options",
    "TrainingResult": "result",
    "Validation": "validation",
    "ValidationRule": "validation",
    "checkpoint_bytes": "loop",
    "compiled_model": "loop",
    "evaluate": "evaluation",
    "resume": "loop",
    "state_of": "loop",
    "summary_writer": "summaries",
    "train": "run",
    "write_scalars": "summaries",
}

__all__ = [
    "EvaluationOptions",
    "EvaluationResult",
    "OptionError",
    "TrainingInterrupted",
    "TrainingOptions",
    "TrainingResult",
    "evaluate",
    "train",
]


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_MODULES[name]}"), name)

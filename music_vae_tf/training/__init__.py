"""Training: what to train on, the loop, and `train` and `evaluate` around both.

Importing this package imports no TensorFlow: `train` checks what it was given before
that. The names of the loop are imported when they are first used.
"""

import importlib

from music_vae_tf.training.evaluation import EvaluationResult, evaluate
from music_vae_tf.training.options import (
    EvaluationOptions,
    OptionError,
    TrainingOptions,
)
from music_vae_tf.training.result import TrainingResult
from music_vae_tf.training.run import TrainingInterrupted, train

_OF_THE_LOOP = {
    "Adam": "optimizer",
    "Evaluation": "validation",
    "LossNotFinite": "loop",
    "Saver": "loop",
    "Validation": "validation",
    "ValidationRule": "validation",
    "checkpoint_bytes": "loop",
    "compiled_model": "loop",
    "resume": "loop",
    "state_of": "loop",
    "summary_writer": "summaries",
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


def __getattr__(name):
    if name not in _OF_THE_LOOP:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_OF_THE_LOOP[name]}"), name)

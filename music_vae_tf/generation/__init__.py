"""Trained models at work: checkpoint and config in, music out."""

from music_vae_tf.generation.music_vae import (
    MultipleExtractedExamplesError,
    NoExtractedExamplesError,
    TrainedModel,
    only_example,
    slerp,
)

__all__ = [
    "MultipleExtractedExamplesError",
    "NoExtractedExamplesError",
    "TrainedModel",
    "only_example",
    "slerp",
]

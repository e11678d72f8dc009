"""Trained models at work: checkpoint and config in, music out."""

from music_vae_tf import quiet

quiet.import_quietly()

from music_vae_tf.generation.music_vae import (  # noqa: E402
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

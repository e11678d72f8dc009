"""Trained models at work: checkpoint and config in, music out."""

from music_vae_tf import quiet

quiet.import_quietly()

from music_vae_tf.generation.examples import (  # noqa: E402
    MultipleExtractedExamplesError,
    NoExtractedExamplesError,
    only_example,
)
from music_vae_tf.generation.interpolation import slerp  # noqa: E402
from music_vae_tf.generation.music_vae import TrainedModel  # noqa: E402

__all__ = [
    "MultipleExtractedExamplesError",
    "NoExtractedExamplesError",
    "TrainedModel",
    "only_example",
    "slerp",
]

"""A config's description of its model: the name of an encoder and of a decoder."""

from __future__ import annotations

from typing import NamedTuple

from music_vae_tf.config import Kind


class MusicVAE(NamedTuple):
    """A model still to be built, by `TrainedModel`; `lstm_models` has its parts."""

    encoder: Kind
    decoder: Kind

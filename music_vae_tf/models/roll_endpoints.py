"""What exported models of class rolls compute, with the signatures of their inputs.

Shapes: B rolls, T steps, Z columns of z, W windows of a roll.
"""

from __future__ import annotations

from typing import Any

import tensorflow as tf

CLASSES = 4  # none, piano, guitar, bass
PITCHES = 128


def of_vae(model: Any, condition_of: Any) -> dict[str, tuple]:
    """The endpoints of a `ConvCvae`: {name: (function, its signature)}.

    decode          z [B, Z], condition [B, 4] -> rolls [B, T, 128], logits
    encode          rolls [B, T, 128] -> mu, sigma [B, Z]
    encode_windows  rolls [B, T, 128], windows -> latents [B, W, Z], for a ClstmDecoder

    condition_of: rolls -> their conditions, [B, 4].
    """
    rolls = tf.TensorSpec([None, model.steps, PITCHES], tf.uint8, "rolls")
    windows = tf.TensorSpec([], tf.int32, "windows")

    def encode(rolls):
        mu, sigma = model.posterior(rolls, condition_of(rolls))
        return {"mu": mu, "sigma": sigma}

    def encode_windows(rolls, windows):
        rolls = tf.cast(rolls, tf.float32)
        return {"latents": model.window_latents(rolls, windows)}

    return {
        **_decoding(model, tf.TensorSpec([None, model.z_size], tf.float32, "z")),
        "encode": (encode, [rolls]),
        "encode_windows": (encode_windows, [rolls, windows]),
    }


def of_decoder(model: Any) -> dict[str, tuple]:
    """The endpoint of a `ClstmDecoder`.

    decode  latents [B, W, Z], condition [B, 4] -> rolls [B, T, 128], logits
    """
    shape = [None, model.latent_windows, model.z_size]
    return _decoding(model, tf.TensorSpec(shape, tf.float32, "latents"))


def _decoding(model, latents):
    condition = tf.TensorSpec([None, CLASSES], tf.float32, "condition")

    def decode(latents, condition):
        logits = model.logits(latents, condition)
        # Class numbers, int32: the most probable class of each cell.
        return {"rolls": tf.argmax(logits, -1, tf.int32), "logits": logits}

    endpoint = decode, [latents, condition]
    return {"decode": endpoint, "serve": endpoint}

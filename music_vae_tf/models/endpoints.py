"""What an exported MusicVAE computes: functions with the signatures of their inputs.

Shapes: B examples, T steps, Z columns of z, D of a row, D_c of a control, N random
numbers for a row.
"""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from music_vae_tf.batch import Batch
from music_vae_tf.models.decoder import StepInputs
from music_vae_tf.models.prng import PRNGKey
from music_vae_tf.models.prng_portable import GivenDraws


class Endpoints:
    """The endpoints of one model.

    decode  z [B, Z], length, temperature, seed [2], controls [T, D_c] -> rows [B, T, D]
    encode  inputs [B, T, D_in], lengths, controls [T, D_c] -> mu, sigma [B, Z]
    start   z [B, Z] -> state [B, S]
    step    previous [B, D], z, state, temperature, draws [B, N], control [B, D_c]
            -> row [B, D], next_state [B, S]

    `lengths` are [B], or of segments. Controls come where the model has them. `encode`
    is left out without an encoder, `start` and `step` where the decoder takes no single
    steps. A host program draws the numbers of a step, in [0, 1). If all are 0.5, the
    row is the most probable one.
    """

    def __init__(self, model: Any, key: type[PRNGKey] = PRNGKey):
        """key: the generator of random numbers."""
        self._model, self._key = model, key

    def all(self) -> dict[str, tuple]:
        """{name: (function, its signature)}."""
        decode = self._decode, self._decode_signature()
        endpoints: dict[str, tuple] = {"decode": decode, "serve": decode}
        if self._model.z_size:
            endpoints["encode"] = self._encode, self._encode_signature()
        if not self._model.decoder.step_obstacle:
            endpoints["start"] = self._start, [self._z()]
            endpoints["step"] = self._step, self._step_signature()
        return endpoints

    # Signatures.

    def _z(self):
        return _floats("z", None, self._model.z_size)

    def _controls(self, name="controls"):
        depth = self._model.control_depth
        return [_floats(name, None, depth)] if depth else []

    def _decode_signature(self):
        return [
            self._z(),
            tf.TensorSpec([], tf.int32, "length"),
            _floats("temperature"),
            tf.TensorSpec([2], tf.int32, "seed"),
            *self._controls(),
        ]

    def _encode_signature(self):
        # A hierarchical encoder needs to know the number of steps.
        segments = self._model.encoder.num_segments
        steps = None if segments is None else self._model.max_seq_len
        shape = [None] if segments is None else [None, segments]
        return [
            _floats("inputs", None, steps, self._model.input_depth),
            tf.TensorSpec(shape, tf.int32, "lengths"),
            *self._controls(),
        ]

    def _step_signature(self):
        decoder = self._model.decoder
        return [
            _floats("previous", None, decoder.depth),
            self._z(),
            _floats("state", None, decoder.state_size),
            _floats("temperature"),
            _floats("draws", None, decoder.num_draws),
            *self._controls("control"),
        ]

    # Functions.

    def _decode(self, z, length, temperature, seed, controls=None):
        samples = self._model.sample(z, length, controls, temperature, self._key(seed))
        return {"rows": samples.rows}

    def _encode(self, inputs, lengths, controls=None):
        depth = self._model.control_depth
        shape = tf.concat([tf.shape(inputs)[:2], [depth]], axis=0)
        controls = tf.zeros([1, 0]) if controls is None else controls
        batch = Batch(inputs, None, tf.broadcast_to(controls, shape), lengths)
        mu, sigma = self._model.posterior(batch, needs_gradient=False)
        return {"mu": mu, "sigma": sigma}

    def _start(self, z):
        return {"state": self._model.decoder.start(z)}

    def _step(self, previous, z, state, temperature, draws, control=None):
        inputs = StepInputs(previous, z, state, control, temperature, GivenDraws(draws))
        row, state = self._model.decoder.step(inputs)
        return {"row": row, "next_state": state}


def _floats(name, *shape):
    return tf.TensorSpec(shape, tf.float32, name)

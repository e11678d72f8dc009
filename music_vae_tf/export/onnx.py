"""ONNX files of a model's endpoints, for ONNX Runtime without TensorFlow.

tf2onnx converts each endpoint. TensorFlow's random generator has no ONNX operation, so
`decode` draws the same numbers by integer arithmetic: see `models.prng_portable`.
"""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import tensorflow as tf

from music_vae_tf import config as configs
from music_vae_tf.export.errors import ExportError
from music_vae_tf.export.saved_model import CONFIG
from music_vae_tf.models.endpoints import Endpoints
from music_vae_tf.models.music_vae import MusicVAE
from music_vae_tf.models.prng_portable import PortableKey
from music_vae_tf.models.recurrence import for_inference
from music_vae_tf.models.trainable import Trainable

OPSET = 18  # the first with bitwise operations, the last of tf2onnx 1.17


def export(config: configs.Config, model: Trainable, folder: Path) -> list[str]:
    """Writes `NAME.onnx` for each endpoint, and the config.

    Args:
        config: of the model.
        model: with its trained weights.
        folder: where the files are written.

    Returns:
        The names of the endpoints.

    Raises:
        ExportError: tf2onnx is not installed, or cannot convert an endpoint.
    """
    endpoints = portable_endpoints(model)
    for name, (function, signature) in endpoints.items():
        content = convert(function, signature)
        (folder / f"{name}.onnx").write_bytes(content)
    (folder / CONFIG).write_text(configs.dump(config), encoding="utf-8")
    return sorted(endpoints)


def portable_endpoints(model: Trainable) -> dict[str, tuple]:
    """The endpoints of a model with portable random numbers, without doubles."""
    if isinstance(model, MusicVAE):
        endpoints = Endpoints(model, PortableKey).all()
    else:
        endpoints = model.endpoints()
    endpoints.pop("serve")  # it is another one, by Keras's name
    return endpoints


def convert(function: Any, signature: list[tf.TensorSpec]) -> bytes:
    """A function with a signature as the content of an ONNX file.

    Raises:
        ExportError: tf2onnx is not installed, or cannot convert the function.
    """
    try:
        import tf2onnx
    except ImportError as error:
        raise ExportError(
            f"--format=onnx needs tf2onnx: pip install 'music_vae_tf[onnx]' ({error})"
        ) from error
    logging.getLogger("tf2onnx").setLevel(logging.CRITICAL)
    compiled = tf.function(function, signature, autograph=False)
    with for_inference():
        proto, _ = tf2onnx.convert.from_function(
            compiled, input_signature=signature, opset=OPSET
        )
    _check(proto)
    return proto.SerializeToString()


def _check(proto):
    """tf2onnx keeps an operation that it cannot convert, and only logs it."""
    import onnx

    try:
        onnx.checker.check_model(proto)
    except onnx.checker.ValidationError as error:
        raise ExportError(f"the model has no ONNX form: {error}") from error

"""TensorFlow without the lines that it prints before anyone can silence it."""

from __future__ import annotations

import contextlib
import os
import sys
import tempfile


def import_tensorflow():
    """Imports TensorFlow and finds its devices, and shows what it says only if needed.

    It is needed where the import fails, and where there is an NVIDIA driver and yet no
    GPU for TensorFlow: then its lines tell which library is missing.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    with _held_back() as said:
        import tensorflow as tf

        gpus = tf.config.list_physical_devices("GPU")
        explanation = said()
    if not gpus and os.path.exists("/proc/driver/nvidia"):
        sys.stderr.write(explanation)
    return tf


@contextlib.contextmanager
def _held_back():
    """Holds back what is written to the process's stderr, C++ included.

    Yields a function that returns the text; it is written out if the block fails, and
    is not interrupted.
    """
    sys.stderr.flush()
    stderr = os.dup(2)
    with tempfile.TemporaryFile() as file:
        os.dup2(file.fileno(), 2)
        try:
            yield lambda: _text_of(file)
        except Exception:
            os.write(stderr, _text_of(file).encode())
            raise
        finally:
            os.dup2(stderr, 2)
            os.close(stderr)


def _text_of(file):
    file.seek(0)
    return file.read().decode(errors="replace")

"""Imports TensorFlow in half the time, without the log lines of its start.

Both devices are optional. Without them, an import takes twice the time (measured as CPU
time on two cores: 4.4 s instead of 8.3 s; the original Magenta takes 17.7 s).
"""

from __future__ import annotations

import contextlib
import gc
import os
import socket
import subprocess
import sys
import tempfile

# Optional dependencies of Keras, for features that no command uses. h5py is not among
# them: `.keras` and `.h5` files need it.
UNUSED_BY_KERAS = ("IPython", "PIL", "matplotlib", "pandas", "scipy", "sklearn")


def import_tensorflow():
    """Imports TensorFlow faster than a plain import, and returns the module.

    Keras imports `UNUSED_BY_KERAS` only if they are installed. They are hidden from it
    during the import; other modules can import them afterwards. If the import fails in
    this way, TensorFlow is imported plainly.

    The log lines of the start name a missing library. They are shown if the import
    fails, or if the machine has an NVIDIA driver and TensorFlow finds no GPU.
    """
    with _quiet_start() as log_lines:
        if "tensorflow" not in sys.modules:
            _import_fast()
        import tensorflow as tf

        gpus = tf.config.list_physical_devices("GPU")
        explanation = log_lines()
    if not gpus and os.path.exists("/proc/driver/nvidia"):
        sys.stderr.write(explanation)
    return tf


def _import_fast():
    """Imports without what is not needed, or leaves nothing half imported."""
    try:
        with _hidden(UNUSED_BY_KERAS), _without_garbage_collection():
            import tensorflow as tf

            # It imports Keras 2, which needs none of the hidden modules either.
            tf.train.Checkpoint  # noqa: B018
    except Exception:
        for name in list(sys.modules):
            if name.partition(".")[0] in ("tensorflow", "keras", "tf_keras"):
                del sys.modules[name]


def import_quietly():
    """Imports TensorFlow plainly, without the log lines of its start.

    For notebooks and other programs: all optional parts of Keras work.
    """
    if "tensorflow" not in sys.modules:
        with _quiet_start():
            import tensorflow  # noqa: F401


@contextlib.contextmanager
def _quiet_start():
    """Keeps TensorFlow's log lines back, and yields a function that returns them.

    TF_CPP_MIN_LOG_LEVEL=0, which `--log=DEBUG` sets, shows them at once.
    """
    if os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3") == "0":
        yield lambda: ""
        return
    with _held_back() as log_lines:
        yield log_lines


@contextlib.contextmanager
def _hidden(names):
    """Makes imports of these names fail as if the modules were not installed."""
    names = [name for name in names if name not in sys.modules]
    sys.modules.update(dict.fromkeys(names))
    try:
        yield
    finally:
        for name in names:
            del sys.modules[name]


@contextlib.contextmanager
def _without_garbage_collection():
    """Switches the collector off, which takes a quarter of the import."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


# Waits for a line from the importing process. If that process was killed instead, it
# prints the log lines, which may name the reason: a missing instruction, a bad driver.
WATCHER = 'read -r _ || { cat "$1" >&2; rm -f "$1"; }'


@contextlib.contextmanager
def _held_back():
    """Redirects the process's stderr, C++ included, to a temporary file.

    Yields a function that returns the text. The text is printed if the block raises an
    error, and if a signal ends the process.
    """
    sys.stderr.flush()
    stderr = os.dup(2)
    descriptor, path = tempfile.mkstemp(prefix="music_vae_tf_stderr_")
    try:
        with _watched(path):
            os.dup2(descriptor, 2)
            try:
                yield lambda: _text_of(path)
            except Exception:
                os.write(stderr, _text_of(path).encode())
                raise
            finally:
                os.dup2(stderr, 2)
                os.close(stderr)
                os.close(descriptor)
    finally:
        with contextlib.suppress(FileNotFoundError):
            os.remove(path)


@contextlib.contextmanager
def _watched(path):
    """Starts a shell that prints the file if this process dies inside the block."""
    ours, its = socket.socketpair()  # not inherited by other children
    # A session of its own: Ctrl-C goes to this process alone.
    watcher = subprocess.Popen(
        ["/bin/sh", "-c", WATCHER, "sh", path], stdin=its, start_new_session=True
    )
    its.close()
    try:
        yield
    finally:
        with contextlib.suppress(BrokenPipeError):  # somebody ended the watcher
            ours.send(b"\n")
        ours.close()
        watcher.wait()


def _text_of(path):
    with open(path, encoding="utf-8", errors="replace") as file:
        return file.read()

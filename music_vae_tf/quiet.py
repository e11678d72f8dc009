"""TensorFlow in half the time, and without the lines that it prints at its start."""

from __future__ import annotations

import contextlib
import gc
import importlib.machinery
import importlib.util
import os
import socket
import subprocess
import sys
import tempfile
import types

# Keras imports these where they are installed, each with all that it brings, for
# features that no command uses; it does without where they are not.
UNUSED_BY_KERAS = ("IPython", "PIL", "matplotlib", "pandas", "scipy", "sklearn")
# Modules that only give what others define the names of TensorFlow's interface, in four
# versions. Most are never asked for any; and they and what they import take a sixth of
# its time, and 45 MiB.
NAMES_ONLY = "tensorflow._api."
# A client of the web, with which TensorFlow can ask a cloud whether a machine will be
# taken away. It takes 33 ms, and 7 MiB.
PUT_OFF = "requests"


def import_tensorflow():
    """Imports TensorFlow and finds its devices, and shows what it says only if needed.

    It is needed where the import fails, and where there is an NVIDIA driver and yet no
    GPU for TensorFlow: then its lines tell which library is missing.

    In this process Keras has none of `UNUSED_BY_KERAS`; other modules may import them.
    Modules below `NAMES_ONLY`, and `PUT_OFF`, are read when they are first asked for a
    name.
    """
    if "tensorflow" not in sys.modules:
        sys.meta_path.insert(0, _OnDemand)
    with _quiet_start() as said:
        with (
            _as_if_missing(UNUSED_BY_KERAS),
            _put_off(PUT_OFF),
            _without_collecting_garbage(),
        ):
            import tensorflow as tf

            # It brings Keras 2, which does without the same modules.
            tf.train.Checkpoint  # noqa: B018
        gpus = tf.config.list_physical_devices("GPU")
        explanation = said()
    if not gpus and os.path.exists("/proc/driver/nvidia"):
        sys.stderr.write(explanation)
    return tf


def import_quietly():
    """Imports TensorFlow as it is, without the lines that it prints at its start.

    For notebooks and other programs: all of Keras works. Lines of errors are shown.
    """
    if "tensorflow" not in sys.modules:
        with _quiet_start():
            import tensorflow  # noqa: F401


@contextlib.contextmanager
def _quiet_start():
    """Holds back what TensorFlow writes, unless all of it was asked for.

    TF_CPP_MIN_LOG_LEVEL=0 asks for it, as `--log=DEBUG` of a command does.
    """
    if os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3") == "0":
        yield lambda: ""
        return
    with _held_back() as said:
        yield said


@contextlib.contextmanager
def _as_if_missing(names):
    """While it lasts, importing these fails as if they were not installed."""
    names = [name for name in names if name not in sys.modules]
    sys.modules.update(dict.fromkeys(names))
    try:
        yield
    finally:
        for name in names:
            del sys.modules[name]


@contextlib.contextmanager
def _put_off(name):
    """While it lasts, who imports this module has a stand-in for it."""
    if name not in sys.modules:
        sys.modules[name] = _StandIn(name)
    try:
        yield
    finally:
        _make_way_for(name)


class _StandIn(types.ModuleType):
    """For a module, which is imported when an attribute of it is first asked for.

    (A `LazyLoader`'s module would be read when a second module imports it.)
    """

    def __getattr__(self, attribute):
        _make_way_for(self.__name__)
        return getattr(importlib.import_module(self.__name__), attribute)


def _make_way_for(name):
    if isinstance(sys.modules.get(name), _StandIn):
        del sys.modules[name]


class _OnDemand:
    """Finds modules below `NAMES_ONLY`; each is read when an attribute of it is first
    asked for."""

    @staticmethod
    def find_spec(name, path=None, target=None):
        if not name.startswith(NAMES_ONLY):
            return None
        # Parts of TensorFlow's interface that have a package of the same name beside
        # it. The package would take the name when it is imported, so it has to be
        # first; and the first part imports modules of its package by that name.
        if name.startswith("tensorflow._api.v2.distribute"):
            return None
        if name == "tensorflow._api.v2.lite":
            importlib.import_module("tensorflow.lite")
        spec = importlib.machinery.PathFinder.find_spec(name, path, target)
        if spec is not None and spec.origin is not None:
            loader = _InItsPlace(name, spec.origin)
            spec.loader = importlib.util.LazyLoader(loader)
        return spec


class _InItsPlace(importlib.machinery.SourceFileLoader):
    """Leaves a module where it is.

    Those of `tf.compat.v1` would put another there that warns of what is deprecated.
    """

    def exec_module(self, module):
        super().exec_module(module)
        sys.modules[module.__name__] = module


@contextlib.contextmanager
def _without_collecting_garbage():
    """For an import: there is none, and looking for it takes a quarter of the time.

    What was imported is not looked at later, either.
    """
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()


# Waits for a line. Where the process that would write it has died instead, it shows
# the last words of that process.
WATCHER = 'read -r _ || { cat "$1" >&2; rm -f "$1"; }'


@contextlib.contextmanager
def _held_back():
    """Holds back what is written to the process's stderr, C++ included.

    Yields a function that returns the text. The text is written out if the block fails
    and is not interrupted, and if the process is ended by a signal.
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
    """While it lasts, a shell waits for the end of this process, to show the file."""
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

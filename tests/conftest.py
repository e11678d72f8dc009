"""What tests share: the golden data of the original Magenta, where they are at hand."""

import importlib.util
import os
import signal
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parent.parent
SHARED = Path(os.environ.get("MUSIC_VAE_TF_SHARED", REPOSITORY.parent / "shared"))


@pytest.fixture(scope="session", autouse=True)
def interruptible():
    """Ctrl-C interrupts, also in a process that was started in the background.

    A shell lets those ignore SIGINT, and the commands they start with them.
    """
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture(scope="session")
def shared():
    """The folder of reference data that lies beside a developer's checkout."""
    if not (SHARED / "golden").is_dir():
        pytest.skip("left out: the reference data (../shared) are not on this machine")
    return SHARED


@pytest.fixture(scope="session")
def golden(shared):
    """Reader of the numbers the original Magenta computed (`golden_io.Golden`)."""
    path = shared / "golden" / "golden_io.py"
    spec = importlib.util.spec_from_file_location("golden_io", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.Golden(str(shared / "golden"))


@pytest.fixture(scope="session")
def groove_records(tmp_path_factory):
    """A TFRecord file of grooves of our own, each one example of groovae_4bar."""
    from music_vae_tf.data import grooves
    from music_vae_tf.data.records import records_writer

    path = tmp_path_factory.mktemp("records") / "grooves.tfrecord"
    with records_writer(path) as write:
        for _, sequence in grooves.performances(12):
            write(sequence.SerializeToString())
    return path

"""What tests share: the golden data of the original Magenta, and music."""

import gc
import os
import signal
import sys
from pathlib import Path

import golden_data
import pytest
from served import serving

REPOSITORY = Path(__file__).resolve().parent.parent
SHARED = Path(os.environ.get("MUSIC_VAE_TF_SHARED", REPOSITORY.parent / "shared"))

# Compiling is done once, not by each worker, and by each process that a test starts:
# pytest takes four seconds to compile the tests.
sys.dont_write_bytecode = False
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
# The collector finds nothing while tests are collected, and takes a sixth of the time.
gc.disable()


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
    """The folder of real music that lies beside a developer's checkout."""
    if not (SHARED / "data").is_dir():
        pytest.skip("left out: real music (../shared/data) is not on this machine")
    return SHARED


def pytest_addoption(parser):
    parser.addoption(
        "--golden",
        action="append",
        default=[],
        metavar="FOLDER",
        help="compare with the golden data of this folder too; may be repeated",
    )
    parser.addoption(
        "--long",
        nargs="?",
        const=1.0,
        default=None,
        type=float,
        metavar="SHARE",
        help="the long version of the tests of reliability, or a share of it: 0.1",
    )
    parser.addoption(
        "--figures",
        metavar="FILE",
        help="JSON file to which tests of reliability add what they counted",
    )


def pytest_collection_modifyitems(config, items):
    """Tests marked `long` are for --long alone."""
    if config.getoption("--long") is not None:
        return
    left_out = [item for item in items if item.get_closest_marker("long")]
    items[:] = [item for item in items if not item.get_closest_marker("long")]
    config.hook.pytest_deselected(items=left_out)


def pytest_collection_finish():
    """What is there now stays to the end: the collector need not look at it again."""
    # When it is imported, it asks the collector who holds its generators.
    import hypothesis  # noqa: F401

    gc.freeze()
    gc.enable()


@pytest.fixture(scope="session")
def amount(request):
    """`amount(short, long)`: how much a test does, by the option --long."""
    share = request.config.getoption("--long")
    return lambda short, long: short if share is None else max(1, round(long * share))


@pytest.fixture
def figure(request):
    """`figure(promise, text)`: keeps what a test found, for the page of reliability."""
    path = request.config.getoption("--figures")

    def keep(promise: str, text: str):
        if path:
            from reliability import page

            page.keep(path, promise, request.node.nodeid, text)

    return keep


def pytest_generate_tests(metafunc):
    """A test that compares with Magenta runs once per folder of golden data."""
    others = metafunc.config.getoption("golden")
    if others and "golden" in metafunc.fixturenames:
        folders = [golden_data.COMPACT, *map(Path, others)]
        metafunc.parametrize("golden", folders, indirect=True, ids=str, scope="session")


@pytest.fixture(scope="session")
def golden(request):
    """Reader of the numbers that the original Magenta computed."""
    return golden_data.Golden(getattr(request, "param", golden_data.COMPACT))


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


@pytest.fixture(scope="session")
def served(groove_records, tmp_path_factory):
    """A running `music_vae_serve`, whose map has a few grooves."""
    pytest.importorskip("uvicorn", reason="left out: uvicorn is not installed")
    log = tmp_path_factory.mktemp("served") / "log"
    flags = f"--examples_path={groove_records}", "--max_upload_mb=0.25"
    with serving(log, *flags) as server:
        yield server

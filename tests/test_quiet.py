"""TensorFlow is imported quickly and quietly, or plainly where that fails."""

import os
import subprocess
import sys

import pytest

PROGRAM = """
import gc, sys
from music_vae_tf import quiet

tf = quiet.import_tensorflow()
assert tf is sys.modules["tensorflow"]
assert "keras" in sys.modules
for name in quiet.UNUSED_BY_KERAS:
    assert name not in sys.modules, name
assert gc.isenabled()
import matplotlib.figure, scipy
layer = sys.modules["keras"].layers.Dense(2)
print(layer(tf.ones([1, 3])).shape)
"""

BROKEN = """
import builtins, sys
from music_vae_tf import quiet

plain = builtins.__import__
def without_fast_path(name, *arguments, **options):
    if name == "tensorflow" and sys.modules.get("PIL", 0) is None:
        raise ImportError("Keras needs PIL now")
    return plain(name, *arguments, **options)

builtins.__import__ = without_fast_path
tf = quiet.import_tensorflow()
print(tf.constant(1).numpy())
"""


def test_tensorflow_is_imported_plainly_if_the_fast_import_fails():
    done = subprocess.run(
        [sys.executable, "-c", BROKEN], capture_output=True, text=True
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "1\n", "")


def test_keras_works_without_what_others_may_import_later():
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], capture_output=True, text=True
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "(1, 2)\n", "")


def test_the_last_words_of_a_process_that_aborts_are_shown():
    program = (
        "import os\n"
        "from music_vae_tf import quiet\n"
        "with quiet._held_back():\n"
        "    os.write(2, b'no such instruction on this machine')\n"
        "    os.abort()\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True
    )
    assert done.returncode < 0
    assert "no such instruction on this machine" in done.stderr


def test_nothing_is_held_back_where_all_messages_are_asked_for():
    program = "from music_vae_tf import quiet; quiet.import_tensorflow()"
    asked = {"TF_CPP_MIN_LOG_LEVEL": "0"}
    done = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        env={**os.environ, **asked},
    )
    assert done.returncode == 0
    assert "tensorflow" in done.stderr.lower() or "cuda" in done.stderr.lower()


def test_a_library_import_is_quiet_and_hides_nothing():
    program = (
        "import sys\n"
        "from music_vae_tf.generation import TrainedModel\n"
        "import h5py\n"
        "assert 'PIL' not in sys.modules or sys.modules['PIL'] is not None\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True
    )
    assert (done.returncode, done.stderr) == (0, "")


HELD_BACK = """
import os, signal, sys, time
signal.signal(signal.SIGINT, signal.default_int_handler)
from music_vae_tf import quiet
with quiet._held_back():
    os.write(2, b"words of a library\\n")
    {action}
"""


def held_back(action, folder):
    """Runs a process, in a group of its own, that does something while quiet."""
    return subprocess.run(
        [sys.executable, "-c", HELD_BACK.format(action=action)],
        capture_output=True,
        text=True,
        env={**os.environ, "TMPDIR": str(folder)},
        start_new_session=True,
    )


def test_an_interruption_of_the_whole_group_stays_an_interruption(tmp_path):
    """As Ctrl-C sends it, to this process and to its children."""
    done = held_back("os.killpg(0, signal.SIGINT); time.sleep(5)", tmp_path)
    assert done.stderr.splitlines()[-1] == "KeyboardInterrupt"
    assert "BrokenPipeError" not in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_start_that_fails_shows_why_and_leaves_no_file(tmp_path):
    done = held_back("raise ValueError('broken')", tmp_path)
    assert "words of a library" in done.stderr
    assert done.stderr.splitlines()[-1] == "ValueError: broken"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "module", ["build", pytest.param("magenta_api", marks=pytest.mark.slow)]
)
def test_modules_that_need_tensorflow_are_imported_quietly(module):
    environment = {**os.environ}
    environment.pop("TF_CPP_MIN_LOG_LEVEL", None)
    done = subprocess.run(
        [sys.executable, "-c", f"import music_vae_tf.{module}"],
        capture_output=True,
        text=True,
        env=environment,
    )
    assert (done.returncode, done.stderr) == (0, "")

"""TensorFlow is imported quietly, and without what Keras can do without."""

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

PUT_OFF = """
import sys
from music_vae_tf import quiet

quiet.import_tensorflow()
name = quiet.PUT_OFF
assert name not in sys.modules
from tensorflow.python.distribute.failure_handling import failure_handling_util

theirs = failure_handling_util.requests.get
assert theirs is sys.modules[name].get
import requests

assert theirs is requests.get
"""

READ_ON_DEMAND = """
import sys
from music_vae_tf import quiet

tf = quiet.import_tensorflow()
unread = "tensorflow.lite.python.lite", "tensorflow.python.ops.gen_audio_ops"
print([name for name in unread if name in sys.modules])
for _ in range(2):  # for its first answer a module is read
    tf.distribute.has_strategy, tf.distribute.experimental.rpc.Server
    tf.lite.TFLiteConverter, tf.compat.v1.lite.TFLiteConverter
    tf.compat.v1.nn.static_rnn, tf.compat.v2.compat.v1.nn, tf.summary.scalar
    tf.audio.decode_wav
print([name for name in unread if name not in sys.modules])
print(tf.compat.v1.nn.relu is tf.nn.relu)
"""


def test_what_is_read_on_demand_is_there():
    done = subprocess.run(
        [sys.executable, "-c", READ_ON_DEMAND], capture_output=True, text=True
    )
    assert (done.returncode, done.stdout) == (0, "[]\n[]\nTrue\n"), done.stderr


def test_what_is_put_off_comes_when_tensorflow_asks_for_it():
    done = subprocess.run(
        [sys.executable, "-c", PUT_OFF], capture_output=True, text=True
    )
    assert (done.returncode, done.stderr) == (0, "")


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


@pytest.mark.parametrize("module", ["build", "magenta_api"])
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

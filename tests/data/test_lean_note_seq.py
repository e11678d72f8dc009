"""note_seq's modules load alone, and all of it is there for whoever asks."""

import subprocess
import sys

PROGRAM = """
import sys
import music_vae_tf.data
import note_seq
from note_seq import constants
from note_seq.protobuf import music_pb2

assert constants.STANDARD_PPQ == 220
assert note_seq.sequences_lib.quantize_note_sequence
assert not {"bokeh", "pandas", "librosa"} & set(sys.modules)
assert not hasattr(note_seq, "__wrapped__")
assert "bokeh" not in sys.modules

assert note_seq.NoteSequence is music_pb2.NoteSequence
assert note_seq.plot_sequence and note_seq.__version__
assert "bokeh" in sys.modules
assert not hasattr(note_seq, "nothing")
"""


def test_the_package_itself_is_run_at_the_first_need():
    command = [sys.executable, "-W", "ignore", "-c", PROGRAM]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_all_of_it_is_there_for_a_star():
    program = "import music_vae_tf.data; from note_seq import *; plot_sequence"
    command = [sys.executable, "-W", "ignore", "-c", program]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr

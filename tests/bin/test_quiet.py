"""TensorFlow is imported quietly, and without what Keras can do without."""

import subprocess
import sys

PROGRAM = """
import gc, sys
from music_vae_tf.bin import quiet

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


def test_keras_works_without_what_others_may_import_later():
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], capture_output=True, text=True
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "(1, 2)\n", "")

"""Makes the golden data anew: `PYTHON_OF_MAGENTA tests/golden/make.py [PART ...]`.

It runs in an environment of the original, Magenta 2.1.4 on Python 3.7; see
docs/build/testing.md for how to make one. Parts are `inputs`, `converters`,
`preprocessed`, and names of configs; without any, all of it is made. It reads `midi/`,
which `music.py` writes.
"""

import os
import sys
import warnings

warnings.filterwarnings("ignore")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
# Sums in one order: the same machine gives the same bits again.
os.environ["TF_NUM_INTRAOP_THREADS"] = "1"

import make_converters  # noqa: E402
import make_inputs  # noqa: E402
import make_models  # noqa: E402
import numpy as np  # noqa: E402
import tensorflow.compat.v1 as tf  # noqa: E402
from magenta.models.music_vae import configs  # noqa: E402

FOLDER = os.path.dirname(os.path.abspath(__file__))


def stored_pool():
    """{name: serialized NoteSequence}: the conversions, and those derived from them."""
    pool = {}
    for collection in make_inputs.MUSIC:
        path = os.path.join(FOLDER, "conversion", collection + ".tfrecord")
        for record in make_inputs.records(path):
            name = make_inputs.note_seq.NoteSequence.FromString(record).filename
            pool[f"{collection}/{name}"] = record
    with np.load(os.path.join(FOLDER, "derived.npz")) as arrays:
        pool.update({name: arrays[name].tobytes() for name in arrays.files})
    return pool


def make_pool():
    derived = make_inputs.derive(make_inputs.convert(FOLDER))
    arrays = {
        "derived/" + name: np.frombuffer(sequence.SerializeToString(), np.uint8)
        for name, sequence in derived.items()
    }
    np.savez_compressed(os.path.join(FOLDER, "derived.npz"), **arrays)


def main(parts):
    tf.logging.set_verbosity(tf.logging.ERROR)
    everything = ["inputs", "converters", "preprocessed"] + sorted(configs.CONFIG_MAP)
    parts = parts or everything
    unknown = set(parts) - set(everything)
    if unknown:
        sys.exit(f"unknown: {sorted(unknown)}; expected of {everything}")
    if "inputs" in parts:
        make_pool()
    pool = stored_pool()
    groups = make_inputs.groups(pool)
    if "converters" in parts:
        os.makedirs(os.path.join(FOLDER, "converters"), exist_ok=True)
        make_converters.write(FOLDER, pool, groups)
        make_inputs.write_augmented(FOLDER, pool)
    if "preprocessed" in parts:
        import make_preprocessed  # which needs Apache Beam

        make_preprocessed.write(FOLDER, pool)
    for name in parts:
        if name in configs.CONFIG_MAP:
            make_models.write(FOLDER, name, pool, groups)


if __name__ == "__main__":
    main(sys.argv[1:])

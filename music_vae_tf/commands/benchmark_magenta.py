"""Magenta's half of the benchmark, run by the Python of Magenta's own environment.

It imports nothing of this project, and is written for Python 3.7. Like its counterpart,
`benchmark_ours`, it is a worker. It prints "ready". For each number on its standard
input it does that many units of its work, and prints how many seconds they took. It
ends with its input.

    python benchmark_magenta.py train '{"config": "groovae_4bar", ...}'
"""

import json
import os
import sys
import tempfile
import time


def measure(take_unit):
    """Does as many units as are asked for, as often as it is asked."""
    say("ready")
    for line in sys.stdin:
        start_s = time.perf_counter()
        for _ in range(int(line)):
            take_unit()
        say(time.perf_counter() - start_s)


def say(value):
    """Writes a line of JSON that the benchmark reads."""
    print(json.dumps(value), flush=True)


def config_of(name, hparams, **changes):
    """A config of Magenta's, changed."""
    from magenta.models.music_vae import configs

    config = configs.update_config(configs.CONFIG_MAP[name], changes)
    config.hparams.parse(hparams)
    return config


def train(config, hparams, examples_path, shape):
    """Steps of Magenta's own training loop, which is held after each measurement."""
    import numpy as np
    import tensorflow.compat.v1 as tf

    tf.disable_v2_behavior()
    import tf_slim
    from magenta.models.music_vae import data, music_vae_train

    config = config_of(config, hparams, train_examples_path=examples_path or "none")

    def dataset():
        if examples_path:
            return data.get_dataset(config, is_training=True, cache_dataset=True)
        batch, steps, depth = shape
        classes = np.random.RandomState(0).randint(depth, size=[batch, steps])
        rows = np.eye(depth, dtype=np.float32)[classes]
        controls = np.zeros([batch, steps, 0], np.float32)
        lengths = np.full(batch, steps, np.int32)
        tensors = rows, rows, controls, lengths
        return tf.data.Dataset.from_tensors(tensors).repeat()

    class Held(tf.train.SessionRunHook):
        """Between the steps that are measured, waits for the next number."""

        left, start_s = 1, None

        def after_run(self, run_context, run_values):
            self.left -= 1
            if self.left:
                return
            say("ready" if self.start_s is None else time.perf_counter() - self.start_s)
            line = sys.stdin.readline()
            if not line:
                os._exit(0)
            self.left, self.start_s = int(line), time.perf_counter()

    loop = tf_slim.training.train

    def held_loop(train_op, hooks, **options):
        return loop(train_op, hooks=[*hooks, Held()], **options)

    tf_slim.training.train = held_loop
    with tempfile.TemporaryDirectory() as folder:
        music_vae_train.train(folder, config, dataset, num_steps=None)


def extract(files):
    """All NoteSequences of some files through a converter each, on one core."""
    import note_seq
    import tensorflow.compat.v1 as tf

    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    work = []
    for name, path in files.items():
        records = tf.python_io.tf_record_iterator(path)
        sequences = [note_seq.NoteSequence.FromString(record) for record in records]
        work.append((config_of(name, "").data_converter, sequences))

    def once():
        for converter, sequences in work:
            for sequence in sequences:
                converter.to_tensors(sequence)

    measure(once)


def trained_model(config, batch_size, checkpoint):
    """A trained model, which has sampled nothing yet."""
    import tensorflow.compat.v1 as tf

    tf.disable_v2_behavior()
    from magenta.models.music_vae import TrainedModel

    return TrainedModel(config_of(config, ""), batch_size, checkpoint)


def sample(config, number, batch_size, length, checkpoint):
    """NoteSequences out of nothing."""
    model = trained_model(config, batch_size, checkpoint)
    once = lambda: model.sample(number, length)
    once()
    measure(once)


def encode(config, number, batch_size, length, checkpoint):
    """Tensors to latent vectors."""
    import numpy as np

    model = trained_model(config, batch_size, checkpoint)
    depth = model._config.data_converter.input_depth
    inputs = np.random.RandomState(0).rand(number, length, depth).astype(np.float32)
    once = lambda: model.encode_tensors(list(inputs), [length] * number)
    once()
    measure(once)


if __name__ == "__main__":
    workload, options = sys.argv[1:]
    {"train": train, "extract": extract, "sample": sample, "encode": encode}[workload](
        **json.loads(options)
    )

"""This project's half of the benchmark: workers that do their work on request.

The opposite of `benchmark_magenta`, which says how a worker is spoken to.
"""

from __future__ import annotations

import json
import os
import re
import sys
import tempfile
from pathlib import Path

from music_vae_tf import quiet
from music_vae_tf.commands.benchmark_magenta import measure, say

# Of a stack's layer, or of one direction of it.
LSTM_KERNEL = r"(layer_\d+|forward|backward)/kernel$"


class _Over(Exception):
    """Nobody asks for more steps."""


def train(config, hparams, examples_path, shape, mixed_precision=False):
    """Steps of the training loop, which is held after each measurement."""
    import time

    from music_vae_tf import build, training
    from music_vae_tf.models import shards
    from music_vae_tf.training import loop

    shards.one_core_each()
    shards.limit_malloc_arenas()
    config = _config(config, hparams)
    converter = build.converter(config)
    model = training.compiled_model(
        config, converter, seed=0, mixed_precision=mixed_precision
    )
    batches = _batches(config, converter, examples_path, shape)
    left, start_s = 1, None

    def hold(loss):
        nonlocal left, start_s
        left -= 1
        if left:
            return
        say("ready" if start_s is None else time.perf_counter() - start_s)
        line = sys.stdin.readline()
        if not line:
            raise _Over
        left, start_s = int(line), time.perf_counter()

    with tempfile.TemporaryDirectory() as folder:
        saver = training.Saver(Path(folder), 100, 1)
        writer = training.summary_writer(folder, "benchmark", config)
        try:
            loop.train(model, batches, 0, saver, writer, hold)
        except _Over:
            return


def _config(name, hparams):
    from music_vae_tf import config as configs

    return configs.override(configs.load(name), hparams)


def _batches(config, converter, examples_path, shape):
    import numpy as np
    import tensorflow as tf

    from music_vae_tf.batch import Batch
    from music_vae_tf.data import pipeline
    from music_vae_tf.data.records import read_note_sequences

    if examples_path:
        sequences = read_note_sequences(examples_path)
        store, _ = pipeline.extract_examples(sequences, converter, seed=0)
        return pipeline.training_batches(store, config.training.batch_size, seed=0)
    batch, steps, depth = shape
    classes = np.random.RandomState(0).randint(depth, size=[batch, steps])
    rows = np.eye(depth, dtype=np.float32)[classes]
    lengths = np.full(batch, steps, np.int32)
    tensors = Batch(rows, rows, np.zeros([batch, steps, 0], np.float32), lengths)
    return tf.data.Dataset.from_tensors(tensors).repeat()


def products(config, hparams, shape):
    """Says the floating point operations of the recurrent layers' matrix products: of
    a training step, forward and twice as many back, and of the encoder alone, forward.

    What is projected once a sequence, as z is where nothing is dropped, is left out.
    """
    from music_vae_tf import build

    config = _config(config, hparams)
    model = build.model(config, build.converter(config))
    batch, steps, _ = shape
    segments = getattr(model.decoder, "num_segments", 1)
    z_once = config.model.z_size if config.model.dropout_keep_prob == 1 else 0
    training, encoding = 0, 0
    for name, variable in model.named_variables.items():
        if re.search(LSTM_KERNEL, name):
            is_encoder = "decoder" not in name
            conducts = "level_" in name and not is_encoder
            rows, columns = variable.shape
            reads_z = name.endswith("decoder/layer_0/kernel")
            rows -= z_once if reads_z else 0
            forward = 2 * batch * (segments if conducts else steps) * rows * columns
            training += 3 * forward
            encoding += forward * is_encoder
    say({"training": training, "encoding": encoding})


def before_training(config, hparams, examples_path, shape):
    """Says the peak of resident bytes, once all is there for the first step."""
    import resource

    from music_vae_tf import build, training

    config = _config(config, hparams)
    converter = build.converter(config)
    model = training.compiled_model(config, converter, seed=0)
    batches = _batches(config, converter, examples_path, shape)
    assert model and next(iter(batches))
    say(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024)


def peak(dtype):
    """Products of two square matrices of 2,048 rows, in billions of operations."""
    import tensorflow as tf

    matrix = tf.cast(tf.random.normal([2048, 2048]), dtype)
    multiply = tf.function(lambda: tf.linalg.matmul(matrix, matrix), autograph=False)
    once = lambda: multiply()[0, 0].numpy()
    once()
    measure(once)


def extract(files):
    """All NoteSequences of some files through a converter each, on one core."""
    from music_vae_tf import build
    from music_vae_tf.data.records import read_note_sequences

    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    work = [
        (build.converter(_config(name, "")), list(read_note_sequences(path)))
        for name, path in files.items()
    ]

    def once():
        for converter, sequences in work:
            for sequence in sequences:
                converter.extract(sequence)

    measure(once)


def untrained(config, directory):
    """Writes a checkpoint of new weights, which both read."""
    from music_vae_tf import build, training

    config = _config(config, "")
    model = training.compiled_model(config, build.converter(config), seed=0)
    training.Saver(Path(directory), 1, 1).save(model)
    say("done")


def sample(config, number, batch_size, length, checkpoint):
    """NoteSequences out of nothing."""
    from music_vae_tf.generation import TrainedModel

    model = TrainedModel(config, batch_size, checkpoint)
    once = lambda: model.sample(number, length)
    once()
    measure(once)


def encode(config, number, batch_size, length, checkpoint):
    """Tensors to latent vectors."""
    import numpy as np

    from music_vae_tf import build
    from music_vae_tf.generation import TrainedModel

    model = TrainedModel(config, batch_size, checkpoint)
    depth = build.converter(_config(config, "")).inputs.depth
    inputs = np.random.RandomState(0).rand(number, length, depth).astype(np.float32)
    once = lambda: model.encode_tensors(list(inputs), [length] * number)
    once()
    measure(once)


def render(song):
    """A MIDI file to the bytes of a WAV file."""
    from music_vae_tf.data.midi import read_midi
    from music_vae_tf.rendering import audio

    sequence = read_midi(song)
    once = lambda: audio.wav(sequence)
    once()
    measure(once)


if __name__ == "__main__":
    quiet.import_tensorflow()  # as all commands do
    workload, options = sys.argv[1:]
    globals()[workload](**json.loads(options))

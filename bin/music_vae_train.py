"""Train a model on NoteSequences, or evaluate its checkpoints as they come.

    music_vae_train --config=groovae_4bar --run_dir=. --mode=train \\
        --examples_path=notesequences.tfrecord

A training that was stopped goes on from its last checkpoint when it is started again.
Beside it, on other examples:

    music_vae_train --config=groovae_4bar --run_dir=. --mode=eval \\
        --examples_path=validation.tfrecord
"""

from __future__ import annotations

import os
import random
import signal
import sys
import time
from collections.abc import Callable, Iterable
from typing import NamedTuple

from absl import logging
from music_vae_tf.bin.command import Command, UserError
from music_vae_tf.bin.progress import progress
from music_vae_tf.bin.quiet import import_tensorflow

ENDLESS = 10**9  # steps to go when there is no end
EVAL_INTERVAL_S = 60  # as Magenta waits between two looks for a checkpoint

command = Command("music_vae_train", __doc__)
command.string("config", None, "Name of a config, or a YAML file.", required=True)
command.string(
    "run_dir",
    None,
    "Where checkpoints and summaries go: folders train and eval are made there.",
    required=True,
)
command.string(
    "examples_path",
    None,
    "TFRecord file of NoteSequences, or a pattern of several; instead of tfds_name.",
)
command.string(
    "tfds_name", None, "TensorFlow Datasets name; by default the config's own."
)
command.enum("mode", "train", ["train", "eval"], "Train, or evaluate checkpoints.")
command.integer(
    "num_steps", 200000, "Steps in all; 0 trains until stopped.", at_least=0
)
command.integer(
    "eval_num_batches", None, "Batches of an evaluation; by default all.", at_least=1
)
command.integer("checkpoints_to_keep", 100, "The last ones; 0 keeps all.", at_least=0)
command.integer(
    "keep_checkpoint_every_n_hours", 1, "Keep one every so many hours too.", at_least=1
)
command.string(
    "hparams", "", "Changed hyperparameters: batch_size=64,enc_rnn_size=[512]"
)
command.boolean(
    "cache_dataset", True, "Keep all examples in memory; otherwise convert as you go."
)
command.string("eval_dir_suffix", "", "Of the folder that eval writes to.")
command.integer("seed", None, "The same seed gives the same training; else random.")
command.string(
    "warm_start_checkpoint",
    None,
    "Checkpoint whose weights a new training starts from, with a fresh optimizer.",
)
PARAMETER_SERVER_FLAGS = ("master", "task", "num_ps_tasks", "num_sync_workers")
for name in PARAMETER_SERVER_FLAGS:
    command.string(name, None, "Magenta's; refused, with what replaces it.")


def main(flags):
    _refuse_parameter_servers(flags)
    from music_vae_tf import config as configs
    from music_vae_tf.run_directory import RunDirectory

    config = configs.load(flags.config)
    directory = RunDirectory.at(flags.run_dir)
    record = directory.record()
    if flags.mode == "eval" and record and record.config.name == config.name:
        config = record.config  # with the hparams of that training
    config = configs.override(config, flags.hparams)
    directory.check(config)
    seed = _seed(flags, record)
    if flags.mode == "train":
        _train(flags, config, directory, seed)
    else:
        _evaluate(flags, config, directory, seed)


def _refuse_parameter_servers(flags):
    for name in PARAMETER_SERVER_FLAGS:
        if flags[name].value not in (None, "", "0"):
            raise UserError(
                f"--{name} belonged to the parameter servers of TensorFlow 1, which "
                "are no more: leave it out. hparams.batch_size is the batch of all "
                "devices together"
            )


def _seed(flags, record) -> int:
    """The seed that was asked for, or that the training began with, or a new one."""
    if flags.seed is not None:
        return flags.seed
    return record.seed if record else random.SystemRandom().randrange(2**31)


def _train(flags, config, directory, seed):
    source = _source(flags, config, "train")
    _say_devices()

    from music_vae_tf import build, training
    from music_vae_tf.data import pipeline

    converter = build.converter(config)
    augmenter = build.augmenter(config)
    augment = augmenter.augment if augmenter else None
    batch_size = config.training.batch_size
    store = None
    if flags.cache_dataset:
        store, report = pipeline.extract_examples(
            source.read(), converter, augment, seed
        )
        logging.info("%s: %s", source.name, report)
        report.require(batch_size)
    model = training.compiled_model(config, converter, seed)
    first_step = _restore(flags, model, directory)
    if store is not None:
        batches = pipeline.training_batches(store, batch_size, seed, first_step)
    else:
        batches = pipeline.streaming_batches(
            source.read, converter, batch_size, seed, augment, first_step
        )
    directory.write_record(config, seed)
    saver = training.Saver(
        directory.train_dir,
        flags.checkpoints_to_keep,
        flags.keep_checkpoint_every_n_hours,
    )
    logging.info("Training %s in %s, seed %d", config.name, directory.path, seed)
    _run(flags, config, model, batches, saver, source.name)
    logging.info("Checkpoint: %s", directory.checkpoint())


def _run(flags, config, model, batches, saver, examples):
    """The loop, with its summaries, its progress bar, and an end on SIGTERM."""
    import tensorflow as tf

    from music_vae_tf import config as configs
    from music_vae_tf import training

    step = int(model.optimizer.iterations)
    if flags.num_steps and step >= flags.num_steps:
        logging.info("Already trained for %d steps: nothing to do", step)
        return
    writer = tf.summary.create_file_writer(str(saver.directory))
    training.write_trial(writer, examples, configs.hparams(config))
    signal.signal(signal.SIGTERM, _end)
    with progress(
        flags.num_steps or step + ENDLESS, "Training", unit="steps", done=step
    ) as bar:
        training.train(
            model,
            batches,
            flags.num_steps,
            saver,
            writer,
            on_step=lambda loss: bar.advance(note=f"loss {loss:.4g}"),
        )


def _end(*_):
    raise KeyboardInterrupt


class _Source(NamedTuple):
    """Where NoteSequences come from."""

    name: str
    read: Callable[[], Iterable]


def _source(flags, config, split) -> _Source:
    """NoteSequences of --examples_path, or of a TFDS set."""
    if flags.examples_path and flags.tfds_name:
        raise UserError("give --examples_path or --tfds_name, not both")
    if flags.examples_path:
        from music_vae_tf.data import records

        path = os.path.expanduser(flags.examples_path)
        records.matching_files(path)
        return _Source(path, lambda: records.read_note_sequences(path))
    name = flags.tfds_name or config.dataset.tfds_name
    if not name:
        raise UserError(
            "--examples_path is missing: name a TFRecord file of NoteSequences, which "
            "convert_dir_to_note_sequences makes of a folder of MIDI"
        )
    from music_vae_tf.data import tfds

    tfds.require()
    return _Source(name, lambda: tfds.read_note_sequences(name, split))


def _say_devices():
    tf = import_tensorflow()
    gpus = tf.config.list_physical_devices("GPU")
    names = [
        tf.config.experimental.get_device_details(gpu).get("device_name", gpu.name)
        for gpu in gpus
    ]
    logging.info("Devices: %s", ", ".join(names) or f"CPU, {os.cpu_count()} cores")
    return tf


def _restore(flags, model, directory) -> int:
    """Goes on from the directory's checkpoint, if it has one; the step to go on at."""
    from music_vae_tf import checkpoint, training

    newest = directory.checkpoint()
    if newest is not None:
        if flags.warm_start_checkpoint:
            raise UserError(
                f"--warm_start_checkpoint starts a new training, and {directory.path} "
                "holds one already: name another --run_dir"
            )
        checkpoint.restore(training.state_of(model), newest)
        step = int(model.optimizer.iterations)
        logging.info("Going on from %s at step %d", newest, step)
        return step
    if flags.warm_start_checkpoint:
        path = os.path.expanduser(flags.warm_start_checkpoint)
        fit = checkpoint.warm_start(model.named_variables, path)
        logging.info("Starting from %s:\n%s", path, fit)
    return 0


def _evaluate(flags, config, directory, seed):
    source = _source(flags, config, "validation")
    tf = _say_devices()

    from music_vae_tf import build, checkpoint, training
    from music_vae_tf import config as configs
    from music_vae_tf.data import pipeline

    converter = build.converter(config)
    batch_size = config.training.batch_size
    store, report = pipeline.extract_examples(source.read(), converter)
    logging.info("%s: %s", source.name, report)
    report.require(batch_size)
    batches = pipeline.evaluation_batches(store, batch_size, flags.eval_num_batches)
    model = training.compiled_model(config, converter, seed)
    writer = tf.summary.create_file_writer(
        str(directory.eval_dir(flags.eval_dir_suffix))
    )
    training.write_trial(writer, source.name, configs.hparams(config))
    for newest in _checkpoints(directory, flags.num_steps):
        checkpoint.restore(
            {**model.named_variables, "step": model.optimizer.iterations}, newest
        )
        step = int(model.optimizer.iterations)
        metrics = training.evaluate(model, batches)
        training.write_metrics(writer, step, metrics)
        logging.info(
            "Step %d: %s",
            step,
            ", ".join(f"{name} {metrics[name]:.4g}" for name in _shown(metrics)),
        )


def _checkpoints(directory, num_steps):
    """Each newest checkpoint as it comes, until that of the training's last step."""
    seen = None
    while True:
        newest = directory.checkpoint()
        if newest is None:
            logging.info("Waiting for a checkpoint in %s", directory.train_dir)
        elif newest != seen:
            seen = newest
            yield newest
            if 0 < num_steps <= int(newest.rpartition("-")[2]):
                return
            continue
        time.sleep(EVAL_INTERVAL_S)


def _shown(metrics):
    """The metrics of the whole, without those of each part of it."""
    parts = ("segment/", "/output_")
    return [name for name in sorted(metrics) if not any(p in name for p in parts)]


run = command.entry(main)

if __name__ == "__main__":
    sys.exit(run())

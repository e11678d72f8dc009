"""Train a model on NoteSequences, or evaluate its checkpoints.

    music_vae_train --config=groovae_4bar --run_dir=. --mode=train \\
        --examples_path=notesequences.tfrecord

A training that was stopped goes on from its last checkpoint when it is started again.
Beside it, on other examples:

    music_vae_train --config=groovae_4bar --run_dir=. --mode=eval \\
        --examples_path=validation.tfrecord
"""

from __future__ import annotations

import contextlib
import os
import random
import shlex
import signal
import sys

from absl import logging

from music_vae_tf.bin.command import (
    LARGEST_SEED,
    Command,
    UserError,
    writable_directory,
)
from music_vae_tf.bin.progress import progress
from music_vae_tf.bin.quiet import import_tensorflow

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
    "num_steps",
    200000,
    "Steps in all, those of earlier starts included; 0 trains until stopped.",
    at_least=0,
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
command.integer(
    "seed",
    None,
    "The same seed gives the same training; by default the one that the run_dir's "
    "training began with, or a random one.",
    at_least=0,
    at_most=LARGEST_SEED,
)
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
    from music_vae_tf.run_directory import RunDirectory

    directory = RunDirectory.at(flags.run_dir)
    record = directory.record()
    config = _config(flags, record)
    directory.check(config)
    run = _train if flags.mode == "train" else _evaluate
    run(flags, config, directory, record, _seed(flags, record))


def _refuse_parameter_servers(flags):
    for name in PARAMETER_SERVER_FLAGS:
        if flags[name].value not in (None, "", "0"):
            raise UserError(
                f"--{name} belonged to the parameter servers of TensorFlow 1, which "
                "are no more: leave it out. One process trains on the machine's own "
                "devices, and hparams.batch_size is its whole batch"
            )


def _config(flags, record):
    from music_vae_tf import config as configs

    config = configs.load(flags.config)
    if flags.mode == "eval" and record and record.config.name == config.name:
        config = record.config  # with the hparams of that training
    return configs.override(config, flags.hparams)


def _seed(flags, record) -> int:
    if flags.seed is not None:
        return flags.seed
    if record is not None:
        return record.seed
    # An evaluation gives the same numbers each time.
    return 0 if flags.mode == "eval" else random.SystemRandom().randrange(2**31)


def _source(flags, config, split):
    """NoteSequences of --examples_path, or of a TFDS set."""
    from music_vae_tf.data.source import Source

    if flags.examples_path and flags.tfds_name:
        raise UserError("give --examples_path or --tfds_name, not both")
    if flags.examples_path:
        return Source.of_files(os.path.expanduser(flags.examples_path))
    name = flags.tfds_name or config.dataset.tfds_name
    if not name:
        raise UserError(
            "--examples_path is missing: name a TFRecord file of NoteSequences, which "
            "convert_dir_to_note_sequences makes of a folder of MIDI"
        )
    return Source.of_data_set(name, split)


def _say_devices():
    tf = import_tensorflow()
    gpus = tf.config.list_physical_devices("GPU")
    names = [
        tf.config.experimental.get_device_details(gpu).get("device_name", gpu.name)
        for gpu in gpus
    ]
    logging.info("Devices: %s", ", ".join(names) or f"CPU, {os.cpu_count()} cores")


# Training.


def _train(flags, config, directory, record, seed):
    source = _source(flags, config, "train")
    writable_directory("run_dir", directory.train_dir)
    _say_devices()

    from music_vae_tf import build, training

    converter = build.converter(config)
    model = training.compiled_model(config, converter, seed)
    done = _start(flags, model, directory)
    if 0 < flags.num_steps <= done:
        logging.info("Already trained for %d steps: nothing to do", done)
        return
    batches = _training_batches(flags, config, converter, source, seed, done)
    if changes := record.changes(config, seed) if record else []:
        logging.info("Otherwise than before:\n  %s", "\n  ".join(changes))
    directory.write_record(config, seed)
    logging.info(
        "Training %s (%s weights) in %s, batches of %d, seed %d",
        *(config.name, f"{model.count_params():,}", directory.path),
        *(config.training.batch_size, seed),
    )
    watch = shlex.join(["tensorboard", f"--logdir={flags.run_dir}"])
    logging.info("Watch it with: %s", watch)
    writer = training.summary_writer(directory.train_dir, source.name, config)
    with source.failing_in_its_own_words():
        _train_to_the_end(flags, model, batches, directory, writer)
    _say_what_next(flags, directory)


def _start(flags, model, directory) -> int:
    """From the directory's checkpoint, or from the weights of another one, or from
    nothing; how many steps are done."""
    from music_vae_tf import checkpoint, training

    if flags.warm_start_checkpoint and directory.checkpoint():
        raise UserError(
            f"--warm_start_checkpoint starts a new training, and {directory.path} "
            "holds one already: name another --run_dir"
        )
    if flags.warm_start_checkpoint:
        path = os.path.expanduser(flags.warm_start_checkpoint)
        fit = checkpoint.warm_start(model.named_variables, path)
        logging.info("Starting from the weights in %s:\n%s", path, fit)
    newest = training.resume(model, directory.train_dir)
    done = int(model.optimizer.iterations)
    if newest is not None:
        logging.info("Going on from %s, at step %d", newest, done)
    return done


def _training_batches(flags, config, converter, source, seed, first_step):
    from music_vae_tf import build
    from music_vae_tf.data import pipeline

    augmenter = build.augmenter(config)
    augment = augmenter.augment if augmenter else None
    batch_size = config.training.batch_size
    if flags.cache_dataset:
        store = _examples(source, converter, batch_size, augment, seed)
        return pipeline.training_batches(store, batch_size, seed, first_step)
    logging.info("Reading %s anew in each epoch, without a cache", source.name)
    return pipeline.streaming_batches(
        source.read, converter, batch_size, seed, augment, first_step
    )


def _examples(source, converter, batch_size, *how):
    """All examples, a batch at least; says how many, and what was left out."""
    from music_vae_tf.data import pipeline

    with progress(None, "Reading", unit="NoteSequences") as bar:
        store, report = pipeline.extract_examples(
            _watched(source.read(), bar), converter, *how
        )
    report.require(batch_size)
    logging.info("%s: %s", source.name, report)
    return store


def _watched(items, bar):
    for item in items:
        yield item
        bar.advance()


def _train_to_the_end(flags, model, batches, directory, writer):
    from music_vae_tf import training

    saver = training.Saver(
        directory.train_dir,
        flags.checkpoints_to_keep,
        flags.keep_checkpoint_every_n_hours,
    )
    steps = progress(
        flags.num_steps or None,
        "Training",
        unit="steps",
        done=int(model.optimizer.iterations),
        note="compiling the first one",
    )
    try:
        with _sigterm_interrupts(), steps as bar:
            on_step = lambda loss: bar.advance(note=f"loss {loss:.4g}")
            training.train(model, batches, flags.num_steps, saver, writer, on_step)
    except KeyboardInterrupt:
        newest = directory.checkpoint()
        logging.info("Stopped. The same command goes on from %s", newest)
        raise


@contextlib.contextmanager
def _sigterm_interrupts():
    """While it lasts, SIGTERM ends the process as Ctrl-C does: with a checkpoint."""

    def interrupt(*_):
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _say_what_next(flags, directory):
    generate = shlex.join(
        [
            "music_vae_generate",
            f"--config={flags.config}",
            f"--run_dir={flags.run_dir}",
            "--mode=sample",
            "--num_outputs=5",
            "--output_dir=generated",
        ]
    )
    logging.info(
        "The checkpoint is %s. Hear what it has learned:\n    %s",
        *(directory.checkpoint(), generate),
    )


# Evaluation.


def _evaluate(flags, config, directory, record, seed):
    source = _source(flags, config, "validation")
    eval_dir = directory.eval_dir(flags.eval_dir_suffix)
    writable_directory("run_dir", eval_dir)
    _say_devices()

    from music_vae_tf import build, checkpoint, training
    from music_vae_tf.data import pipeline

    converter = build.converter(config)
    batch_size = config.training.batch_size
    store = _examples(source, converter, batch_size)
    batches = pipeline.evaluation_batches(store, batch_size, flags.eval_num_batches)
    model = training.compiled_model(config, converter, seed)
    evaluation = training.Evaluation(model, batches)
    writer = training.summary_writer(eval_dir, source.name, config)
    last = f", up to that of step {flags.num_steps}" if flags.num_steps else ""
    logging.info("Evaluating checkpoints in %s as they come%s", directory.path, last)
    for newest in directory.checkpoints(flags.num_steps, EVAL_INTERVAL_S):
        step, metrics = checkpoint.step_of(newest), evaluation.of_checkpoint(newest)
        training.write_scalars(writer, step, metrics)
        shown = ", ".join(f"{name} {metrics[name]:.4g}" for name in _shown(metrics))
        logging.info("Step %d: %s", step, shown)


def _shown(metrics):
    """The metrics of the whole, without those of each part of it."""
    parts = ("segment/", "/output_")
    return [name for name in sorted(metrics) if not any(p in name for p in parts)]


run = command.entry(main)

if __name__ == "__main__":
    sys.exit(run())

"""What every training command shares: its flags, and how a training goes.

A command adds flags that say what to train on, and a `Material` that they make:

    command = Command("music_vae_train", __doc__)
    add_training_flags(command, "batch_size=64,enc_rnn_size=[512]")
    command.string("examples_path", None, "TFRecord file of NoteSequences.")

    def main(flags):
        train_or_evaluate(flags, ["music_vae"], NoteSequences)
"""

from __future__ import annotations

import abc
import contextlib
import os
import random
import shlex
import signal

from absl import logging

from music_vae_tf.commands.command import (
    LARGEST_SEED,
    Command,
    Misuse,
    UserError,
    writable_directory,
)
from music_vae_tf.commands.progress import progress
from music_vae_tf.commands.quiet import import_tensorflow

RUN_DIR_HELP = (
    "Where checkpoints and summaries go: folders train and eval are made there."
)
EVAL_INTERVAL_S = 60  # as Magenta waits between two looks for a checkpoint


def add_training_flags(command: Command, hparams: str, other_modes=()) -> None:
    """The flags that all trainings have.

    Args:
        hparams: an example of what the command's configs have.
        other_modes: the command's own.
    """
    command.string("config", None, "Name of a config, or a YAML file.", required=True)
    command.string(
        "run_dir",
        None,
        RUN_DIR_HELP,
        required=not other_modes,
    )
    modes = ["train", "eval", *other_modes]
    command.enum("mode", "train", modes, "Train, or evaluate checkpoints.")
    command.integer(
        "num_steps",
        200000,
        "Steps in all, those of earlier starts included; 0 trains until stopped.",
        at_least=0,
    )
    command.integer(
        "eval_num_batches",
        None,
        "Batches of an evaluation; by default all.",
        at_least=1,
    )
    command.integer(
        "checkpoints_to_keep", 100, "The last ones; 0 keeps all.", at_least=0
    )
    command.integer(
        "keep_checkpoint_every_n_hours",
        1,
        "Keep one every so many hours too.",
        at_least=1,
    )
    command.string("hparams", "", f"Changed hyperparameters: {hparams}")
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
    command.boolean(
        "mixed_precision",
        False,
        "Multiply matrices of recurrent layers in bfloat16; weights, states, losses "
        "and checkpoints stay float32.",
    )
    command.enum(
        "strategy",
        "auto",
        ["auto", "single", "mirrored", "multiworker"],
        "Which devices train: one, all GPUs of this machine, or those of all machines "
        "in TF_CONFIG; hparams.batch_size is their batch together. By default the last "
        "with TF_CONFIG, the second with several GPUs, otherwise the first.",
    )


def rows_of(batches, rows: slice):
    """The data set of these rows of each batch."""
    return batches.map(lambda batch: type(batch)(*(tensor[rows] for tensor in batch)))


class Material(abc.ABC):
    """What a training command trains on: `Material(flags, config)`."""

    name: str  # of the data, for TensorBoard

    @abc.abstractmethod
    def __init__(self, flags, config):
        """Finds the data, or says what is missing; reads nothing that takes long."""

    @property
    @abc.abstractmethod
    def converter(self):
        """What `build.model` makes the model of the config as wide as."""

    @abc.abstractmethod
    def training_batches(self, seed: int, first_step: int):
        """A data set of Batches without end, the first of them that of `first_step`.

        Each depends on nothing but the seed and its step.
        """

    def training_rows(self, seed: int, first_step: int, rows: slice):
        """These rows of each of the training batches: a worker's share."""
        return rows_of(self.training_batches(seed, first_step), rows)

    @abc.abstractmethod
    def evaluation_batches(self, num_batches: int | None):
        """A data set of Batches that are the same each time; all if None."""

    def failing_in_its_own_words(self):
        """Context in which batches are made: errors leave as the data raised them."""
        return contextlib.nullcontext()

    @abc.abstractmethod
    def what_next(self) -> str:
        """A command line to go on with, once the training is done."""


def train_or_evaluate(flags, kinds, material_of, changed=lambda c: c) -> None:
    """Trains, or evaluates the checkpoints of a training as they come.

    Args:
        kinds: of model, that the command trains.
        material_of: a class of `Material`.
        changed: the config that is asked for -> what other flags make of it.
    """
    from music_vae_tf.run_directory import RunDirectory

    if not flags.run_dir:
        raise Misuse(f"--run_dir is required to {flags.mode}: {RUN_DIR_HELP}")
    directory = RunDirectory.at(flags.run_dir)
    record = directory.record()
    config = changed(_config(flags, record, kinds))
    directory.check(config)
    run = _train if flags.mode == "train" else _evaluate
    run(flags, config, directory, record, material_of(flags, config))


def _config(flags, record, kinds):
    from music_vae_tf import config as configs

    config = configs.load(flags.config, *kinds)
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


def _use_devices(tf):
    """Says which there are, and sets TensorFlow up for a CPU's cores if that is all."""
    gpus = tf.config.list_physical_devices("GPU")
    names = [
        tf.config.experimental.get_device_details(gpu).get("device_name", gpu.name)
        for gpu in gpus
    ]
    logging.info("Devices: %s", ", ".join(names) or f"CPU, {os.cpu_count()} cores")
    if not gpus:
        from music_vae_tf.models import lanes

        lanes.set_up_training()


# Training.


def _train(flags, config, directory, record, material):
    writable_directory("run_dir", directory.train_dir)
    tf = import_tensorflow()
    _use_devices(tf)
    strategy = _strategy(flags)

    from music_vae_tf import strategies, training

    seed = _seed(flags, record)
    if flags.seed is None and record is None and strategies.is_multiworker(strategy):
        raise UserError(
            "give all workers the same --seed: nothing else makes them agree"
        )
    is_chief = strategies.is_chief(strategy)
    model = training.compiled_model(
        config, material.converter, seed, strategy, flags.mixed_precision
    )
    done = _start(flags, model, directory, _vocabulary(material), is_chief)
    strategies.check_same_step(strategy, done)
    if 0 < flags.num_steps <= done:
        logging.info("Already trained for %d steps: nothing to do", done)
        return
    rows = strategies.rows_of_worker(strategy, config.training.batch_size)
    batches = material.training_rows(seed, done, rows)
    if changes := record.changes(config, seed) if record else []:
        logging.info("Otherwise than before:\n  %s", "\n  ".join(changes))
    if is_chief:
        directory.write_record(config, seed)
    logging.info(
        "Training %s (%s weights) in %s, batches of %d, seed %d",
        *(config.name, f"{model.count_params():,}", directory.path),
        *(config.training.batch_size, seed),
    )
    watch = shlex.join(["tensorboard", f"--logdir={flags.run_dir}"])
    logging.info("Watch it with: %s", watch)
    writer = tf.summary.create_noop_writer()
    if is_chief:
        writer = training.summary_writer(directory.train_dir, material.name, config)
    with material.failing_in_its_own_words():
        _train_to_the_end(flags, model, batches, directory, writer, strategy)
    newest = directory.checkpoint()
    logging.info("The checkpoint is %s. %s", newest, material.what_next())


def _vocabulary(material):
    """What the tokens are, where the music is made of tokens."""
    return getattr(material.converter, "token_vocabulary", None)


def _strategy(flags):
    """Where training takes place; says so."""
    from music_vae_tf import strategies

    strategy = strategies.named(flags.strategy)
    if strategy.num_replicas_in_sync > 1:
        logging.info(
            "%d devices train together, %s",
            strategy.num_replicas_in_sync,
            "this process writes checkpoints"
            if strategies.is_chief(strategy)
            else "another process writes checkpoints",
        )
    return strategy


def _start(flags, model, directory, vocabulary, is_chief) -> int:
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
        if vocabulary is not None:
            checkpoint.check_vocabulary(path, vocabulary)
        fit = checkpoint.warm_start(model.named_variables, path)
        logging.info("Starting from the weights in %s:\n%s", path, fit)
    if vocabulary is not None and is_chief:
        checkpoint.keep_vocabulary(directory.train_dir, vocabulary)
    newest = training.resume(model, directory.train_dir)
    done = model.steps_taken
    if newest is not None:
        logging.info("Going on from %s, at step %d", newest, done)
    return done


def _train_to_the_end(flags, model, batches, directory, writer, strategy):
    from music_vae_tf import strategies, training

    saver = training.Saver(
        directory.train_dir,
        flags.checkpoints_to_keep,
        flags.keep_checkpoint_every_n_hours,
        strategies.is_chief(strategy),
    )
    steps = progress(
        flags.num_steps or None,
        "Training",
        unit="steps",
        done=model.steps_taken,
        note="compiling the first one",
    )
    try:
        with _sigterm_interrupts(), steps as bar:
            on_step = lambda loss: bar.advance(note=f"loss {loss:.4g}")
            training.train(
                model, batches, flags.num_steps, saver, writer, on_step, strategy
            )
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


# Evaluation.


def _evaluate(flags, config, directory, record, material):
    eval_dir = directory.eval_dir(flags.eval_dir_suffix)
    writable_directory("run_dir", eval_dir)
    _use_devices(import_tensorflow())

    from music_vae_tf import checkpoint, training

    batches = material.evaluation_batches(flags.eval_num_batches)
    model = training.compiled_model(config, material.converter, _seed(flags, record))
    evaluation = training.Evaluation(model, batches)
    writer = training.summary_writer(eval_dir, material.name, config)
    last = f", up to that of step {flags.num_steps}" if flags.num_steps else ""
    logging.info("Evaluating checkpoints in %s as they come%s", directory.path, last)
    for newest in directory.checkpoints(flags.num_steps, EVAL_INTERVAL_S):
        if (vocabulary := _vocabulary(material)) is not None:
            checkpoint.check_vocabulary(newest, vocabulary)
        step, metrics = checkpoint.step_of(newest), evaluation.of_checkpoint(newest)
        training.write_scalars(writer, step, metrics)
        shown = ", ".join(f"{name} {metrics[name]:.4g}" for name in _shown(metrics))
        logging.info("Step %d: %s", step, shown)


def _shown(metrics):
    """The metrics of the whole, without those of each part of it."""
    parts = ("segment/", "/output_")
    return [name for name in sorted(metrics) if not any(p in name for p in parts)]

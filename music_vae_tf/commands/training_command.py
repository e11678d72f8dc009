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
import math
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
from music_vae_tf.quiet import import_tensorflow

RUN_DIR_HELP = (
    "Where checkpoints and summaries go: folders train and eval are made there."
)
KEPT_BYTES = 10**9  # of all checkpoints, where nothing is said of their number
MAGENTAS_TO_KEEP = 100
VALIDATED_BATCHES = 10  # at most, so that validating costs little
EVAL_INTERVAL_S = 60  # as Magenta waits between two looks for a checkpoint


def add_training_flags(command: Command, hparams: str, other_modes=()) -> None:
    """The flags that all trainings have.

    Args:
        hparams: an example of what the command's configs have.
        other_modes: the command's own.
    """
    command.lists_configs()
    command.string(
        "config",
        None,
        "Name of a config, or a YAML file; by default what the run_dir trains.",
    )
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
        "Steps in all, those of earlier starts included; 0 trains until stopped. By "
        "default those that the run_dir's training was started with.",
        at_least=0,
    )
    command.integer(
        "eval_num_batches",
        None,
        "Batches of an evaluation; by default all.",
        at_least=1,
    )
    command.integer(
        "checkpoints_to_keep",
        None,
        "The last ones; 0 keeps all, 100 is Magenta's default. By default as many as "
        "take less than a gigabyte, at most 100.",
        at_least=0,
    )
    command.integer(
        "keep_checkpoint_every_n_hours",
        None,
        "Keep one every so many hours too; by default none, and with "
        "checkpoints_to_keep one an hour, as Magenta.",
        at_least=1,
    )
    _add_validation_flags(command)
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


def _add_validation_flags(command: Command) -> None:
    command.float(
        "holdout",
        0.0,
        "Share of the music, whole files, that is not trained on but validated on: 0.1",
        at_least=0,
    )
    command.string(
        "validation_path", None, "Examples to validate on, in place of a holdout."
    )
    command.integer(
        "validation_interval", 100, "Steps between two validations.", at_least=1
    )
    command.integer(
        "patience",
        10,
        "Validations without a new lowest loss, after which it has stopped falling.",
        at_least=1,
    )
    command.boolean(
        "early_stop",
        False,
        "End when the validation loss has stopped falling. Its best checkpoint is kept "
        "in run_dir/train/best, and is what models are then generated from.",
    )


def rows_of(batches, rows: slice):
    """The data set of these rows of each batch."""
    return batches.map(lambda batch: type(batch)(*(tensor[rows] for tensor in batch)))


class Material(abc.ABC):
    """What a training command trains on: `Material(flags, config)`."""

    name: str  # of the data, for TensorBoard
    data_flags: tuple[str, ...] = ("examples_path",)  # which a run directory keeps
    holdout_seed = 0  # that decided what is held out, set before anything is read

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

    def validation_batches(self, num_batches: int):
        """A data set of Batches to validate on, the last as large as is left; None
        where nothing is to be validated on.

        Raises:
            UserError: something is, and this command cannot.
        """
        for name in ("holdout", "validation_path"):
            if self._flags[name].value:
                raise UserError(f"--{name}: this command does not validate on it")

    def training_rows(self, seed: int, first_step: int, rows: slice, worker=(0, 1)):
        """These rows of each of the training batches: the share of a worker, which is
        (its index, how many there are)."""
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
    changes = _fill_in(flags, directory.flags(), material_of.data_flags)
    _check_validation(flags)
    material = material_of(flags, config)
    material.holdout_seed = directory.flags().get("holdout_seed")
    if flags.mode == "train":
        _train(flags, config, directory, record, material, changes)
    else:
        _evaluate(flags, config, directory, record, material)


def _config(flags, record, kinds):
    from music_vae_tf import config as configs

    if not flags.config and record is None:
        raise Misuse(f"--config is required where nothing was trained: {flags.run_dir}")
    if not flags.config:
        config = record.config
        if config.kind not in kinds:
            raise UserError(
                f"{flags.run_dir} holds a training of config {config.name}, a model of "
                f"kind {config.kind}; expected {' or '.join(kinds)}"
            )
        return configs.override(config, flags.hparams)
    config = configs.load(flags.config, *kinds)
    if flags.mode == "eval" and record and record.config.name == config.name:
        config = record.config  # with the hparams of that training
    return configs.override(config, flags.hparams)


# What a run directory keeps of the command line, beside the config.

KEPT_FLAGS = (
    "num_steps",
    "checkpoints_to_keep",
    "keep_checkpoint_every_n_hours",
    "mixed_precision",
    "holdout",
    "validation_path",
    "validation_interval",
    "patience",
    "early_stop",
)
PATH_FLAGS = ("examples_path", "validation_path", "data_dir", "cvae_run_dir")
ONE_OF_TWO = {
    "examples_path": "tfds_name",
    "tfds_name": "examples_path",
    "holdout": "validation_path",
    "validation_path": "holdout",
}


def _kept_value(flags, name):
    """As it is kept: a path that means the same in every folder."""
    value = flags[name].value
    if name in PATH_FLAGS and value:
        return os.path.abspath(os.path.expanduser(value))
    return value


def _fill_in(flags, kept: dict, data_flags) -> list[str]:
    """Gives flags that are not on the command line the values that the run directory
    keeps; what is otherwise than there, a line for each."""
    changes = []
    for name in (*KEPT_FLAGS, *data_flags):
        if name not in kept:
            continue
        if flags[name].present:
            if (now := _kept_value(flags, name)) != kept[name]:
                changes.append(f"{name}: {kept[name]} there, {now} now")
        elif not (name in ONE_OF_TWO and flags[ONE_OF_TWO[name]].present):
            flags[name].value = kept[name]
    return changes


def _keep_flags(flags, directory, material):
    names = (*KEPT_FLAGS, *material.data_flags)
    kept = {name: _kept_value(flags, name) for name in names}
    directory.write_flags({**kept, "holdout_seed": material.holdout_seed})


def _check_validation(flags):
    if not flags.holdout < 1:
        raise UserError(f"--holdout={flags.holdout}: expected a share below 1, as 0.1")
    if flags.holdout and flags.validation_path:
        raise UserError("give --holdout or --validation_path, not both")


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
        from music_vae_tf.models import shards

        shards.set_up_training()


# Training.


def _train(flags, config, directory, record, material, changes):
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
    if material.holdout_seed is None:
        material.holdout_seed = seed
    model = training.compiled_model(
        config, material.converter, seed, strategy, flags.mixed_precision
    )
    done = _start(flags, model, directory, _vocabulary(material), is_chief)
    strategies.check_same_step(strategy, done)
    if 0 < flags.num_steps <= done:
        logging.info(
            "Already trained for %d steps: nothing to do. A larger --num_steps goes on",
            done,
        )
        return
    rows = strategies.rows_of_worker(strategy, config.training.batch_size)
    worker = strategies.share_of_worker(strategy)
    batches = material.training_rows(seed, done, rows, worker)
    validated = material.validation_batches(flags.eval_num_batches or VALIDATED_BATCHES)
    if flags.early_stop and validated is None:
        raise UserError(
            "--early_stop needs something to validate on: --holdout=0.1 holds out a "
            "tenth of the music, --validation_path names examples of their own"
        )
    if record:
        changes = [*record.changes(config, seed), *changes]
    if changes:
        logging.info("Otherwise than before:\n  %s", "\n  ".join(changes))
    if is_chief:
        directory.write_record(config, seed)
        _keep_flags(flags, directory, material)
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
    saver = _saver(flags, model, directory, is_chief)
    validation = _validation(flags, model, validated, saver, writer, strategy)
    with material.failing_in_its_own_words():
        _train_to_the_end(
            flags, model, batches, directory, writer, strategy, saver, validation
        )
    if validation and validation.best and (best := directory.best()):
        logging.info(
            "The lowest validation loss was %.4g, at step %d: %s",
            *(validation.best[1], validation.best[0], best),
        )
    newest = directory.checkpoint()
    logging.info("The checkpoint is %s. %s", newest, material.what_next())


def _saver(flags, model, directory, is_chief):
    """What keeps checkpoints; says how many."""
    from music_vae_tf import training

    to_keep, hours = flags.checkpoints_to_keep, flags.keep_checkpoint_every_n_hours
    if to_keep is None:
        size = training.checkpoint_bytes(model)
        # Beside them there is the best one, and one while it is written.
        to_keep = min(max(KEPT_BYTES // size - 2, 1), MAGENTAS_TO_KEEP)
        logging.info(
            "Keeping the last %s, %.3g MB each (--checkpoints_to_keep changes that)",
            "checkpoint" if to_keep == 1 else f"{to_keep} checkpoints",
            size / 1e6,
        )
    elif hours is None:
        hours = 1  # as Magenta
    return training.Saver(directory.train_dir, to_keep, hours or math.inf, is_chief)


def _validation(flags, model, batches, saver, writer, strategy):
    """What measures while the model trains; None where there is nothing to measure."""
    from music_vae_tf import strategies, training

    rule = training.ValidationRule(
        flags.validation_interval, flags.patience, flags.early_stop
    )
    strategies.check_same_rule(strategy, (*rule, batches is not None))
    if batches is None:
        return None
    logging.info("Validating every %d steps", rule.every_n_steps)
    evaluation = training.Evaluation(model, batches) if saver.is_chief else None
    return training.Validation(
        evaluation, saver, writer, rule, strategy, model.steps_taken
    )


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


def _train_to_the_end(
    flags, model, batches, directory, writer, strategy, saver, validation
):
    from music_vae_tf import training

    def on_step(loss):
        note = f"loss {loss:.4g}"
        if validation and validation.newest_loss is not None:
            note += f", validation loss {validation.newest_loss:.4g}"
        bar.advance(note=note)

    steps = progress(
        flags.num_steps or None,
        "Training",
        unit="steps",
        done=model.steps_taken,
        note="compiling the first one",
    )
    try:
        with (
            _sigterm_interrupts(),
            _state_kept(directory, model, saver.is_chief, validation, flags.num_steps),
            steps as bar,
        ):
            training.train(
                *(model, batches, flags.num_steps, saver, writer, on_step, strategy),
                validation=validation,
            )
    except KeyboardInterrupt:
        newest = directory.checkpoint()
        logging.info("Stopped. The same command goes on from %s", newest)
        raise


@contextlib.contextmanager
def _state_kept(directory, model, is_chief, validation, num_steps):
    """Lets an evaluation know, through the run directory, that the training goes on,
    and how it ended."""
    from music_vae_tf import run_directory

    def write(state):
        if is_chief:
            directory.write_state(state, model.steps_taken)

    write("training")
    try:
        yield
    except BaseException as error:
        interrupted = isinstance(error, KeyboardInterrupt)
        write(run_directory.INTERRUPTED if interrupted else run_directory.FAILED)
        raise
    early = validation and not (0 < num_steps <= model.steps_taken)
    write(run_directory.STOPPED_EARLY if early else run_directory.FINISHED)


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

    if material.holdout_seed is None:
        material.holdout_seed = _seed(flags, record)
    batches = material.evaluation_batches(flags.eval_num_batches)
    model = training.compiled_model(config, material.converter, _seed(flags, record))
    evaluation = training.Evaluation(model, batches)
    writer = training.summary_writer(eval_dir, material.name, config)
    last = f", up to that of step {flags.num_steps}" if flags.num_steps else ""
    logging.info("Evaluating checkpoints in %s as they come%s", directory.path, last)
    asked = flags.num_steps if flags["num_steps"].present else None
    waiting = _Waiting(directory)
    for newest in directory.checkpoints(asked, EVAL_INTERVAL_S, waiting):
        if (vocabulary := _vocabulary(material)) is not None:
            checkpoint.check_vocabulary(newest, vocabulary)
        step, metrics = checkpoint.step_of(newest), evaluation.of_checkpoint(newest)
        training.write_scalars(writer, step, metrics)
        shown = ", ".join(f"{name} {metrics[name]:.4g}" for name in _shown(metrics))
        logging.info("Step %d: %s", step, shown)
    logging.info("%s", waiting.conclusion())


class _Waiting:
    """Says what an evaluation waits for, once for each checkpoint."""

    def __init__(self, directory):
        self._directory, self._said = directory, set()

    def __call__(self, seen):
        if seen in self._said:
            return
        self._said.add(seen)
        after = f"after {seen}" if seen else f"in {self._directory.train_dir}"
        logging.info(
            "Waiting for the next checkpoint %s; Ctrl-C ends the evaluation. Should "
            "its training have been killed, none will come before it is started again",
            after,
        )

    def conclusion(self) -> str:
        state = self._directory.state() or "at its last step"
        return f"The evaluation ends with the training, which is {state}."


def _shown(metrics):
    """The metrics of the whole, without those of each part of it."""
    parts = ("segment/", "/output_")
    return [name for name in sorted(metrics) if not any(p in name for p in parts)]

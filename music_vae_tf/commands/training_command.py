"""What every training command shares: its flags, and the call that they make.

A command adds flags that say what to train on:

    command = Command("music_vae_train", __doc__)
    add_training_flags(command, "batch_size=64,enc_rnn_size=[512]")
    command.string("examples_path", None, "TFRecord file of NoteSequences.")

    def main(flags):
        train_or_evaluate(flags, ["music_vae"], "examples_path", what_next)
"""

from __future__ import annotations

import logging
from collections.abc import Callable

from music_vae_tf import cluster
from music_vae_tf.commands.command import LARGEST_SEED, Command, Misuse
from music_vae_tf.commands.progress import progress
from music_vae_tf.quiet import import_tensorflow
from music_vae_tf.training.options import DEFAULTS, FLAGS

log = logging.getLogger("music_vae_tf")

RUN_DIR_HELP = (
    "Where checkpoints and summaries go: folders train and eval are made there."
)


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
    _add_length_flags(command, ["train", "eval", *other_modes])
    _add_checkpoint_flags(command)
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
        "Checkpoint whose weights a new training starts from, with a fresh optimizer; "
        '"pretrained" is the config\'s pretrained model.',
    )
    _add_device_flags(command)


def _add_length_flags(command: Command, modes) -> None:
    command.enum("mode", "train", modes, "Train, or evaluate checkpoints.")
    command.integer(
        "num_steps",
        DEFAULTS["num_steps"],
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


def _add_checkpoint_flags(command: Command) -> None:
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


def _add_device_flags(command: Command) -> None:
    command.boolean(
        "mixed_precision",
        False,
        "Compute recurrent layers and convolutions in bfloat16; weights, states, "
        "losses and checkpoints stay float32.",
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
        "validation_interval",
        DEFAULTS["validation_interval"],
        "Steps between two validations.",
        at_least=1,
    )
    command.integer(
        "patience",
        DEFAULTS["patience"],
        "Validations without a new lowest loss, after which it has stopped falling.",
        at_least=1,
    )
    command.boolean(
        "early_stop",
        False,
        "End when the validation loss has stopped falling. Its best checkpoint is kept "
        "in run_dir/train/best, and is what models are then generated from.",
    )


def train_or_evaluate(
    flags,
    kinds,
    data_flag: str,
    what_next: Callable[[object], str],
    changed: Callable = lambda config: config,
    hparams: str | None = None,
) -> None:
    """Trains, or evaluates the checkpoints of a training as they come.

    Args:
        kinds: of model, that the command trains.
        data_flag: the flag that names what to train on.
        what_next: the config -> a command line to go on with, once that is done.
        changed: the config that is asked for -> what other flags make of it.
        hparams: changed hyperparameters; by default those of the flag.
    """
    import dataclasses

    from music_vae_tf.training import EvaluationOptions, TrainingOptions

    if not flags.run_dir:
        raise Misuse(f"--run_dir is required to {flags.mode}: {RUN_DIR_HELP}")
    is_training = flags.mode == "train"
    if is_training:
        _leave_sigterm_to_the_main_thread()
    options = _options(flags, TrainingOptions if is_training else EvaluationOptions)
    hparams = flags.hparams if hparams is None else hparams
    config = changed(
        _config(flags, dataclasses.replace(options, hparams=hparams), kinds)
    )
    data = _given(flags, data_flag)
    if is_training:
        _train(config, data, flags.run_dir, options, what_next)
    else:
        _evaluate(config, data, flags.run_dir, options)


def _options(flags, cls):
    """The options that the command line gives; all others are left to `train`."""
    import dataclasses

    names = {field.name for field in dataclasses.fields(cls)} - {"data"}
    values = {
        name: _given(flags, flag)
        for name in names
        if (flag := FLAGS.get(name, name)) in flags
    }
    given = {name: value for name, value in values.items() if value is not None}
    given |= {"hparams": "", "progress": progress}  # the config has its hparams
    return cls(**given, **({"wait": True} if "wait" in names else {}))


def _given(flags, name: str):
    """The value of a flag on the command line; None where it is not, or is empty."""
    value = flags[name].value if flags[name].present else None
    return None if value == "" else value


def _config(flags, options, kinds):
    from music_vae_tf.run_directory import RunDirectory
    from music_vae_tf.training.request import resolved_config

    directory = RunDirectory.at(flags.run_dir)
    return resolved_config(flags.config, options, directory, kinds)


def _leave_sigterm_to_the_main_thread():
    """Of several workers, one that waits for the others is to see it: the threads that
    NumPy and TensorFlow start are not to take it."""
    if cluster.workers():
        with cluster.sigterm_pending():
            import_tensorflow()


def _train(config, data, run_dir, options, what_next) -> None:
    from music_vae_tf.training.run import TrainingInterrupted, train_with

    try:
        result = train_with(
            config, data, run_dir, options, start_tensorflow=import_tensorflow
        )
    except TrainingInterrupted as interrupt:
        log.info(
            "Stopped. Run the same command again to resume from %s",
            interrupt.checkpoint,
        )
        raise
    if not result.was_complete:
        log.info("The checkpoint is %s. %s", result.checkpoint, what_next(config))


def _evaluate(config, data, run_dir, options) -> None:
    from music_vae_tf.training.evaluation import evaluate_with

    evaluate_with(config, data, run_dir, options, start_tensorflow=import_tensorflow)

"""What commands share that work with a trained MusicVAE: the flags that name it."""

from __future__ import annotations

import logging
import re
from pathlib import Path

from music_vae_tf.commands.command import Command, UserError
from music_vae_tf.commands.drums_flag import add_drums, with_drums
from music_vae_tf.quiet import import_tensorflow

log = logging.getLogger("music_vae_tf")


def add_model_flags(command: Command) -> None:
    """The flags that name a trained model, and its drums."""
    add_checkpoint_flags(command)
    add_drums(command)


def add_checkpoint_flags(command: Command) -> None:
    """The flags that name a trained model."""
    command.string(
        "run_dir",
        None,
        "Directory of a training; the checkpoint of its lowest validation loss is "
        "used, or its newest one where it did not validate.",
    )
    command.string(
        "checkpoint_file",
        None,
        "A checkpoint instead of a run_dir: prefix, .index, .tar or .safetensors file, "
        "or hf://user/repository.",
    )
    command.string(
        "config",
        None,
        "Name of the config, or a YAML file; by default what the run_dir was trained "
        "with. With neither run_dir nor checkpoint_file: its pretrained model.",
    )


def config_and_checkpoint(flags, kinds=("music_vae",)):
    """The config that was trained, with --drums, and the path of a checkpoint of it.

    kinds: of models that are accepted; empty for all.

    Raises:
        UserError: none is named, or two; or they do not go together.
    """
    config, checkpoint = named_model(flags, kinds)
    return with_drums(config, flags.drums), checkpoint


def named_model(flags, kinds):
    """The config and the checkpoint that the flags of `add_checkpoint_flags` name.

    Raises:
        UserError: as `config_and_checkpoint`.
    """
    from music_vae_tf import config as configs

    if flags.run_dir is not None and flags.checkpoint_file is not None:
        raise UserError("give --run_dir or --checkpoint_file, not both")
    asked = configs.load(flags.config, *kinds) if flags.config else None
    if flags.run_dir is None and flags.checkpoint_file is None:
        return _pretrained(asked)
    if flags.run_dir is not None:
        return config_of_run(flags.run_dir, asked, kinds)
    return _of_file(flags.checkpoint_file, asked, kinds)


def _of_file(path, asked, kinds):
    """The config and the path of a checkpoint; the file may hold its own config."""
    from music_vae_tf import config as configs
    from music_vae_tf.checkpoint import config_in, hub

    path = hub.download(path) if path.startswith(hub.SCHEME) else path
    # What is not there is missed when the model is loaded, after all flags are checked.
    stored = config_in(path) if Path(path).expanduser().is_file() else None
    if stored is None and asked is None:
        raise UserError(
            "--checkpoint_file needs --config, which it is one of: only a .tar or "
            ".safetensors of music_vae_export holds its own config"
        )
    if stored is None:
        return asked, path
    title = re.match(r"# Config (\S+)\n", stored)
    config = configs.parse(stored, title[1] if title else Path(path).stem)
    _check_fits(config, asked, kinds, f"{path} holds a model")
    return config, path


def _pretrained(asked):
    """The config and the weights of the pretrained model of the config asked for."""
    from music_vae_tf import pretrained

    if asked is None:
        raise UserError(
            "name a model: --config plays its pretrained model "
            f"({', '.join(pretrained.names())}), --run_dir a training of yours, "
            "--checkpoint_file with --config any other checkpoint"
        )
    path = pretrained.weights_path(asked.name)
    pretrained.check(asked)
    log.info("%s", pretrained.introduction(asked.name))
    return pretrained.config(asked.name), path


def config_of_run(run_dir: str, asked=None, kinds=("music_vae",)):
    """The config that was trained in a run directory, and the directory's path.

    asked: the config that is expected there, if one is.
    """
    from music_vae_tf.run_directory import RunDirectory

    directory = RunDirectory.at(run_dir)
    if not directory.path.is_dir():
        raise UserError(f"--run_dir={run_dir}: there is no such directory")
    record = directory.record()
    if record is None and asked is None:
        raise UserError(
            f"{directory.path} does not say what was trained there: give --config"
        )
    if record is not None:
        holds = f"{directory.path} holds a training"
        _check_fits(record.config, asked, kinds, holds)
        # The sizes of that training, which --hparams may have changed.
        asked = record.config
    import_tensorflow()  # which finds the best checkpoint, and would import it slowly
    chosen = directory.to_generate_from()
    if chosen != str(directory.path):
        log.info(
            "The checkpoint of the lowest validation loss is used, %s. "
            "--checkpoint_file, with --config, takes another",
            chosen,
        )
    return asked, chosen


def _check_fits(config, asked, kinds, holds):
    """holds: how a message begins: `run holds a training`.

    Raises:
        UserError: the config that is there is another one than asked for.
    """
    if kinds and config.kind not in kinds:
        raise UserError(
            f"{holds} of config {config.name}, of kind {config.kind}; one of kind "
            f"{' or '.join(kinds)} is expected"
        )
    if asked is not None and asked.name != config.name:
        raise UserError(
            f"{holds} of config {config.name}, and --config={asked.name} was asked "
            "for: leave out --config, or name the other model"
        )


def converter_of(config, path):
    """The converter of a config, with the labels of a checkpoint where it needs them.

    Raises:
        UserError: a clef LSTM's labels are not with its checkpoint.
    """
    from music_vae_tf import build

    converter = build.converter(config)
    if config.kind != "clef_lstm":
        return converter
    return converter.windows(labels_of(path))


def labels_of(path):
    """The labels of a clef LSTM's checkpoint, {staff: Labels}.

    Raises:
        UserError: they are not with it, or damaged.
    """
    from music_vae_tf import checkpoint
    from music_vae_tf.checkpoint.companions import LABELS
    from music_vae_tf.data.clefs import labels

    text = checkpoint.companions(path).get(LABELS)
    if text is None:
        raise UserError(
            f"{path}: {LABELS} is not beside the checkpoint; without it the classes of "
            "a clef LSTM mean nothing. clef_lstm_train writes it into run_dir/train"
        )
    try:
        return labels.from_json(text)
    except labels.BadLabels as error:
        raise UserError(f"{path}: {LABELS}: {error}") from error


def restored(config, converter, path):
    """A model with the weights of a checkpoint, and the step they are of; -1 where
    neither its name nor its metadata tell."""
    from music_vae_tf import build, checkpoint, pretrained

    if converter.token_vocabulary is not None:
        checkpoint.check_vocabulary(path, converter.token_vocabulary)
    model = build.uninitialized_model(config, converter)
    found = checkpoint.find(path)
    checkpoint.restore(model.named_variables, found)
    log.info("Restored %s", found)
    step = checkpoint.step_of(found)
    return model, pretrained.step_of(found) if pretrained.is_weights(found) else step

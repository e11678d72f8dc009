"""What the commands of class rolls share: the trained models that they read."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

from music_vae_tf.commands.command import Command, UserError
from music_vae_tf.quiet import import_tensorflow


def add_model_flags(command: Command) -> None:
    """The flags that name a trained VAE, and a decoder of what follows its rolls."""
    command.string("run_dir", None, "Where a conv_cvae was trained.")
    command.string(
        "clstm_run_dir",
        None,
        "Where a clstm_decoder was trained on its latents, to go on for 20 s.",
    )
    command.string(
        "torch_weights", None, "PyTorch checkpoint of a conv_cvae; instead of run_dir."
    )
    command.string(
        "clstm_torch_weights",
        None,
        "PyTorch checkpoint of a clstm_decoder; instead of clstm_run_dir.",
    )


LATENTS_OF = "latents_of"  # in the train directory of a clstm_decoder


def record_latents(run_dir: str, cvae) -> None:
    """Notes in a clstm_decoder's run directory which VAE's latents it is trained on.

    Raises:
        UserError: it was trained on those of another one.
    """
    from music_vae_tf.data.whole_file import whole_file

    check_latents(run_dir, cvae)
    with whole_file(_latents_file(run_dir)) as file:
        file.write(f"{_fingerprint(cvae)}\n".encode())


def check_latents(run_dir: str, cvae) -> None:
    """Sees that the clstm_decoder of a run directory reads latents of this VAE.

    Raises:
        UserError: it was trained on those of another one, or of other weights of it.
    """
    file = _latents_file(run_dir)
    if file.is_file() and file.read_text().strip() != _fingerprint(cvae):
        raise UserError(
            f"{run_dir} was trained on latents of other weights than those of this "
            "conv_cvae: name the one that it was trained with, as it was, or train "
            "it anew in another directory"
        )


def _latents_file(run_dir) -> Path:
    return Path(os.path.expanduser(run_dir), "train", LATENTS_OF)


def _fingerprint(cvae) -> str:
    """Tells the encoder's weights from others."""
    import numpy as np

    digest = hashlib.sha256()
    for variable in cvae.encoder.weights:
        digest.update(np.array(variable).tobytes())
    return digest.hexdigest()


def trained_roll_vae(flags, seed: int | None):
    """The models that the flags name, as a TrainedRollVae, and their converter.

    Raises:
        UserError: none is named, or two for one thing, or of two kinds of rolls.
    """
    import_tensorflow()

    from music_vae_tf.generation.piano_roll import TrainedRollVae

    _check_one_of_two(flags, "run_dir", "torch_weights")
    _check_one_of_two(flags, "clstm_run_dir", "clstm_torch_weights")
    cvae, converter = _model(flags, "conv_cvae", "run_dir", "torch_weights")
    if cvae is None:
        raise UserError(
            "--run_dir is missing: name the one of a piano_roll_vae_train of a "
            "conv_cvae, or a PyTorch checkpoint with --torch_weights"
        )
    clstm, its_converter = _model(
        flags, "clstm_decoder", "clstm_run_dir", "clstm_torch_weights"
    )
    if clstm and (its_converter, clstm.z_size) != (converter, cvae.z_size):
        raise UserError(
            "the clstm_decoder was trained on other rolls or latents than those of the "
            "conv_cvae: give the one that was trained with --cvae_run_dir="
            f"{flags.run_dir}"
        )
    if flags.clstm_run_dir:
        check_latents(flags.clstm_run_dir, cvae)
    return TrainedRollVae(cvae, clstm, seed), converter


def _check_one_of_two(flags, one, other):
    if flags[one].value and flags[other].value:
        raise UserError(f"give --{one} or --{other}, not both")


def _model(flags, kind, run_dir_flag, torch_flag):
    """The model that one of two flags names, and its converter; nothing without."""
    from music_vae_tf import build
    from music_vae_tf import config as configs
    from music_vae_tf.checkpoint import torch_weights

    run_dir, torch_path = flags[run_dir_flag].value, flags[torch_flag].value
    if run_dir:
        config = config_of_run(run_dir_flag, run_dir, kind)
        converter = build.converter(config)
        return restored_model(config, converter, run_dir), converter
    if not torch_path:
        return None, None
    config = configs.load(kind)
    converter = build.converter(config)
    model = build.model(config, converter)
    torch_weights.restore(model.named_variables, torch_path, kind)
    return model, converter


def config_of_run(flag: str, run_dir: str, kind: str):
    """The config of the training in a run directory that a flag names.

    Raises:
        UserError: none is there, or one of another kind of model.
    """
    from music_vae_tf.run_directory import RunDirectory

    record = RunDirectory.at(run_dir).record()
    if record is None:
        raise UserError(
            f"--{flag}={run_dir}: no training is recorded there; the --run_dir of a "
            f"piano_roll_vae_train of a {kind} is expected"
        )
    if record.config.kind != kind:
        raise UserError(
            f"--{flag}={run_dir} holds a training of config {record.config.name}, "
            f"which is a {record.config.kind}; one of a {kind} is expected"
        )
    return record.config


def restored_model(config, converter, run_dir: str):
    """The model of a config with the weights of the run directory's newest
    checkpoint, or of its best where the training stopped early."""
    from music_vae_tf import build, checkpoint
    from music_vae_tf.run_directory import RunDirectory

    model = build.uninitialized_model(config, converter)
    found = RunDirectory.at(run_dir).to_generate_from()
    checkpoint.restore(model.named_variables, found)
    return model

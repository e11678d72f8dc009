"""What the commands of class rolls share: the trained models that they read."""

from __future__ import annotations

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


def trained_roll_vae(flags, seed: int | None, with_priors: bool = False):
    """The models that the flags name, as a TrainedRollVae, and their converter.

    with_priors: and the priors that its training has kept.

    Raises:
        UserError: none is named, or two for one thing, or of two kinds of rolls.
    """
    import_tensorflow()

    from music_vae_tf.generation.piano_roll import TrainedRollVae
    from music_vae_tf.run_directory import RunDirectory
    from music_vae_tf.training.class_rolls import check_latents, kept_priors

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
        check_latents(RunDirectory.at(flags.clstm_run_dir), cvae)
    priors = {}
    if flags.run_dir and with_priors:
        priors = kept_priors(RunDirectory.at(flags.run_dir), cvae)
    return TrainedRollVae(cvae, clstm, seed, priors), converter


def _check_one_of_two(flags, one, other):
    if flags[one].value and flags[other].value:
        raise UserError(f"give --{one} or --{other}, not both")


def _model(flags, kind, run_dir_flag, torch_flag):
    """The model that one of two flags names, and its converter; nothing without."""
    from music_vae_tf import build
    from music_vae_tf import config as configs
    from music_vae_tf.checkpoint import torch_weights
    from music_vae_tf.run_directory import RunDirectory
    from music_vae_tf.training.class_rolls import TRAINED_BY, restored_model
    from music_vae_tf.training.request import config_of_run

    run_dir, torch_path = flags[run_dir_flag].value, flags[torch_flag].value
    if run_dir:
        made_by = TRAINED_BY.format(kind)
        config = config_of_run(run_dir_flag, run_dir, kind, made_by)
        converter = build.converter(config)
        path = RunDirectory.at(run_dir).to_generate_from()
        return restored_model(config, converter, path), converter
    if not torch_path:
        return None, None
    config = configs.load(kind)
    converter = build.converter(config)
    model = build.model(config, converter)
    torch_weights.restore(model.named_variables, torch_path, kind)
    return model, converter

"""Train the convolutional VAE of class rolls, or the decoder that continues them.

    piano_roll_vae_prepare --output_dir=rolls/
    piano_roll_vae_train --config=conv_cvae --run_dir=cvae/ --mode=train \\
        --examples_path=rolls/train.npz --num_steps=2000

and, when that is trained, what follows its thirty seconds:

    piano_roll_vae_train --config=clstm_decoder --run_dir=clstm/ --mode=train \\
        --cvae_run_dir=cvae/ --examples_path=rolls/train.npz --num_steps=1000

--mode=eval measures the checkpoints as they come, on rolls/held_out.npz for instance;
--mode=summary prints the table of a config's layers.
"""

from __future__ import annotations

import functools
import shlex
import sys

from music_vae_tf import kinds
from music_vae_tf.commands.command import Command, Misuse
from music_vae_tf.commands.training_command import (
    add_training_flags,
    train_or_evaluate,
)
from music_vae_tf.quiet import import_tensorflow

command = Command("piano_roll_vae_train", __doc__)
add_training_flags(command, "batch_size=64,filters=[16,32,64]", other_modes=["summary"])
command.string(
    "examples_path", None, "File of class rolls, as piano_roll_vae_prepare makes it."
)
command.string(
    "cvae_run_dir",
    None,
    "Where the conv_cvae was trained whose latents a clstm_decoder reads.",
)


def _kinds() -> list[str]:
    return kinds.trained_by(command.name)


def main(flags):
    if flags.mode == "summary":
        print(_summary(flags))
    else:
        train_or_evaluate(
            flags,
            kinds=_kinds(),
            data_flag="examples_path",
            what_next=functools.partial(_what_next, flags),
        )


def _summary(flags) -> str:
    """The table of the layers, as the published ones are."""
    import_tensorflow()

    from music_vae_tf import build
    from music_vae_tf import config as configs

    if not flags.config:
        raise Misuse("--config is required for --mode=summary")
    config = configs.override(configs.load(flags.config, *_kinds()), flags.hparams)
    layers = build.model(config, build.converter(config)).layer_table()
    rows = [
        (row.name, " x ".join(map(str, row.output)), row.parameters, row.mult_adds)
        for row in layers
    ]
    total = (config.name, "", *(sum(column) for column in list(zip(*rows))[2:]))
    lines = [("layer", "output", "parameters", "multiply-adds"), *rows, total]
    return "\n".join(
        f"{name:<24}{output:<16}{_number(parameters):>12}{_number(mult_adds):>16}"
        for name, output, parameters, mult_adds in lines
    )


def _number(cell) -> str:
    return cell if isinstance(cell, str) else f"{cell:,}"


def _what_next(flags, config) -> str:
    generate = ["piano_roll_vae_generate", f"--run_dir={flags.run_dir}"]
    if config.kind == "clstm_decoder":
        generate = [
            "piano_roll_vae_generate",
            f"--run_dir={_cvae_run_dir(flags)}",
            f"--clstm_run_dir={flags.run_dir}",
        ]
    generate += ["--condition=piano+bass", "--output_dir=generated"]
    return f"Hear what it has learned:\n    {shlex.join(generate)}"


def _cvae_run_dir(flags) -> str:
    """As it is given, or as the run directory keeps it."""
    from music_vae_tf.run_directory import RunDirectory

    return flags.cvae_run_dir or RunDirectory.at(flags.run_dir).flags()["cvae_run_dir"]


run = command.entry(main)

if __name__ == "__main__":
    sys.exit(run())

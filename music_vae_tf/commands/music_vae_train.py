"""Train a model on NoteSequences, or evaluate its checkpoints.

    music_vae_train --config=groovae_4bar --run_dir=. --mode=train \\
        --examples_path=notesequences.tfrecord

The same command resumes a training that was stopped, from its last checkpoint.
Beside it, on other examples:

    music_vae_train --config=groovae_4bar --run_dir=. --mode=eval \\
        --examples_path=validation.tfrecord
"""

from __future__ import annotations

import functools
import shlex
import sys

from music_vae_tf import kinds
from music_vae_tf.commands.command import Command, UserError
from music_vae_tf.commands.drums_flag import add_drums, with_drums
from music_vae_tf.commands.training_command import (
    add_training_flags,
    train_or_evaluate,
)

command = Command("music_vae_train", __doc__)
add_training_flags(command, "batch_size=64,enc_rnn_size=[512]")
command.string(
    "examples_path",
    None,
    "TFRecord file of NoteSequences, or a pattern of several; or a folder or a file of "
    "music, MIDI read as a DAW plays it; instead of tfds_name.",
)
command.string(
    "tfds_name", None, "TensorFlow Datasets name; by default the config's own."
)
command.boolean(
    "cache_dataset", True, "Keep all examples in memory; otherwise convert as you go."
)
command.enum(
    "reconstruction_loss",
    None,
    ["groove", "bce"],
    "Of configs with hits, velocities and offsets of drums: groove is their own loss, "
    "bce takes all columns as probabilities; the default is that of the config.",
)
add_drums(command)
PARAMETER_SERVER_FLAGS = ("master", "task", "num_ps_tasks", "num_sync_workers")
for name in PARAMETER_SERVER_FLAGS:
    command.string(name, None, "Magenta's; refused, with what replaces it.")


def main(flags):
    _refuse_parameter_servers(flags)
    train_or_evaluate(
        flags,
        kinds=kinds.trained_by(command.name),
        data_flag="examples_path",
        what_next=lambda config: _what_next(flags),
        changed=functools.partial(_changed, flags),
    )


def _refuse_parameter_servers(flags):
    for name in PARAMETER_SERVER_FLAGS:
        if flags[name].value not in (None, "", "0"):
            raise UserError(
                f"--{name} belonged to the parameter servers of TensorFlow 1, which "
                "do not exist any more: leave it out. One process trains on the "
                "machine's own devices, and hparams.batch_size is its whole batch"
            )


def _changed(flags, config):
    _check_files(flags)
    return with_drums(_with_loss(flags.reconstruction_loss, config), flags.drums)


def _with_loss(reconstruction_loss, config):
    from music_vae_tf.config import ConfigError, with_arguments

    if reconstruction_loss is None:
        return config
    try:
        return with_arguments(config, "groove", reconstruction_loss=reconstruction_loss)
    except ConfigError as error:
        raise UserError(
            f"--reconstruction_loss={reconstruction_loss} is for configs that end in "
            f"hits, velocities and offsets: {error}"
        ) from error


def _check_files(flags):
    """Checks that what is named is there, before TensorFlow is imported.

    Raises:
        BadRecords, NoMusic, OSError: it is not.
    """
    from music_vae_tf.data.source import Source

    for name in ("examples_path", "validation_path"):
        if flags[name].value:
            Source.from_data(flags[name].value)


def _what_next(flags) -> str:
    generate = [
        "music_vae_generate",
        *([f"--config={flags.config}"] if flags.config else []),
        f"--run_dir={flags.run_dir}",
        "--mode=sample",
        "--num_outputs=5",
        "--output_dir=generated",
    ]
    return f"Hear what it has learned:\n    {shlex.join(generate)}"


run = command.entry(main)

if __name__ == "__main__":
    sys.exit(run())

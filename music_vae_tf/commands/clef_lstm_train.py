"""Train the clef-split LSTM on prepared piano music, or evaluate its checkpoints.

    clef_lstm_prepare --input_dir=chopin/ --output_dir=prepared
    clef_lstm_train --config=clef_lstm_small --run_dir=run --data_dir=prepared

The same command resumes a training that was stopped, from its last checkpoint.
Beside it, on the pieces that are kept for validation:

    clef_lstm_train --config=clef_lstm_small --run_dir=run --mode=eval \\
        --data_dir=prepared
"""

from __future__ import annotations

import shlex
import sys

from music_vae_tf import kinds
from music_vae_tf.commands.command import Command
from music_vae_tf.commands.training_command import (
    add_training_flags,
    train_or_evaluate,
)

command = Command("clef_lstm_train", __doc__)
add_training_flags(command, "batch_size=64,dense_size=256")
command.string("data_dir", None, "Folder that clef_lstm_prepare has made.")
command.boolean(
    "independent",
    False,
    "The original's two independent models, without bars: the same as "
    "--hparams=shared_clock=False.",
)


def main(flags):
    assignments = [flags.hparams, "shared_clock=False" if flags.independent else ""]
    train_or_evaluate(
        flags,
        kinds=kinds.trained_by(command.name),
        data_flag="data_dir",
        what_next=lambda config: _what_next(flags),
        hparams=",".join(filter(None, assignments)),
    )


def _what_next(flags) -> str:
    generate = [
        "clef_lstm_generate",
        f"--run_dir={flags.run_dir}",
        "--key=C",
        "--tempo=90",
        "--bars=8",
        "--output_dir=generated",
    ]
    return f"Hear and see what it has learned:\n    {shlex.join(generate)}"


run = command.entry(main)

if __name__ == "__main__":
    sys.exit(run())

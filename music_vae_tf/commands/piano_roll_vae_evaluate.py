"""Measure a trained VAE of class rolls on music it was not trained on.

    piano_roll_vae_evaluate --run_dir=cvae/ --clstm_run_dir=clstm/ \\
        --training_path=rolls/train.npz --examples_path=rolls/held_out.npz \\
        --output_dir=evaluation/

It prints tables, and draws reconstructions, samples for each condition, and both among
the training rolls. Latent vectors of samples follow a normal distribution that is
fitted to training rolls of the same condition. Each metric is defined in
`music_vae_tf.analysis.rolls`.
"""

from __future__ import annotations

import os
import sys

from music_vae_tf.commands.command import (
    LARGEST_SEED,
    Command,
    UserError,
    writable_directory,
)
from music_vae_tf.commands.progress import progress
from music_vae_tf.commands.roll_runs import add_model_flags, trained_roll_vae

command = Command("piano_roll_vae_evaluate", __doc__)
add_model_flags(command)
command.string(
    "training_path", None, "File of the rolls that were trained on.", required=True
)
command.string("examples_path", None, "File of rolls to measure on.", required=True)
command.string("output_dir", None, "Where the plots go.", required=True)
command.integer(
    "num_generated", 20, "Samples for each condition.", at_least=1, at_most=10_000
)
command.integer(
    "seed", 0, "The same seed gives the same samples.", at_least=0, at_most=LARGEST_SEED
)


def main(flags):
    for name in ("training_path", "examples_path"):
        _check_file(name, flags[name].value)
    directory = writable_directory("output_dir", flags.output_dir)
    model, converter = trained_roll_vae(flags, flags.seed)

    from music_vae_tf.commands.roll_evaluation import Evaluation
    from music_vae_tf.data import rolls

    training = rolls.read(flags.training_path, converter.window_steps)
    held_out = rolls.read(flags.examples_path, converter.window_steps)
    for name, some in (("training_path", training), ("examples_path", held_out)):
        if not some.classes(slice(0, converter.roll_steps)).any():
            raise UserError(
                f"--{name}={flags[name].value}: nothing sounds in its {len(some):,} "
                "rolls; rolls with notes are expected"
            )
    evaluation = Evaluation(model, converter, training, held_out, directory)
    stages = [
        evaluation.reconstructed,
        lambda: evaluation.sampled(flags.num_generated),
        *([evaluation.continued] if model.continuation else []),
    ]
    tables = []
    with progress(len(stages), "Measuring", unit="tables") as bar:
        for stage in stages:
            tables.append(stage())
            bar.advance()
    print("\n\n".join(tables))
    print(f"\nPictures: {directory}")


def _check_file(flag, path):
    if not os.path.isfile(os.path.expanduser(path)):
        raise UserError(
            f"--{flag}={path}: there is no such file; a file of class rolls is "
            "expected, which piano_roll_vae_prepare makes"
        )


run = command.entry(main)

if __name__ == "__main__":
    sys.exit(run())

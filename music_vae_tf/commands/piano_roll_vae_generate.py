"""Make music for piano, guitar and bass with a trained VAE of class rolls.

    piano_roll_vae_generate --run_dir=cvae/ --condition=piano+bass --num_outputs=5 \\
        --output_dir=generated/

makes thirty seconds each, and with --clstm_run_dir=clstm/ twenty more that follow. A
melody of your own is varied, and laid over what comes out:

    piano_roll_vae_generate --run_dir=cvae/ --condition=piano+guitar+bass \\
        --input_midi=melody.mid --output_dir=generated/
"""

from __future__ import annotations

import logging
import os
import sys

from music_vae_tf.commands.command import LARGEST_SEED, Command, UserError
from music_vae_tf.commands.convert_dir_to_note_sequences import (
    add_limits,
    worker_limits,
)
from music_vae_tf.commands.outputs import FORMATS, Outputs, Piece, add_file_flags
from music_vae_tf.commands.roll_runs import add_model_flags, trained_roll_vae

log = logging.getLogger("music_vae_tf")
command = Command("piano_roll_vae_generate", __doc__)
add_model_flags(command)
command.string(
    "condition",
    None,
    "Who plays: piano, guitar, bass, or several with + between them.",
    required=True,
)
command.string("output_dir", None, "Where the files go.", required=True)
command.integer("num_outputs", 5, "How many.", at_least=1, at_most=10_000)
command.string(
    "input_midi",
    None,
    "MIDI file to start from: its first seconds, as many as a roll has; silence is put "
    "after a shorter one.",
)
command.string(
    "prior_path",
    None,
    "File of class rolls: latent vectors are drawn as those of its rolls of the "
    "condition are distributed. By default as those of the rolls of the training, "
    "where its run_dir has kept that.",
)
command.boolean(
    "standard_prior",
    False,
    "Draw latent vectors from the standard normal distribution, which takes a long "
    "training to be music.",
)
command.float(
    "towards_random",
    0.6,
    "Share of the way from the input's latent vector to a random one, 0 to 1.",
    at_least=0.0,
)
command.boolean(
    "clean", True, "Join notes that flicker, and remove those of a single step."
)
command.boolean("overlay", True, "Lay the input over what comes out.")
add_file_flags(command, "mid,png")
add_limits(command)
command.integer(
    "seed", None, "Repeats the same draws.", at_least=0, at_most=LARGEST_SEED
)


def main(flags):
    from music_vae_tf.generation import piano_roll
    from music_vae_tf.generation.roll_cleaning import Cleaning

    condition = piano_roll.condition(flags.condition)
    if flags.towards_random > 1:
        raise UserError(
            f"--towards_random is {flags.towards_random}; at most 1 expected"
        )
    outputs = Outputs(flags, FORMATS)
    outputs.check()
    if flags.standard_prior and flags.prior_path:
        raise UserError("give --prior_path or --standard_prior, not both")
    with_priors = not (flags.standard_prior or flags.prior_path)
    model, converter = trained_roll_vae(flags, flags.seed, with_priors)
    melody, qpm = _melody(flags.input_midi, converter, worker_limits(flags))
    prior = _prior(flags, model, converter, condition)
    if melody is None:
        z = model.draw(flags.num_outputs, prior)
    else:
        share = flags.towards_random
        z = model.near(melody.cells(), flags.num_outputs, share, prior)
    cleaning = Cleaning() if flags.clean else None
    rolls = _rolls(model, z, condition, cleaning)
    over = melody if flags.overlay else None
    sequences = [_sequence(converter, cells, over, qpm) for cells in rolls]
    outputs.write(flags.condition, [Piece(sequence=one) for one in sequences])


def _prior(flags, model, converter, condition):
    """The distribution of the latent vectors of rolls that have the condition: those of
    a file, or of the training; nothing for the standard normal one."""
    from music_vae_tf.data import rolls

    if flags.standard_prior:
        return None
    if not flags.prior_path:
        prior = model.kept_prior(condition)
        if prior is None:
            log.warning(
                "No prior of %s is kept for these weights: latent vectors are drawn "
                "from the standard normal distribution. A training that ends fits one "
                "to each condition that two of its rolls have. --prior_path=FILE of "
                "class rolls fits one here",
                flags.condition,
            )
        return prior
    every = rolls.read(flags.prior_path, converter.window_steps)
    first = every.classes(slice(0, converter.roll_steps))
    return model.prior_of(first, condition)


def _melody(path, converter, limits):
    """The roll of a MIDI file's beginning and its first tempo; nothing without one.

    Raises:
        UserError: nothing of it sounds there.
    """
    from music_vae_tf.data import limited_reading
    from music_vae_tf.data.converters.score import DEFAULT_QPM
    from music_vae_tf.data.midi import read_midi

    if not path:
        return None, DEFAULT_QPM
    sequence = limited_reading.read(read_midi, os.path.expanduser(path), limits)
    roll, left_out = converter.roll(sequence)
    roll = roll.window(0, converter.roll_steps)
    if not roll.classes.any():
        reasons = ", ".join(f"{count} {reason}" for reason, count in left_out.items())
        seconds = converter.roll_steps * converter.step_seconds
        raise UserError(
            f"--input_midi={path} has no note of piano, guitar or bass (programs 1-8, "
            f"25-32 and 33-40) in its first {seconds:g} s; it has "
            f"{reasons or 'no notes'}"
        )
    return roll, sequence.tempos[0].qpm if sequence.tempos else DEFAULT_QPM


def _rolls(model, z, condition, cleaning):
    """Rolls of latent vectors, with what follows them if there is a model of that."""
    import numpy as np

    rolls = model.decode(z, condition, cleaning)
    if model.continuation is None:
        return rolls
    return np.concatenate([rolls, model.follow(z, condition, cleaning)], axis=1)


def _sequence(converter, cells, melody, qpm):
    from music_vae_tf.data.converters.piano_roll import ClassRoll

    roll = ClassRoll.of_cells(cells)
    if melody is not None:
        roll = melody.window(0, len(cells)).over(roll)
    return converter.roll_to_sequence(roll, qpm)


run = command.entry(main)

if __name__ == "__main__":
    sys.exit(run())

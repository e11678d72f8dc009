"""The modes of `music_vae_generate` that read a user's own MIDI, and their flags."""

from __future__ import annotations

import os

from music_vae_tf.commands import latent_modes, playing_flag
from music_vae_tf.commands.command import Command, UserError
from music_vae_tf.commands.outputs import Outputs
from music_vae_tf.commands.transform_mode import (
    OWN_FLAGS as OF_TRANSFORM,
)
from music_vae_tf.commands.transform_mode import (
    add_transform_flags,
    transform_files,
)

TRANSFORM = "transform"
# --mode=interpolate belongs to these only with --input_midi.
MODES = (TRANSFORM, *(m for m in latent_modes.MODES if m != "interpolate"))
OWN_FLAGS = {**dict.fromkeys(OF_TRANSFORM, (TRANSFORM,)), **latent_modes.OWN_FLAGS}
# Flags that belong to samples, and to Magenta's two inputs.
FOREIGN = (
    "input_midi_1",
    "input_midi_2",
    "z_file",
    "save_z",
    "same_z",
    "chords",
    "control_midi",
    "attribute_vector",
    "attribute_strength",
)


def add_verb_flags(command: Command) -> None:
    """The flags of these modes."""
    command.string(
        "input_midi",
        None,
        "Your own files, with commas between, for the modes transform, reconstruct, "
        "vary, continue and interpolate (two or more).",
    )
    add_transform_flags(command)
    latent_modes.add_latent_flags(command)


def is_wanted(flags) -> bool:
    """Whether the command line asks for one of these modes."""
    return flags.mode in MODES or bool(flags.input_midi and flags.mode == "interpolate")


def check(flags) -> None:
    """
    Raises:
        UserError: a flag of one of these modes stands beside another mode, or lacks
            --input_midi.
    """
    for name, modes in OWN_FLAGS.items():
        if flags[name].present and flags.mode not in modes:
            listed = " and ".join(f"--mode={mode}" for mode in modes)
            raise UserError(f"--{name} belongs to {listed}")
        if flags[name].present and not flags.input_midi:
            raise UserError(f"--{name} needs --input_midi=FILE.mid")
    if flags.input_midi and not is_wanted(flags):
        raise UserError(f"--input_midi does not belong to --mode={flags.mode}")


def run(flags) -> None:
    """Generates as the mode says, and writes files."""
    for name in FOREIGN:
        if flags[name].present:
            raise UserError(
                f"--{name} does not belong to --mode={flags.mode} with --input_midi"
            )
    if flags.length is not None and flags.mode != latent_modes.CONTINUE:
        raise UserError(f"--length does not belong to --mode={flags.mode}")
    if not flags.input_midi:
        raise UserError(f"--mode={flags.mode} needs --input_midi=FILE.mid")
    if flags.mode == TRANSFORM and flags.program is not None:
        raise UserError("--mode=transform keeps the programs of the file")
    if flags.mode == TRANSFORM and flags.loop:
        raise UserError("--loop is for loops; --mode=transform writes whole songs")
    if flags.mode == TRANSFORM and flags.tempo is not None:
        raise UserError(
            "--mode=transform keeps the tempo of the file: leave out --tempo"
        )
    if flags.mode == TRANSFORM and flags[playing_flag.NAME].present:
        raise UserError(
            f"--mode=transform always plays {playing_flag.GIVEN_HITS}: leave out "
            f"--{playing_flag.NAME}"
        )
    transforms = flags.mode == TRANSFORM
    generate = transform_files if transforms else latent_modes.run
    generate(flags, input_paths(flags.input_midi), Outputs(flags))


def input_paths(text: str, flag: str = "input_midi") -> list[str]:
    """`a.mid,b.mid` -> the paths. One whose name has commas can be named alone.

    Raises:
        UserError: no file is named, or one does not exist.
    """
    whole = os.path.expanduser(text.strip())
    if os.path.exists(whole):
        return [whole]
    paths = [os.path.expanduser(part.strip()) for part in text.split(",")]
    paths = [path for path in paths if path]
    for path in paths:
        if not os.path.exists(path):
            raise UserError(f"--{flag}: there is no file {path}")
    if not paths:
        raise UserError(f"--{flag} names no file")
    return paths

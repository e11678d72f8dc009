"""The modes of `music_vae_generate` that read a user's own MIDI, and their flags."""

from __future__ import annotations

import os

from music_vae_tf.commands.command import Command, UserError
from music_vae_tf.commands.outputs import Outputs
from music_vae_tf.commands.transform_mode import (
    OWN_FLAGS as OF_TRANSFORM,
)
from music_vae_tf.commands.transform_mode import (
    add_transform_flags,
    transform_files,
)

MODES = ("transform",)
# Flags of --mode=sample and of two inputs, which these modes have not.
FOREIGN = ("input_midi_1", "input_midi_2", "z_file", "same_z")


def add_verb_flags(command: Command) -> None:
    """The flags of these modes."""
    command.string(
        "input_midi",
        None,
        "Your own MIDI files, with commas between: what transform works on.",
    )
    add_transform_flags(command)


def is_wanted(flags) -> bool:
    """Whether the command line asks for one of these modes."""
    return flags.mode in MODES


def check(flags) -> None:
    """
    Raises:
        UserError: a flag of one of these modes stands beside another mode.
    """
    own = [name for name in OF_TRANSFORM if flags[name].present]
    if own and flags.mode != "transform":
        raise UserError(f"--{own[0]} belongs to --mode=transform")
    if flags.input_midi and not is_wanted(flags):
        raise UserError(f"--input_midi does not belong to --mode={flags.mode}")


def run(flags) -> None:
    """Generates as the mode says, and writes files."""
    for name in FOREIGN:
        if flags[name].present:
            raise UserError(f"--{name} does not belong to --mode={flags.mode}")
    if not flags.temperature > 0:
        raise UserError(f"--temperature={flags.temperature}: expected a number above 0")
    if not flags.input_midi:
        raise UserError(f"--mode={flags.mode} needs --input_midi=FILE.mid")
    transform_files(flags, input_paths(flags.input_midi), Outputs(flags))


def input_paths(text: str) -> list[str]:
    """`a.mid,b.mid` -> the paths. A file whose name has commas can be named alone.

    Raises:
        UserError: no file is named, or one does not exist.
    """
    whole = os.path.expanduser(text.strip())
    if os.path.isfile(whole):
        return [whole]
    paths = [os.path.expanduser(part.strip()) for part in text.split(",")]
    paths = [path for path in paths if path]
    for path in paths:
        if not os.path.exists(path):
            raise UserError(f"--input_midi: there is no file {path}")
    if not paths:
        raise UserError("--input_midi names no file")
    return paths

"""The flag that says which note is which drum, in files that are read and written."""

from __future__ import annotations

from music_vae_tf.commands.command import Command
from music_vae_tf.commands.convert_dir_to_note_sequences import worker_limits
from music_vae_tf.commands.drums_flag import KINDS


def add_drum_map(command: Command) -> None:
    """--drum_map."""
    command.string(
        "drum_map",
        "gm",
        "Which note is which drum, in inputs and MIDI outputs: gm, td11, ableton, "
        "toontrack, logic, or a YAML file like those in music_vae_tf/data/drum_maps.",
    )


def drum_map(flags):
    """The map that is asked for.

    Raises:
        BadDrumMap: there is no such map.
        OSError: its file cannot be read.
    """
    from music_vae_tf.data import drum_maps

    return drum_maps.load(flags.drum_map)


def read_music(flags, path, config):
    """A music file whose drums have the notes of General MIDI, which models know."""
    from music_vae_tf.data import limited_reading
    from music_vae_tf.data.drum_maps import translated
    from music_vae_tf.data.midi import read_midi

    every, kit = config.converter.kind in KINDS, drum_map(flags)
    sequence = limited_reading.read(read_midi, path, worker_limits(flags))
    sequence = translated(sequence, kit.read, every)
    sequence.filename = str(path)
    return sequence

"""The flag that says which notes are drums, for models whose music is drums."""

from __future__ import annotations

import dataclasses

from music_vae_tf.commands.command import Command, UserError

KINDS = ("drums", "groove", "tokens")  # of converters whose music is drums


def add_drums(command: Command) -> None:
    """Adds --drums; `with_drums` is what becomes of a config by it."""
    command.string(
        "drums",
        None,
        "Which notes are drums. auto: channel 10, and for a trained model tracks named "
        "as drums; without any, the only instrument, if it plays like a drum kit. "
        "channel10; all; track:Kick,Snare by names; track:3 by the number among tracks "
        "with notes. Default: as the config says.",
    )


def with_drums(config, drums: str | None):
    """The config, with this choice of notes if one is given.

    Raises:
        UserError: the config's music is something else.
        BadDrums: there is no such choice.
    """
    from music_vae_tf.data.converters.drum_parts import check

    if drums is None:
        return config
    kind, arguments = config.converter.kind, config.converter.arguments
    if kind not in KINDS:
        raise UserError(
            f"--drums={drums}: the music of config {config.name} is not drums"
        )
    check(drums)
    changed = dataclasses.replace(
        config.converter, arguments={**arguments, "drums": drums}
    )
    return dataclasses.replace(config, converter=changed)

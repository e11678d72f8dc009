"""--playing: how the decoder of a groove plays the hits that it samples."""

from __future__ import annotations

from music_vae_tf.commands.command import Command, UserError

NAME = "playing"
MAGENTA, GIVEN_HITS = "magenta", "given_hits"


def add_playing(command: Command, prefix: str = "") -> None:
    """Adds the flag.

    prefix: the beginning of its help.
    """
    command.enum(
        NAME,
        None,
        [MAGENTA, GIVEN_HITS],
        f"{prefix}Velocities and timing of drums in GrooVAE configs. magenta plays the "
        "decoder's output, which is a mean over hits and rests: improbable hits are "
        "too soft and too near the grid. given_hits plays the mean over hits alone, as "
        "a mixture always does. By default given_hits for the models that are part of "
        "the package, and magenta for all others.",
    )


def gives_hits(flags, config, checkpoint) -> bool:
    """Whether hits are played by means over hits alone.

    Raises:
        UserError: that is asked of a config without grooves.
    """
    from music_vae_tf import pretrained

    asked = flags[NAME].value
    if asked is None:
        return pretrained.is_weights(checkpoint)
    if asked == GIVEN_HITS and config.converter.kind != "groove":
        raise UserError(
            f"--{NAME}={GIVEN_HITS} is for GrooVAE configs, whose rows have hits, "
            f"velocities and offsets; those of config {config.name} have other "
            "columns: leave it out"
        )
    return asked == GIVEN_HITS

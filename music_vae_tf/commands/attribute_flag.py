"""--attribute and --attribute_file: what is generated is moved along attributes."""

from __future__ import annotations

import os

from music_vae_tf.commands.command import Command, UserError


def add_attribute_flags(command: Command) -> None:
    """--attribute and --attribute_file."""
    command.string(
        "attribute",
        None,
        'Attributes to move, as "density=+1,swing=-0.5", in standard deviations over '
        "the data. A model has some of density, syncopation, swing, laid_back, "
        "velocity, velocity_range, pitch_range and interval.",
    )
    command.string(
        "attribute_file",
        None,
        "The vectors of these attributes, attributes.json of music_vae_explore "
        "--measure; by default those of the pretrained model.",
    )


def attribute_options(flags) -> dict:
    """The options of `TrainedModel.transform` that these flags are.

    Raises:
        UserError: --attribute_file stands alone.
        BadAmounts: --attribute is not of the form NAME=AMOUNT,...
    """
    from music_vae_tf.analysis.attributes import parse_amounts

    if flags.attribute_file is not None and flags.attribute is None:
        raise UserError("--attribute_file holds vectors for --attribute")
    if flags.attribute is None:
        return {}
    path = flags.attribute_file and os.path.expanduser(flags.attribute_file)
    return {"attributes": parse_amounts(flags.attribute), "attribute_file": path}


def attribute_shift(flags, model):
    """What the flags add to all latent vectors: [Z], or 0 without --attribute.

    Raises:
        BadAttribute: the model has no such attribute.
    """
    options = attribute_options(flags)
    return model.shift(*options.values()) if options else 0

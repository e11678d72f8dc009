"""The two files between which `music_vae_generate --mode=interpolate` goes."""

from __future__ import annotations

import logging
import math
import os

from music_vae_tf.commands.command import UserError
from music_vae_tf.commands.drum_map_flag import read_music

log = logging.getLogger("music_vae_tf")


def one_example_each(flags, config, converter, write) -> list:
    """Both input files as NoteSequences of one example each.

    The examples of a file that has several are written out, as in Magenta.
    """
    from music_vae_tf import generation
    from music_vae_tf.data.tempo import at_tempo, qpm_of

    paths = [os.path.expanduser(p) for p in (flags.input_midi_1, flags.input_midi_2)]
    inputs = [read_music(flags, path, config) for path in paths]
    for number, (path, sequence) in enumerate(zip(paths, inputs), 1):
        try:
            example = generation.only_example(converter, sequence, path)
            _say_what_is_left_out(converter, sequence, path, len(example.targets))
        except generation.MultipleExtractedExamplesError as error:
            qpm, chosen = qpm_of(sequence), error.sequences[: flags.max_examples]
            if len(chosen) < len(error.sequences):
                log.warning(
                    "%s has %d examples; the first %d are written "
                    "(--max_examples writes more)",
                    path,
                    len(error.sequences),
                    len(chosen),
                )
            write(
                f"input{number}-extractions",
                [at_tempo(example, qpm) for example in chosen],
            )
            raise UserError(
                f"{error} Call again with one of the files that are written now."
            ) from error
        except generation.NoExtractedExamplesError as error:
            raise UserError(f"{error}{other_drums(error)}") from error
    return inputs


def other_drums(error: Exception) -> str:
    """How to take other notes for drums, where none were found."""
    from music_vae_tf.data.converters.drum_parts import NO_DRUMS

    hint = "--drums=all or --drums=track:NAME takes other notes for drums."
    stop = "" if str(error).endswith(".") else "."
    return f"{stop} {hint}" if NO_DRUMS in str(error) else ""


def _say_what_is_left_out(converter, sequence, path, steps):
    from music_vae_tf.data.converters.drum_parts import TAKEN_AS_DRUMS, TAKEN_TOO
    from music_vae_tf.data.tempo import quarters_of

    left_out = converter.extract(sequence).left_out
    left_out.pop(TAKEN_AS_DRUMS, None)  # `only_example` logs it
    if left_out.pop(TAKEN_TOO, None):
        log.info("%s: %s", path, TAKEN_TOO)
    if left_out:
        listed = ", ".join(f"{reason}: {count}" for reason, count in left_out.items())
        log.warning("%s: left out of the example: %s", path, listed)
        return
    bar = converter.steps_per_bar
    if not bar:
        return
    bars = math.ceil(quarters_of(sequence) * converter.steps_per_quarter / bar - 0.5)
    if bars > steps / bar:
        log.warning(
            "%s has %d bars; its windows of %d bars are equal, and one of them is used",
            path,
            bars,
            steps / bar,
        )

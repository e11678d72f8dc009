"""Modes of `music_vae_generate` that encode files: reconstruct, vary, interpolate and
continue."""

from __future__ import annotations

import logging
import re

from music_vae_tf.commands import playing_flag
from music_vae_tf.commands.attribute_flag import attribute_shift
from music_vae_tf.commands.command import Command, UserError
from music_vae_tf.commands.drum_map_flag import read_music
from music_vae_tf.commands.interpolated_inputs import other_drums
from music_vae_tf.commands.outputs import Outputs, check_program, loop
from music_vae_tf.commands.trained import config_and_checkpoint
from music_vae_tf.quiet import import_tensorflow

log = logging.getLogger("music_vae_tf")

RECONSTRUCT, VARY, INTERPOLATE, CONTINUE = MODES = (
    "reconstruct",
    "vary",
    "interpolate",
    "continue",
)
# Flags, and the modes that have them.
OWN_FLAGS = {
    "distance": (VARY,),
    "joined": (INTERPOLATE, CONTINUE),
    "grid": (INTERPOLATE,),
    "input_bar": MODES,
    "fit": MODES,
}
ALWAYS_FIVE = (VARY, INTERPOLATE, CONTINUE)  # outputs by default; otherwise one


def add_latent_flags(command: Command) -> None:
    """The flags that only these modes have."""
    command.float(
        "distance",
        0.2,
        "vary: how far from the input in the latent space; 1 is as far as two random "
        "points are apart.",
        at_least=0,
        at_most=10,
    )
    command.boolean(
        "joined",
        False,
        "interpolate: one file more that goes through all outputs. continue: each file "
        "begins with the bars that it continues.",
    )
    command.integer(
        "grid",
        None,
        "interpolate: a grid of so many by so many between four inputs.",
        at_least=2,
        at_most=100,
    )
    command.string(
        "input_bar",
        None,
        "Where to read an input that is longer than an example: the number of a bar, "
        "first, last, longest, or all (one part after another). By default first, and "
        "last for continue.",
    )
    command.string(
        "fit",
        None,
        "What makes an input that is too short as long as an example: pad (silence) or "
        "loop. By default pad, and loop for continue.",
    )


def run(flags, paths: list[str], outputs: Outputs) -> None:
    """Writes what the mode makes of the files."""
    _check(flags, paths)
    config, checkpoint = config_and_checkpoint(flags)
    check_program(flags, config)
    outputs.check()
    import_tensorflow()
    from music_vae_tf.generation import TrainedModel, latent_verbs
    from music_vae_tf.generation.examples import NoExtractedExamplesError
    from music_vae_tf.generation.inputs import InputOptions

    continues = flags.mode == CONTINUE
    options = InputOptions(
        flags.input_bar or ("last" if continues else "first"),
        flags.fit or ("loop" if continues else "pad"),
        flags.max_examples,
    )
    log.info("Loading %s", checkpoint)
    model = TrainedModel(
        config,
        flags.max_batch_size,
        checkpoint,
        seed=flags.seed,
        grammar=flags.grammar,
        given_hits=playing_flag.gives_hits(flags, config, checkpoint),
    )
    if continues:
        latent_verbs.check_continues(model)
    music = [read_music(flags, path, config) for path in paths]
    try:
        read = latent_verbs.read_inputs(model, music, options)
    except NoExtractedExamplesError as error:
        raise UserError(f"{error}{other_drums(error)}") from error
    read = latent_verbs.moved(read, attribute_shift(flags, model))
    for one in read:
        _say_what_is_read(one, model, options.fit)
    sequences = _generate(flags, model, read)
    _write(flags, model, read, sequences, outputs)


def _check(flags, paths):
    if flags.mode != INTERPOLATE:
        return
    if flags.grid is not None and len(paths) != 4:
        raise UserError(
            f"--grid={flags.grid} lies between four inputs; --input_midi names "
            f"{len(paths)}"
        )
    if flags.grid is not None and flags["num_outputs"].present:
        raise UserError(f"--grid={flags.grid} decides the number of outputs")
    if flags.grid is None and flags.input_bar != "all" and len(paths) < 2:
        raise UserError(
            "--mode=interpolate needs two inputs or more, as in "
            "--input_midi=a.mid,b.mid; or --input_bar=all, which goes through a file"
        )
    if flags.grid is None and flags.num_outputs < 2:
        raise UserError(
            f"--num_outputs={flags.num_outputs}: an interpolation has 2 steps or more"
        )
    if flags.grid is not None and flags.input_bar == "all":
        raise UserError("--grid takes one part of each input: not --input_bar=all")


def _say_what_is_read(one, model, fit):
    size, number = model.converter.window_bars, one.input.num_bars
    last = one.input.bar + number - 1
    bars = f"bar {last}" if last == one.input.bar else f"bars {one.input.bar} to {last}"
    filled = ""
    if number < size:
        after = "repeated up to" if fit == "loop" else "then silence up to"
        filled = f", {after} the {size} bars that the model reads"
    log.info("%s: reading %s%s", one.name, bars, filled)


def _generate(flags, model, read):
    from music_vae_tf.generation import latent_verbs

    count = flags.num_outputs
    if not flags["num_outputs"].present and flags.mode not in ALWAYS_FIVE:
        count = 1
    temperature = flags.temperature
    if flags.mode == RECONSTRUCT:
        return latent_verbs.reconstruct(model, read, count, temperature)
    if flags.mode == VARY:
        return latent_verbs.vary(model, read, count, flags.distance, temperature)
    if flags.mode == CONTINUE:
        bars = _bars(flags.length, model)
        return latent_verbs.continue_inputs(model, read, count, bars, temperature)
    if flags.grid is not None:
        return latent_verbs.interpolate_grid(model, read, flags.grid, temperature)
    return latent_verbs.interpolate(model, read, count, temperature)


def _bars(text, model) -> int | None:
    if text is None:
        return None
    match = re.fullmatch(r"([1-9]\d{0,3})\s*bars?", text.strip())
    if match is None:
        raise UserError(
            f"--length={text}: expected bars, as in --length=8bars, and 9999 at most"
        )
    return int(match[1])


def _write(flags, model, read, sequences, outputs):
    from music_vae_tf.data.tempo import at_tempo
    from music_vae_tf.generation import latent_verbs

    if flags.tempo is not None:
        sequences = [at_tempo(sequence, flags.tempo) for sequence in sequences]
    if flags.joined and flags.mode == CONTINUE:
        sequences = _after_inputs(model, read, sequences)
    name = f"{model.config.name}_{flags.mode}"
    outputs.write(name, [loop(sequence) for sequence in sequences])
    if flags.joined and flags.mode == INTERPOLATE:
        whole = latent_verbs.joined(model, sequences)
        outputs.write(f"{name}_joined", [loop(whole)])


def _after_inputs(model, read, sequences):
    """Continuations, each after the bars that it continues."""
    from music_vae_tf.data import beats
    from music_vae_tf.data.tempo import in_time, qpm_of

    per_input, result = len(sequences) // len(read), []
    for number, sequence in enumerate(sequences):
        example = read[number // per_input].input.example
        start = model.converter.to_sequence(example.targets)
        quarters = model.converter.quarters(len(example.targets))
        start = in_time(start, qpm_of(sequence), quarters)
        result.append(beats.in_a_row([start, sequence]))
    return result

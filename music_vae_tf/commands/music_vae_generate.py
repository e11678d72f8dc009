"""New music from a trained model, as MIDI files.

Five drum loops, from the pretrained model that plays where no model is named:

    music_vae_generate --output_dir=generated

From nothing (random points of the latent space):

    music_vae_generate --config=groovae_4bar --run_dir=. --mode=sample \\
        --num_outputs=5 --output_dir=generated

From one file to another, in steps:

    music_vae_generate --config=groovae_4bar --run_dir=. --mode=interpolate \\
        --input_midi_1=a.mid --input_midi_2=b.mid --num_outputs=7 --output_dir=generated

Your own drums, played by a model (of any length, everything else stays as it is):

    music_vae_generate --config=groovae_2bar_humanize --run_dir=. --mode=transform \\
        --input_midi=song.mid --output_dir=generated

Over chords, with a config that is conditioned on them:

    music_vae_generate --config=cat-mel_2bar_med_chords --run_dir=. \\
        --chords="C G Am F" --output_dir=generated
"""

from __future__ import annotations

import logging
import os
import re
import sys

from music_vae_tf import pretrained
from music_vae_tf.commands import playing_flag, verbs
from music_vae_tf.commands.attribute_flag import (
    add_attribute_flags,
    attribute_options,
    attribute_shift,
)
from music_vae_tf.commands.command import LARGEST_SEED, Command, UserError
from music_vae_tf.commands.convert_dir_to_note_sequences import add_limits
from music_vae_tf.commands.drum_map_flag import read_music
from music_vae_tf.commands.interpolated_inputs import one_example_each
from music_vae_tf.commands.outputs import (
    Outputs,
    add_format_flags,
    check_program,
    loop,
)
from music_vae_tf.commands.trained import add_model_flags, config_and_checkpoint
from music_vae_tf.quiet import import_tensorflow

log = logging.getLogger("music_vae_tf")

# In BPM. Below about 3.6 a MIDI file cannot hold the length of a quarter.
SLOWEST, FASTEST = 4, 1000

MAX_STEPS = 100_000  # of an output: 6,250 bars of 16 steps

command = Command("music_vae_generate", __doc__)
add_model_flags(command)
command.string(
    "output_dir", "/tmp/music_vae/generated", "Where MIDI files are written."
)
command.integer(
    "max_examples",
    100,
    "Of a file that has more examples, at most so many are read with --input_bar=all, "
    "or written to choose from.",
    at_least=1,
    at_most=100_000,
)
command.enum(
    "mode", "sample", ["sample", "interpolate", *verbs.MODES], "What to generate."
)
command.string("input_midi_1", None, "MIDI file where an interpolation starts.")
command.string("input_midi_2", None, "MIDI file where an interpolation ends.")
command.integer(
    "num_outputs",
    5,
    "How many samples; of an interpolation, how many steps with both ends.",
    at_least=1,
    at_most=100_000,
)
command.integer(
    "max_batch_size",
    8,
    "At most so many sequences at a time; fewer take less memory.",
    at_least=1,
    at_most=100_000,
)
command.float("temperature", 0.5, "Randomness of the decoding; above 0.")
command.string(
    "length",
    None,
    "How long, in steps (64) or bars (4bars); by default as long as in training.",
)
command.string(
    "chords",
    None,
    'Chords like "C G Am F", each for an equal share of the length, in configs that '
    "are conditioned on chords.",
)
command.string(
    "control_midi",
    None,
    "MIDI file whose hits are played, in configs that are conditioned on hits.",
)
command.float(
    "tempo",
    None,
    "Tempo of the outputs in BPM; by default that of the input files, or 120.",
    at_least=SLOWEST,
    at_most=FASTEST,
)
command.boolean("same_z", False, "One random point of the latent space for all.")
command.string("z_file", None, "Latent vectors to decode: a NumPy file [N, Z].")
command.string("save_z", None, "Where to save the latent vectors, as a NumPy file.")
command.string(
    "attribute_vector",
    None,
    "A file of music_vae_explore's: all outputs are moved along this attribute.",
)
command.float(
    "attribute_strength",
    1.0,
    "How far: 1 is from one group of examples to the other, -1 the other way.",
    at_least=-100,
    at_most=100,
)
command.integer(
    "seed",
    None,
    "The same seed gives the same files; by default random.",
    at_least=0,
    at_most=LARGEST_SEED,
)
command.boolean(
    "grammar",
    True,
    "Say no token where the grammar forbids it, in configs whose music is tokens.",
)
playing_flag.add_playing(command)
add_attribute_flags(command)
verbs.add_verb_flags(command)
add_format_flags(command)
add_limits(command)
command.lists_configs()


def main(flags):
    if not _names_a_model(flags):
        flags["config"].value = pretrained.usual(flags.mode)
    if not flags.temperature > 0:
        raise UserError(f"--temperature={flags.temperature}: expected a number above 0")
    verbs.check(flags)
    attribute_options(flags)  # which are checked before a model is loaded
    if verbs.is_wanted(flags):
        verbs.run(flags)
    else:
        _write_new_music(flags)


def _names_a_model(flags) -> bool:
    return bool(flags.config or flags.run_dir or flags.checkpoint_file)


def _write_new_music(flags):
    _check(flags)
    config, checkpoint = config_and_checkpoint(flags)
    check_program(flags, config)
    outputs = Outputs(flags)
    outputs.check()

    def write(what, sequences):
        outputs.write(f"{config.name}_{what}", [loop(one) for one in sequences])

    import_tensorflow()
    write(flags.mode, _generate(flags, config, checkpoint, write))


def _check(flags):
    if flags.mode == "interpolate" and not (flags.input_midi_1 and flags.input_midi_2):
        raise UserError("--mode=interpolate needs --input_midi_1 and --input_midi_2")
    if flags.mode == "interpolate" and (flags.z_file or flags.same_z):
        raise UserError("--z_file and --same_z belong to --mode=sample")
    if flags.z_file and flags.same_z:
        raise UserError("give --z_file or --same_z, not both")
    if flags["attribute_strength"].present and not flags.attribute_vector:
        raise UserError("--attribute_strength is that of an --attribute_vector")
    if flags.chords and flags.control_midi:
        raise UserError("give --chords or --control_midi, not both")


def _generate(flags, config, checkpoint, write) -> list:
    """The new NoteSequences."""
    from music_vae_tf import build
    from music_vae_tf.data.tempo import in_time
    from music_vae_tf.generation import TrainedModel

    converter = build.converter(config).for_inference()
    length = _length(flags.length, config, converter)
    controls = _controls(flags, config, converter, length)
    inputs = (
        one_example_each(flags, config, converter, write)
        if flags.mode == "interpolate"
        else []
    )
    attribute = flags.attribute_vector
    shift = _shift(flags, config) if attribute else 0
    log.info("Loading %s", checkpoint)
    model = TrainedModel(
        config,
        min(flags.max_batch_size, flags.num_outputs),
        checkpoint,
        seed=flags.seed,
        grammar=flags.grammar,
        given_hits=playing_flag.gives_hits(flags, config, checkpoint),
    )
    options = {
        "length": length,
        "temperature": flags.temperature,
        "c_input": controls,
    }
    if not model.z_size:
        of_z = flags.z_file, flags.save_z, flags.same_z, flags.attribute
        if inputs or attribute or any(of_z):
            raise UserError(f"config {config.name} has no latent space")
        outputs = model.sample(flags.num_outputs, **options)
    else:
        shift = shift + attribute_shift(flags, model)
        z = _latent_vectors(flags, model, inputs) + shift
        if flags.save_z:
            _save(z, flags.save_z)
        outputs = model.decode(z, **options)
    tempos = _tempos(flags.tempo, inputs, len(outputs))
    quarters = converter.quarters(length)
    return [in_time(one, qpm, quarters) for one, qpm in zip(outputs, tempos)]


def _tempos(asked, inputs, number) -> list[float]:
    """The tempo of each output, in BPM."""
    import numpy as np

    from music_vae_tf.data.tempo import DEFAULT_QPM, qpm_of

    if asked is not None or not inputs:
        return [asked or DEFAULT_QPM] * number
    first, last = map(qpm_of, inputs)
    if first != last and number > 1:
        log.info(
            "The tempo changes from %.4g to %.4g BPM, like that of the inputs; "
            "--tempo sets one for all",
            first,
            last,
        )
    return np.linspace(first, last, number).tolist()


def _length(text, config, converter) -> int:
    """Steps: as many as in training, or what a text like `64` or `4bars` says."""
    if text is None:
        return config.model.max_seq_len
    match = re.fullmatch(r"(\d{1,6})\s*(bars?)?", text.strip())
    if match is None or not int(match[1]):
        raise UserError(f"--length={text}: expected steps, as in 64, or bars, as 4bars")
    number, in_bars = int(match[1]), match[2]
    if not in_bars:
        length = number
    elif converter.steps_per_bar:
        length = number * converter.steps_per_bar
    else:
        raise UserError(f"--length={text}: config {config.name} has no steps of a bar")
    if length > MAX_STEPS:
        raise UserError(
            f"--length={text}: {length:,} steps, {MAX_STEPS:,} are the limit"
        )
    if config.model.decoder.kind == "hierarchical" and (
        length != config.model.max_seq_len
    ):
        raise UserError(
            f"--length={text}: config {config.name} decodes its whole length at once, "
            f"{config.model.max_seq_len} steps"
        )
    return length


def _controls(flags, config, converter, length):
    """The controls of each step [T, D_c], or None without controls."""
    from music_vae_tf import generation
    from music_vae_tf.data.converters.base import NotConvertible

    if flags.chords:
        try:
            return converter.controls_of_chords(flags.chords.split(), length)
        except NotConvertible as refusal:
            raise UserError(f"--chords={flags.chords}: {refusal}") from refusal
    if flags.control_midi and converter.control_kind != "hits":
        raise UserError(
            f"--control_midi={flags.control_midi}: config {config.name} is not "
            "conditioned on hits"
        )
    if flags.control_midi:
        path = os.path.expanduser(flags.control_midi)
        sequence = read_music(flags, path, config)
        return generation.only_example(converter, sequence, path).controls
    if converter.controls is not None:
        on_hits = converter.control_kind == "hits"
        given_by = "--control_midi=hits.mid" if on_hits else '--chords="C G Am F"'
        raise UserError(f"config {config.name} is conditioned: give {given_by}")
    return None


def _latent_vectors(flags, model, inputs):
    """Of the outputs: [N, Z]."""

    if inputs:
        return model.between(*inputs, flags.num_outputs, assert_same_length=False)
    if not flags.z_file:
        return model.draw(flags.num_outputs, flags.same_z)
    from music_vae_tf.generation.latent_files import read_z

    return read_z(os.path.expanduser(flags.z_file), model.z_size)


def _shift(flags, config):
    """What the attribute adds to all latent vectors, [Z]."""
    from music_vae_tf.generation.collection import read_attribute

    path = os.path.expanduser(flags.attribute_vector)
    return flags.attribute_strength * read_attribute(path, config)


def _save(z, path):
    import numpy as np

    from music_vae_tf.data.whole_file import whole_file

    path = os.path.expanduser(path)
    with whole_file(path) as file:
        np.save(file, z)
    log.info("Saved %d latent vectors: %s", len(z), path)


run = command.entry(main)

if __name__ == "__main__":
    sys.exit(run())

"""New music from a trained model, as MIDI files.

From nothing (random points of the latent space):

    music_vae_generate --config=groovae_4bar --run_dir=. --mode=sample \\
        --num_outputs=5 --output_dir=generated

From one file to another, in steps:

    music_vae_generate --config=groovae_4bar --run_dir=. --mode=interpolate \\
        --input_midi_1=a.mid --input_midi_2=b.mid --num_outputs=7 --output_dir=generated
"""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

from absl import logging
from music_vae_tf.bin.command import Command, UserError
from music_vae_tf.bin.quiet import import_tensorflow

command = Command("music_vae_generate", __doc__)
command.string(
    "run_dir", None, "Directory of a training; its newest checkpoint is used."
)
command.string(
    "checkpoint_file",
    None,
    "A checkpoint instead of a run_dir: prefix, .index file, or .tar of Magenta's.",
)
command.string(
    "output_dir", "/tmp/music_vae/generated", "Where MIDI files are written."
)
command.string(
    "config",
    None,
    "Name of the config, or a YAML file; by default what the run_dir was trained with.",
)
command.enum("mode", "sample", ["sample", "interpolate"], "What to generate.")
command.string("input_midi_1", None, "MIDI file where an interpolation starts.")
command.string("input_midi_2", None, "MIDI file where an interpolation ends.")
command.integer(
    "num_outputs",
    5,
    "How many samples; of an interpolation, how many steps with both ends.",
    at_least=1,
)
command.integer(
    "max_batch_size",
    8,
    "At most so many sequences at a time; fewer take less memory.",
    at_least=1,
)
command.float("temperature", 0.5, "Randomness of the decoding; above 0.")
command.integer("seed", None, "The same seed gives the same files; by default random.")
command.boolean("list_configs", False, "List the names of all configs, and stop.")


def main(flags):
    from music_vae_tf import config as configs

    if flags.list_configs:
        print("\n".join(configs.names()))
        return
    _check(flags)
    import_tensorflow()
    config, source = _config_and_checkpoint(flags)

    from music_vae_tf.generation import TrainedModel

    output_dir = Path(os.path.expanduser(flags.output_dir))
    output_dir.mkdir(parents=True, exist_ok=True)
    stamp = time.strftime("%Y-%m-%d_%H%M%S")
    inputs = []
    if flags.mode == "interpolate":
        inputs = _interpolation_inputs(flags, config, output_dir, stamp)
    logging.info("Loading %s", source)
    model = TrainedModel(
        config, min(flags.max_batch_size, flags.num_outputs), source, seed=flags.seed
    )
    options = {"length": config.model.max_seq_len, "temperature": flags.temperature}
    if inputs:
        sequences = model.interpolate(
            *inputs, flags.num_outputs, assert_same_length=False, **options
        )
    else:
        sequences = model.sample(flags.num_outputs, **options)
    name = f"{config.name}_{flags.mode}_{stamp}-{{:03d}}-of-{len(sequences):03d}.mid"
    _write(sequences, output_dir / name)


def _check(flags):
    if (flags.run_dir is None) == (flags.checkpoint_file is None):
        raise UserError(
            "give either --run_dir, the directory of a training, or --checkpoint_file"
        )
    if flags.temperature <= 0:
        raise UserError(f"--temperature={flags.temperature}: expected a number above 0")
    if flags.mode == "interpolate" and not (flags.input_midi_1 and flags.input_midi_2):
        raise UserError("--mode=interpolate needs --input_midi_1 and --input_midi_2")


def _config_and_checkpoint(flags):
    from music_vae_tf import checkpoint, config
    from music_vae_tf.run_directory import RunDirectory

    asked = config.load(flags.config) if flags.config else None
    if flags.checkpoint_file is not None:
        if asked is None:
            raise UserError("--checkpoint_file needs --config, which it is one of")
        return asked, checkpoint.find(os.path.expanduser(flags.checkpoint_file))
    directory = RunDirectory.at(flags.run_dir)
    record = directory.record()
    if record is None and asked is None:
        raise UserError(
            f"{directory.path} does not say what was trained there: give --config"
        )
    if record is not None:
        # The sizes of that training, which --hparams may have changed.
        asked = _same_config(record.config, asked, directory)
    return asked, checkpoint.find(directory.path)


def _same_config(trained, asked, directory):
    if asked is not None and asked.name != trained.name:
        raise UserError(
            f"{directory.path} holds a training of config {trained.name}, and "
            f"--config={asked.name} was asked for: leave out --config, or name the "
            "run_dir of the other training"
        )
    return trained


def _interpolation_inputs(flags, config, output_dir, stamp):
    """Both input files as NoteSequences that give one example each."""
    from music_vae_tf import build
    from music_vae_tf.data.midi import read_midi

    paths = [os.path.expanduser(p) for p in (flags.input_midi_1, flags.input_midi_2)]
    inputs = [read_midi(path) for path in paths]
    converter = build.converter(config).for_inference()
    for number, (path, sequence) in enumerate(zip(paths, inputs), 1):
        examples, left_out = converter.extract(sequence)
        if not examples:
            reasons = "; ".join(left_out) or "no notes"
            raise UserError(
                f"{path} gives no example for config {config.name}: {reasons}. "
                "Try another MIDI file."
            )
        if len(examples) > 1:
            name = (
                f"{config.name}_input{number}-extractions_{stamp}"
                f"-{{:03d}}-of-{len(examples):03d}.mid"
            )
            _write([_heard(converter, e) for e in examples], output_dir / name)
            raise UserError(
                f"{path} gives {len(examples)} examples, and one is needed. Each is "
                f"written to {output_dir}: call again with one of these files."
            )
    return inputs


def _heard(converter, example):
    """An example as the NoteSequence that it stands for."""
    dense = converter.unpack(example)
    controls = dense.controls if converter.controls else None
    return converter.to_sequence(dense.targets, controls)


def _write(sequences, pattern):
    """One file for each NoteSequence; `pattern` has a hole for its number."""
    from music_vae_tf.data.midi_writer import write_midi

    for number, sequence in enumerate(sequences):
        write_midi(sequence, str(pattern).format(number))
    logging.info("Wrote %d files: %s", len(sequences), str(pattern).format(0))


run = command.entry(main)

if __name__ == "__main__":
    sys.exit(run())

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

from music_vae_tf.bin.command import (
    LARGEST_SEED,
    Command,
    UserError,
    writable_directory,
)
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
command.integer(
    "seed",
    None,
    "The same seed gives the same files; by default random.",
    at_least=0,
    at_most=LARGEST_SEED,
)
command.boolean("list_configs", False, "List the names of all configs, and stop.")


def main(flags):
    from music_vae_tf import config as configs

    if flags.list_configs:
        print("\n".join(configs.names()))
        return
    _check(flags)
    config, checkpoint = _config_and_checkpoint(flags)
    output_dir = writable_directory("output_dir", flags.output_dir)
    write = _Writer(output_dir, config.name, time.strftime("%Y-%m-%d_%H%M%S"))
    import_tensorflow()
    write(flags.mode, _generate(flags, config, checkpoint, write))


def _check(flags):
    if (flags.run_dir is None) == (flags.checkpoint_file is None):
        raise UserError(
            "give either --run_dir, the directory of a training, or --checkpoint_file"
        )
    if not flags.temperature > 0:
        raise UserError(f"--temperature={flags.temperature}: expected a number above 0")
    if flags.mode == "interpolate" and not (flags.input_midi_1 and flags.input_midi_2):
        raise UserError("--mode=interpolate needs --input_midi_1 and --input_midi_2")


def _config_and_checkpoint(flags):
    from music_vae_tf import config as configs
    from music_vae_tf.run_directory import RunDirectory

    asked = configs.load(flags.config) if flags.config else None
    if flags.checkpoint_file is not None:
        if asked is None:
            raise UserError("--checkpoint_file needs --config, which it is one of")
        return asked, flags.checkpoint_file
    directory = RunDirectory.at(flags.run_dir)
    if not directory.path.is_dir():
        raise UserError(f"--run_dir={flags.run_dir}: there is no such directory")
    record = directory.record()
    if record is None and asked is None:
        raise UserError(
            f"{directory.path} does not say what was trained there: give --config"
        )
    if record is not None:
        # The sizes of that training, which --hparams may have changed.
        asked = _same_config(record.config, asked, directory)
    return asked, directory.path


def _same_config(trained, asked, directory):
    if asked is not None and asked.name != trained.name:
        raise UserError(
            f"{directory.path} holds a training of config {trained.name}, and "
            f"--config={asked.name} was asked for: leave out --config, or name the "
            "run_dir of the other training"
        )
    return trained


def _generate(flags, config, checkpoint, write) -> list:
    """The new NoteSequences."""
    from music_vae_tf import build
    from music_vae_tf.generation import TrainedModel

    converter = build.converter(config).for_inference()
    if converter.controls is not None:
        raise UserError(
            f"config {config.name} is conditioned, and this command has no flag for "
            "what on. In Python, TrainedModel.sample takes it as c_input"
        )
    inputs = []
    if flags.mode == "interpolate":
        inputs = _inputs(flags, converter, write)
    logging.info("Loading %s", checkpoint)
    model = TrainedModel(
        config,
        min(flags.max_batch_size, flags.num_outputs),
        checkpoint,
        seed=flags.seed,
    )
    options = {"length": config.model.max_seq_len, "temperature": flags.temperature}
    if not inputs:
        return model.sample(flags.num_outputs, **options)
    return model.interpolate(
        *inputs, flags.num_outputs, assert_same_length=False, **options
    )


def _inputs(flags, converter, write) -> list:
    """Both input files as NoteSequences of one example each.

    The examples of a file that has several are written out, as in Magenta.
    """
    from music_vae_tf import generation
    from music_vae_tf.data.midi import read_midi

    paths = [os.path.expanduser(p) for p in (flags.input_midi_1, flags.input_midi_2)]
    inputs = [read_midi(path) for path in paths]
    for number, (path, sequence) in enumerate(zip(paths, inputs), 1):
        try:
            generation.only_example(converter, sequence, path)
        except generation.MultipleExtractedExamplesError as error:
            write(f"input{number}-extractions", error.sequences)
            raise UserError(
                f"{error} Call again with one of the files that are written now."
            ) from error
    return inputs


class _Writer:
    """Writes MIDI files into a directory, named as Magenta names them."""

    def __init__(self, directory: Path, config_name: str, stamp: str):
        self._directory, self._config_name, self._stamp = directory, config_name, stamp

    def __call__(self, what, sequences):
        from music_vae_tf.data.midi_writer import write_midi

        count = len(sequences)
        name = f"{self._config_name}_{what}_{self._stamp}-{{}}-of-{count:03d}.mid"
        for number, sequence in enumerate(sequences):
            write_midi(sequence, self._directory / name.format(f"{number:03d}"))
        logging.info(
            "Wrote %d MIDI files: %s", count, self._directory / name.format("*")
        )


run = command.entry(main)

if __name__ == "__main__":
    sys.exit(run())

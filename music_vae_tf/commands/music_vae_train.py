"""Train a model on NoteSequences, or evaluate its checkpoints.

    music_vae_train --config=groovae_4bar --run_dir=. --mode=train \\
        --examples_path=notesequences.tfrecord

A training that was stopped goes on from its last checkpoint when it is started again.
Beside it, on other examples:

    music_vae_train --config=groovae_4bar --run_dir=. --mode=eval \\
        --examples_path=validation.tfrecord
"""

from __future__ import annotations

import functools
import os
import shlex
import sys

from absl import logging

from music_vae_tf.commands.command import Command, UserError
from music_vae_tf.commands.drums_flag import add_drums, with_drums
from music_vae_tf.commands.progress import progress
from music_vae_tf.commands.training_command import (
    Material,
    add_training_flags,
    train_or_evaluate,
)

command = Command("music_vae_train", __doc__)
add_training_flags(command, "batch_size=64,enc_rnn_size=[512]")
command.string(
    "examples_path",
    None,
    "TFRecord file of NoteSequences, or a pattern of several; instead of tfds_name.",
)
command.string(
    "tfds_name", None, "TensorFlow Datasets name; by default the config's own."
)
command.boolean(
    "cache_dataset", True, "Keep all examples in memory; otherwise convert as you go."
)
command.enum(
    "reconstruction_loss",
    None,
    ["groove", "bce"],
    "Of configs with hits, velocities and offsets of drums: their own, or all columns "
    "taken for chances, to compare with; by default the config's.",
)
add_drums(command)
PARAMETER_SERVER_FLAGS = ("master", "task", "num_ps_tasks", "num_sync_workers")
for name in PARAMETER_SERVER_FLAGS:
    command.string(name, None, "Magenta's; refused, with what replaces it.")


def main(flags):
    _refuse_parameter_servers(flags)
    train_or_evaluate(
        flags,
        ["music_vae"],
        _NoteSequences,
        functools.partial(_changed, flags),
    )


def _refuse_parameter_servers(flags):
    for name in PARAMETER_SERVER_FLAGS:
        if flags[name].value not in (None, "", "0"):
            raise UserError(
                f"--{name} belonged to the parameter servers of TensorFlow 1, which "
                "are no more: leave it out. One process trains on the machine's own "
                "devices, and hparams.batch_size is its whole batch"
            )


def _changed(flags, config):
    return with_drums(_with_loss(flags.reconstruction_loss, config), flags.drums)


def _with_loss(reconstruction_loss, config):
    from music_vae_tf.config import ConfigError, with_arguments

    if reconstruction_loss is None:
        return config
    try:
        return with_arguments(config, "groove", reconstruction_loss=reconstruction_loss)
    except ConfigError as error:
        raise UserError(
            f"--reconstruction_loss={reconstruction_loss} is for configs that end in "
            f"hits, velocities and offsets: {error}"
        ) from error


class _NoteSequences(Material):
    """NoteSequences of --examples_path, or of a TFDS set, as a config's examples."""

    data_flags = ("examples_path", "tfds_name", "cache_dataset")

    def __init__(self, flags, config):
        self._flags, self._config = flags, config
        self._source = _source(flags, config, "train")
        if flags.mode == "eval":
            self._source = self._to_evaluate_on()
        self.name = self._source.name
        self._batch_size = config.training.batch_size

    @functools.cached_property
    def converter(self):
        from music_vae_tf import build

        return build.converter(self._config)

    def _to_evaluate_on(self):
        """What is named, or what the training validates on."""
        from music_vae_tf.data.source import Source

        flags = self._flags
        if flags["examples_path"].present or flags["tfds_name"].present:
            return _source(flags, self._config, "validation")
        if flags.validation_path:
            return Source.of_files(os.path.expanduser(flags.validation_path))
        if flags.examples_path and not flags.holdout:
            logging.warning(
                "evaluating on what was trained on, %s: its loss says little of other "
                "music. Name other examples with --examples_path",
                flags.examples_path,
            )
        return _source(flags, self._config, "validation")

    @functools.cached_property
    def _parts(self):
        """(the source to train on, the source that is held out)."""
        return self._source.split(self._flags.holdout, self.holdout_seed)

    @property
    def _trained_on(self):
        return self._parts[0] if self._flags.holdout else self._source

    def training_batches(self, seed, first_step):
        return self.training_rows(seed, first_step, slice(None))

    def training_rows(self, seed, first_step, rows, worker=(0, 1)):
        from music_vae_tf import build
        from music_vae_tf.data import pipeline

        augmenter = build.augmenter(self._config)
        augment = augmenter.augment if augmenter else None
        if self._flags.cache_dataset:
            store = self._examples(self._trained_on, augment, seed)
            return pipeline.training_batches(
                store, self._batch_size, seed, first_step, rows
            )
        logging.info("Reading %s anew in each epoch, without a cache", self.name)
        return pipeline.streaming_batches(
            self._trained_on.read,
            self.converter,
            len(range(self._batch_size)[rows]),
            seed,
            augment,
            first_step,
            pipeline.Share(*worker),
        )

    def validation_batches(self, num_batches):
        from music_vae_tf.data import pipeline
        from music_vae_tf.data.source import Source

        if self._flags.validation_path:
            source = Source.of_files(os.path.expanduser(self._flags.validation_path))
        elif self._flags.holdout:
            source = self._parts[1]
        else:
            return None
        store = self._examples(source, at_least=1)
        batches = pipeline.all_batches(store, self._batch_size)
        return batches.take(num_batches)

    def evaluation_batches(self, num_batches):
        from music_vae_tf.data import pipeline

        held_out = self._flags.holdout and not self._flags["examples_path"].present
        if held_out:
            store = self._examples(self._parts[1], at_least=1)
            batches = pipeline.all_batches(store, self._batch_size)
            return batches.take(num_batches or -1)
        store = self._examples(self._source)
        return pipeline.evaluation_batches(store, self._batch_size, num_batches)

    def _examples(self, source, *how, at_least=None):
        """All examples of a source, by default a batch at least; says how many, and
        what was left out."""
        from music_vae_tf.data import pipeline

        with progress(None, "Reading", unit="NoteSequences") as bar:
            store, report = pipeline.extract_examples(
                bar.over(source.read()), self.converter, *how
            )
        report.require(at_least or self._batch_size)
        logging.info("%s: %s", source.name, report)
        return store

    def failing_in_its_own_words(self):
        return self._source.failing_in_its_own_words()

    def what_next(self):
        generate = [
            "music_vae_generate",
            *([f"--config={self._flags.config}"] if self._flags.config else []),
            f"--run_dir={self._flags.run_dir}",
            "--mode=sample",
            "--num_outputs=5",
            "--output_dir=generated",
        ]
        return f"Hear what it has learned:\n    {shlex.join(generate)}"


def _source(flags, config, split):
    from music_vae_tf.data.source import Source

    if flags.examples_path and flags.tfds_name:
        raise UserError("give --examples_path or --tfds_name, not both")
    if flags.examples_path:
        return Source.of_files(os.path.expanduser(flags.examples_path))
    name = flags.tfds_name or config.dataset.tfds_name
    if not name:
        raise UserError(
            "--examples_path is missing: name a TFRecord file of NoteSequences, which "
            "convert_dir_to_note_sequences makes of a folder of MIDI"
        )
    return Source.of_data_set(name, split)


run = command.entry(main)

if __name__ == "__main__":
    sys.exit(run())

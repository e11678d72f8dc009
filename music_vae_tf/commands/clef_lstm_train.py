"""Train the clef-split LSTM on prepared piano music, or evaluate its checkpoints.

    clef_lstm_prepare --input_dir=chopin/ --output_dir=prepared
    clef_lstm_train --config=clef_lstm_small --run_dir=run --data_dir=prepared

A training that was stopped goes on from its last checkpoint when it is started again.
Beside it, on the pieces that are kept for validation:

    clef_lstm_train --config=clef_lstm_small --run_dir=run --mode=eval \\
        --data_dir=prepared
"""

from __future__ import annotations

import dataclasses
import functools
import os
import shlex
import sys
from pathlib import Path

from absl import logging

from music_vae_tf.commands.clef_runs import LABELS_FILE, labels_of_run
from music_vae_tf.commands.command import Command, Misuse, UserError
from music_vae_tf.commands.progress import progress
from music_vae_tf.commands.training_command import (
    Material,
    add_training_flags,
    train_or_evaluate,
)

command = Command("clef_lstm_train", __doc__)
add_training_flags(command, "batch_size=64,dense_size=256")
command.string("data_dir", None, "Folder that clef_lstm_prepare has made.")
command.boolean(
    "independent",
    False,
    "The original's two models that know nothing of each other, and no bars: the same "
    "as --hparams=shared_clock=False.",
)


def main(flags):
    if flags.independent:
        assignments = filter(None, [flags.hparams, "shared_clock=False"])
        flags["hparams"].value = ",".join(assignments)
    train_or_evaluate(flags, ["clef_lstm"], _Pieces)


class _Pieces(Material):
    """Pieces of --data_dir, those for training or those for validation."""

    data_flags = ("data_dir",)

    def __init__(self, flags, config):
        from music_vae_tf.data.clefs import require_libraries
        from music_vae_tf.data.clefs.prepared import Prepared

        if not flags.data_dir:
            raise Misuse("--data_dir is required: the folder of clef_lstm_prepare")
        if flags.holdout or flags.validation_path:
            raise UserError(
                "clef_lstm_prepare has kept pieces for validation, which are measured: "
                "leave out --holdout and --validation_path"
            )
        require_libraries()
        self._flags, self._config = flags, config
        self._run_dir = Path(os.path.expanduser(flags.run_dir))
        self._prepared = Prepared(Path(os.path.expanduser(flags.data_dir)))
        split = self._prepared.split
        if flags.mode == "eval" and not split["validation"]:
            raise UserError(
                f"--data_dir={flags.data_dir} has no piece for validation: prepare "
                "three at least"
            )
        self.name = flags.data_dir

    @functools.cached_property
    def converter(self):
        from music_vae_tf import build

        clefs_converter = build.converter(self._config)
        labels = labels_of_run(self._run_dir)
        if labels is None:
            labels = clefs_converter.labels_of(self._pieces("train"))
        return clefs_converter.windows(labels)

    def _pieces(self, split):
        voices = self._config.converter.arguments["voices"]
        return self._prepared.pieces(split, voices)

    def training_batches(self, seed, first_step):
        from music_vae_tf.data import pipeline
        from music_vae_tf.data.clefs import labels
        from music_vae_tf.data.whole_file import whole_file

        low, high = self._config.dataset.transpose_range or (0, 0)
        store = self._store("train", range(low, high + 1))
        with whole_file(self._run_dir / LABELS_FILE) as file:
            file.write(labels.to_json(self.converter.labels).encode())
        batch_size = self._config.training.batch_size
        return pipeline.training_batches(store, batch_size, seed, first_step)

    def validation_batches(self, num_batches):
        from music_vae_tf.data import pipeline

        if not self._prepared.split["validation"]:
            return None
        store = self._store("validation", [0], at_least=1)
        batch_size = self._config.training.batch_size
        return pipeline.all_batches(store, batch_size).take(num_batches)

    def evaluation_batches(self, num_batches):
        from music_vae_tf.data import pipeline

        batch_size = self._config.training.batch_size
        store = self._store("validation", [0])
        return pipeline.evaluation_batches(store, batch_size, num_batches)

    def _store(self, split, keys, at_least=None):
        """The windows of all pieces in all keys, a batch at least."""
        from music_vae_tf.data import pipeline

        with progress(None, "Reading", unit="pieces") as bar:
            store, report = pipeline.extract_examples(
                bar.over(self._pieces(split)),
                dataclasses.replace(self.converter, keys=tuple(keys)),
            )
        report.require(at_least or self._config.training.batch_size)
        logging.info(
            "%s: %d pieces for %s, in %d keys, gave %s windows",
            *(self.name, len(self._prepared.split[split]), split, len(keys)),
            f"{len(store):,}",
        )
        return store

    def what_next(self):
        generate = [
            "clef_lstm_generate",
            f"--run_dir={self._flags.run_dir}",
            *("--key=C", "--tempo=90", "--bars=8", "--output_dir=generated"),
        ]
        return f"Hear and see what it has learned:\n    {shlex.join(generate)}"


run = command.entry(main)

if __name__ == "__main__":
    sys.exit(run())

"""Train the convolutional VAE of class rolls, or the decoder that continues them.

    piano_roll_vae_prepare --output_dir=rolls/
    piano_roll_vae_train --config=conv_cvae --run_dir=cvae/ --mode=train \\
        --examples_path=rolls/train.npz --num_steps=2000

and, when that is trained, what follows its thirty seconds:

    piano_roll_vae_train --config=clstm_decoder --run_dir=clstm/ --mode=train \\
        --cvae_run_dir=cvae/ --examples_path=rolls/train.npz --num_steps=1000

--mode=eval measures the checkpoints as they come, on rolls/held_out.npz for instance;
--mode=summary prints the table of a config's layers.
"""

from __future__ import annotations

import functools
import os
import shlex
import sys

from absl import logging

from music_vae_tf.commands.command import Command, Misuse, UserError
from music_vae_tf.commands.roll_runs import (
    check_latents,
    config_of_run,
    record_latents,
    restored_model,
)
from music_vae_tf.commands.training_command import (
    Material,
    add_training_flags,
    train_or_evaluate,
)
from music_vae_tf.quiet import import_tensorflow

KINDS = ("conv_cvae", "clstm_decoder")

command = Command("piano_roll_vae_train", __doc__)
add_training_flags(command, "batch_size=64,filters=[16,32,64]", other_modes=["summary"])
command.string(
    "examples_path", None, "File of class rolls, as piano_roll_vae_prepare makes it."
)
command.string(
    "cvae_run_dir",
    None,
    "Where the conv_cvae was trained whose latents a clstm_decoder reads.",
)


def main(flags):
    if flags.mode == "summary":
        print(_summary(flags))
    else:
        train_or_evaluate(flags, KINDS, _Rolls)


def _summary(flags) -> str:
    """The table of the layers, as the published ones are."""
    import_tensorflow()

    from music_vae_tf import build
    from music_vae_tf import config as configs

    if not flags.config:
        raise Misuse("--config is required for --mode=summary")
    config = configs.override(configs.load(flags.config, *KINDS), flags.hparams)
    layers = build.model(config, build.converter(config)).layer_table()
    rows = [
        (row.name, " x ".join(map(str, row.output)), row.parameters, row.mult_adds)
        for row in layers
    ]
    total = (config.name, "", *(sum(column) for column in list(zip(*rows))[2:]))
    lines = [("layer", "output", "parameters", "multiply-adds"), *rows, total]
    return "\n".join(
        f"{name:<24}{output:<16}{_number(parameters):>12}{_number(mult_adds):>16}"
        for name, output, parameters, mult_adds in lines
    )


def _number(cell) -> str:
    return cell if isinstance(cell, str) else f"{cell:,}"


class _Rolls(Material):
    """Class rolls of --examples_path; for a clstm_decoder, latents of them."""

    data_flags = ("examples_path", "cvae_run_dir")

    def __init__(self, flags, config):
        self._flags, self._config = flags, config
        if not flags.examples_path:
            raise UserError(
                "--examples_path is missing: name a file of class rolls, which "
                "piano_roll_vae_prepare makes"
            )
        self.name = os.path.expanduser(flags.examples_path)
        if not os.path.isfile(self.name):
            raise UserError(
                f"--examples_path={self.name}: there is no such file; a file of class "
                "rolls is expected, which piano_roll_vae_prepare makes"
            )
        self._cvae_config = _cvae_config(flags, config)

    @functools.cached_property
    def converter(self):
        from music_vae_tf import build

        return build.converter(self._config)

    def training_batches(self, seed, first_step):
        from music_vae_tf.data import pipeline
        from music_vae_tf.data.rolls import transposed
        from music_vae_tf.models.prng import PRNGKey

        batches = pipeline.training_batches(
            self._store(), self._config.training.batch_size, seed, first_step
        )
        numbered = batches.enumerate(first_step)
        if self._config.dataset.transpose_range:
            low, high = self._config.dataset.transpose_range
            draw = lambda step: PRNGKey(seed).fold_in("transposition").fold_in(step)
            numbered = numbered.map(
                lambda step, batch: (step, transposed(batch, low, high, draw(step)))
            )
        if self._cvae_config:
            record_latents(self._flags.run_dir, self._cvae)
        latents = lambda step: PRNGKey(seed).fold_in("latents").fold_in(step)
        return self._read_by_the_model(numbered, latents)

    def evaluation_batches(self, num_batches):
        from music_vae_tf.data import pipeline

        if self._cvae_config:
            check_latents(self._flags.run_dir, self._cvae)
        batches = pipeline.evaluation_batches(
            self._store(), self._config.training.batch_size, num_batches
        )
        return self._read_by_the_model(batches.enumerate(), lambda step: None)

    def _store(self):
        from music_vae_tf.data import pipeline, rolls

        every = rolls.read(self.name, self.converter.window_steps)
        report = pipeline.Report(examples=len(every))
        report.require(self._config.training.batch_size)
        logging.info("%s: %s rolls", self.name, f"{len(every):,}")
        return rolls.store(every)

    def _read_by_the_model(self, numbered, noise_of):
        """Batches of numbers and rolls -> what the model of the config reads."""
        if self._cvae_config is None:
            return numbered.map(lambda step, batch: batch)
        from music_vae_tf.models.piano_roll_vae import continuation_batch

        cvae = self._cvae
        windows = self._config.model.latent_windows
        return numbered.map(
            lambda step, batch: continuation_batch(cvae, windows, batch, noise_of(step))
        )

    @functools.cached_property
    def _cvae(self):
        return restored_model(
            self._cvae_config, self.converter, self._flags.cvae_run_dir
        )

    def what_next(self):
        generate = ["piano_roll_vae_generate", f"--run_dir={self._flags.run_dir}"]
        if self._cvae_config:
            generate = [
                "piano_roll_vae_generate",
                f"--run_dir={self._flags.cvae_run_dir}",
                f"--clstm_run_dir={self._flags.run_dir}",
            ]
        generate += ["--condition=piano+bass", "--output_dir=generated"]
        return f"Hear what it has learned:\n    {shlex.join(generate)}"


def _cvae_config(flags, config):
    """The config of the VAE whose latents the model reads; None for a VAE itself.

    Raises:
        UserError: it is missing, or not what the model reads.
    """
    if config.kind == "conv_cvae":
        if flags.cvae_run_dir:
            raise UserError(
                "--cvae_run_dir is for a clstm_decoder, not for a conv_cvae"
            )
        return None
    if not flags.cvae_run_dir:
        raise UserError(
            "--cvae_run_dir is missing: a clstm_decoder reads latents of a trained "
            "conv_cvae"
        )
    cvae_config = config_of_run("cvae_run_dir", flags.cvae_run_dir, "conv_cvae")
    if cvae_config.model.z_size != config.model.z_size:
        raise UserError(
            f"{flags.cvae_run_dir} has latents of size {cvae_config.model.z_size}, and "
            f"z_size of {config.name} is {config.model.z_size}: they should be equal"
        )
    if cvae_config.converter != config.converter:
        raise UserError(
            f"{flags.cvae_run_dir} was trained on other rolls than those that "
            f"{config.name} reads: their sections `converter` should be equal"
        )
    return cvae_config


run = command.entry(main)

if __name__ == "__main__":
    sys.exit(run())

"""Measure the reconstructions of trained models, on examples of your choice.

    music_vae_evaluate --run_dir=run --examples_path=validation.tfrecord

Several models, separated by commas, get a column each:

    music_vae_evaluate --run_dir=flat,hierarchical --examples_path=validation.tfrecord

Teacher-forced: each step is conditioned on the targets before it, and the mode of its
distribution is scored. Autoregressive: each step is conditioned on the model's own
samples. KL is the divergence of the posterior from the prior.

A task of GrooVAE compares models with the drummers themselves, and with baselines
without a network:

    music_vae_evaluate --task=humanize --run_dir=run \\
        --examples_path=validation.tfrecord --training_path=train.tfrecord \\
        --output_json=humanize.json

`--task=samples` compares draws from the prior with the examples, in any config without
controls.
"""

from __future__ import annotations

import logging
import math
import os
import sys

from music_vae_tf.commands import evaluation_tasks, sample_evaluation
from music_vae_tf.commands.command import LARGEST_SEED, Command, UserError
from music_vae_tf.commands.drums_flag import with_drums
from music_vae_tf.commands.progress import progress
from music_vae_tf.commands.trained import (
    add_model_flags,
    config_and_checkpoint,
    config_of_run,
    restored,
)
from music_vae_tf.quiet import import_tensorflow

log = logging.getLogger("music_vae_tf")

command = Command("music_vae_evaluate", __doc__)
add_model_flags(command)
command.string(
    "examples_path",
    None,
    "TFRecord file of NoteSequences, or a pattern of several.",
    required=True,
)
command.float("temperature", 1.0, "Randomness of the samples; above 0.")
command.integer("batch_size", 64, "Examples at a time.", at_least=1, at_most=100_000)
command.integer(
    "seed",
    0,
    "The same seed and batch_size give the same numbers.",
    at_least=0,
    at_most=LARGEST_SEED,
)
evaluation_tasks.add_task_flags(command)


def main(flags):
    from music_vae_tf.data.source import Source

    if not 1e-12 <= flags.temperature <= 1e12:  # beyond, logits are no numbers
        raise UserError(
            f"--temperature={flags.temperature}: expected a number above 0, from 1e-12 "
            "to 1e12"
        )
    if flags.task == sample_evaluation.NAME:
        sample_evaluation.evaluate(flags, _models(flags))
        return
    if flags.task:
        is_named = flags.run_dir or flags.checkpoint_file or _is_pretrained(flags)
        models = _models if is_named else evaluation_tasks.models_without_weights
        evaluation_tasks.evaluate(flags, models(flags))
        return
    evaluation_tasks.refuse_task_flags(flags)
    models = _models(flags)
    source = Source.of_files(os.path.expanduser(flags.examples_path))
    import_tensorflow()
    columns = {name: _figures(flags, source, *model) for name, model in models.items()}
    print("\n".join(_table(columns)))


def _is_pretrained(flags) -> bool:
    from music_vae_tf import pretrained

    return flags.config in pretrained.names()


def _models(flags) -> dict:
    """`{head of a column: (config, path of a checkpoint)}`."""
    run_dirs = [d.strip() for d in (flags.run_dir or "").split(",") if d.strip()]
    if len(run_dirs) < 2:
        config, checkpoint = config_and_checkpoint(flags)
        return {config.name: (config, checkpoint)}
    if flags.config or flags.checkpoint_file:
        raise UserError(
            "each of several run_dirs has its own config: leave out --config and "
            "--checkpoint_file"
        )
    if len(set(run_dirs)) < len(run_dirs):
        raise UserError(f"--run_dir={flags.run_dir}: a run directory is given twice")
    models = {run_dir: config_of_run(run_dir) for run_dir in run_dirs}
    return {
        run_dir: (with_drums(config, flags.drums), checkpoint)
        for run_dir, (config, checkpoint) in models.items()
    }


def _figures(flags, source, config, path) -> dict:
    """`{name of a row: text}`, in the order of the table."""
    from music_vae_tf import build, pretrained
    from music_vae_tf.analysis import reconstruction
    from music_vae_tf.data import pipeline

    converter = build.converter(config)
    model, step = restored(config, converter, path)
    with progress(None, "Reading", unit="NoteSequences") as bar:
        sequences = bar.over(source.read())
        store, report = pipeline.extract_examples(sequences, converter)
    report.require(1)
    log.info("%s: %s", source.name, report)
    # All sequences of a batch share their controls when sampled.
    batch_size = flags.batch_size if converter.controls is None else 1
    batches = pipeline.all_batches(store, batch_size)
    totals = _Totals(reconstruction.comparison(converter))
    objective = config.objective
    # Otherwise beta is its limit: pretrained models have several trainings.
    has_one_step = step >= 0 and not pretrained.is_weights(path)
    with progress(len(store), "Evaluating", unit="examples") as bar:
        for result in _results(flags, model, converter, batches, objective):
            totals.add(result)
            bar.advance(len(result.targets))
    return {
        "config": config.name,
        "step": "unknown" if step < 0 else f"{step:,}",
        "examples": f"{len(store):,}",
        **totals.figures(float(objective.beta(step if has_one_step else math.inf))),
    }


def _results(flags, model, converter, batches, objective):
    from music_vae_tf.generation.reconstructions import reconstructions

    options = {"end_token": converter.end_token, "grammar": converter.grammar}
    return reconstructions(
        model,
        batches,
        free_bits=objective.free_bits,
        temperature=flags.temperature,
        seed=flags.seed,
        **{name: value for name, value in options.items() if value is not None},
    )


class _Totals:
    """Adds up the results of batches."""

    def __init__(self, compare):
        self._compare = compare
        self._teacher_forced, self._autoregressive = {}, {}
        self._means, self._losses, self._metrics = [], [], {}

    def add(self, result):
        from music_vae_tf.analysis.reconstruction import merge

        compare = lambda rows: self._compare(rows, result.targets, result.mask)
        self._teacher_forced = merge(
            self._teacher_forced, compare(result.teacher_forced)
        )
        self._autoregressive = merge(
            self._autoregressive, compare(result.autoregressive)
        )
        self._means.append(result.mu)
        self._losses.append((result.r_loss, result.kl_cost, result.kl_bits))
        for name, metric in result.metrics.items():
            before = self._metrics.get(name)
            self._metrics[name] = metric if before is None else before.plus(metric)

    def figures(self, beta: float) -> dict[str, str]:
        import numpy as np

        from music_vae_tf.analysis.latent_space import active_units

        means = np.concatenate(self._means)
        r_loss, kl_cost, kl_bits = (
            np.concatenate(column).mean() for column in zip(*self._losses)
        )
        ratios = {
            f"{name}, {mode}": _shown(ratios[name])
            for name in self._teacher_forced
            for mode, ratios in (
                ("teacher-forced", self._teacher_forced),
                ("autoregressive", self._autoregressive),
            )
        }
        step_losses = {
            f"{name.removeprefix('metrics/').replace('_', ' ')} per step": (
                f"{float(metric.value):.3f}"
            )
            for name, metric in self._metrics.items()
            if name.startswith("metrics/") and name.endswith("_loss")
        }
        return {
            **ratios,
            **step_losses,
            "reconstruction loss, nats": f"{r_loss:.1f}",
            "KL, bits": f"{kl_bits:.1f}",
            "KL beyond the free bits, nats": f"{kl_cost:.1f}",
            "beta": f"{beta:.3g}",
            "loss": f"{r_loss + beta * kl_cost:.1f}",
            "active units": f"{active_units(means)} of {means.shape[1]}",
        }


def _shown(ratio):
    return f"{ratio.value:.3f}" if ratio.is_error else f"{100 * ratio.value:.1f} %"


def _table(columns):
    """Lines of a Markdown table."""
    yield f"| | {' | '.join(columns)} |"
    yield f"|---|{'--:|' * len(columns)}"
    for name in dict.fromkeys(n for figures in columns.values() for n in figures):
        cells = " | ".join(figures.get(name, "") for figures in columns.values())
        yield f"| {name} | {cells} |"


run = command.entry(main)

if __name__ == "__main__":
    sys.exit(run())

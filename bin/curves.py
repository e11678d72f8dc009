"""Draws validation losses over steps: trainings of this project and of the original.

    .venv/bin/python bin/curves.py --examples=groove_records/validation.tfrecord \
        --output=docs/research/results/groovae_4bar_curves \
        'seed 1=seed1' 'seed 2=seed2' 'seed 3=seed3' 'original=original'

A training of this project has its validations in its summaries. Of a training of the
original, all checkpoints are measured as --mode=eval measures them. Writes OUTPUT.csv
and OUTPUT.png, and prints a table.
"""

from __future__ import annotations

import argparse
import csv
import sys
import tempfile
from pathlib import Path

from music_vae_tf import checkpoint
from music_vae_tf.quiet import import_quietly
from music_vae_tf.rendering import curves
from music_vae_tf.rendering.piano_roll import PART_COLOURS
from music_vae_tf.training import options
from music_vae_tf.training.request import request

COLUMNS = {
    "r_loss": "losses/r_loss",
    "hits": "metrics/hits_loss",
    "velocities": "metrics/velocities_loss",
    "offsets": "metrics/offsets_loss",
    "kl_bits": "losses/kl_bits",
}
SHOWN_STEPS = 500
BATCH_SIZE = 64


def main(arguments: list[str]) -> None:
    """Writes the table and the picture."""
    parser = argparse.ArgumentParser(prog="bin/curves.py", description=__doc__)
    parser.add_argument("--config", default="groovae_4bar")
    parser.add_argument("--examples", required=True)
    parser.add_argument("--output", required=True, type=Path)
    parser.add_argument("runs", nargs="+", metavar="NAME=RUN_DIR")
    flags = parser.parse_args(arguments)
    if not flags.output.parent.is_dir():
        parser.error(f"--output={flags.output}: there is no folder for it")
    if len(flags.runs) > len(PART_COLOURS):
        parser.error(
            f"{len(flags.runs)} runs; at most {len(PART_COLOURS)} have a colour"
        )
    directories = {}
    for run in flags.runs:
        name, _, directory = run.partition("=")
        if not name or not directory or name in directories:
            parser.error(f"{run!r}: expected NAME=RUN_DIR, each with a name of its own")
        directories[name] = Path(directory, "train")
        if not checkpoint.latest(directories[name]):
            parser.error(f"{run}: no checkpoint is in {directories[name]}")
    rows_by_run = {}
    for name, directory in directories.items():
        metrics = _validations(directory) or _measured(
            directory, flags.config, flags.examples
        )
        rows_by_run[name] = {step: _row(metrics[step]) for step in sorted(metrics)}
    if not set.intersection(*map(set, rows_by_run.values())):
        parser.error("the runs have no step in common")
    _write(Path(f"{flags.output}.csv"), rows_by_run)
    losses = {
        name: (list(rows), [row["loss"] for row in rows.values()])
        for name, rows in rows_by_run.items()
    }
    picture = Path(f"{flags.output}.png")
    curves.write(losses, picture, f"{flags.config}: validation loss", "nats")
    print(_table(rows_by_run))


def _row(metrics: dict[str, float]) -> dict[str, float]:
    """A line's columns; the loss is the sum of its terms."""
    cost = metrics["losses/kl_beta"] * metrics["losses/kl_loss"]
    terms = {name: metrics[tag] for name, tag in COLUMNS.items()}
    return {"loss": terms["r_loss"] + cost, **terms}


def _validations(directory: Path) -> dict[int, dict[str, float]]:
    """{step: {tag: value}} of the validations of a training of this project."""
    import_quietly()

    import tensorflow as tf

    by_step: dict[int, dict[str, float]] = {}
    for path in sorted(directory.glob("events.*")):
        for record in tf.data.TFRecordDataset(str(path)).as_numpy_iterator():
            event = tf.compat.v1.Event.FromString(record)
            for value in event.summary.value:
                if value.tag.startswith("validation/"):
                    tag = value.tag.removeprefix("validation/")
                    number = float(tf.make_ndarray(value.tensor))
                    by_step.setdefault(event.step, {})[tag] = number
    return by_step


def _measured(directory: Path, config: str, examples: str):
    """The same of all checkpoints in a directory."""
    from music_vae_tf.training import loop, validation

    prefixes = [str(path.with_suffix("")) for path in directory.glob("*.index")]
    by_step = {checkpoint.step_of(prefix): prefix for prefix in prefixes}
    hparams = {"batch_size": BATCH_SIZE}
    asked_options = {"validation_data": examples, "hparams": hparams}
    with tempfile.TemporaryDirectory() as folder:
        asked = request(config, folder, options.EvaluationOptions.of(asked_options))
        data = asked.data()
        # All examples, the last batch as large as is left, as a training validates.
        batches = data.validation_batches(-1)
        model = loop.compiled_model(asked.config, data.converter, asked.seed)
        evaluation = validation.Evaluation(model, batches)
        return {
            step: evaluation.of_checkpoint(by_step[step])
            for step in sorted(by_step)
            if step
        }


def _write(path: Path, rows_by_run) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["run", "step", "loss", *COLUMNS])
        for run, rows in rows_by_run.items():
            for step, row in rows.items():
                writer.writerow([run, step, *(f"{v:.5g}" for v in row.values())])


def _table(rows_by_run) -> str:
    """Markdown: the losses of all runs at multiples of some steps, and their terms at
    the last step."""
    steps = sorted(set.intersection(*(set(rows) for rows in rows_by_run.values())))
    shown = [step for step in steps if step % SHOWN_STEPS == 0] or steps[-1:]
    head = ["", *(f"{step:,} steps" for step in shown), *COLUMNS]
    lines = [head, ["---", *["--:"] * (len(head) - 1)]]
    for run, rows in rows_by_run.items():
        last = list(rows[shown[-1]].values())[1:]
        losses = [f"{rows[step]['loss']:.1f}" for step in shown]
        lines.append([run, *losses, *(f"{value:.4g}" for value in last)])
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


if __name__ == "__main__":
    main(sys.argv[1:])

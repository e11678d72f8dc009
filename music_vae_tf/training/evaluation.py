"""Checkpoints of a training measured, the newest one or each as it comes."""

from __future__ import annotations

import dataclasses
import logging
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from music_vae_tf.config import Config
from music_vae_tf.data.training_data import TrainingData
from music_vae_tf.quiet import import_quietly
from music_vae_tf.run_directory import RunDirectory
from music_vae_tf.training.devices import use_devices
from music_vae_tf.training.options import EvaluationOptions, OptionError
from music_vae_tf.training.request import Request, make_writable, request

log = logging.getLogger("music_vae_tf")
EVAL_INTERVAL_S = 60  # as Magenta waits between two looks for a checkpoint
PARTS = ("segment/", "/output_")  # in the tags of metrics of a part


@dataclass(frozen=True)
class EvaluationResult:
    """What `evaluate` returns."""

    run_dir: Path
    metrics_by_step: dict[int, dict[str, float]]  # {step: {TensorBoard tag: value}}
    checkpoint: str | None  # the last one that was evaluated; None where none came

    @property
    def step(self) -> int:
        """Of the last checkpoint."""
        return max(self.metrics_by_step)

    @property
    def metrics(self) -> dict[str, float]:
        """Of the last checkpoint: `loss` and all others, by tag."""
        return self.metrics_by_step[self.step]


def evaluate(
    config: Any = None, data: Any = None, run_dir: Any = None, **options: Any
) -> EvaluationResult:
    """Measures a training's newest checkpoint, as `--mode=eval` of the commands does.

    Args:
        config: name, path or `Config`; None is what the run directory trains.
        data: music to evaluate on, in the forms that `train` takes. None is what the
            training held out or validated on, and without that what it trained on.
        run_dir: the folder of the training.
        options: those of `EvaluationOptions`: num_batches, wait, ...

    Raises:
        OptionError: an option is missing, unknown, or makes no sense.
        RunDirectoryError: the run directory holds another training.
        CheckpointError: no checkpoint is there, or a damaged one.
        NotMusic, NoMusic, BadRecords, TooFewExamples: the data are of no use.
    """
    return evaluate_with(config, data, run_dir, EvaluationOptions.of(options))


def evaluate_with(
    config: Config | str | os.PathLike | None,
    data: Any,
    run_dir: str | os.PathLike | None,
    options: EvaluationOptions,
    kinds: tuple[str, ...] = (),
    start_tensorflow: Callable = import_quietly,
) -> EvaluationResult:
    """`evaluate` with its options as one object; arguments as in `train_with`."""
    asked = request(config, run_dir, dataclasses.replace(options, data=data), kinds)
    evaluated_data = asked.data()
    directory, options = asked.directory, asked.options
    eval_dir = directory.eval_dir(options.dir_suffix)
    if not options.wait:
        _newest(directory)  # an error comes before anything is made
    make_writable(eval_dir)
    start_tensorflow()

    import tensorflow as tf

    from music_vae_tf.training import loop, summaries, validation

    use_devices(tf)
    batches = evaluated_data.evaluation_batches(options.num_batches)
    model = loop.compiled_model(asked.config, evaluated_data.converter, asked.seed)
    evaluation = validation.Evaluation(model, batches)
    writer = summaries.summary_writer(eval_dir, evaluated_data.name, asked.config)
    last = f", up to that of step {options.num_steps}" if options.num_steps else ""
    log.info("Evaluating checkpoints in %s as they come%s", directory.path, last)
    return _measured(asked, evaluated_data, evaluation, writer)


def _newest(directory: RunDirectory) -> str:
    newest = directory.checkpoint()
    if newest is None:
        raise OptionError(
            "{run_dir}={path}: no checkpoint is there: train first, or give "
            "{wait}=True",
            path=directory.path,
        )
    return newest


def _measured(
    asked: Request[EvaluationOptions], data: TrainingData, evaluation, writer
) -> EvaluationResult:
    """The metrics of all checkpoints that come."""
    from music_vae_tf import checkpoint
    from music_vae_tf.training import summaries

    by_step, newest = {}, None
    vocabulary = data.converter.token_vocabulary
    for newest in _checkpoints(asked):
        if vocabulary is not None:
            checkpoint.check_vocabulary(newest, vocabulary)
        step, metrics = checkpoint.step_of(newest), evaluation.of_checkpoint(newest)
        summaries.write_scalars(writer, step, metrics)
        shown = ", ".join(f"{name} {metrics[name]:.4g}" for name in _shown(metrics))
        log.info("Step %d: %s", step, shown)
        by_step[step] = metrics
    return EvaluationResult(asked.directory.path, by_step, newest)


def _checkpoints(asked: Request[EvaluationOptions]) -> Iterator[str]:
    """The newest one, or each newest one until the training has ended."""
    directory, options = asked.directory, asked.options
    if not options.wait:
        yield _newest(directory)
        return
    last = options.num_steps if "num_steps" in asked.given else None
    waiting = _Waiting(directory)
    yield from directory.checkpoints(last, EVAL_INTERVAL_S, waiting)
    log.info("%s", waiting.conclusion())


class _Waiting:
    """Logs what an evaluation waits for, once for each checkpoint."""

    def __init__(self, directory: RunDirectory):
        self._directory, self._logged = directory, set()

    def __call__(self, seen: str | None) -> None:
        if seen in self._logged:
            return
        self._logged.add(seen)
        after = f"after {seen}" if seen else f"in {self._directory.train_dir}"
        log.info(
            "Waiting for the next checkpoint %s; Ctrl-C ends the evaluation. Should "
            "its training have been killed, none will come before it is started again",
            after,
        )

    def conclusion(self) -> str:
        """Why no other checkpoint is waited for."""
        state = self._directory.state() or "at its last step"
        return f"The evaluation ends with the training, which is {state}."


def _shown(metrics: dict) -> list[str]:
    """The metrics of the whole, without those of each part of it."""
    return [name for name in sorted(metrics) if not any(p in name for p in PARTS)]

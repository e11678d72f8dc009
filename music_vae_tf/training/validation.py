"""What a model's metrics are on batches that stay the same, also while it trains."""

from __future__ import annotations

import music_vae_tf.models  # noqa: F401  first: TensorFlow starts quietly there

# isort: split

import json
import logging
import math
import os
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import tensorflow as tf

from music_vae_tf import checkpoint, strategies
from music_vae_tf.data.whole_file import whole_file
from music_vae_tf.json_files import BadJson, read_json
from music_vae_tf.models.metrics import WeightedMean
from music_vae_tf.models.trainable import Trainable
from music_vae_tf.training.loop import Saver, compiled_step
from music_vae_tf.training.summaries import write_scalars

log = logging.getLogger("music_vae_tf")
FILE = "validation.json"


class Evaluation:
    """What a model reports of batches that stay the same."""

    def __init__(self, model: Trainable, batches: Iterable):
        self._model, self._batches = model, batches
        number = tf.TensorSpec([], tf.int64)
        self._metrics_of = compiled_step(model.evaluate_batch, batches, number)

    def of_checkpoint(self, path: str | os.PathLike) -> dict[str, float]:
        """The metrics by name, with the weights and at the step of a checkpoint."""
        variables = self._model.named_variables
        step = self._model.optimizer.iterations
        checkpoint.restore({**variables, "step": step}, path)
        return self.of_model()

    def of_model(self) -> dict[str, float]:
        """The metrics by name, with the model's weights and at its step."""
        totals: dict[str, WeightedMean] = {}
        for number, batch in enumerate(self._batches):
            metrics = self._metrics_of(batch, tf.constant(number, tf.int64))
            for name, metric in metrics.items():
                before = totals.get(name)
                totals[name] = metric if before is None else before.plus(metric)
        return {name: float(metric.value) for name, metric in totals.items()}


class ValidationRule(NamedTuple):
    """When a training validates, and when it has learned what it can."""

    every_n_steps: int
    patience: int  # validations without a new lowest loss
    early_stop: bool


class Validation:
    """Measures a model while it trains, and keeps the checkpoint of the lowest loss.

    It measures at multiples of a number of steps, not of seconds. It decides by the
    list of losses alone, which lies beside the checkpoints. So an interrupted training
    decides as an uninterrupted one.
    """

    def __init__(
        self,
        evaluation: Evaluation | None,
        saver: Saver,
        writer: tf.summary.SummaryWriter,
        rule: ValidationRule,
        strategy: tf.distribute.Strategy,
        done: int,
        last_step: int = 0,
    ):
        """
        Args:
            evaluation: None on workers other than the chief, which alone measures.
            done: the step that the training goes on from.
            last_step: of the training, 0 if it has none. A training that is shorter
                than the interval is measured there.
        """
        self._evaluation, self._saver, self._writer = evaluation, saver, writer
        self._rule, self._strategy = rule, strategy
        self._last_step = last_step
        self._losses = [
            (step, loss) for step, loss in read_losses(saver.directory) if step <= done
        ]

    @property
    def best(self) -> tuple[int, float] | None:
        """(step, loss) of the lowest loss so far."""
        return _lowest(self._losses) if self._losses else None

    @property
    def newest_loss(self) -> float | None:
        return self._losses[-1][1] if self._losses else None

    @property
    def stopped_falling(self) -> bool:
        """Whether patience is over."""
        return self._since_best >= self._rule.patience

    @property
    def _since_best(self) -> int:
        return sum(step > self.best[0] for step, _ in self._losses) if self.best else 0

    def ends_after(self, model: Trainable, step: int) -> bool:
        """Measures where it is time to; says whether the training is to end here."""
        measured = self._losses[-1][0] if self._losses else 0
        is_due = step % self._rule.every_n_steps == 0
        is_last = not self._losses and step == self._last_step > 0
        if step > measured and (is_due or is_last):
            self._measure(model, step)
        return self._rule.early_stop and self.stopped_falling

    def _measure(self, model, step):
        metrics = self._evaluation.of_model() if self._evaluation else {"loss": 0.0}
        loss = strategies.from_chief(self._strategy, metrics["loss"])
        self._losses.append((step, loss if math.isfinite(loss) else math.inf))
        if self._evaluation:
            if _lowest(self._losses)[0] == step:
                best = self._saver.directory / "best"  # there is one, however long
                saver = Saver(best, 1, math.inf, self._saver.is_chief)
                saver.save(model)
            _write_losses(self._saver.directory, self._losses)
            tags = {f"validation/{name}": value for name, value in metrics.items()}
            write_scalars(self._writer, step, tags)
        if self._since_best == self._rule.patience:
            log.info("%s", self._verdict())

    def _verdict(self) -> str:
        step, loss = _lowest(self._losses)
        ends = "" if self._rule.early_stop else "; --early_stop would end here"
        return (
            f"The validation loss has stopped falling: its lowest was {loss:.4g} at "
            f"step {step}, and {self._rule.patience} validations since were no "
            f"lower{ends}"
        )


def _lowest(losses: list[tuple[int, float]]) -> tuple[int, float]:
    return min(losses, key=lambda pair: pair[1])


def read_losses(directory: str | os.PathLike) -> list[list]:
    """All validation losses of a training, `[[step, loss], ...]`, from the directory of
    its checkpoints; none without validation.

    Raises:
        BadJson: the file is damaged.
    """
    path = Path(directory) / FILE
    try:
        losses = read_json(path, list)
    except FileNotFoundError:
        return []
    if not all(_is_loss(pair) for pair in losses):
        raise BadJson(
            f"{path} is damaged: pairs of a step and a loss are expected. Remove it to "
            "resume without the validations before"
        )
    return losses


def _is_loss(pair) -> bool:
    if not isinstance(pair, list) or len(pair) != 2:
        return False
    step, loss = pair
    return type(step) is int and type(loss) in (int, float) and loss == loss


def _write_losses(directory, losses: list) -> None:
    with whole_file(Path(directory) / FILE, durable=True) as file:
        file.write(json.dumps(losses).encode())

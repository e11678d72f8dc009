"""Training and evaluation: the loop around `Trainable.train_step`."""

from __future__ import annotations

import music_vae_tf.models  # noqa: F401  first: TensorFlow starts quietly there

# isort: split

import itertools
import json
import logging
import math
import os
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import NamedTuple

import keras
import numpy as np
import tensorflow as tf

from music_vae_tf import build, checkpoint, strategies
from music_vae_tf.config import Config
from music_vae_tf.config import hparams as hparams_of
from music_vae_tf.models.metrics import WeightedMean
from music_vae_tf.models.trainable import Trainable

log = logging.getLogger(__name__)

SAVE_EVERY_S = 60
SUMMARISE_EVERY_STEPS = 100
# TensorFlow 1's Adam, which Magenta uses: its epsilon is added before bias correction,
# as Keras adds it, and its decay rates are the usual ones.
ADAM = {"beta_1": 0.9, "beta_2": 0.999, "epsilon": 1e-8}


class LossNotFinite(ValueError):
    """A training that went astray."""

    for_the_user = True


class _LearningRate(keras.optimizers.schedules.LearningRateSchedule):
    """A function of the step, for Keras."""

    def __init__(self, of_step):
        self.of_step = of_step

    def __call__(self, step):
        return self.of_step(step)


class Adam(keras.optimizers.Adam):
    """Adam in one operation a variable, which is TensorFlow 1's and so Magenta's; with
    Keras's arithmetic it would be forty.

    For gradients that all replicas have agreed on: each updates what it has.
    """

    def apply(self, grads, trainable_variables):
        """Takes a step: gradients, and their variables, among those it was built on."""
        step = tf.cast(self.iterations + 1, tf.float32)
        of_all = {
            "lr": self.learning_rate,
            "beta1": self.beta_1,
            "beta2": self.beta_2,
            "beta1_power": tf.pow(self.beta_1, step),
            "beta2_power": tf.pow(self.beta_2, step),
            "epsilon": self.epsilon,
        }
        # Else each variable would have constants of its own.
        of_all = {name: tf.convert_to_tensor(value) for name, value in of_all.items()}
        for gradient, variable in zip(grads, trainable_variables):
            place = self._get_variable_index(variable)
            moments = self._momentums[place], self._velocities[place]
            var, m, v = (each.value.handle for each in (variable, *moments))
            tf.raw_ops.ResourceApplyAdam(var=var, m=m, v=v, grad=gradient, **of_all)
        self.iterations.assign_add(1)


def compiled_model(
    config: Config, converter, seed: int, strategy=None, mixed_precision=False
) -> Trainable:
    """A new model of a config with its optimizer, initialised from the seed.

    strategy: a `tf.distribute.Strategy`, on whose devices the model shall be;
    mixed_precision: as `Trainable.mix_precision` does it.
    """
    # Keras takes seeds of 32 bits.
    keras.utils.set_random_seed(int(np.random.SeedSequence(seed).generate_state(1)[0]))
    with (strategy or tf.distribute.get_strategy()).scope():
        model = build.model(config, converter)
        objective = build.objective(config)
        optimizer = Adam(_LearningRate(objective.optimizer.learning_rate), **ADAM)
        optimizer.build(model.trainable_variables)
        model.compile(optimizer, objective, seed)
    if mixed_precision:
        model.mix_precision()
    return model


def state_of(model: Trainable) -> dict[str, object]:
    """All that training goes on from, by our names: weights, moments, the step."""
    weights = model.named_variables
    optimizer = model.optimizer
    moments = {
        f"{name}/{moment}": variable
        for moment, variables in (
            ("first_moment", optimizer._momentums),
            ("second_moment", optimizer._velocities),
        )
        for name, variable in zip(weights, variables)
    }
    return {**weights, **moments, "step": optimizer.iterations}


def resume(model: Trainable, directory) -> str | None:
    """Goes on from the newest checkpoint of a directory, optimizer and step included.

    Returns:
        The checkpoint; None if there is none, and the model stays as it is.

    Raises:
        checkpoint.CheckpointError: it is damaged, or of another model.
    """
    newest = checkpoint.latest(directory)
    if newest is not None:
        checkpoint.restore(state_of(model), newest)
    return newest


def checkpoint_bytes(model: Trainable) -> int:
    """How large a checkpoint of a training is: weights and two moments, in float32."""
    return 4 * sum(math.prod(variable.shape) for variable in state_of(model).values())


class Saver(NamedTuple):
    """Writes checkpoints of a training into its directory."""

    directory: Path
    to_keep: int
    every_n_hours: float
    is_chief: bool = True  # of several workers, the one that writes

    def save(self, model: Trainable) -> None:
        """Writes the checkpoint of the model's step, unless it is the newest there.

        To write that once more could only harm it, when killed half way.
        """
        if not self.is_chief:
            return
        step = model.steps_taken
        newest = checkpoint.latest(self.directory)
        if newest is not None and checkpoint.step_of(newest) == step:
            return
        decay_powers = {
            f"{moment}_moment_decay_power": ADAM[beta] ** (step + 1)
            for moment, beta in (("first", "beta_1"), ("second", "beta_2"))
        }
        checkpoint.save(
            self.directory,
            step,
            {**state_of(model), **decay_powers},
            self.to_keep,
            self.every_n_hours,
        )


# The loop.


def train(
    model: Trainable,
    batches: Iterable,
    num_steps: int,
    saver: Saver,
    writer: tf.summary.SummaryWriter,
    on_step: Callable[[float], None],
    strategy: tf.distribute.Strategy | None = None,
    validation: Validation | None = None,
) -> None:
    """Trains until `num_steps` steps are taken, those of earlier starts included.

    Saves what it starts from (as Magenta does), then once a minute, and whenever it
    ends, also by an interrupt.

    Args:
        batches: without end; the first one belongs to the model's next step.
        num_steps: 0 trains until interrupted.
        on_step: called after each step with its loss.
        strategy: that the model was made on; the batches are then the rows of this
            worker.
        validation: measures as the training goes on, and may end it early.

    Raises:
        strategies.WorkerLost: another worker is gone; the checkpoints stay.
        LossNotFinite: the checkpoints before are kept, and none is written of this.
        checkpoint.CheckpointError: one cannot be written; those before are kept.
    """
    strategy = strategy or tf.distribute.get_strategy()
    saver.save(model)
    try:
        with strategies.losing_no_worker_silently(strategy):
            _take_steps(
                model, batches, num_steps, saver, writer, on_step, strategy, validation
            )
    except (LossNotFinite, checkpoint.CheckpointError, strategies.WorkerLost):
        raise
    except BaseException:
        saver.save(model)
        raise
    saver.save(model)


def _take_steps(
    model, batches, num_steps, saver, writer, on_step, strategy, validation
):
    take_step = _compiled(
        lambda batch: strategy.run(
            lambda: model.train_step(strategies.part_of_replica(batch))
        ),
        batches,
    )
    done = model.steps_taken
    steps = range(done + 1, num_steps + 1) if num_steps else itertools.count(done + 1)
    scalars = _TrainingScalars(writer, first=done + 1, last=num_steps)
    since_save = _Clock()
    if validation and validation.ends_after(model, done):
        return
    for step, batch in zip(steps, batches):
        # All replicas say the same.
        logs = tf.nest.map_structure(
            lambda log: strategy.experimental_local_results(log)[0], take_step(batch)
        )
        loss = float(logs["loss"])
        _check_finite(loss, step, saver)
        on_step(loss)
        scalars.write_if_due(step, logs)
        if validation and validation.ends_after(model, step):
            return
        if since_save.seconds > SAVE_EVERY_S:
            saver.save(model)
            since_save = _Clock()


def _compiled(function, batches, *signature):
    """The function of a batch (and more) as a graph, one for batches of all lengths."""
    spec = getattr(batches, "element_spec", None)
    if spec is not None:
        return tf.function(
            function, autograph=False, input_signature=[spec, *signature]
        )
    return tf.function(function, autograph=False, reduce_retracing=True)


def _check_finite(loss: float, step: int, saver: Saver):
    if not math.isfinite(loss):
        last = checkpoint.latest(saver.directory)
        raise LossNotFinite(
            f"the loss of step {step} is {loss}: training stops, and {last} stays the "
            "last checkpoint. A lower learning rate may help "
            "(--hparams=learning_rate=...), or a look at the data."
        )


# Evaluation.


class Evaluation:
    """What a model reports of batches that stay the same."""

    def __init__(self, model: Trainable, batches: Iterable):
        self._model, self._batches = model, batches
        number = tf.TensorSpec([], tf.int64)
        self._metrics_of = _compiled(model.evaluate_batch, batches, number)

    def of_checkpoint(self, path) -> dict[str, float]:
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

    It measures at multiples of a number of steps, not of seconds, and all that it
    decides by is the list of losses, which lies beside the checkpoints: a training that
    was interrupted decides as one that was not.
    """

    def __init__(
        self,
        evaluation: Evaluation | None,
        saver: Saver,
        writer: tf.summary.SummaryWriter,
        rule: ValidationRule,
        strategy: tf.distribute.Strategy,
        done: int,
    ):
        """
        Args:
            evaluation: None on workers other than the chief, which alone measures.
            done: the step that the training goes on from.
        """
        self._evaluation, self._saver, self._writer = evaluation, saver, writer
        self._rule, self._strategy = rule, strategy
        self._losses = [
            (step, loss) for step, loss in _read_losses(saver) if step <= done
        ]

    @property
    def best(self) -> tuple[int, float] | None:
        """(step, loss) of the lowest loss so far."""
        return min(self._losses, key=lambda pair: pair[1], default=None)

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
        if step > measured and step % self._rule.every_n_steps == 0:
            self._measure(model, step)
        return self._rule.early_stop and self.stopped_falling

    def _measure(self, model, step):
        metrics = self._evaluation.of_model() if self._evaluation else {"loss": 0.0}
        loss = strategies.from_chief(self._strategy, metrics["loss"])
        self._losses.append((step, loss if math.isfinite(loss) else math.inf))
        if self._evaluation:
            if self.best[0] == step:
                best = self._saver._replace(
                    directory=self._saver.directory / "best", to_keep=1
                )
                best.save(model)
            _write_losses(self._saver, self._losses)
            tags = {f"validation/{name}": value for name, value in metrics.items()}
            write_scalars(self._writer, step, tags)
        if self._since_best == self._rule.patience:
            log.info("%s", self._verdict())

    def _verdict(self) -> str:
        step, loss = self.best
        ends = "" if self._rule.early_stop else "; --early_stop would end here"
        return (
            f"The validation loss has stopped falling: its lowest was {loss:.4g} at "
            f"step {step}, and {self._rule.patience} validations since were no "
            f"lower{ends}"
        )


def _read_losses(saver: Saver) -> list:
    try:
        text = (saver.directory / "validation.json").read_text(encoding="utf-8")
    except FileNotFoundError:
        return []
    return json.loads(text)


def _write_losses(saver: Saver, losses: list) -> None:
    path = saver.directory / "validation.json"
    unfinished = path.with_suffix(".unfinished")
    unfinished.write_text(json.dumps(losses), encoding="utf-8")
    os.replace(unfinished, path)


# Summaries for TensorBoard, under Magenta's tags. (Its files have some with `_1` at the
# end, `global_norm_1`, where TensorFlow 1 had used up a name; these are without.)


def summary_writer(directory, examples: str, config: Config):
    """A writer into a directory, with two texts at its start: what is trained on, and
    with what hparams."""
    hparams = hparams_of(config)
    rows = "".join(f"| {name} | {hparams[name]} |\n" for name in sorted(hparams))
    writer = tf.summary.create_file_writer(str(directory))
    with writer.as_default(step=0):
        tf.summary.text("examples_path", examples)
        tf.summary.text("hparams", f"| Key | Value |\n| :--- | :--- |\n{rows}")
    writer.flush()
    return writer


def write_scalars(writer: tf.summary.SummaryWriter, step: int, scalars: dict) -> None:
    """Scalars of a step, by tag."""
    with writer.as_default(step=step):
        for name, value in scalars.items():
            tf.summary.scalar(name, value)
    writer.flush()


class _TrainingScalars:
    """Writes those of the first step of a start, of every hundredth after it, as
    Magenta does, and of the last."""

    def __init__(self, writer, first, last):
        self._writer, self._first, self._last = writer, first, last
        self._before = None  # the step written last, and a clock since then

    def write_if_due(self, step, logs):
        if (step - self._first) % SUMMARISE_EVERY_STEPS and step != self._last:
            return
        pace = {}
        if self._before is not None:
            last_step, clock = self._before
            pace = {"global_step/sec": (step - last_step) / clock.seconds}
        write_scalars(self._writer, step, {**logs, **pace})
        self._before = step, _Clock()


class _Clock:
    """Seconds since it was made."""

    def __init__(self):
        self._start_s = time.monotonic()

    @property
    def seconds(self):
        return time.monotonic() - self._start_s

"""Training and evaluation: the loop around `MusicVAE.train_step`."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import NamedTuple

import keras
import tensorflow as tf

from music_vae_tf import build, checkpoint
from music_vae_tf.config import Config
from music_vae_tf.models.music_vae import MusicVAE
from music_vae_tf.models.outputs import Tally

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


def compiled_model(config: Config, converter, seed: int) -> MusicVAE:
    """A new model of a config with its optimizer, initialised from the seed."""
    keras.utils.set_random_seed(seed & 0xFFFFFFFF)
    model = build.model(config, converter)
    objective = build.objective(config)
    optimizer = keras.optimizers.Adam(_LearningRate(objective.learning_rate), **ADAM)
    optimizer.build(model.trainable_variables)
    model.compile(optimizer, objective, seed)
    return model


def state_of(model: MusicVAE) -> dict[str, object]:
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


class Saver(NamedTuple):
    """Writes checkpoints of a training into its directory."""

    directory: Path
    to_keep: int
    every_n_hours: float

    def save(self, model: MusicVAE) -> None:
        step = int(model.optimizer.iterations)
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


def train(
    model: MusicVAE,
    batches: Iterable,
    num_steps: int,
    saver: Saver,
    writer: tf.summary.SummaryWriter,
    on_step: Callable[[float], None],
) -> None:
    """Trains until `num_steps` steps are taken, those of earlier starts included.

    Saves once a minute and whenever it ends, also by an interrupt.

    Args:
        batches: without end; the first one belongs to the model's next step.
        num_steps: 0 trains until interrupted.
        on_step: called after each step with its loss.

    Raises:
        LossNotFinite: the checkpoints before are kept, and none is written of this.
    """
    take_step = tf.function(model.train_step, autograph=False)
    step = int(model.optimizer.iterations)
    saved = _Clock()
    pace = _Pace(step)
    batches = iter(batches)
    try:
        while step != num_steps:
            logs = take_step(next(batches))
            step += 1
            loss = float(logs["loss"])
            _check_finite(loss, step, saver)
            on_step(loss)
            if step % SUMMARISE_EVERY_STEPS == 0 or step == num_steps:
                _write_scalars(writer, step, {**logs, **pace.at(step)})
            if saved.seconds > SAVE_EVERY_S:
                saver.save(model)
                saved = _Clock()
    except LossNotFinite:
        raise
    except BaseException:
        saver.save(model)
        raise
    saver.save(model)


def _check_finite(loss: float, step: int, saver: Saver):
    if not math.isfinite(loss):
        last = checkpoint.latest(saver.directory)
        raise LossNotFinite(
            f"the loss of step {step} is {loss}; training stops. "
            f"The last good checkpoint is {last}. A lower learning rate may help "
            "(--hparams=learning_rate=...), or a look at the data."
        )


def evaluate(model: MusicVAE, batches: Iterable) -> dict[str, float]:
    """Magenta's metrics by name, over all batches, at the model's step."""
    step = int(model.optimizer.iterations)

    @tf.function(autograph=False)
    def tallies_of(batch, number):
        terms, beta = model.evaluation_terms(batch, step, number)
        return model.metrics_of(batch, terms, beta)

    totals: dict[str, Tally] = {}
    for number, batch in enumerate(batches):
        for name, tally in tallies_of(batch, tf.constant(number)).items():
            before = totals.get(name)
            totals[name] = tally if before is None else before.plus(tally)
    return {name: float(tally.value) for name, tally in totals.items()}


def write_metrics(writer: tf.summary.SummaryWriter, step: int, metrics) -> None:
    """Scalars of an evaluation, for TensorBoard."""
    _write_scalars(writer, step, metrics)


def write_trial(writer: tf.summary.SummaryWriter, examples: str, hparams: dict) -> None:
    """What is trained on, and with what numbers, as texts for TensorBoard."""
    rows = "".join(f"| {name} | {hparams[name]} |\n" for name in sorted(hparams))
    with writer.as_default(step=0):
        tf.summary.text("examples_path", examples)
        tf.summary.text("hparams", f"| Key | Value |\n| :--- | :--- |\n{rows}")
    writer.flush()


def _write_scalars(writer, step, scalars):
    with writer.as_default(step=step):
        for name, value in scalars.items():
            tf.summary.scalar(name, value)
    writer.flush()


class _Clock:
    """Seconds since it was made."""

    def __init__(self):
        self._start_s = time.monotonic()

    @property
    def seconds(self):
        return time.monotonic() - self._start_s


class _Pace:
    """Steps a second between two summaries."""

    def __init__(self, step):
        self._step, self._clock = step, _Clock()

    def at(self, step) -> dict[str, float]:
        pace = (step - self._step) / max(self._clock.seconds, 1e-9)
        self._step, self._clock = step, _Clock()
        return {"global_step/sec": pace}

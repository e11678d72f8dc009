"""The loop around `Trainable.train_step`, and the state that it saves and resumes."""

from __future__ import annotations

import music_vae_tf.models  # noqa: F401  first: TensorFlow starts quietly there

# isort: split

import itertools
import logging
import math
import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import keras
import numpy as np
import tensorflow as tf

from music_vae_tf import build, checkpoint, run_lock, strategies
from music_vae_tf.config import Config
from music_vae_tf.models.lstm import FLOAT32, MIXED_BFLOAT16
from music_vae_tf.models.size import TRAINING_COPIES
from music_vae_tf.models.trainable import Trainable
from music_vae_tf.training.finite import FiniteCheck, LossNotFinite
from music_vae_tf.training.optimizer import BETA_1, BETA_2, Adam, LearningRate
from music_vae_tf.training.summaries import Clock, TrainingScalars

if TYPE_CHECKING:
    from music_vae_tf.data.clefs.windows import Windows
    from music_vae_tf.data.converters.base import Converter
    from music_vae_tf.training.validation import Validation

log = logging.getLogger("music_vae_tf")

SAVE_EVERY_S = 60


def compiled_model(
    config: Config,
    converter: Converter | Windows,
    seed: int,
    strategy: tf.distribute.Strategy | None = None,
    mixed_precision: bool = False,
) -> Trainable:
    """A new model of a config with its optimizer, initialised from the seed.

    strategy: a `tf.distribute.Strategy`, on whose devices the model shall be;
    mixed_precision: matrix products of LSTM cells and convolutions take bfloat16.
    """
    layer_dtype = MIXED_BFLOAT16 if mixed_precision else FLOAT32
    # Keras takes seeds of 32 bits.
    keras.utils.set_random_seed(int(np.random.SeedSequence(seed).generate_state(1)[0]))
    with (strategy or tf.distribute.get_strategy()).scope():
        model = build.model(config, converter, TRAINING_COPIES, layer_dtype)
        optimizer = Adam(LearningRate(build.learning_rate(config.training)))
        optimizer.build(model.trainable_variables)
        model.compile(optimizer, config.objective, config.training, seed)
    return model


def state_of(model: Trainable) -> dict[str, keras.Variable]:
    """All that training goes on from, by our names: weights, moments, the step."""
    weights = model.named_variables
    optimizer = model.optimizer
    moments = {
        f"{name}/{moment}": variable
        for moment, variables in (
            ("first_moment", optimizer.first_moments),
            ("second_moment", optimizer.second_moments),
        )
        for name, variable in zip(weights, variables)
    }
    return {**weights, **moments, "step": optimizer.iterations}


def resume(model: Trainable, directory: str | os.PathLike) -> str | None:
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
        run_lock.check_held(self.directory, now=True)
        step = model.steps_taken
        newest = checkpoint.latest(self.directory)
        if newest is not None and checkpoint.step_of(newest) == step:
            return
        decay_powers = {
            f"{moment}_moment_decay_power": beta ** (step + 1)
            for moment, beta in (("first", BETA_1), ("second", BETA_2))
        }
        checkpoint.save(
            self.directory,
            step,
            {**state_of(model), **decay_powers},
            self.to_keep,
            self.every_n_hours,
        )

    def save_on_the_way(self, model: Trainable) -> None:
        """`save` in a training, whose directory is there unless someone removed it.

        Raises:
            checkpoint.CheckpointError: it is gone; the model is saved, and names where.
        """
        is_gone = self.is_chief and not self.directory.is_dir()
        self.save(model)
        if is_gone:
            raise checkpoint.CheckpointError(
                f"{self.directory} was removed while a training was in it. What it "
                f"held is lost; step {model.steps_taken} is saved anew: "
                f"{checkpoint.latest(self.directory)}"
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
    pieces_of_batch: Callable[[int], list[str]] = lambda step: [],
) -> dict[str, float]:
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
        pieces_of_batch: names the pieces of a batch, for messages about it.

    Returns:
        What the last step logged, by tag; empty where no step was left to take.

    Raises:
        strategies.WorkerLost: another worker is gone; the checkpoints stay.
        LossNotFinite: the checkpoints before are kept, and none is written of this.
        run_lock.RunInUse: another training has taken over the directory.
        checkpoint.CheckpointError: one cannot be written; those before are kept.
    """
    strategy = strategy or tf.distribute.get_strategy()
    clip_mode = model.gradient_limits.clip_mode
    check_finite = FiniteCheck(saver.directory, clip_mode, pieces_of_batch)
    saver.save(model)
    try:
        with strategies.translate_worker_errors(strategy):
            logs = _take_steps(
                model,
                batches,
                num_steps,
                saver,
                writer,
                on_step,
                strategy,
                validation,
                check_finite,
            )
    except (
        LossNotFinite,
        checkpoint.CheckpointError,
        strategies.WorkerLost,
        run_lock.RunInUse,
    ):
        raise
    except BaseException:
        saver.save(model)
        raise
    saver.save_on_the_way(model)
    # All workers name the same last checkpoint, which the chief has written now.
    strategies.from_chief(strategy, 0.0)
    return {tag: float(value) for tag, value in logs.items()}


def _take_steps(
    model,
    batches,
    num_steps,
    saver,
    writer,
    on_step,
    strategy,
    validation,
    check_finite,
):
    take_step = compiled_step(
        lambda batch: strategy.run(
            lambda: model.train_step(strategies.part_of_replica(batch))
        ),
        batches,
    )
    done = model.steps_taken
    steps = range(done + 1, num_steps + 1) if num_steps else itertools.count(done + 1)
    scalars = TrainingScalars(writer, first=done + 1, last=num_steps)
    since_save = Clock()
    logs = {}
    if validation and validation.ends_after(model, done):
        return logs
    for step, batch in zip(steps, batches):
        # All replicas say the same.
        logs = tf.nest.map_structure(
            lambda log: strategy.experimental_local_results(log)[0], take_step(batch)
        )
        run_lock.check_held(saver.directory)
        on_step(check_finite(step, logs))
        scalars.write_if_due(step, logs)
        if validation and validation.ends_after(model, step):
            break
        if since_save.seconds > SAVE_EVERY_S:
            saver.save_on_the_way(model)
            since_save = Clock()
    return logs


def compiled_step(
    function: Callable, batches: Iterable, *signature: tf.TensorSpec
) -> Callable:
    """The function of a batch (and more) as a graph, one for batches of all lengths."""
    spec = getattr(batches, "element_spec", None)
    if spec is not None:
        return tf.function(
            function, autograph=False, input_signature=[spec, *signature]
        )
    return tf.function(function, autograph=False, reduce_retracing=True)

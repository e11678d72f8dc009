"""A training from start to end: seed, resume, record, validation, checkpoints."""

from __future__ import annotations

import contextlib
import dataclasses
import logging
import math
import os
import shlex
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

from music_vae_tf import folders
from music_vae_tf.config import Config
from music_vae_tf.data.training_data import TrainingData
from music_vae_tf.quiet import import_quietly
from music_vae_tf.run_directory import FINISHED
from music_vae_tf.training.devices import sigterm_interrupts, strategy_of, use_devices
from music_vae_tf.training.exclusive import exclusive_access
from music_vae_tf.training.options import OptionError, TrainingOptions
from music_vae_tf.training.progress import progress_of
from music_vae_tf.training.request import Request, make_writable, request
from music_vae_tf.training.result import TrainingResult, best_checkpoint
from music_vae_tf.training.state import state_kept
from music_vae_tf.training.warm_start import warm_start, weights_to_start_from

if TYPE_CHECKING:
    import tensorflow as tf

    from music_vae_tf.models.trainable import Trainable

log = logging.getLogger("music_vae_tf")
KEPT_BYTES = 10**9  # of all checkpoints, where nothing is said of their number
MAGENTAS_TO_KEEP = 100
VALIDATED_BATCHES = 10  # at most, so that validating costs little


class TrainingInterrupted(KeyboardInterrupt):
    """A training was interrupted, and its last step is saved.

    Attributes:
        checkpoint: the newest one, from which the same call resumes.
    """

    def __init__(self, checkpoint: str | None):
        super().__init__(f"the last checkpoint is {checkpoint}")
        self.checkpoint = checkpoint


def train(
    config: Any = None, data: Any = None, run_dir: Any = None, **options: Any
) -> TrainingResult:
    """Trains a model, or resumes its training, as the training commands do.

    The same seed gives the same training. An interrupted training resumes from its last
    checkpoint when it is called again, and ends as an uninterrupted one. Arguments that
    are left out are read from the run directory: `train(run_dir="run")` is enough.

    Args:
        config: name of a config, path of a YAML file, or a `Config`.
        data: what to train on. For a MusicVAE, the path of a TFRecord file, of a folder
            of MIDI or scores, or of one such file; or a list of paths. An iterable of
            NoteSequences is taken, too (a generator is read into memory). For a
            conv_cvae and a clstm_decoder, these or a file of class rolls. For a
            clef_lstm, a folder that clef_lstm_prepare has made. Or a `TrainingData`.
        run_dir: the folder for checkpoints and summaries.
        options: those of `TrainingOptions`: num_steps, hparams, seed, holdout, ...

    Returns:
        Its figures, the paths of its checkpoints, and `load()` for the trained model.

    Raises:
        OptionError: an option is missing, unknown, or makes no sense.
        ConfigError: there is no such config.
        RunDirectoryError: the run directory holds another training.
        RunInUse: another process trains in the run directory.
        NotMusic, NoMusic, BadRecords, TooFewExamples: the data are of no use.
        LossNotFinite: the checkpoints before are kept.
        TrainingInterrupted: by Ctrl-C or SIGTERM; the last step is saved.
    """
    return train_with(config, data, run_dir, TrainingOptions.of(options))


def train_with(
    config: Config | str | os.PathLike | None,
    data: Any,
    run_dir: str | os.PathLike | None,
    options: TrainingOptions,
    kinds: tuple[str, ...] = (),
    start_tensorflow: Callable = import_quietly,
) -> TrainingResult:
    """`train` with its options as one object.

    Args:
        kinds: of model, of which the config must be one; without them any.
        start_tensorflow: imports it, once all that needs none is checked.
    """
    options = dataclasses.replace(options, data=data)
    asked = request(config, run_dir, options, kinds)
    weights_to_start_from(asked)  # an error comes before anything is made
    training_data = asked.data()
    with folders.empty_ones_removed():
        make_writable(asked.directory.train_dir)
        start_tensorflow()
        strategy = _strategy(asked)
        with exclusive_access(asked, strategy):
            return _Training.start(asked, training_data, strategy).run()


def _strategy(asked: Request[TrainingOptions]) -> tf.distribute.Strategy:
    """The one that is asked for."""
    import tensorflow as tf

    from music_vae_tf import strategies

    use_devices(tf)
    strategy = strategy_of(asked.options.strategy)
    is_first = asked.options.seed is None and asked.record is None
    if is_first and strategies.is_multiworker(strategy):
        raise OptionError(
            "give all workers the same {seed}: nothing else makes them agree"
        )
    return strategy


class _Training(NamedTuple):
    """A training that is about to take its steps."""

    request: Request[TrainingOptions]
    data: TrainingData
    strategy: tf.distribute.Strategy
    model: Trainable

    @classmethod
    def start(
        cls,
        asked: Request[TrainingOptions],
        data: TrainingData,
        strategy: tf.distribute.Strategy,
    ) -> _Training:
        """Makes the model, with the weights that the training starts from."""
        from music_vae_tf import checkpoint, strategies
        from music_vae_tf.training import loop

        newest = asked.directory.checkpoint()
        if newest is None or not asked.is_complete(checkpoint.step_of(newest)):
            data.prepare(asked.seed)
        model = loop.compiled_model(
            asked.config,
            data.converter,
            asked.seed,
            strategy,
            asked.options.mixed_precision,
        )
        training = cls(asked, data, strategy, model)
        _restore(training)
        strategies.check_same_step(strategy, model.steps_taken)
        return training

    @property
    def is_chief(self) -> bool:
        from music_vae_tf import strategies

        return strategies.is_chief(self.strategy)

    def run(self) -> TrainingResult:
        """Takes the steps that are left."""
        done = self.model.steps_taken
        if self.request.is_complete(done):
            log.info(
                "Already trained for %d steps: nothing to do. A larger --num_steps "
                "goes on",
                done,
            )
            if self.is_chief:
                self.data.complete()
            return _result(self, {}, 0, was_complete=True)
        batches, validated = self._batches()
        self._keep_record()
        with self._writer() as writer:
            saver = _saver(self)
            validation = _validation(self, validated, saver, writer)
            with self.data.reraise_source_error():
                metrics = _take_steps(self, batches, writer, saver, validation)
        if self.is_chief:
            self.data.complete()
        if validation and validation.best and (best := self.request.directory.best()):
            log.info(
                "The lowest validation loss was %.4g, at step %d: %s",
                validation.best[1],
                validation.best[0],
                best,
            )
        return _result(self, metrics, self.model.steps_taken - done)

    def _batches(self):
        """Data sets to train and to validate on; the latter may be None."""
        from music_vae_tf import strategies

        config, options = self.request.config, self.request.options
        rows = strategies.rows_of_worker(self.strategy, config.training.batch_size)
        worker = strategies.share_of_worker(self.strategy)
        batches = self.data.training_batches(
            self.request.seed, self.model.steps_taken, rows, worker
        )
        number = options.num_batches or VALIDATED_BATCHES
        validated = self.data.validation_batches(number)
        if options.early_stop and validated is None:
            raise OptionError(
                "{early_stop} needs something to validate on: {holdout}=0.1 holds out "
                "a tenth of the music, {validation_data} names examples of their own"
            )
        return batches, validated

    def _keep_record(self) -> None:
        asked = self.request
        changes = asked.changes
        if asked.record:
            changes = [*asked.record.changes(asked.config, asked.seed), *changes]
        if changes:
            log.info("Changes since the last run:\n  %s", "\n  ".join(changes))
        if self.is_chief:
            asked.keep()
        log.info(
            "Training %s (%s weights) in %s, batches of %d, seed %d",
            asked.config.name,
            f"{self.model.count_params():,}",
            asked.directory.path,
            asked.config.training.batch_size,
            asked.seed,
        )
        folder = asked.directory.path
        watch = shlex.join(["tensorboard", f"--logdir={folder}"])
        log.info("Watch it with: %s", watch)

    @contextlib.contextmanager
    def _writer(self):
        """What writes summaries: on the chief, into the run directory."""
        import tensorflow as tf

        from music_vae_tf.training.summaries import summary_writer

        writer = tf.summary.create_noop_writer()
        if self.is_chief:
            writer = summary_writer(
                self.request.directory.train_dir,
                self.data.name,
                self.request.config,
            )
        try:
            yield writer
        finally:
            writer.close()


def _restore(training: _Training) -> None:
    """From the directory's checkpoint, or the weights of another one, or nothing."""
    from music_vae_tf import checkpoint
    from music_vae_tf.training import loop

    directory, model = training.request.directory, training.model
    vocabulary = training.data.converter.token_vocabulary
    warm_start(training.request, training.model, vocabulary)
    if vocabulary is not None and training.is_chief:
        checkpoint.keep_vocabulary(directory.train_dir, vocabulary)
    newest = loop.resume(model, directory.train_dir)
    if newest is not None:
        log.info("Resuming from %s (step %d)", newest, model.steps_taken)


def _saver(training: _Training):
    """What keeps checkpoints; logs how many."""
    from music_vae_tf.training import loop

    options = training.request.options
    to_keep, hours = options.checkpoints_to_keep, options.keep_checkpoint_every_n_hours
    if to_keep is None:
        size = loop.checkpoint_bytes(training.model)
        # Beside them there is the best one, and one while it is written.
        to_keep = min(max(KEPT_BYTES // size - 2, 1), MAGENTAS_TO_KEEP)
        log.info(
            "Keeping the last %s, %.3g MB each (--checkpoints_to_keep changes that)",
            "checkpoint" if to_keep == 1 else f"{to_keep} checkpoints",
            size / 1e6,
        )
    elif hours is None:
        hours = 1  # as Magenta
    directory = training.request.directory.train_dir
    return loop.Saver(directory, to_keep, hours or math.inf, training.is_chief)


def _validation(training: _Training, batches, saver, writer):
    """What measures while the model trains; None where there is nothing to measure."""
    from music_vae_tf import strategies
    from music_vae_tf.training import validation

    options, model = training.request.options, training.model
    rule = validation.ValidationRule(
        options.validation_interval, options.patience, options.early_stop
    )
    strategies.check_same_rule(training.strategy, (*rule, batches is not None))
    if batches is None:
        return None
    log.info("Validating every %d steps", rule.every_n_steps)
    evaluation = validation.Evaluation(model, batches) if saver.is_chief else None
    return validation.Validation(
        evaluation,
        saver,
        writer,
        rule,
        training.strategy,
        model.steps_taken,
        options.num_steps,
    )


def _take_steps(training, batches, writer, saver, validation) -> dict[str, float]:
    """Takes the steps, and returns what the last one logged."""
    from music_vae_tf.training import loop

    options, model = training.request.options, training.model
    done = model.steps_taken
    shown = progress_of(options)(
        options.num_steps or None,
        "Training",
        unit="steps",
        done=done,
        note="compiling the first one",
    )
    try:
        with sigterm_interrupts(), state_kept(training, validation), shown as bar:
            return loop.train(
                model,
                batches,
                options.num_steps,
                saver,
                writer,
                _on_step(options, bar, validation, done),
                training.strategy,
                validation=validation,
                pieces_of_batch=lambda batch: training.data.pieces_of_batch(
                    training.request.seed, batch
                ),
            )
    except KeyboardInterrupt:
        newest = training.request.directory.checkpoint()
        raise TrainingInterrupted(newest) from None


def _on_step(options, bar, validation, done: int):
    """What is called with the loss of each step."""
    step = done

    def on_step(loss: float) -> None:
        nonlocal step
        step += 1
        note = f"loss {loss:.4g}"
        if validation and validation.newest_loss is not None:
            note += f", validation loss {validation.newest_loss:.4g}"
        bar.advance(note=note)
        if options.on_step:
            options.on_step(step, loss)

    return on_step


def _result(
    training: _Training, metrics, steps_taken: int, was_complete: bool = False
) -> TrainingResult:
    from music_vae_tf.training.validation import read_losses

    asked, directory = training.request, training.request.directory
    return TrainingResult(
        config=asked.config,
        run_dir=directory.path,
        seed=asked.seed,
        state=directory.state() or FINISHED,
        steps=training.model.steps_taken,
        steps_taken=steps_taken,
        was_complete=was_complete,
        metrics=metrics,
        validation_losses=[
            (step, loss) for step, loss in read_losses(directory.train_dir)
        ],
        checkpoint=directory.checkpoint(),
        best_checkpoint=best_checkpoint(directory),
    )

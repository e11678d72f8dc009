"""Trained models at the tasks of GrooVAE: what they make of the windows of a split."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from music_vae_tf.analysis.groove_windows import (
    BARS,
    TASKS,
    WINDOW,
    Playing,
    Windows,
    as_midi,
    with_given,
)
from music_vae_tf.batch import Batch
from music_vae_tf.data import pieces
from music_vae_tf.data.converters import drum_classes
from music_vae_tf.data.converters.groove import MAX_VELOCITY, GrooveConverter
from music_vae_tf.data.converters.groove_edits import Groove
from music_vae_tf.data.converters.score import DEFAULT_QPM
from music_vae_tf.errors import UserFacingError
from music_vae_tf.models.music_vae import MusicVAE
from music_vae_tf.models.prng import PRNGKey

MODE_TEMPERATURE = 1e-12  # near 0, samples are the mode


class UnfitTask(UserFacingError, ValueError):
    """A task that the config was not made for, or music without a window of it."""


class TaskExamples(NamedTuple):
    """A split as a model reads it, and its windows.

    An example is a window, or several one after another (four bars are two windows).
    """

    windows: Windows
    inputs: np.ndarray  # float32 [E, T, D_in]
    controls: np.ndarray  # float32 [E, T, D_c]
    held: np.ndarray | None  # float32 [E, T, D_out], NaN where the decoder is free
    left_out: Counter[str]


def task_of(converter: Any) -> str | None:
    """The task that a converter prepares its examples for; None of other music."""
    return converter.groove_task


def check_task(
    task: str, converter: Any, config_name: str, fitting: Callable[[], Iterable[str]]
) -> None:
    """Sees that a config's examples are those of a task, in whole windows.

    fitting: gives names of configs that the task fits, to name if this one does not.

    Raises:
        UnfitTask: it does not fit.
    """
    if task_of(converter) != task:
        raise UnfitTask(
            f"the task {task} ({TASKS[task].description}) does not fit config "
            f"{config_name}; it fits {', '.join(fitting())}"
        )
    if (converter.steps_per_quarter, converter.quarters_per_bar) != (4, 4) or (
        converter.split_bars is None or converter.split_bars % BARS
    ):
        raise UnfitTask(
            f"config {config_name}: tasks are measured on {BARS} bars of 16 steps; "
            f"expected steps_per_quarter 4, quarters_per_bar 4 and an even split_bars, "
            f"got {converter.steps_per_quarter}, {converter.quarters_per_bar} and "
            f"{converter.split_bars}"
        )


def drum_names(converter: GrooveConverter) -> list[str]:
    """Of its drum classes: those of a preset, else their pitches."""
    for preset in drum_classes.PRESETS.values():
        if tuple(drum.pitches for drum in preset) == converter.pitch_classes:
            return [drum.name for drum in preset]
    return [f"pitches {'+'.join(map(str, p))}" for p in converter.pitch_classes]


def task_examples(
    task: str, converter: GrooveConverter, sequences: Iterable
) -> TaskExamples:
    """All examples that a converter makes of performances.

    Raises:
        UnfitTask: there is none.
    """
    grooves, inputs, controls, qpm, performances = [], [], [], [], []
    left_out = Counter()
    for number, sequence in enumerate(sequences):
        extraction = pieces.extract(converter, sequence, number)
        left_out += extraction.left_out
        for example in map(converter.unpack, extraction.examples):
            inputs.append(example.inputs)
            controls.append(example.controls)
            qpm.append(_qpm(sequence))
            performances.append(number)
        grooves += _grooves(converter, sequence, extraction)
    if not grooves:
        reasons = "; ".join(f"{n} x {why}" for why, n in left_out.most_common(5))
        raise UnfitTask(
            f"no window of {BARS} bars in 4/4 to measure {task} on: "
            + (reasons or "no performances at all")
        )
    return TaskExamples(
        _windows(converter, grooves, inputs, performances, qpm),
        np.array(inputs, np.float32),
        np.array(controls, np.float32),
        _held(task, converter, grooves),
        left_out,
    )


def _qpm(sequence):
    return sequence.tempos[0].qpm if sequence.tempos else DEFAULT_QPM


def _grooves(converter, sequence, extraction):
    """What drummers played in each example, not rounded to the bins of a model."""
    plain = dataclasses.replace(converter, num_velocity_bins=None, num_offset_bins=None)
    if plain != converter:
        extraction = plain.extract(sequence)
    examples = map(plain.unpack, extraction.examples)
    return [plain.groove_of(example.targets) for example in examples]


def _windows(converter, grooves, inputs, performances, qpm):
    per_example = converter.split_bars // BARS
    _, performances = np.unique(performances, return_inverse=True)
    asked = np.ones(len(converter.pitch_classes), bool)
    if converter.add_instruments:
        asked[:] = np.isin(np.arange(len(asked)), converter.add_instruments)
    return Windows(
        drummers=_playing(grooves),
        given=_playing(map(converter.groove_of, inputs)).hits,
        performances=np.repeat(performances, per_example),
        qpm=np.repeat(np.array(qpm), per_example),
        asked=asked,
    )


def _playing(grooves: Iterable[Groove]) -> Playing:
    """Grooves of examples as what is played in their windows."""
    hits, velocities, offsets = (
        np.concatenate(feature).reshape(-1, WINDOW, feature[0].shape[1])
        for feature in zip(*grooves)
    )
    # The converter's offsets are in half steps, and 1 is early.
    return as_midi(hits > 0, velocities * MAX_VELOCITY, -offsets / 2)


def _held(task, converter, grooves):
    """What the decoder is given: hits of a score; all of the drums that stay."""
    if not TASKS[task].holds_hits and not converter.add_instruments:
        return None
    asked = np.zeros(len(converter.pitch_classes), bool)
    asked[list(converter.add_instruments)] = True
    held = []
    for groove in grooves:
        if TASKS[task].holds_hits:
            struck = groove.hits > 0
            is_free = Groove(np.zeros_like(struck), struck, struck)
        else:
            is_free = Groove(*[np.broadcast_to(asked, groove.hits.shape)] * 3)
        held.append(converter.held_rows(groove, is_free))
    return np.array(held, np.float32)


def play(
    model: MusicVAE,
    converter: GrooveConverter,
    examples: TaskExamples,
    *,
    is_sample: bool,
    given_hits: bool = False,
    temperature: float = 1.0,
    seed: int = 0,
    batch_size: int = 64,
) -> Playing:
    """What a model makes of the examples.

    Args:
        is_sample: of a latent vector drawn from the posterior, hits are drawn at the
            temperature; otherwise of its mean, and each hit is the more probable.
        given_hits: as for a `TrainedModel`; where hits are held it makes no difference.

    Raises:
        UnfitTask: its decoder cannot hold what the task holds, or it has no encoder.
    """
    if not model.z_size:
        raise UnfitTask("a model without a latent space reads nothing")
    if examples.held is not None and not model.decoder.takes_forced_rows:
        raise UnfitTask(
            "the task gives hits to the decoder, which only one LSTM at a time can "
            f"hold; this model has a {type(model.decoder).__name__}"
        )
    # What is sampled at a time shares its controls.
    batch_size = batch_size if converter.controls is None else 1
    temperature = temperature if is_sample else MODE_TEMPERATURE
    run = _runner(model, is_sample, given_hits, temperature, seed)
    batches = _batches(examples, batch_size)
    rows = [run(*batch, tf.constant(i)).numpy() for i, batch in enumerate(batches)]
    rows = np.concatenate(rows)[: len(examples.inputs)]
    return with_given(examples.windows, _playing(map(converter.groove_of, rows)))


def _batches(examples, batch_size):
    """All of one size, so that one graph is enough: the last is filled with zeros."""
    count, padding = len(examples.inputs), -len(examples.inputs) % batch_size
    nothing = np.zeros([count, 0, 0], np.float32)
    held = nothing if examples.held is None else examples.held
    columns = [
        np.pad(column, [(0, padding), (0, 0), (0, 0)])
        for column in (examples.inputs, examples.controls, held)
    ]
    for first in range(0, count, batch_size):
        yield [tf.constant(c[first : first + batch_size]) for c in columns]


def _runner(model, is_sample, given_hits, temperature, seed):
    """A function (inputs, controls, held values, number of the batch) -> rows."""

    @tf.function(autograph=False)
    def run(inputs, controls, held, number):
        rng = PRNGKey(seed).fold_in("tasks").fold_in(number)
        size, steps = inputs.shape[:2]
        batch = Batch(inputs, None, controls, tf.fill([size], steps))
        z, sigma = model.posterior(batch, needs_gradient=False)
        if is_sample:
            z += sigma * rng.fold_in("z").normal(tf.shape(z))
        samples = model.sample(
            z,
            tf.constant(steps),
            controls[0] if model.control_depth else None,
            temperature,
            rng.fold_in("samples"),
            given_hits=given_hits,
            **({"forced": held} if held.shape[1] else {}),
        )
        return samples.rows

    return run

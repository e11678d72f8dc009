"""Summaries for TensorBoard, under Magenta's tags.

Magenta's files have some tags with `_1` at the end, `global_norm_1`, where TensorFlow 1
had used up a name; these are without.
"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from pathlib import Path

import tensorflow as tf

from music_vae_tf.config import Config
from music_vae_tf.config import hparams as hparams_of
from music_vae_tf.data.records import records_in

SUMMARISE_EVERY_STEPS = 100


def summary_writer(
    directory: str | os.PathLike, examples: str, config: Config
) -> tf.summary.SummaryWriter:
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


def read_scalars(
    directory: str | os.PathLike, tag: str
) -> tuple[list[int], list[float]]:
    """The steps and values of a tag in all of a directory's event files, by step.

    A step that was taken again, after an interrupt, has its last value.
    """
    by_step = {}
    for path in sorted(Path(directory).glob("events.out.tfevents.*")):
        with path.open("rb") as file:
            for record in records_in(file, str(path)):
                event = tf.compat.v1.Event.FromString(record)
                for value in event.summary.value:
                    if value.tag == tag:
                        by_step[event.step] = float(tf.make_ndarray(value.tensor))
    steps = sorted(by_step)
    return steps, [by_step[step] for step in steps]


class TrainingScalars:
    """Writes those of the first step of a start, of every hundredth after it, as
    Magenta does, and of the last."""

    def __init__(self, writer: tf.summary.SummaryWriter, first: int, last: int):
        self._writer, self._first, self._last = writer, first, last
        self._before = None  # the step written last, and a clock since then

    def write_if_due(self, step: int, logs: Mapping[str, tf.Tensor]) -> None:
        """Writes the scalars of a step, {tag: value}, if it is one of these."""
        if (step - self._first) % SUMMARISE_EVERY_STEPS and step != self._last:
            return
        pace = {}
        if self._before is not None:
            last_step, clock = self._before
            pace = {"global_step/sec": (step - last_step) / clock.seconds}
        write_scalars(self._writer, step, {**logs, **pace})
        self._before = step, Clock()


class Clock:
    """Seconds since it was made."""

    def __init__(self):
        self._start_s = time.monotonic()

    @property
    def seconds(self) -> float:
        return time.monotonic() - self._start_s

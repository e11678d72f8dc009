"""What can be trained on: batches to train, to validate and to evaluate with."""

from __future__ import annotations

import abc
import contextlib
from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    import tensorflow as tf

    from music_vae_tf.data.clefs.windows import Windows
    from music_vae_tf.data.converters.base import Converter


class TrainingData(abc.ABC):
    """Batches of one collection of music, for one config.

    Data sets are `tf.data.Dataset`s of `Batch`es.
    """

    # What a run directory keeps of it: {name in flags.json: option of `train`}.
    kept: ClassVar[Mapping[str, str]] = {}

    @property
    @abc.abstractmethod
    def name(self) -> str:
        """What TensorBoard calls the data."""

    @property
    @abc.abstractmethod
    def converter(self) -> Converter | Windows:
        """What `build.model` makes the model of the config as wide as."""

    @abc.abstractmethod
    def prepare(self, seed: int) -> None:
        """Reads what is trained on, so that bad data end a training before its model is
        built.

        Raises:
            TooFewExamples: they do not fill a batch.
        """

    @abc.abstractmethod
    def training_batches(
        self,
        seed: int,
        first_step: int,
        rows: slice = slice(None),
        worker: tuple[int, int] = (0, 1),
    ) -> tf.data.Dataset:
        """A data set without end, its first batch that of `first_step`.

        Each batch depends on nothing but the seed and its step.

        Args:
            rows: of each batch, those to make, which are the share of this worker.
            worker: (its index, how many there are).
        """

    @abc.abstractmethod
    def validation_batches(self, num_batches: int) -> tf.data.Dataset | None:
        """A data set to validate on, its last batch as large as is left; None where
        nothing is to be validated on."""

    @abc.abstractmethod
    def evaluation_batches(self, num_batches: int | None) -> tf.data.Dataset:
        """A data set of batches that are the same each time; all if None."""

    def pieces_of_batch(self, seed: int, step: int) -> list[str]:
        """Names of the pieces that the batch of a step holds examples of; empty where
        they are not known."""
        return []

    def complete(self) -> None:
        """Keeps in the run directory what goes with the trained model.

        It is called when all steps are taken and their checkpoints saved, and again if
        a complete training is started again.
        """
        return

    def reraise_source_error(self) -> contextlib.AbstractContextManager:
        """Context in which batches are made: errors leave as the data raised them."""
        return contextlib.nullcontext()


def rows_of(batches: tf.data.Dataset, rows: slice) -> tf.data.Dataset:
    """The data set of these rows of each batch."""
    return batches.map(lambda batch: type(batch)(*(tensor[rows] for tensor in batch)))

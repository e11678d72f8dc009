"""NoteSequences as a config's examples: what a MusicVAE trains on."""

from __future__ import annotations

import functools
import logging
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING

from music_vae_tf.data.training_data import TrainingData
from music_vae_tf.training.options import OptionError
from music_vae_tf.training.progress import progress_of
from music_vae_tf.training.request import Request

if TYPE_CHECKING:
    import tensorflow as tf

    from music_vae_tf.data.converters.base import Converter
    from music_vae_tf.data.example_store import ExampleStore
    from music_vae_tf.generation import TrainedModel
    from music_vae_tf.training.result import TrainingResult

log = logging.getLogger("music_vae_tf")


class NoteSequenceData(TrainingData):
    """NoteSequences of the option `data`, or of a data set of TFDS."""

    kept = {
        "examples_path": "data",
        "tfds_name": "tfds_name",
        "cache_dataset": "cache_dataset",
    }

    def __init__(self, request: Request):
        """
        Raises:
            OptionError: nothing names the data.
            NotMusic, NoMusic, records.BadRecords: they are of no use.
        """
        self._request, self._options = request, request.options
        evaluates = request.evaluates
        self._source = (
            self._to_evaluate_on() if evaluates else _source(request, "train")
        )
        self._batch_size = request.config.training.batch_size
        self._stores: dict[int, ExampleStore] = {}  # what is trained on, by seed

    @property
    def name(self) -> str:
        return self._source.name

    @functools.cached_property
    def converter(self) -> Converter:
        from music_vae_tf import build

        return build.converter(self._request.config)

    def _to_evaluate_on(self):
        """What is named, or what the training validates on."""
        options, given = self._options, self._request.given
        if given & {"data", "tfds_name"}:
            return _source(self._request, "validation")
        if options.validation_data is not None:
            return self._validation_source()
        if options.data is not None and not options.holdout:
            log.warning(
                "evaluating on what was trained on, %s: its loss says little of other "
                "music. Name other examples with --examples_path",
                options.data,
            )
        return _source(self._request, "validation")

    def _validation_source(self):
        from music_vae_tf.data.source import Source

        return Source.from_data(self._options.validation_data)

    @functools.cached_property
    def _parts(self):
        """(the source to train on, the source that is held out)."""
        return self._source.split(self._options.holdout, self._request.holdout_seed)

    @property
    def _trained_on(self):
        return self._parts[0] if self._options.holdout else self._source

    @property
    def _augment(self):
        """What changes a NoteSequence at random; None without augmentation."""
        from music_vae_tf import build

        augmenter = build.augmenter(self._request.config)
        return augmenter.augment if augmenter else None

    def prepare(self, seed: int) -> None:
        if self._options.cache_dataset and seed not in self._stores:
            self._stores[seed] = self._examples(self._trained_on, self._augment, seed)

    def training_batches(
        self,
        seed: int,
        first_step: int,
        rows: slice = slice(None),
        worker: tuple[int, int] = (0, 1),
    ) -> tf.data.Dataset:
        from music_vae_tf.data import pipeline

        if self._options.cache_dataset:
            self.prepare(seed)
            return pipeline.training_batches(
                self._stores[seed], self._batch_size, seed, first_step, rows
            )
        log.info(
            "Streaming %s without a cache: converting again every epoch", self.name
        )
        return pipeline.streaming_batches(
            self._trained_on.read,
            self.converter,
            len(range(self._batch_size)[rows]),
            seed,
            self._augment,
            first_step,
            pipeline.Share(*worker),
        )

    def pieces_of_batch(self, seed: int, step: int) -> list[str]:
        from music_vae_tf.data import pieces, pipeline

        if not self._options.cache_dataset:
            return []  # the stream would have to be read anew up to here
        names = pieces.names_of_examples(
            self.converter,
            self._trained_on.read(),
            functools.partial(pipeline.rng_of, seed),
            self._augment,
        )
        examples = pipeline.examples_of_batch(step, self._batch_size, len(names), seed)
        return [names[example] for example in examples]

    def validation_batches(self, num_batches: int) -> tf.data.Dataset | None:
        if self._options.validation_data is not None:
            return self._all_batches(self._validation_source(), num_batches)
        if self._options.holdout:
            return self._all_batches(self._parts[1], num_batches)
        return None

    def evaluation_batches(self, num_batches: int | None) -> tf.data.Dataset:
        from music_vae_tf.data import pipeline

        if self._options.holdout and not self._request.given & {"data"}:
            return self._all_batches(self._parts[1], num_batches or -1)
        store = self._examples(self._source)
        return pipeline.evaluation_batches(store, self._batch_size, num_batches)

    def _all_batches(self, source, num_batches):
        from music_vae_tf.data import pipeline

        store = self._examples(source, at_least=1)
        return pipeline.all_batches(store, self._batch_size).take(num_batches)

    def _examples(self, source, *how, at_least=None):
        """All examples of a source, by default a batch at least; says how many, and
        what was left out."""
        from music_vae_tf.data import pipeline

        progress = progress_of(self._options)
        with progress(None, "Reading", unit="NoteSequences") as bar:
            store, report = pipeline.extract_examples(
                bar.over(source.read()), self.converter, *how
            )
        report.require(at_least or self._batch_size)
        log.info("%s: %s", source.name, report)
        return store

    def reraise_source_error(self) -> AbstractContextManager:
        return self._source.reraise_source_error()


def _source(request, split):
    from music_vae_tf.data.source import Source

    options = request.options
    if options.data is not None and options.tfds_name:
        raise OptionError("give {data} or {tfds_name}, not both")
    if options.data is not None:
        return Source.from_data(options.data)
    name = options.tfds_name or request.config.dataset.tfds_name
    if not name:
        raise OptionError(
            "{data} is missing: name a TFRecord file of NoteSequences, which "
            "convert_dir_to_note_sequences makes of a folder of MIDI"
        )
    return Source.of_data_set(name, split)


def load_trained(
    result: TrainingResult, path: str, batch_size: int, seed: int | None
) -> TrainedModel:
    """The `TrainedModel` of a training, for `TrainingResult.load`."""
    from music_vae_tf.generation import TrainedModel

    return TrainedModel(result.config, batch_size, path, seed=seed)

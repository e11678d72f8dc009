"""Prepared piano pieces: what a clef-split LSTM trains on."""

from __future__ import annotations

import dataclasses
import functools
import logging
import os
from pathlib import Path
from typing import TYPE_CHECKING, cast

from music_vae_tf.data.training_data import TrainingData, rows_of
from music_vae_tf.errors import UserFacingError
from music_vae_tf.json_files import BadJson, read_text
from music_vae_tf.run_directory import RunDirectory
from music_vae_tf.training.options import MissingOption, OptionError
from music_vae_tf.training.progress import progress_of
from music_vae_tf.training.request import Request

if TYPE_CHECKING:
    import tensorflow as tf

    from music_vae_tf.data.clefs.labels import Labels
    from music_vae_tf.data.clefs.windows import Windows
    from music_vae_tf.data.converters.clefs import ClefsConverter
    from music_vae_tf.generation.clef_lstm import TrainedClefLSTM
    from music_vae_tf.training.result import TrainingResult

log = logging.getLogger("music_vae_tf")
LABELS_FILE = "train/labels.json"


class NoLabels(UserFacingError, ValueError):
    """The labels of a training are missing or damaged."""


def labels_of_run(run_dir: Path) -> dict[str, Labels] | None:
    """The labels of the training in a run directory, {staff: Labels}; None without.

    Labels that a start left behind which never came to train are none.

    Raises:
        NoLabels: they are missing, or cannot be read.
    """
    from music_vae_tf.data.clefs import labels

    if RunDirectory(run_dir).record() is None:
        return None
    path = run_dir / LABELS_FILE
    try:
        return labels.from_json(read_text(path))
    except FileNotFoundError as error:
        raise NoLabels(
            f"{path} is missing: the labels belong to the model, which means nothing "
            "without them"
        ) from error
    except (labels.BadLabels, BadJson) as error:
        raise NoLabels(f"{path}: {error}") from error


class ClefPieceData(TrainingData):
    """Pieces of a folder that clef_lstm_prepare has made."""

    kept = {"data_dir": "data"}

    def __init__(self, request: Request):
        """
        Raises:
            OptionError: no folder is given, or other pieces to validate on.
            BadPreparation: the folder is not a prepared one.
        """
        from music_vae_tf.data.clefs import require_libraries
        from music_vae_tf.data.clefs.prepared import Prepared

        options = request.options
        folder = _folder(options.data)
        if options.holdout or options.validation_data is not None:
            raise OptionError(
                "clef_lstm_prepare has kept pieces for validation, which are measured: "
                "leave out {holdout} and {validation_data}"
            )
        require_libraries()
        self._request = request
        self._run_dir = request.directory.path
        self._prepared = Prepared(Path(os.path.expanduser(folder)))
        if request.evaluates and not self._prepared.split["validation"]:
            raise OptionError(
                "{data_dir}={folder} has no piece for validation: prepare three at "
                "least",
                folder=folder,
            )
        self._name = folder
        self._batch_size = request.config.training.batch_size

    @property
    def name(self) -> str:
        return self._name

    @functools.cached_property
    def converter(self) -> Windows:
        labels = labels_of_run(self._run_dir)
        if labels is None:
            labels = self._clefs_converter.labels_of(self._pieces("train"))
        return self._clefs_converter.windows(labels)

    @functools.cached_property
    def _clefs_converter(self) -> ClefsConverter:
        from music_vae_tf import build

        return cast("ClefsConverter", build.converter(self._request.config))

    def _pieces(self, split):
        return self._prepared.pieces(split, self._clefs_converter.voices)

    def prepare(self, seed: int) -> None:
        self._training_store  # noqa: B018  reads the pieces

    @functools.cached_property
    def _training_store(self):
        return self._store("train", self._keys)

    @property
    def _keys(self) -> tuple[int, ...]:
        """By how many semitones each piece is transposed.

        Networks without a clock do not know the key. They learn C major and A minor
        alone, or what they generate would be in any key.
        """
        config = self._request.config
        low, high = config.dataset.transpose_range or (0, 0)
        if not config.model.shared_clock:
            low, high = 0, 0
        return tuple(range(low, high + 1))

    def training_batches(
        self,
        seed: int,
        first_step: int,
        rows: slice = slice(None),
        worker: tuple[int, int] = (0, 1),
    ) -> tf.data.Dataset:
        from music_vae_tf.data import pipeline
        from music_vae_tf.data.clefs import labels
        from music_vae_tf.data.whole_file import whole_file

        with whole_file(self._run_dir / LABELS_FILE, durable=True) as file:
            file.write(labels.to_json(self.converter.labels).encode())
        batches = pipeline.training_batches(
            self._training_store, self._batch_size, seed, first_step
        )
        return rows_of(batches, rows)

    def pieces_of_batch(self, seed: int, step: int) -> list[str]:
        from music_vae_tf.data import pieces, pipeline

        converter = dataclasses.replace(self.converter, keys=self._keys)
        found = zip(self._prepared.split["train"], self._pieces("train"))
        names = [
            name
            for name, piece in found
            for _ in pieces.extract(converter, piece, 0, quiet=True).examples
        ]
        examples = pipeline.examples_of_batch(step, self._batch_size, len(names), seed)
        return [names[example] for example in examples]

    def validation_batches(self, num_batches: int) -> tf.data.Dataset | None:
        from music_vae_tf.data import pipeline

        if not self._prepared.split["validation"]:
            return None
        store = self._store("validation", [0], at_least=1)
        return pipeline.all_batches(store, self._batch_size).take(num_batches)

    def evaluation_batches(self, num_batches: int | None) -> tf.data.Dataset:
        from music_vae_tf.data import pipeline

        store = self._store("validation", [0])
        return pipeline.evaluation_batches(store, self._batch_size, num_batches)

    def _store(self, split, keys, at_least=None):
        """The windows of all pieces in all keys, a batch at least."""
        from music_vae_tf.data import pipeline

        progress = progress_of(self._request.options)
        with progress(None, "Reading", unit="pieces") as bar:
            store, report = pipeline.extract_examples(
                bar.over(self._pieces(split)),
                dataclasses.replace(self.converter, keys=tuple(keys)),
            )
        report.require(at_least or self._batch_size)
        log.info(
            "%s: %d pieces for %s, in %d keys, gave %s windows",
            self.name,
            len(self._prepared.split[split]),
            split,
            len(keys),
            f"{len(store):,}",
        )
        return store


def _folder(data) -> str:
    if data is None or data == "":
        raise MissingOption("{data_dir} is required: the folder of clef_lstm_prepare")
    if not isinstance(data, (str, os.PathLike)):
        raise OptionError(
            "{data_dir}: a clef_lstm trains on a folder that clef_lstm_prepare has "
            "made of scores; a {came} came",
            came=type(data).__name__,
        )
    return os.fspath(data)


def load_trained(
    result: TrainingResult, path: str, batch_size: int, seed: int | None
) -> TrainedClefLSTM:
    """The `TrainedClefLSTM` of a training, for `TrainingResult.load`."""
    from music_vae_tf.generation.clef_lstm import TrainedClefLSTM

    labels = labels_of_run(result.run_dir)
    assert labels is not None  # a training of this kind has some
    return TrainedClefLSTM(result.config, labels, path)

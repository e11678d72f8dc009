"""Class rolls: what the convolutional VAE trains on, and the decoder after it."""

from __future__ import annotations

import functools
import hashlib
import logging
import os
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn, cast

from music_vae_tf.config import Config
from music_vae_tf.data.training_data import TrainingData, rows_of
from music_vae_tf.errors import UserFacingError
from music_vae_tf.run_directory import RunDirectory
from music_vae_tf.training.options import OptionError
from music_vae_tf.training.progress import progress_of
from music_vae_tf.training.request import Request, config_of_run

if TYPE_CHECKING:
    import tensorflow as tf

    from music_vae_tf.data.converters.base import Converter
    from music_vae_tf.data.converters.piano_roll import PianoRollConverter
    from music_vae_tf.generation.piano_roll import Prior, TrainedRollVae
    from music_vae_tf.models.piano_roll_vae import ConvCvae
    from music_vae_tf.models.trainable import Trainable
    from music_vae_tf.training.result import TrainingResult

log = logging.getLogger("music_vae_tf")
LATENTS_OF = "latents_of"  # in the train directory of a clstm_decoder
MADE_BY = "piano_roll_vae_prepare makes"
TRAINED_BY = "piano_roll_vae_train of a {}"


class OtherLatents(UserFacingError, ValueError):
    """Latents of another VAE than the one that a decoder was trained with."""


class ClassRollData(TrainingData):
    """Class rolls of a file or of NoteSequences; their latents for a clstm_decoder."""

    kept = {"examples_path": "data", "cvae_run_dir": "cvae_run_dir"}

    def __init__(self, request: Request):
        """
        Raises:
            OptionError: the rolls or the VAE are missing, or do not fit.
        """
        self._request, self._config = request, request.config
        self._name = _checked_name(request.options.data, "data", NO_ROLLS)
        if request.options.validation_data is not None:
            _checked_name(request.options.validation_data, "validation_data", "")
        self._cvae_config = _cvae_config(request.options.cvae_run_dir, self._config)
        self._batch_size = self._config.training.batch_size

    @property
    def name(self) -> str:
        return self._name

    @functools.cached_property
    def converter(self) -> PianoRollConverter:
        from music_vae_tf import build

        return cast("PianoRollConverter", build.converter(self._config))

    # Batches.

    def prepare(self, seed: int) -> None:
        self._trained_on  # noqa: B018  reads and checks the rolls

    def training_batches(
        self,
        seed: int,
        first_step: int,
        rows: slice = slice(None),
        worker: tuple[int, int] = (0, 1),
    ) -> tf.data.Dataset:
        from music_vae_tf.data import pipeline
        from music_vae_tf.data.rolls import store, transposed
        from music_vae_tf.models.prng import PRNGKey

        batches = pipeline.training_batches(
            store(self._trained_on), self._batch_size, seed, first_step
        )
        numbered = batches.enumerate(first_step)
        if self._config.dataset.transpose_range:
            low, high = self._config.dataset.transpose_range
            draw = lambda step: PRNGKey(seed).fold_in("transposition").fold_in(step)
            numbered = numbered.map(
                lambda step, batch: (step, transposed(batch, low, high, draw(step)))
            )
        if self._cvae_config:
            record_latents(self._request.directory, self._cvae)
        latents = lambda step: PRNGKey(seed).fold_in("latents").fold_in(step)
        return rows_of(self._read_by_the_model(numbered, latents), rows)

    def pieces_of_batch(self, seed: int, step: int) -> list[str]:
        from music_vae_tf.data import pipeline

        names = self._trained_on.names
        examples = pipeline.examples_of_batch(step, self._batch_size, len(names), seed)
        return [str(names[example]) for example in examples]

    def validation_batches(self, num_batches: int) -> tf.data.Dataset | None:
        options = self._request.options
        if options.validation_data is not None:
            return self._all_batches(self._read(options.validation_data), num_batches)
        if options.holdout:
            return self._all_batches(self._parts[1], num_batches)
        return None

    def evaluation_batches(self, num_batches: int | None) -> tf.data.Dataset:
        from music_vae_tf.data import pipeline
        from music_vae_tf.data.rolls import store

        if self._cvae_config:
            check_latents(self._request.directory, self._cvae)
        if "data" not in self._request.given:
            validated = self.validation_batches(num_batches or -1)
            if validated is not None:
                return validated
        batches = pipeline.evaluation_batches(
            store(self._rolls), self._batch_size, num_batches
        )
        return self._read_by_the_model(batches.enumerate(), lambda step: None)

    def _all_batches(self, rolls, num_batches):
        from music_vae_tf.data import pipeline
        from music_vae_tf.data.rolls import store

        batches = pipeline.all_batches(store(rolls), self._batch_size)
        numbered = batches.take(num_batches).enumerate()
        return self._read_by_the_model(numbered, lambda step: None)

    def complete(self) -> None:
        """Fits the prior of each condition to the latent vectors of the rolls."""
        if self._cvae_config is not None:
            return
        from music_vae_tf.generation import roll_priors
        from music_vae_tf.generation.piano_roll import TrainedRollVae

        directory, converter = self._request.directory, self.converter
        path = directory.to_generate_from()
        cvae = cast("ConvCvae", restored_model(self._config, converter, path))
        try:
            if kept_priors(directory, cvae):
                return
        except roll_priors.BadPriors:
            log.warning("%s is damaged: it is written anew", _priors_file(directory))
        if not self._is_what_was_trained_on():
            log.warning(
                "Priors are fitted to the rolls that were trained on, and %s is "
                "another file: give that one to fit them",
                self.name,
            )
            return
        progress = progress_of(self._request.options)
        with progress(None, "Fitting priors", unit="conditions") as bar:
            priors = roll_priors.fitted(
                TrainedRollVae(cvae), self._trained_on, converter.roll_steps, bar.over
            )
        roll_priors.write(priors, _fingerprint(cvae), _priors_file(directory))

    def _is_what_was_trained_on(self) -> bool:
        """Whether the rolls are those that the last steps were taken on."""
        recorded = self._request.directory.flags().get("examples_path")
        return recorded is None or os.path.abspath(str(recorded)) == os.path.abspath(
            self.name
        )

    # Rolls.

    @property
    def _trained_on(self):
        rolls = self._parts[0] if self._request.options.holdout else self._rolls
        return self._enough(rolls)

    @functools.cached_property
    def _rolls(self):
        rolls = self._enough(self._read(self._request.options.data))
        log.info("%s: %s rolls", self.name, f"{len(rolls):,}")
        return rolls

    @functools.cached_property
    def _parts(self):
        """(the rolls to train on, the rolls that are held out)."""
        from music_vae_tf.data import rolls

        share, seed = self._request.options.holdout, self._request.holdout_seed
        parts = rolls.split(self._rolls, share, seed, self.name)
        log.info("Of these, %s rolls are held out", f"{len(parts[1]):,}")
        return parts

    def _enough(self, rolls):
        """The rolls, if they fill a batch."""
        from music_vae_tf.data import pipeline

        pipeline.Report(examples=len(rolls)).require(self._batch_size)
        return rolls

    def _read(self, data):
        from music_vae_tf.data import rolls

        if isinstance(data, (str, os.PathLike)):
            path = os.path.expanduser(os.fspath(data))
            return rolls.read(path, self.converter.window_steps)
        return rolls.from_note_sequences(data, self.converter)

    # Latents.

    def _read_by_the_model(self, numbered, noise_of):
        """Batches of numbers and rolls -> what the model of the config reads."""
        if self._cvae_config is None:
            return numbered.map(lambda step, batch: batch)
        from music_vae_tf.models.piano_roll_vae import continuation_batch

        cvae = self._cvae
        windows = self._config.model.latent_windows
        return numbered.map(
            lambda step, batch: continuation_batch(cvae, windows, batch, noise_of(step))
        )

    @functools.cached_property
    def _cvae(self) -> ConvCvae:
        directory = RunDirectory.at(os.fspath(self._request.options.cvae_run_dir))
        path = directory.to_generate_from()
        assert self._cvae_config is not None  # none else reads latents
        model = restored_model(self._cvae_config, self.converter, path)
        return cast("ConvCvae", model)


NO_ROLLS = f"{{data}} is missing: name a file of class rolls, which {MADE_BY}"


def _checked_name(data, option: str, missing: str) -> str:
    """What TensorBoard calls the rolls: their file, where they come from one."""
    if data is None or data == "":
        raise OptionError(missing)
    if not isinstance(data, (str, os.PathLike)):
        return "NoteSequences in memory"
    path = os.path.expanduser(os.fspath(data))
    if not os.path.isfile(path):
        raise OptionError(
            f"{{{option}}}={{path}}: there is no such file; a file of class rolls is "
            f"expected, which {MADE_BY}",
            path=path,
        )
    return path


# The VAE whose latents a decoder reads.


def _cvae_config(cvae_run_dir, config):
    """The config of the VAE whose latents the model reads; None for a VAE itself.

    Raises:
        OptionError: it is missing, or not what the model reads.
    """
    if config.kind == "conv_cvae":
        if cvae_run_dir:
            raise OptionError(
                "{cvae_run_dir} is for a clstm_decoder, not for a conv_cvae"
            )
        return None
    if not cvae_run_dir:
        raise OptionError(
            "{cvae_run_dir} is missing: a clstm_decoder reads latents of a trained "
            "conv_cvae"
        )
    cvae_config = config_of_run(
        "cvae_run_dir", cvae_run_dir, "conv_cvae", TRAINED_BY.format("conv_cvae")
    )
    names = {"run_dir": cvae_run_dir, "name": config.name}
    if cvae_config.model.z_size != config.model.z_size:
        raise OptionError(
            "{run_dir} has latents of size {there}, and z_size of {name} is {here}: "
            "they should be equal",
            **names,
            **{"there": cvae_config.model.z_size, "here": config.model.z_size},
        )
    if cvae_config.converter != config.converter:
        raise OptionError(
            "{run_dir} was trained on other rolls than those that {name} reads: their "
            "sections `converter` should be equal",
            **names,
        )
    return cvae_config


def restored_model(
    config: Config, converter: Converter, path: str | os.PathLike
) -> Trainable:
    """The model of a config with the weights of a checkpoint, in any form that
    `checkpoint.find` understands."""
    from music_vae_tf import build, checkpoint

    model = build.uninitialized_model(config, converter)
    checkpoint.restore(model.named_variables, path)
    return model


def record_latents(directory: RunDirectory, cvae: ConvCvae) -> None:
    """Notes in a clstm_decoder's run directory which VAE's latents it is trained on.

    Raises:
        OtherLatents: it was trained on those of another one.
    """
    from music_vae_tf.data.whole_file import whole_file

    check_latents(directory, cvae)
    with whole_file(_latents_file(directory), durable=True) as file:
        file.write(f"{_fingerprint(cvae)}\n".encode())


def check_latents(directory: RunDirectory, cvae: ConvCvae) -> None:
    """Sees that the clstm_decoder of a run directory reads latents of this VAE.

    Raises:
        OtherLatents: it was trained on those of another one, or of other weights of it.
    """
    file = _latents_file(directory)
    if file.is_file() and file.read_text().strip() != _fingerprint(cvae):
        raise OtherLatents(
            f"{directory.path} was trained on latents of other weights than those of "
            "this conv_cvae: name the one that it was trained with, as it was, or "
            "train it anew in another directory"
        )


def _latents_file(directory: RunDirectory) -> Path:
    return directory.train_dir / LATENTS_OF


def kept_priors(directory: RunDirectory, cvae: ConvCvae) -> dict[str, Prior]:
    """The priors that a training has kept of the latent vectors of this conv_cvae;
    none where it has not, or where they are of other weights.

    Raises:
        BadPriors: the file is damaged.
    """
    from music_vae_tf.generation import roll_priors

    file = _priors_file(directory)
    if not file.is_file():
        return {}
    return roll_priors.read(file, _fingerprint(cvae), cvae.z_size) or {}


def _priors_file(directory: RunDirectory) -> Path:
    return directory.train_dir / "priors.json"


def _fingerprint(cvae) -> str:
    """Tells the encoder's weights from others."""
    import numpy as np

    digest = hashlib.sha256()
    for variable in cvae.encoder.weights:
        digest.update(np.array(variable).tobytes())
    return digest.hexdigest()


def load_conv_cvae(
    result: TrainingResult, path: str, batch_size: int, seed: int | None
) -> TrainedRollVae:
    """The `TrainedRollVae` of a training, for `TrainingResult.load`."""
    from music_vae_tf import build
    from music_vae_tf.generation.piano_roll import TrainedRollVae

    converter = build.converter(result.config)
    cvae = cast("ConvCvae", restored_model(result.config, converter, path))
    priors = kept_priors(RunDirectory(result.run_dir), cvae)
    return TrainedRollVae(cvae, None, seed, priors)


def load_clstm_decoder(
    result: TrainingResult, path: str, batch_size: int, seed: int | None
) -> NoReturn:
    """Refuses to load: this decoder is of use only with its conv_cvae."""
    raise ValueError(
        "a clstm_decoder continues the rolls of a conv_cvae and generates nothing "
        f"alone: piano_roll_vae_generate --clstm_run_dir={result.run_dir} "
        "--run_dir=... uses both"
    )

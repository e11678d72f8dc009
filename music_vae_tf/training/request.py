"""A call of `train` or `evaluate`, with all that is left out filled in."""

from __future__ import annotations

import dataclasses
import os
import random
from collections.abc import Mapping
from pathlib import Path
from typing import Generic

from music_vae_tf import config as configs
from music_vae_tf import folders, kinds
from music_vae_tf.config import Config
from music_vae_tf.data.training_data import TrainingData
from music_vae_tf.run_directory import RunDirectory, RunDirectoryError, RunMetadata
from music_vae_tf.training.options import (
    KEPT,
    AnyOptions,
    EvaluationOptions,
    MissingOption,
    OptionError,
    Options,
    check_memory,
    filled_in,
    in_memory,
    kept_values,
)


@dataclasses.dataclass(frozen=True)
class Request(Generic[AnyOptions]):
    """What is to be trained or evaluated, where, and how."""

    config: Config
    options: AnyOptions  # filled in
    given: frozenset[str]  # options that the caller named
    directory: RunDirectory
    record: RunMetadata | None  # of an earlier start
    changes: list[str]  # since then, a line for each
    seed: int
    holdout_seed: int  # decides which files are held out
    flags: Mapping[str, object]  # of an earlier start

    @property
    def evaluates(self) -> bool:
        return isinstance(self.options, EvaluationOptions)

    def is_complete(self, step: int) -> bool:
        """Whether all requested steps are taken; never where there is no end."""
        return 0 < self.options.num_steps <= step

    def data(self) -> TrainingData:
        """What is trained or evaluated on. Reads nothing that takes long.

        Raises:
            OptionError: it is missing, or of no use for this kind of model.
        """
        if isinstance(self.options.data, TrainingData):
            return self.options.data
        return _data_class(self.config)(self)

    def check_unchanged(self) -> None:
        """Checks that the run directory is as it was when the request was made.

        Raises:
            RunDirectoryError: another training was in it since.
        """
        directory = self.directory
        if (directory.record(), directory.flags()) != (self.record, self.flags):
            raise RunDirectoryError(
                f"{directory.path} has changed while this training was starting: "
                "another one was in it. Start again to resume that one, or name "
                "another run_dir."
            )

    def keep(self) -> None:
        """Writes the record of the training into its run directory."""
        kept = {**KEPT, **_data_class(self.config).kept}
        values = kept_values(self.options, kept)
        values["holdout_seed"] = self.holdout_seed
        if names := in_memory(self.options):
            values["in_memory"] = names
        self.directory.write_record(self.config, self.seed)
        self.directory.write_flags(values)


def request(
    config: Config | str | os.PathLike | None,
    run_dir: str | os.PathLike | None,
    options: AnyOptions,
    kinds: tuple[str, ...] = (),
) -> Request[AnyOptions]:
    """The request that arguments of `train` or `evaluate` make.

    kinds: of model; without them any.

    Raises:
        OptionError: one of them is missing, or makes no sense.
        ConfigError: there is no such config.
        RunDirectoryError: the run directory holds another training.
    """
    directory = RunDirectory.at(_checked_run_dir(run_dir))
    record, run_dir_keeps = directory.record(), directory.flags()
    config = resolved_config(config, options, directory, kinds)
    directory.check(config)
    given = frozenset(n for n, v in vars(options).items() if v is not None)
    kept = {**KEPT, **_data_class(config).kept}
    given_options = options
    options, changes = filled_in(options, run_dir_keeps, kept)
    check_memory(given_options, options, run_dir_keeps.get("in_memory", []))
    seed = _seed(options, record)
    holdout_seed = run_dir_keeps.get("holdout_seed")
    return Request(
        config=config,
        options=options,
        given=given,
        directory=directory,
        record=record,
        changes=changes,
        seed=seed,
        holdout_seed=seed if holdout_seed is None else holdout_seed,
        flags=run_dir_keeps,
    )


def _checked_run_dir(run_dir) -> str:
    if not isinstance(run_dir, (str, os.PathLike)) or not os.fspath(run_dir):
        what = f"it is {run_dir!r}" if run_dir else "it is missing"
        raise MissingOption(
            "{run_dir}: expected the path of a folder, and {what}", what=what
        )
    return os.fspath(run_dir)


def _data_class(config: Config):
    return kinds.imported(kinds.find(config.kind).data)


def _seed(options, record) -> int:
    if options.seed is not None:
        return int(options.seed)
    if record is not None:
        return record.seed
    # An evaluation gives the same numbers each time.
    evaluates = isinstance(options, EvaluationOptions)
    return 0 if evaluates else random.SystemRandom().randrange(2**31)


# The config.


def resolved_config(
    config: Config | str | os.PathLike | None,
    options: Options,
    directory: RunDirectory,
    kinds: tuple[str, ...] = (),
) -> Config:
    """The config that is asked for, with changed hyperparameters.

    Args:
        config: a name, a path, a `Config`; None is that of the run directory.
        kinds: of model, of which it must be one; without them any.

    Raises:
        OptionError: there is none, or it is of another kind.
        ConfigError: no config has this name, or it cannot be read.
    """
    if isinstance(config, Config):
        resolved = config
    elif not config:
        resolved = _recorded_config(directory, kinds)
    elif isinstance(config, (str, os.PathLike)):
        resolved = configs.load(os.fspath(config), *kinds)
        if isinstance(options, EvaluationOptions):
            resolved = directory.as_trained(resolved)
    else:
        raise OptionError(
            "{config}: expected a name, the path of a YAML file or a Config; {came!r} "
            "came",
            came=config,
        )
    return configs.override(resolved, _assignments(options.hparams))


def _recorded_config(directory, kinds) -> Config:
    record, path = directory.record(), directory.path
    if record is None:
        is_there = path.is_dir()
        what = "nothing was trained there" if is_there else "there is no such folder"
        raise MissingOption(
            "{run_dir}={path}: {what}. {config} is required to start a training",
            **{"path": path, "what": what},
        )
    config = record.config
    if kinds and config.kind not in kinds:
        raise OptionError(
            "{path} holds a training of config {name}, a model of kind {kind}; "
            "expected {expected}",
            **{"path": path, "name": config.name, "kind": config.kind},
            expected=" or ".join(kinds),
        )
    return config


def config_of_run(
    option: str, run_dir: str | os.PathLike, kind: str, made_by: str
) -> Config:
    """The config of the training in a run directory that an option names.

    Args:
        kind: of model that is expected.
        made_by: the command that trains it, for the message.

    Raises:
        OptionError: none is there, or one of another kind of model.
    """
    record = RunDirectory.at(os.fspath(run_dir)).record()
    start = f"{{{option}}}={{path}}"
    if record is None:
        raise OptionError(
            start + ": no training is recorded there; the {run_dir} of a {made_by} is "
            "expected",
            **{"path": run_dir, "made_by": made_by},
        )
    if record.config.kind != kind:
        raise OptionError(
            start + " holds a training of config {name}, which is a {other}; one of a "
            "{kind} is expected",
            **{"path": run_dir, "kind": kind},
            **{"name": record.config.name, "other": record.config.kind},
        )
    return record.config


def _assignments(hparams) -> str:
    """`{"batch_size": 64}` -> `batch_size=64`."""
    if not isinstance(hparams, Mapping):
        return hparams
    return ",".join(
        f"{name}={list(value) if isinstance(value, (list, tuple)) else value}"
        for name, value in hparams.items()
    )


# The folder.


def make_writable(directory: Path) -> None:
    """Makes a folder of a run directory, and sees at once if files can be written.

    Raises:
        OptionError: they cannot; the message has the reason.
    """
    try:
        folders.make_writable(directory)
    except OSError as error:
        raise OptionError(
            "{run_dir}: {directory} cannot be written to: {reason}",
            **{"directory": directory, "reason": error.strerror},
        ) from error

"""What a training can be asked for, what of it a run directory keeps, and refusals.

An option that is left out is None. It then has the value that the run directory keeps
of an earlier start, or its default.
"""

from __future__ import annotations

import dataclasses
import difflib
import numbers
import os
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from music_vae_tf.errors import UserFacingError

# Options with another name as a flag of a command.
FLAGS = {
    "data": "examples_path",
    "validation_data": "validation_path",
    "num_batches": "eval_num_batches",
    "dir_suffix": "eval_dir_suffix",
}
DEFAULTS = {
    "num_steps": 200000,
    "mixed_precision": False,
    "holdout": 0.0,
    "validation_interval": 100,
    "patience": 5,
    "early_stop": False,
    "cache_dataset": True,
}
# Of options that have a default, until `filled_in` gives it to them.
LEFT_OUT: Any = None
LEAST = {
    "num_steps": 0,
    "checkpoints_to_keep": 0,
    "keep_checkpoint_every_n_hours": 1,
    "validation_interval": 1,
    "patience": 1,
    "num_batches": 1,
    "seed": 0,
}
LARGEST_SEED = 2**63 - 1
# What a run directory keeps for all kinds of model, {name in flags.json: option}. The
# data of each kind add more.
KEPT = {
    FLAGS.get(name, name): name
    for name in (
        "num_steps",
        "checkpoints_to_keep",
        "keep_checkpoint_every_n_hours",
        "mixed_precision",
        "holdout",
        "validation_data",
        "validation_interval",
        "patience",
        "early_stop",
    )
}
PATHS = ("data", "validation_data", "cvae_run_dir")
ONE_OF_TWO = {
    "data": "tfds_name",
    "tfds_name": "data",
    "holdout": "validation_data",
    "validation_data": "holdout",
}


class OptionError(UserFacingError, ValueError):
    """Options that cannot be honoured.

    The message names them as Python does; `for_flags` is the same for a command line.
    """

    def __init__(self, message: str, **values: object):
        """
        Args:
            message: with option names in braces, `"{holdout}={share} is too much"`.
            values: of the other names in braces.
        """
        super().__init__(message.format_map(_Names(values, _python_name)))
        self.for_flags = message.format_map(_Names(values, _flag))


class MissingOption(OptionError):
    """An option that is required is left out."""

    is_misuse = True


class _Names(dict):
    """Values for `format_map`; every other name stands for the option of that name."""

    def __init__(self, values, spelling):
        super().__init__(values)
        self._spelling = spelling

    def __missing__(self, name):
        return self._spelling(name)


def _python_name(name: str) -> str:
    return "data" if name == "data_dir" else name


AnyOptions = TypeVar("AnyOptions", bound="Options")


def _flag(name: str) -> str:
    return f"--{FLAGS.get(name, name)}"


@dataclasses.dataclass(frozen=True)
class Options:
    """What `train` and `evaluate` share.

    Attributes:
        hparams: changed hyperparameters, `{"batch_size": 64}` or `"batch_size=64"`.
        seed: by default the one that the training began with, otherwise a random one.
        tfds_name: name of a data set of TensorFlow Datasets, in place of data.
        cvae_run_dir: where the conv_cvae was trained whose latents a clstm_decoder
            reads.
        holdout: share of the music, whole files, that is validated on: 0.1.
        validation_data: what to validate on, in the forms of data, in place of holdout.
        num_batches: batches of an evaluation. By default all, and 10 in a validation.
        progress: shows how far reading and training are, as
            `music_vae_tf.commands.progress.progress` does; by default nothing does.
    """

    data: Any = None  # that argument of `train` and `evaluate`
    hparams: str | Mapping[str, Any] = ""
    seed: int | None = None
    num_steps: int = LEFT_OUT
    tfds_name: str | None = None
    cache_dataset: bool = LEFT_OUT
    cvae_run_dir: str | os.PathLike | None = None
    holdout: float = LEFT_OUT
    validation_data: Any = None
    num_batches: int | None = None
    progress: Callable | None = None

    def __post_init__(self):
        for name, least in LEAST.items():
            _check_whole(name, getattr(self, name, None), least)
        if self.seed is not None and self.seed > LARGEST_SEED:
            raise OptionError(f"{{seed}}={self.seed}: expected {LARGEST_SEED} or less")
        _check_holdout(self)

    @classmethod
    def of(cls: type[AnyOptions], options: Mapping[str, Any]) -> AnyOptions:
        """
        Raises:
            OptionError: one of them is not an option.
        """
        known = [field.name for field in dataclasses.fields(cls)]
        for name in options:
            if name not in known:
                near = difflib.get_close_matches(name, known, n=1)
                hint = f"did you mean {near[0]}? " if near else ""
                listed = ", ".join(known)
                raise OptionError(
                    "no option is called {name!r}; {hint}Known: {listed}",
                    **{"name": name, "hint": hint, "listed": listed},
                )
        return cls(**options)


@dataclasses.dataclass(frozen=True)
class TrainingOptions(Options):
    """Options of `train`, beside config, data and run_dir.

    Attributes:
        num_steps: steps in all, those of earlier starts included; 0 trains until
            interrupted. By default 200,000.
        cache_dataset: keep all examples in memory, otherwise convert as training goes.
        checkpoints_to_keep: the last ones; 0 keeps all. By default as many as take less
            than a gigabyte, at most 100.
        keep_checkpoint_every_n_hours: keep one every so many hours, too.
        validation_interval: steps between two validations; by default 100.
        patience: validations without a new lowest loss after which it has stopped
            falling; by default 5.
        early_stop: end when it has. The best checkpoint is kept in any case.
        warm_start_checkpoint: checkpoint whose weights a new training starts from;
            "pretrained" is the config's pretrained model.
        mixed_precision: compute recurrent layers and convolutions in bfloat16.
        strategy: `auto`, `single`, `mirrored`, `multiworker`, or a
            `tf.distribute.Strategy`.
        on_step: called as `on_step(step, loss)` after each step. What it raises ends
            the training, with a checkpoint.
    """

    checkpoints_to_keep: int | None = None
    keep_checkpoint_every_n_hours: int | None = None
    validation_interval: int = LEFT_OUT
    patience: int = LEFT_OUT
    early_stop: bool = LEFT_OUT
    warm_start_checkpoint: str | os.PathLike | None = None
    mixed_precision: bool = LEFT_OUT
    strategy: Any = "auto"
    on_step: Callable[[int, float], None] | None = None


@dataclasses.dataclass(frozen=True)
class EvaluationOptions(Options):
    """Options of `evaluate`, beside config, data and run_dir.

    Attributes:
        num_steps: the last step that is waited for; by default the training's own.
        wait: evaluate each checkpoint of a training that goes on beside this, until it
            ends; otherwise the newest one alone.
        dir_suffix: of the folder `eval` that the summaries go to.
    """

    wait: bool = False
    dir_suffix: str = ""


def _check_whole(name, value, least):
    if value is None:
        return
    if isinstance(value, bool) or not isinstance(value, numbers.Integral):
        expected = "}={value!r}: expected a whole number"
        raise OptionError("{" + name + expected, value=value)
    if value < least:
        raise OptionError(f"{{{name}}}={value}: expected {least} or more")


def _check_holdout(options):
    share = options.holdout
    if share and not 0 <= share < 1:
        raise OptionError(
            "{holdout}={share}: expected a share below 1, as 0.1", share=share
        )
    if share and options.validation_data is not None:
        raise OptionError("give {holdout} or {validation_data}, not both")


# What a run directory keeps.


def kept_values(options: Options, kept: Mapping[str, str]) -> dict[str, object]:
    """The values of options as flags.json has them.

    kept: {name in flags.json: option}.
    """
    return {
        flag: _kept_value(name, getattr(options, name)) for flag, name in kept.items()
    }


def _kept_value(name, value):
    """As it is kept: a path that means the same in every folder, a plain number; None
    for music that no path names."""
    if isinstance(value, (str, os.PathLike)) and name in PATHS:
        return os.path.abspath(os.path.expanduser(os.fspath(value))) if value else value
    if name in PATHS:
        return None
    if isinstance(value, bool) or not isinstance(value, numbers.Real):
        return value
    return int(value) if isinstance(value, numbers.Integral) else float(value)


def filled_in(
    options: AnyOptions, run_dir_keeps: Mapping, kept: Mapping[str, str]
) -> tuple[AnyOptions, list[str]]:
    """Options, with those that are left out as the run directory keeps them, or as
    they are by default; and a line for each that is given and differs.

    kept: {name in flags.json: option}.
    """
    values, changes = {}, []
    for flag, name in kept.items():
        if flag not in run_dir_keeps or not hasattr(options, name):
            continue
        then, now = run_dir_keeps[flag], getattr(options, name)
        if now is None:
            if not _excluded(options, name):
                values[name] = then
        elif (now := _kept_value(name, now)) != then:
            changes.append(f"{flag}: {then} there, {now} now")
    options = dataclasses.replace(options, **values)
    missing = {
        name: default
        for name, default in DEFAULTS.items()
        if getattr(options, name, default) is None
    }
    return dataclasses.replace(options, **missing), changes


def in_memory(options: Options) -> list[str]:
    """The options that hold music itself, which no run directory keeps."""
    return [
        name
        for name in ("data", "validation_data")
        if not isinstance(getattr(options, name), (str, os.PathLike, type(None)))
    ]


def check_memory(given: Options, options: Options, were_in_memory: list[str]) -> None:
    """Sees that music which an earlier start was given in memory is given again.

    Args:
        given: the options as they came.
        options: the same, filled in.
        were_in_memory: names of options.

    Raises:
        OptionError: it is not. Without this, other music would take its place.
    """
    is_evaluation = isinstance(options, EvaluationOptions)
    if is_evaluation and (options.data, options.validation_data) != (None, None):
        return
    for name in were_in_memory:
        if getattr(options, name) is None and not _excluded(given, name):
            raise OptionError(
                "{" + name + "} is missing: the training was given music in memory, "
                "which no file keeps. Give it again"
            )


def _excluded(options, name) -> bool:
    """Whether another option is given that replaces this one."""
    other = ONE_OF_TWO.get(name)
    return other is not None and getattr(options, other) is not None

"""Trained models that are part of the package: weights, configs and model cards.

NAME.safetensors     compact weights (see `checkpoint.compact`) and the trained config
NAME.attributes.json vectors that move attributes (see `generation.attributes`)
NAME.md              the model card: data, licence, training, measurements, limits
"""

from __future__ import annotations

import os
import re
from pathlib import Path

from music_vae_tf import config as configs
from music_vae_tf.errors import UserFacingError

FOLDER = Path(__file__).resolve().parent
SUFFIX = ".safetensors"
ATTRIBUTES_SUFFIX = ".attributes.json"

# What a command plays where no model is named: the first that is part of the package.
TRANSFORMS = ("groovae_2bar_humanize",)
LOOPS = ("groovae_4bar", "groovae_2bar_humanize")


class PretrainedError(UserFacingError, ValueError):
    """There is no pretrained model of a config, or it has another structure."""


def names() -> list[str]:
    """The configs that have a pretrained model."""
    return sorted(path.stem for path in FOLDER.glob(f"*{SUFFIX}"))


def usual(mode: str) -> str:
    """The config of the pretrained model that a mode plays where no model is named."""
    fitting = TRANSFORMS if mode == "transform" else LOOPS
    return next(name for name in fitting if name in names())


def of_kind(kind: str) -> str:
    """The first config of a kind that has a pretrained model.

    Raises:
        PretrainedError: none has one.
    """
    for name in names():
        if config(name).kind == kind:
            return name
    raise PretrainedError(
        f"no config of kind {kind} has a pretrained model: train one, and give its "
        "--run_dir"
    )


def weights_path(name: str) -> str:
    """The file of weights, which all functions take that take a checkpoint.

    Raises:
        PretrainedError: the config has no pretrained model.
    """
    if name not in names():
        raise PretrainedError(
            f"config {name} has no pretrained model. These have one: "
            f"{', '.join(names()) or 'none'}. Train one, and give its --run_dir"
        )
    return str(FOLDER / f"{name}{SUFFIX}")


def is_weights(path: str | os.PathLike | None) -> bool:
    """Whether a checkpoint is the weights of a pretrained model, in the package."""
    return path is not None and Path(path).resolve().parent == FOLDER


def attributes_path(name: str) -> Path | None:
    """The file of a pretrained model's attribute vectors; None where it has none."""
    path = FOLDER / f"{name}{ATTRIBUTES_SUFFIX}"
    return path if name in names() and path.is_file() else None


def config(name: str) -> configs.Config:
    """The config as it was trained.

    Raises:
        PretrainedError: the config has no pretrained model.
    """
    return configs.parse(_metadata(name).config, name)


def _metadata(name: str):
    """The metadata of the file of weights."""
    from music_vae_tf.checkpoint import compact  # imports NumPy, which a list needs not

    return compact.metadata(weights_path(name))


def step_of(path: str | os.PathLike) -> int:
    """The training step of the weights in the package at this path."""
    return _metadata(Path(path).stem).step


def card(name: str) -> str:
    """The model card, in Markdown."""
    return Path(weights_path(name)).with_suffix(".md").read_text(encoding="utf-8")


def check(asked: configs.Config) -> None:
    """Checks that a config has the structure of its pretrained model.

    Raises:
        PretrainedError: names each difference of converter and model.
    """
    from music_vae_tf import run_directory

    different = run_directory.differences(config(asked.name), asked, bound=True)
    if different:
        lines = "".join(f"\n  {line}" for line in different)
        raise PretrainedError(
            f"the pretrained model of {asked.name} has other hyperparameters than "
            f"asked for:{lines}\nLeave them as they are, or train a model with them."
        )


def introduction(name: str) -> str:
    """A line that says which model it is, for the log of a command."""
    step = _metadata(name).step
    _, summary, _ = card(name).split("\n\n", 2)  # below the title
    sentence, *_ = re.split(r"(?<=\.)\s", " ".join(summary.split()))
    return f"Pretrained model {name}, step {step:,}: {sentence}"

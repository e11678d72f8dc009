"""Distributions of latent vectors, kept with the training of a VAE of class rolls.

A short training leaves the posteriors far from the standard normal prior, and samples
from that prior are nearly silent. So a training fits a normal distribution to the
posteriors of its rolls, one for each condition, and keeps them in train/priors.json:

    {"encoder": "9f86d0...", "priors": {"piano+bass": {"mean": [Z], "factor": [Z][Z]}}}
"""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING

import numpy as np

from music_vae_tf.analysis.rolls import conditions
from music_vae_tf.data.converters.piano_roll import CLASSES
from music_vae_tf.data.whole_file import whole_file
from music_vae_tf.errors import UserFacingError
from music_vae_tf.generation.piano_roll import (
    Prior,
    TrainedRollVae,
    condition_name,
    stride,
)
from music_vae_tf.json_files import BadJson, read_json

if TYPE_CHECKING:
    from music_vae_tf.data.rolls import Rolls

log = logging.getLogger("music_vae_tf")
LARGEST_FILE = 300_000_000  # bytes: of seven conditions and 1,500 latents
LARGEST = 1e6  # of the numbers in a file; those of models are near 1
DECIMALS = 5
WHAT_TO_DO = (
    "Give --prior_path or --standard_prior to do without. The command that trained the "
    "model, given again, writes the file anew"
)
ROLLS_AT_A_TIME = 256


class BadPriors(UserFacingError, ValueError):
    """A file of priors that is damaged, or has none of a condition."""


def fitted(
    model: TrainedRollVae,
    rolls: Rolls,
    steps: int,
    over: Callable[[Iterable], Iterable] = iter,
) -> dict[str, Prior]:
    """The prior of each condition that two rolls or more have.

    A condition is left out, with a warning, where its latent vectors are absurd.

    Args:
        steps: of a roll, which are encoded.
        over: shows the progress over the conditions.
    """
    priors = {}
    for name, chosen in over(list(_groups(rolls, steps))):
        mu, sigma = model.encode(rolls.part(chosen).classes(slice(0, steps)))
        if _is_usual(prior := Prior.of(mu, sigma)):
            priors[name] = prior
        else:
            log.warning(
                "No prior of %s is kept: its latent vectors are not finite or beyond "
                "%g, as of a training that diverged. A lower learning_rate may help",
                name,
                LARGEST,
            )
    return priors


def _groups(rolls, steps) -> Iterator[tuple[str, np.ndarray]]:
    """The name of each condition, and the numbers of at most a thousand rolls of it."""
    every = np.concatenate(
        [
            _conditions(rolls.part(slice(i, i + ROLLS_AT_A_TIME)), steps)
            for i in range(0, len(rolls), ROLLS_AT_A_TIME)
        ]
    )
    for condition in np.unique(every, axis=0):
        members = np.flatnonzero((every == condition).all(axis=1))
        if condition[1:].any() and len(members) > 1:
            yield condition_name(condition), members[:: stride(len(members))]


def _conditions(rolls, steps) -> np.ndarray:
    """Which classes each roll has, bool [N, 4]."""
    return conditions(rolls.classes(slice(0, steps)), len(CLASSES))


def write(priors: dict[str, Prior], encoder: str, path: str | os.PathLike) -> None:
    """Writes a file of priors.

    Args:
        encoder: fingerprint of the encoder, whose latent vectors they describe.
    """
    content = {
        "encoder": encoder,
        "priors": {
            name: {field: _rounded(array) for field, array in prior._asdict().items()}
            for name, prior in priors.items()
        },
    }
    with whole_file(path, durable=True) as file:
        file.write(json.dumps(content).encode())


def _rounded(array) -> list:
    return np.round(array.astype(np.float64), DECIMALS).tolist()


def read(path: str | os.PathLike, encoder: str, z_size: int) -> dict[str, Prior] | None:
    """The priors of a file, {condition: Prior}; None if they are of another encoder.

    Raises:
        BadPriors: it is not JSON, or the numbers are not [z_size] and
            [z_size, z_size] finite ones each.
        OSError: it cannot be read.
    """
    try:
        content = read_json(path, limit=LARGEST_FILE)
    except BadJson as error:
        raise BadPriors(f"{error}. {WHAT_TO_DO}") from error
    if content.get("encoder") != encoder:
        return None
    priors = content.get("priors")
    if not isinstance(priors, dict):
        raise BadPriors(f"{path} has no object `priors`. {WHAT_TO_DO}")
    return {name: _prior(values, name, path, z_size) for name, values in priors.items()}


def _prior(values, name, path, z_size) -> Prior:
    try:
        mean = np.array(values["mean"], np.float64)
        factor = np.array(values["factor"], np.float64)
        shapes = mean.shape, factor.shape
        fits = shapes == ((z_size,), (z_size, z_size))
        if fits and _is_usual(prior := Prior(mean, factor)):
            return prior
    except (KeyError, TypeError, ValueError, OverflowError):
        pass
    raise BadPriors(
        f"{path}: the prior of {name!r} is damaged: a mean of {z_size} numbers and a "
        f"factor of {z_size} x {z_size} are expected. {WHAT_TO_DO}"
    )


def _is_usual(prior: Prior) -> bool:
    """Whether all numbers are finite, and in the range of trained models."""
    return all(bool((np.abs(array) <= LARGEST).all()) for array in prior)

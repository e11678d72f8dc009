"""What a decoder makes something of: numbers that are finite and of a sane size."""

from __future__ import annotations

from typing import Any

import numpy as np

from music_vae_tf.errors import UserFacingError

# A latent vector is a draw from a normal distribution, or near one.
LARGEST_LATENT = 1e6
COLDEST, HOTTEST = 1e-12, 1e12  # temperatures between which logits stay numbers


class NotDecodable(UserFacingError, ValueError):
    """Numbers that a decoder makes nothing of."""


def check_temperature(temperature: float) -> None:
    """
    Raises:
        NotDecodable: logits divided by it are not finite.
    """
    if not COLDEST <= temperature <= HOTTEST:
        raise NotDecodable(
            f"temperature is {temperature}; expected one above 0, from {COLDEST:g} "
            f"to {HOTTEST:g}"
        )


def rows_of(name: str, rows: Any, depth: int) -> np.ndarray:
    """The argument of this name as float32 [N, depth]."""
    array = np.asarray(rows, np.float32)
    if array.ndim != 2 or array.shape[1] != depth:
        raise ValueError(
            f"{name} should be of shape [N, {depth}]; got {list(array.shape)}"
        )
    _check_numbers(name, array)
    return array


def _check_numbers(name: str, array: np.ndarray) -> None:
    """
    Raises:
        NotDecodable: a number of the argument of this name is too large.
    """
    is_number = np.abs(array) <= LARGEST_LATENT  # False for NaN
    if not is_number.all():
        raise NotDecodable(
            f"{name} has the value {array[~is_number][0]:g}; expected numbers from "
            f"{-LARGEST_LATENT:,.0f} to {LARGEST_LATENT:,.0f}"
        )


def check_states(states: Any) -> None:
    """Refuses states with NaN, which give sequences without notes, and no error."""
    import tensorflow as tf

    if not all(np.isfinite(state).all() for state in tf.nest.flatten(states)):
        raise NotDecodable(
            "the decoder's states are not finite numbers: the weights of this model "
            "are damaged, or were trained until they diverged. Take an earlier "
            "checkpoint"
        )

"""The attributes that a model's loops can be moved by, each with a slider."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

FURTHEST = 3.0  # multiples of a vector, in both directions


class Attribute(NamedTuple):
    """How a model moves an attribute."""

    vector: (
        np.ndarray
    )  # float32 [Z]; added once to a latent vector it is an amount of +1
    description: str  # what a high amount means, in a user's words


def attributes_of(model: Any) -> dict[str, Attribute]:
    """The attributes of a `TrainedModel` by name; see `generation.attributes`."""
    from music_vae_tf.generation import attributes

    found = attributes.attributes_of(model)
    return {name: Attribute(o.vector, o.description) for name, o in found.items()}


def shift(attributes: Mapping[str, Attribute], amounts: Mapping[str, float]):
    """What amounts of attributes add to a latent vector: float32 [Z], or 0."""
    moved = [np.float32(a) * attributes[name].vector for name, a in amounts.items()]
    return sum(moved, np.float32(0))

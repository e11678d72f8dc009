"""The attributes that a model's loops can be moved by: names and latent vectors."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

FURTHEST = 3.0  # multiples of a vector, in both directions


def attributes_of(model: Any) -> Mapping[str, np.ndarray]:
    """`{name: vector [Z]}` of the attributes that a model has; none has any yet."""
    return {}


def shift(model: Any, amounts: Mapping[str, float]) -> np.ndarray:
    """What multiples of attribute vectors add to a latent vector: [Z], float32."""
    vectors = attributes_of(model)
    total = np.zeros(model.z_size, np.float32)
    for name, amount in amounts.items():
        total += np.float32(amount) * vectors[name]
    return total

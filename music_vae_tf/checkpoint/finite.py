"""Weights that are numbers: a model with others gives nothing, and says nothing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from music_vae_tf.checkpoint.finding import CheckpointError

LARGEST = 1e9  # of a weight: products of much larger ones end float32


def check_finite(arrays: Mapping[str, np.ndarray], path: Any) -> None:
    """Checks the tensors of a checkpoint, `{name: array}`, before any is assigned.

    Raises:
        CheckpointError: names the first of those with NaN, infinite or absurd values.
    """
    bad = [name for name, array in arrays.items() if not _is_sane(array)]
    if bad:
        more = f" and {len(bad) - 1} more" if len(bad) > 1 else ""
        raise CheckpointError(
            f"the checkpoint {path} is of no use: {bad[0]}{more} has values that are "
            f"not finite numbers, or above {LARGEST:g}. Take an earlier one, or get "
            "it again."
        )


def _is_sane(array) -> bool:
    if array.dtype.kind != "f" or not array.size:
        return True
    return bool(array.min() >= -LARGEST and array.max() <= LARGEST)  # False for NaN

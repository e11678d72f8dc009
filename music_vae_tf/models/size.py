"""How many weights a model would have, counted before any memory is taken for them."""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from typing import Any

from music_vae_tf.errors import UserFacingError
from music_vae_tf.machine import memory_bytes
from music_vae_tf.models.uninitialized import weights_without_memory

BYTES = 4  # of a weight
TRAINING_COPIES = 4  # a gradient and two moments beside each weight


class TooLargeModel(UserFacingError, ValueError):
    """A model whose weights do not fit into the memory of this machine."""


def count_weights(make: Callable[[], Any]) -> int:
    """How many numbers the variables of a Keras model have, which `make` makes.

    No memory is taken for them. No random number is drawn that a model which is made
    later would have had.

    Raises:
        TooLargeModel: sizes are beyond what Keras can count.
    """
    state = random.getstate()  # of Keras's seeds
    try:
        with weights_without_memory():
            model = make()
    except (TypeError, OverflowError) as error:  # of Keras, for sizes beyond 64 bits
        raise TooLargeModel(f"no model has these sizes: {error}") from error
    finally:
        random.setstate(state)
    return sum(math.prod(variable.shape) for variable in model.variables)


def check_fits(num_weights: int, copies: int, name: str) -> None:
    """
    Args:
        copies: of each weight, such as TRAINING_COPIES.
        name: of the config.

    Raises:
        TooLargeModel: so many copies of the weights do not fit into memory.
    """
    needed, there = BYTES * copies * num_weights, memory_bytes()
    if needed > there:
        raise TooLargeModel(
            f"config {name} has {num_weights:,} weights with these sizes, which take "
            f"{needed / 1e9:,.1f} GB of memory ({BYTES * copies} bytes for each); this "
            f"machine has {there / 1e9:,.1f} GB. Take smaller sizes of z and of layers"
        )


def check_batch_fits(num_examples: int, example_size: int, name: str) -> None:
    """
    Args:
        example_size: how many numbers the longest example is.
        name: of the config.

    Raises:
        TooLargeModel: so many examples at a time do not fit into memory.
    """
    needed, there = BYTES * num_examples * example_size, memory_bytes()
    if needed > there:
        raise TooLargeModel(
            f"config {name} has {num_examples:,} examples in a batch, of up to "
            f"{example_size:,} numbers each, which take {needed / 1e9:,.1f} GB of "
            f"memory; this machine has {there / 1e9:,.1f} GB. Take a smaller "
            "batch_size or fewer steps"
        )

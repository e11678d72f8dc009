"""The input of GrooVAE's encoder: an edited copy of the performance.

GrooVAE learns to undo an edit: to humanize a score, to play a kit from taps, to add a
drum.

Source: Gillick et al., "Learning to Groove with Inverse Sequence Transformations",
2019.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from music_vae_tf.data.converters.drum_classes import OPEN_HIHAT


class Groove(NamedTuple):
    """A performance on a grid: arrays `[steps, drums]`, 0 where nothing is hit."""

    hits: np.ndarray  # 0 or 1
    velocities: np.ndarray  # 0 to 1, the loudest
    offsets: np.ndarray  # in half steps: 1 is early, -1 late


def without_some_notes(groove: Groove, max_probability: float, rng) -> Groove:
    """Drops hits at random, soft ones first, with a probability drawn once for all."""
    probability = rng.uniform(0.0, max_probability)
    softness = np.maximum(0.2, 1 - groove.velocities)
    kept = 1 - rng.binomial(1, softness * probability)
    return Groove(*(feature * kept for feature in groove))


def tapped(reduced: Groove, played: Groove) -> Groove:
    """Per step the loudest drum of the input, as it was played, all on the open hi-hat.

    As in Magenta: the loudest of a silent step is the first class, the kick; and where
    the kick was dropped from the input, its tap comes back.
    """
    loudest = reduced.velocities.argmax(axis=1)[:, None]
    taps = Groove(*(np.zeros_like(feature) for feature in played))
    for tap, feature in zip(taps, played):
        tap[:, OPEN_HIHAT] = np.take_along_axis(feature, loudest, 1)[:, 0]
    return taps


def at_fixed_velocity(groove: Groove) -> Groove:
    """Hits where and when they were, without saying how loud."""
    return groove._replace(velocities=np.zeros_like(groove.velocities))


def as_score(groove: Groove) -> Groove:
    """Hits on the grid, as a drum machine would have them: no loudness, no timing."""
    return at_fixed_velocity(groove)._replace(offsets=np.zeros_like(groove.offsets))


def without_drums(groove: Groove, drums: Sequence[int]) -> Groove:
    """The same with some drums silent."""
    played = np.ones(groove.hits.shape[1])
    played[list(drums)] = 0
    return Groove(*(feature * played for feature in groove))

"""Two bars of drumming as arrays, and the tasks that GrooVAE is measured on.

Letters: N windows, T = 32 steps (sixteenths of two bars in 4/4), K drum classes,
P performances.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

BARS = 2
STEPS_PER_BAR = 16
WINDOW = BARS * STEPS_PER_BAR
TICKS = 120  # of a sixteenth


class Playing(NamedTuple):
    """What is played in some windows: `[N, T, K]` each, 0 where nothing is hit."""

    hits: np.ndarray  # bool
    velocities: np.ndarray  # MIDI velocities, 0 to 127
    offsets: np.ndarray  # sixteenths after the grid; negative is early


class Windows(NamedTuple):
    """Windows of a split, as drummers played them."""

    drummers: Playing
    given: np.ndarray  # bool [N, T, K], the hits that the task gives to the player
    performances: np.ndarray  # int [N], from 0: which performance a window is of
    qpm: np.ndarray  # [N]
    asked: np.ndarray  # bool [K], the drums that the player is asked for

    @property
    def num_performances(self) -> int:
        return int(self.performances.max(initial=-1)) + 1

    @property
    def step_ms(self) -> np.ndarray:
        """How long a sixteenth is in each window: milliseconds, `[N]`."""
        return 60_000.0 / self.qpm / 4


def as_midi(hits, velocities, offsets) -> Playing:
    """What a MIDI file of 480 ticks a quarter, as the drummers' are, keeps of it."""
    rounded = np.clip(np.round(velocities), 0, 127), np.round(offsets * TICKS) / TICKS
    return Playing(hits, *(np.where(hits, feature, 0.0) for feature in rounded))


def with_given(windows: Windows, played: Playing) -> Playing:
    """What is played of the drums that are asked for; the others as they were given."""
    return Playing(
        *(
            np.where(windows.asked, of_player, of_drummers)
            for of_player, of_drummers in zip(played, windows.drummers)
        )
    )


class Task(NamedTuple):
    """What a player is given, and asked for."""

    description: str
    holds_hits: bool  # the player chooses velocities and offsets alone


TASKS = {
    "humanize": Task(
        "given which drums are hit on which sixteenth, play them: velocities and "
        "offsets from the grid",
        holds_hits=True,
    ),
    "tap2drum": Task(
        "given one tapped rhythm, play the whole kit",
        holds_hits=False,
    ),
    "infill": Task(
        "given the kit without some drums, play these; the others stay as they are",
        holds_hits=False,
    ),
    "reconstruct": Task(
        "given the whole groove, play it again from its latent vector",
        holds_hits=False,
    ),
}

"""The chords of each hop of a multitrack converter, on its steps."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import numpy as np

from music_vae_tf.data.converters.chords import Conditioning, Harmony, StepHarmony
from music_vae_tf.data.converters.grid import Pieces
from music_vae_tf.data.converters.hops import Hops
from music_vae_tf.data.converters.quantize import to_steps


def harmonies(
    conditioning: Conditioning,
    steps_per_quarter: int,
    pieces: Pieces,
    hops: Hops,
    written: Harmony,
) -> Callable[[int], StepHarmony]:
    """Hop -> its chords. It may raise NotConvertible.

    written: the chords of the whole NoteSequence.
    """

    @cache
    def of_stretch(number: int) -> Harmony:
        stretch = pieces.stretches[number]
        return conditioning.complete(
            written.within(stretch.start_seconds, stretch.end_seconds),
            pieces.notes.compress(pieces.stretch == number),
            stretch,
            steps_per_quarter,
        )

    def of_hop(number: int) -> StepHarmony:
        harmony = of_stretch(int(hops.stretch[number]))
        qpm = pieces.stretches[hops.stretch[number]].qpm
        steps_per_second = steps_per_quarter * qpm / 60.0
        notes = slice(*np.searchsorted(hops.hop, [number, number + 1]))
        end_seconds = hops.notes["end_seconds"][notes].max()
        last_step = hops.end_steps[notes].max()
        total_steps = max(int(to_steps(end_seconds, steps_per_second)), last_step)
        within = harmony.within(hops.bounds[number], hops.bounds[number + 1])
        return within.on_steps(steps_per_second, total_steps)

    return of_hop

"""The project's own drum grooves, as any number of four-bar performances.

`grooves.yaml` holds the styles. A performance has a style, a tempo and one of the
style's grooves. Optional strokes of the tab, a fill at the end and the drummer's habits
are drawn for each one. The same seed gives the same performances.
"""

from __future__ import annotations

import dataclasses
import functools
import importlib.resources
from collections.abc import Iterator, Mapping

import numpy as np
import yaml
from note_seq.protobuf import music_pb2

from music_vae_tf.data.drum_tab import STEPS_PER_BAR, UNDECIDED, Stroke, Tab, read_tab
from music_vae_tf.data.drummer import Feel, play

BARS = 4
FILL_CHANCE = 0.6
CRASH_CHANCE = 0.25
# An undecided sign is settled once for a performance, in favour this often ...
HABIT_CHANCE = 0.4
# ... and in some repetitions of the groove it goes the other way.
SURPRISE_CHANCE = 0.12


@dataclasses.dataclass(frozen=True)
class Style:
    """A way to play drums: its tempi, its feel and what is written down for it.

    `tempo` and `swing['ratio']` are pairs: at the slowest and at the fastest.
    """

    style: str
    about: str
    tempo: tuple[float, float]
    grooves: list[Tab]
    fills: list[Tab]
    swing: Mapping | None = None
    late_ms: Mapping[str, float] = dataclasses.field(default_factory=dict)
    loose: float = 1.0
    crash_chance: float = CRASH_CHANCE

    def feel(self, qpm: float) -> Feel:
        """Where its notes lie at a tempo: swing flattens as the music gets faster."""
        straight = Feel(late_ms=self.late_ms, loose=self.loose)
        if self.swing is None:
            return straight
        return dataclasses.replace(
            straight,
            swing=float(np.interp(qpm, self.tempo, self.swing["ratio"])),
            swung_steps=STEPS_PER_BAR // self.swing["of"],
        )


@functools.cache
def styles() -> tuple[Style, ...]:
    """The styles of `grooves.yaml`, in its order."""
    text = importlib.resources.files(__package__).joinpath("grooves.yaml").read_text()
    return tuple(_read_style(entry) for entry in yaml.safe_load(text))


def _read_style(entry: dict) -> Style:
    tabs = {key: [read_tab(tab) for tab in entry[key]] for key in ("grooves", "fills")}
    return Style(**{**entry, **tabs, "tempo": tuple(entry["tempo"])})


def performances(
    count: int, seed: int = 0
) -> Iterator[tuple[str, music_pb2.NoteSequence]]:
    """Yields (style name, NoteSequence of four bars), going round the styles.

    The i-th of them depends on `seed` and i alone.
    """
    for number in range(count):
        style = styles()[number % len(styles())]
        yield style.style, perform(style, np.random.default_rng([seed, number]))


def perform(style: Style, rng) -> music_pb2.NoteSequence:
    """One performance of four bars in 4/4, the last of them complete."""
    qpm = float(rng.integers(style.tempo[0], style.tempo[1], endpoint=True))
    strokes, fill_from = arrange(style, rng)
    return play(strokes, qpm, style.feel(qpm), rng, fill_from)


def arrange(style: Style, rng) -> tuple[list[Stroke], float]:
    """Four bars of decided strokes, and the step of the fill (infinity without)."""
    strokes = _loop(style.grooves[rng.integers(len(style.grooves))], rng)
    if rng.random() < style.crash_chance:
        strokes = _crash_on_one(strokes)
    if rng.random() >= FILL_CHANCE:
        return strokes, np.inf
    fill = style.fills[rng.integers(len(style.fills))]
    return _end_in(fill, strokes, rng)


def _loop(groove: Tab, rng) -> list[Stroke]:
    """The groove over and over until the four bars are full."""
    habits = rng.random(len(groove.strokes)) < HABIT_CHANCE
    strokes = []
    for bar in range(0, BARS, groove.bars):
        surprises = rng.random(len(groove.strokes)) < SURPRISE_CHANCE
        decided = _decide(groove.strokes, habits ^ surprises)
        strokes += [stroke.delayed(bar * STEPS_PER_BAR) for stroke in decided]
    return strokes


def _decide(strokes: list[Stroke], wishes) -> list[Stroke]:
    """Settle undecided signs as wished `[N]`; what becomes silence is left out."""
    signs = [
        UNDECIDED.get(stroke.sign, (stroke.sign,) * 2)[0 if wish else 1]
        for stroke, wish in zip(strokes, wishes)
    ]
    return [s._replace(sign=sign) for s, sign in zip(strokes, signs) if sign]


def _crash_on_one(strokes: list[Stroke]) -> list[Stroke]:
    """The hand that would begin on hats or ride begins on the crash cymbal."""
    return [
        Stroke(0, "CR", "x") if s.step == 0 and s.drum in ("HH", "RD") else s
        for s in strokes
    ]


def _end_in(fill: Tab, strokes: list[Stroke], rng) -> tuple[list[Stroke], float]:
    """Let the fill take over in the last bar, from its first column with a stroke."""
    last_bar = (BARS - 1) * STEPS_PER_BAR
    fill_from = last_bar + fill.first_step
    before = [stroke for stroke in strokes if stroke.step < fill_from]
    decided = _decide(fill.strokes, rng.random(len(fill.strokes)) < HABIT_CHANCE)
    return before + [stroke.delayed(last_bar) for stroke in decided], fill_from

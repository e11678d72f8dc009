"""Drum tablature: the text in which drummers write grooves down, read into strokes.

    HH |x-x-x-x-x-x-x-*-|
    SD |----X--g----X---|
    BD |x-----x-x-------|

A line is an instrument (`PITCHES` lists them), a column an equal part of the bar:
sixteen of them are sixteenth notes, twelve are triplets of eighths. Bars end at `|`.

    x stroke          X accent        g ghost note
    o open hi-hat     O the same, accented
    r cross-stick     b bell of the ride cymbal      f flam
    ? a stroke that some drummers play, some do not  , a ghost note of that kind
    * a closed hi-hat that some open
    - silence         . (in a fill) the groove goes on, the fill has not begun
"""

from __future__ import annotations

from typing import NamedTuple

STEPS_PER_BAR = 16

# General MIDI, every pitch of them in a class of Magenta's Roland kit.
PITCHES = {
    "BD": {"": 36},  # bass drum
    "SD": {"": 38, "r": 37},  # snare drum; its rim, the stick laid across
    "HH": {"": 42, "o": 46, "O": 46},  # hi-hat, played with a stick
    "HF": {"": 44},  # hi-hat, closed with the foot
    "HT": {"": 50},  # high tom
    "MT": {"": 47},  # mid tom
    "FT": {"": 43},  # floor tom
    "CR": {"": 49},  # crash cymbal
    "RD": {"": 51, "b": 53},  # ride cymbal; its bell
}
SILENT = "-."
# What an undecided sign becomes: (if the drummer does, if not); None is silence.
UNDECIDED = {"?": ("x", None), ",": ("g", None), "*": ("o", "x")}
SIGNS = set("xXgoOrbf") | set(UNDECIDED)


class Stroke(NamedTuple):
    """One sign of a tab. `step` counts sixteenths from the start, also between them."""

    step: float
    drum: str
    sign: str

    @property
    def pitch(self) -> int:
        """The General MIDI pitch of this drum, struck in this way."""
        pitches = PITCHES[self.drum]
        return pitches.get(self.sign, pitches[""])

    def delayed(self, steps: float) -> Stroke:
        return self._replace(step=self.step + steps)


class Tab(NamedTuple):
    """A tab: its strokes, its length, and its first column with a stroke."""

    strokes: list[Stroke]
    bars: int
    first_step: float  # of the first column that is not all dots


def read_tab(text: str) -> Tab:
    """Read a tab of any number of lines and bars; strokes come in order of time."""
    lines = dict(_read_line(line) for line in text.strip().splitlines())
    bars = {len(line) for line in lines.values()}
    if len(bars) != 1:
        raise ValueError(f"lines of a tab differ in their number of bars:\n{text}")
    strokes = [
        Stroke(step, drum, sign)
        for drum, line in lines.items()
        for step, sign in _columns(line)
        if sign not in SILENT
    ]
    begun = [
        step for line in lines.values() for step, sign in _columns(line) if sign != "."
    ]
    return Tab(sorted(strokes), bars.pop(), min(begun))


def _read_line(line: str) -> tuple[str, list[str]]:
    """`'HH |x-x-|x-x-|'` -> `('HH', ['x-x-', 'x-x-'])`."""
    drum, _, signs = line.strip().partition("|")
    known = SIGNS.union(SILENT, "|")
    if drum.strip() not in PITCHES or signs[-1:] != "|" or not known.issuperset(signs):
        raise ValueError(f"cannot read this line of a drum tab: {line!r}")
    return drum.strip(), signs[:-1].split("|")


def _columns(bars: list[str]):
    """Yields (step, sign) of every column of a line."""
    for number, bar in enumerate(bars):
        for column, sign in enumerate(bar):
            yield STEPS_PER_BAR * (number + column / len(bar)), sign

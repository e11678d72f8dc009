"""NoteSequence -> a picture of it: drums as hits in named rows, other notes as bars.

Time runs in quarter notes, by the tempi of the sequence: bars, beats and sixteenths lie
evenly, and how far a hit is from its sixteenth can be seen.
"""

from __future__ import annotations

import io
import math
from typing import NamedTuple

import numpy as np

# Rows of a drum picture from the top: cymbals, toms, snare, kick; the General MIDI
# pitches in each, and the two edges of the hi-hat in Roland's kits (26, 22).
DRUM_ROWS = {
    "Crash": (49, 57, 52, 55),
    "Ride bell": (53,),
    "Ride": (51, 59),
    "Open hi-hat": (46, 26),
    "Closed hi-hat": (42, 22),
    "Foot hi-hat": (44,),
    "High tom": (50,),
    "Mid tom": (48, 47),
    "Low tom": (45, 43, 41),
    "Clap": (39,),
    "Cross-stick": (37,),
    "Snare": (38, 40),
    "Kick": (36, 35),
}
NOTE_NAMES = ("C", "C♯", "D", "D♯", "E", "F", "F♯", "G", "G♯", "A", "A♯", "B")
BLACK_KEYS = (1, 3, 6, 8, 10)
# General MIDI's sixteen families, of eight programs each.
FAMILIES = (
    "Piano",
    "Chromatic percussion",
    "Organ",
    "Guitar",
    "Bass",
    "Strings",
    "Ensemble",
    "Brass",
    "Reed",
    "Pipe",
    "Synth lead",
    "Synth pad",
    "Synth effects",
    "Ethnic",
    "Percussive",
    "Sound effects",
)

INK, PALE, GRID = "#22262e", "#737b8c", "#b4bac6"
PAPER, SHADE = "#ffffff", "#f3f4f7"
SOFT_TO_LOUD = ("#c3d2e6", "#5e8fc2", "#1d3f7a")
LATE, EARLY = "#d9793a", "#3a9d8f"
PART_COLOURS = ("#2f6db3", "#d9793a", "#3a9d7c", "#b3487f", "#8a6fc0", "#a08a2e")

DPI = 100
DRUM_ROW_INCHES = 0.34
PITCH_ROW_INCHES = 0.13
HIT_QUARTERS = 0.15  # drums have no length worth drawing
SIXTEENTH = 0.25


class Clock(NamedTuple):
    """Seconds as quarter notes: at `seconds[i]` it is quarter `quarters[i]`, and
    `rate[i]` quarters a second follow."""

    seconds: np.ndarray
    quarters: np.ndarray
    rate: np.ndarray

    def at(self, seconds):
        """Quarter notes since the beginning."""
        seconds = np.asarray(seconds, float)
        i = np.maximum(np.searchsorted(self.seconds, seconds, side="right") - 1, 0)
        return self.quarters[i] + (seconds - self.seconds[i]) * self.rate[i]


def clock(sequence) -> Clock:
    """The clock of a sequence's tempi; 120 BPM where it names none."""
    tempi = {0.0: 120.0}
    tempi |= {t.time: t.qpm for t in sorted(sequence.tempos, key=lambda t: t.time)}
    seconds, qpm = np.array(sorted(tempi.items())).T
    passed = np.diff(seconds) * qpm[:-1] / 60
    return Clock(seconds, np.concatenate([[0], np.cumsum(passed)]), qpm / 60)


def bar_lines(sequence) -> np.ndarray:
    """Where bars begin, in quarters, up to and including the end of the last one."""
    time = clock(sequence)
    metres = {0.0: 4.0}
    for metre in sorted(sequence.time_signatures, key=lambda m: m.time):
        metres[float(time.at(metre.time))] = 4 * metre.numerator / metre.denominator
    starts = np.array([*metres, np.inf])
    lengths = list(metres.values())
    end = max([_end(note, time) for note in sequence.notes], default=0)
    lines = [0.0]
    while lines[-1] < max(end, SIXTEENTH):
        i = np.searchsorted(starts, lines[-1], side="right") - 1
        lines.append(min(lines[-1] + lengths[i], starts[i + 1]))
    return np.array(lines)


def _end(note, time: Clock) -> float:
    """The quarter up to which a note needs the bar: a drum its sixteenth; others may be
    held a moment over the bar line."""
    if not note.is_drum:
        return float(time.at(note.end_time)) - SIXTEENTH / 2
    # A 32nd between two sixteenths belongs to the first, lest the last one need a bar.
    nearest = math.ceil(float(time.at(note.start_time)) / SIXTEENTH - 0.5 - 1e-6)
    return SIXTEENTH * (1 + nearest)


def write(sequence, path, title: str = "", width_px: int = 1200) -> None:
    """Draw a NoteSequence into a PNG file."""
    draw(sequence, title, width_px).savefig(path, format="png")


def png(sequence, title: str = "", width_px: int = 1200) -> bytes:
    """A NoteSequence as a PNG file."""
    buffer = io.BytesIO()
    write(sequence, buffer, title, width_px)
    return buffer.getvalue()


def draw(sequence, title: str = "", width_px: int = 1200):
    """A matplotlib Figure of a NoteSequence: pitches above, drums below, one time.

    Notes are collections of one rectangle each, in the order of the sequence; their
    `gid` is `drums`, or the name of a part.
    """
    from matplotlib.figure import Figure

    panels = _panels(sequence)
    lines = bar_lines(sequence)
    heights = [panel.inches for panel in panels]
    figure = Figure(figsize=(width_px / DPI, sum(heights) + 1.25), dpi=DPI)
    figure.set_facecolor(PAPER)
    figure.set_layout_engine("constrained", hspace=0.02)
    column = figure.subplots(
        len(panels), sharex=True, squeeze=False, height_ratios=heights
    )[:, 0]
    for axes, panel in zip(column, panels):
        panel.draw(axes, clock(sequence))
        _draw_grid(axes, lines)
    _label_bars(column[-1], lines)
    _draw_title(column[0], title or "Piano roll", _facts(sequence, lines))
    return figure


def _panels(sequence) -> list[PitchPanel | DrumPanel]:
    drums = [note for note in sequence.notes if note.is_drum]
    pitched = [note for note in sequence.notes if not note.is_drum]
    panels = [PitchPanel(pitched)] if pitched else []
    return panels + [DrumPanel(drums)] if drums or not pitched else panels


class DrumPanel:
    """Hits in named rows, taller and darker the louder they are. What lies between a
    hit and its sixteenth is tinted as late or early."""

    def __init__(self, notes):
        self.notes = notes
        self.rows = drum_rows(notes)
        self.inches = DRUM_ROW_INCHES * len(self.rows)

    def draw(self, axes, time: Clock) -> None:
        onsets = time.at([note.start_time for note in self.notes])
        loudness = _loudness(self.notes)
        row_of = {p: y for y, (_, pitches) in enumerate(self.rows) for p in pitches}
        rows = np.array([row_of[note.pitch] for note in self.notes], float)
        bottom, top = rows + 0.08 + 0.34 * loudness, rows - 0.08 - 0.34 * loudness
        meant = np.round(onsets / SIXTEENTH) * SIXTEENTH
        hits = _boxes(onsets, onsets + HIT_QUARTERS, bottom, top)
        timing = _boxes(meant, onsets, bottom, top)
        tints = np.where(onsets >= meant, LATE, EARLY)
        _shade_rows(axes, range(0, len(self.rows), 2))
        _add_boxes(axes, hits, _colours(SOFT_TO_LOUD)(loudness), "drums")
        _add_boxes(axes, timing, tints, "timing")
        _legend(axes, {"early": EARLY, "late": LATE})
        axes.set_ylim(len(self.rows) - 0.5, -0.5)
        axes.set_yticks(range(len(self.rows)), [name for name, _ in self.rows])


class PitchPanel:
    """Notes as bars, a colour to each instrument; paler is softer."""

    def __init__(self, notes):
        self.notes = notes
        pitches = [note.pitch for note in notes]
        self.lowest, self.highest = min(pitches) - 2, max(pitches) + 2
        rows = self.highest - self.lowest + 1
        self.inches = float(np.clip(PITCH_ROW_INCHES * rows, 1.6, 7))

    def draw(self, axes, time: Clock) -> None:
        keys = range(self.lowest, self.highest + 1)
        _shade_rows(axes, [key for key in keys if key % 12 in BLACK_KEYS])
        colours = {}
        for name, notes in parts(self.notes).items():
            colours[name] = PART_COLOURS[len(colours) % len(PART_COLOURS)]
            self._draw_part(axes, time, notes, colours[name], name)
        _legend(axes, colours)
        axes.set_ylim(self.lowest - 0.5, self.highest + 0.5)
        named = [key for key in keys if key % 12 == 0 or len(keys) <= 18]
        axes.set_yticks(named, [note_name(key) for key in named])

    def _draw_part(self, axes, time, notes, colour, name) -> None:
        pitches = np.array([note.pitch for note in notes], float)
        starts = time.at([note.start_time for note in notes])
        ends = time.at([note.end_time for note in notes])
        boxes = _boxes(starts, ends, pitches - 0.42, pitches + 0.42)
        colours = _colours((PAPER, colour))(0.3 + 0.7 * _loudness(notes))
        _add_boxes(axes, boxes, colours, name)


def drum_rows(notes) -> list[tuple[str, tuple[int, ...]]]:
    """The rows (name, pitches) that notes need; pitches outside drum sets on top."""
    pitches = {note.pitch for note in notes}
    known = {pitch for row in DRUM_ROWS.values() for pitch in row}
    rows = [(f"Percussion {pitch}", (pitch,)) for pitch in sorted(pitches - known)]
    rows += [(name, row) for name, row in DRUM_ROWS.items() if pitches & set(row)]
    return rows or [("Kick", DRUM_ROWS["Kick"])]


def parts(notes) -> dict[str, list]:
    """Notes by the instrument that plays them: `1 Bass`, `2 Piano`."""
    players = sorted({(note.instrument, note.program) for note in notes})
    return {
        f"{number} {FAMILIES[player[1] // 8]}": [
            note for note in notes if (note.instrument, note.program) == player
        ]
        for number, player in enumerate(players, start=1)
    }


def note_name(pitch: int) -> str:
    """`C4` is MIDI pitch 60."""
    return f"{NOTE_NAMES[pitch % 12]}{pitch // 12 - 1}"


def _loudness(notes) -> np.ndarray:
    """Velocities as 0 to 1, `[N]`."""
    return np.array([note.velocity for note in notes], float) / 127


def _colours(stops):
    from matplotlib.colors import LinearSegmentedColormap

    return LinearSegmentedColormap.from_list("", list(stops))


def _boxes(left, right, bottom, top) -> np.ndarray:
    """Corners of rectangles, `[N, 4, 2]`."""
    x = np.stack([left, right, right, left], axis=-1)
    y = np.stack([bottom, bottom, top, top], axis=-1)
    return np.stack([x, y], axis=-1)


def _add_boxes(axes, boxes, colours, gid) -> None:
    from matplotlib.collections import PolyCollection

    axes.add_collection(
        PolyCollection(boxes, facecolors=colours, linewidths=0, gid=gid, zorder=3)
    )


def _shade_rows(axes, rows) -> None:
    for row in rows:
        axes.axhspan(row - 0.5, row + 0.5, color=SHADE, linewidth=0, zorder=0)


def _legend(axes, colours: dict[str, str]) -> None:
    from matplotlib.patches import Patch

    axes.legend(
        handles=[Patch(color=colour, label=name) for name, colour in colours.items()],
        loc="lower right",
        bbox_to_anchor=(1.0, 1.0),
        ncols=len(colours),
        frameon=False,
        fontsize=9,
        labelcolor=PALE,
        handlelength=0.8,
        borderpad=0,
        borderaxespad=0.5,
    )


def _draw_grid(axes, lines) -> None:
    """Bars, beats and sixteenths, as far as there are not too many to tell apart."""
    quarters, bars = lines[-1], len(lines)
    transform = axes.get_xaxis_transform()
    levels = (
        (np.arange(0, quarters, SIXTEENTH), quarters <= 20, 0.4),
        (np.arange(0, quarters), quarters <= 80, 0.8),
        (lines, True, 1.4 if bars <= 20 else 0.5),
    )
    for x, shown, width in levels:
        if shown:
            axes.vlines(x, 0, 1, GRID, linewidth=width, zorder=1, transform=transform)
    axes.set_xlim(lines[0] - quarters / 200, quarters + quarters / 200)
    axes.tick_params(length=0, labelsize=9, labelcolor=INK, labelbottom=False)
    axes.spines[:].set_visible(False)


def _label_bars(axes, lines) -> None:
    every = -(-len(lines) // 30)
    shown = range(0, len(lines) - 1, every)
    labels = [f"bar {i + 1}" if i == 0 else f"{i + 1}" for i in shown]
    axes.set_xticks([lines[i] for i in shown], labels)
    axes.tick_params(labelbottom=True)


def _draw_title(axes, title, facts) -> None:
    axes.set_title(title, loc="left", fontsize=13, color=INK, pad=24, weight="bold")
    axes.annotate(
        facts,
        (0, 1),
        (0, 8),
        xycoords="axes fraction",
        textcoords="offset points",
        fontsize=9,
        color=PALE,
    )


def _facts(sequence, lines) -> str:
    """`4 bars of 4/4 · 96-120 bpm · 78 notes`."""
    metres = [f"{m.numerator}/{m.denominator}" for m in sequence.time_signatures]
    metre = ", ".join(dict.fromkeys(metres)) or "4/4"
    qpm = np.round(60 * clock(sequence).rate).astype(int)
    tempo = f"{qpm.min()}-{qpm.max()}" if np.ptp(qpm) else f"{qpm[0]}"
    bars, notes = len(lines) - 1, len(sequence.notes)
    return f"{bars} bars of {metre} · {tempo} bpm · {notes} notes"

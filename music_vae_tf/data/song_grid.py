"""The drums of a song on the grid of a groove converter, in beats.

A stretch is as much of a song as keeps to bars that the converter knows. Its notes are
cells `[steps, drums]`, as in `converters.groove`; here a cell remembers its notes.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from music_vae_tf.data.converters import drum_classes
from music_vae_tf.data.converters.groove import MAX_VELOCITY, GrooveConverter
from music_vae_tf.data.converters.groove_edits import Groove
from music_vae_tf.data.converters.quantize import fills_bar
from music_vae_tf.data.drum_maps import GENERAL_MIDI, DrumMap
from music_vae_tf.data.midi_song import MidiSong

# A grace note may be nearer to the step before its stroke: at most so many steps before
# the stroke, at least so far from a step of its own, and softer.
LONGEST_FLAM, LEAST_OFF_GRID = 0.65, 0.3
# From the note before it, it is so many times further, or it is part of a roll.
LEAST_APART = 1.25


class Span(NamedTuple):
    """Ticks from a bar line on whose bars are all alike."""

    start: int
    end: int
    metre: tuple[int, int]
    bar: float  # ticks

    @property
    def num_bars(self) -> int:
        """The last one may be cut short by a new time signature."""
        return int(np.ceil((self.end - self.start) / self.bar - 1e-9))


@dataclass(frozen=True)
class Stretch:
    """The drums of some bars.

    Attributes:
        start: tick of its first step.
        end: the tick after it; the last of its steps may be cut short.
        step: ticks of a step.
        played: what is hit, of each cell its loudest note; up to a whole bar.
        cells: `{(step, drum): numbers of its notes in the song, the loudest first}`.
        between: numbers of the notes that are clearly between two steps, such as
            triplets, as far as the encoder does not read their timing.
    """

    start: int
    end: int
    step: float
    played: Groove
    cells: dict[tuple[int, int], list[int]]
    between: frozenset[int]

    @property
    def num_steps(self) -> int:
        """Without the steps that fill up its last bar."""
        return int(np.ceil((self.end - self.start) / self.step - 1e-9))

    def tick(self, step: float) -> float:
        """Where a step begins, which may be a fraction."""
        return self.start + step * self.step


class SongGrid(NamedTuple):
    """The drums of a song that a model can read, and what it cannot.

    Attributes:
        left_out: bars and notes, in a user's words.
        paired: bars of half the length that are read two by two, in a user's words.
    """

    stretches: list[Stretch]
    left_out: Counter[str]
    paired: Counter[str]


def grid(
    song: MidiSong,
    numbers: np.ndarray,
    converter: GrooveConverter,
    drum_map: DrumMap = GENERAL_MIDI,
) -> SongGrid:
    """Some notes of a song, by their numbers `[N]`, on the converter's grid.

    drum_map: of the song's notes.
    """
    notes = [song.notes[number] for number in numbers]
    pitches = drum_map.read[np.array([note.pitch for note in notes], int)]
    drums, left_out = drum_classes.assign(pitches, converter.pitch_classes)
    if converter.tapify:  # any key will do to tap a rhythm
        drums, left_out = np.where(drums < 0, drum_classes.SNARE, drums), Counter()
    starts = np.array([note.start for note in notes], int)
    velocities = np.array([note.velocity for note in notes], int)
    half_step = song.ticks_per_quarter / converter.steps_per_quarter / 2
    end = int(starts.max(initial=-1) + half_step) + 1
    stretches, is_inside = [], np.zeros(len(notes), bool)
    paired = Counter()
    for span in spans(song, end):
        bars, is_paired = "bars in {}/{}".format(*span.metre), _pairs(span, converter)
        if not is_paired and not _fits(span.metre, converter):
            left_out[bars] += span.num_bars
            continue
        read = span._replace(bar=2 * span.bar) if is_paired else span
        stretch, inside = _stretch(
            read, song, converter, numbers, starts, velocities, drums
        )
        is_inside |= inside
        if stretch.cells:
            stretches.append(stretch)
            paired[bars] += span.num_bars * is_paired
    outside = int(np.count_nonzero(~is_inside & (drums >= 0)))
    left_out["notes in these bars"] += outside
    return SongGrid(stretches, +left_out, +paired)


def spans(song: MidiSong, end: int) -> list[Span]:
    """The song up to a tick, in spans of one metre; the last one has whole bars."""
    found = []
    for metre, following in zip(song.metres, [*song.metres[1:], None]):
        stop = end if following is None else min(following.tick, end)
        numerator, denominator = metre.value
        bar = song.ticks_per_quarter * 4 * numerator / denominator
        if metre.tick >= stop or not bar:
            continue
        if following is None or following.tick >= end:
            bars = np.ceil((stop - metre.tick) / bar)
            stop = int(np.ceil(metre.tick + bars * bar))
            stop = stop if following is None else min(stop, following.tick)
        span = Span(metre.tick, stop, metre.value, bar)
        if found and _goes_on(found[-1], span):
            found[-1] = found[-1]._replace(end=span.end)
        else:
            found.append(span)
    return found


def _goes_on(before: Span, span: Span):
    """Whether a time signature changes nothing: the same, at a bar line."""
    bars = (span.start - before.start) / before.bar
    return before.metre == span.metre and bars == round(bars)


def _fits(metre, converter):
    return fills_bar(metre, converter.steps_per_quarter, converter.quarters_per_bar)


def _pairs(span, converter):
    """Whether two bars of a span, such as 2/4, are one of the converter's. One such bar
    among others is none: it stays as it is."""
    numerator, denominator = span.metre
    return span.num_bars > 1 and _fits((2 * numerator, denominator), converter)


def _stretch(span, song, converter, numbers, starts, velocities, drums):
    """A stretch, and which of the notes `[N]` are in it."""
    step = song.ticks_per_quarter / converter.steps_per_quarter
    per_bar = converter.steps_per_quarter * converter.quarters_per_bar
    position = (starts - span.start) / step
    steps = np.floor(position + 0.5).astype(int)  # as note_seq rounds
    # What is less than half a step before the next span belongs to it.
    inside = (steps >= 0) & (position < (span.end - span.start) / step - 0.5)
    used = inside & (drums >= 0)
    distance = np.abs(position - steps)
    is_place = (distance <= LEAST_OFF_GRID) | (not converter.humanize)
    steps, is_grace = _with_grace_notes(
        steps, position, velocities, drums, used, is_place
    )
    shape = [span.num_bars * per_bar, len(converter.pitch_classes)]
    played, cells = Groove(*np.zeros([3, *shape])), defaultdict(list)
    # The loudest first; of equals the nearest to its step, where Magenta takes the
    # earliest: in a roll of 32nds that is one between two steps.
    for i in np.lexsort([starts, distance, -velocities]):
        if not used[i]:
            continue
        cell = int(steps[i]), int(drums[i])
        if cell not in cells:
            played.hits[cell] = 1
            played.velocities[cell] = velocities[i] / MAX_VELOCITY
            early = np.clip((cell[0] - position[i]) * 2, -1, 1)
            played.offsets[cell] = early
        cells[cell].append(int(numbers[i]))
    is_between = used & ~is_grace & (distance > LEAST_OFF_GRID) & converter.humanize
    between = frozenset(np.asarray(numbers)[is_between].tolist())
    return Stretch(span.start, span.end, step, played, dict(cells), between), inside


def _with_grace_notes(steps, position, velocities, drums, used, is_place):
    """The steps, where a grace note has that of the stroke that it leads to; and which
    notes are grace notes.

    is_place: bool `[N]`, notes that keep their place on a step. A grace note of another
    has its step, but is none of those: the stroke itself lies between two steps.
    """
    steps, is_grace = steps.copy(), np.zeros(len(steps), bool)
    off_grid = np.abs(position - steps) > LEAST_OFF_GRID
    for drum in np.unique(drums[used]):
        (mine,) = np.nonzero(used & (drums == drum))
        mine = mine[np.argsort(position[mine], kind="stable")]
        gaps = np.diff(position[mine])
        in_roll = _in_rolls(gaps, off_grid[mine])
        # From the last one on, as a grace note may lead to another.
        for k in range(len(gaps) - 1, -1, -1):
            grace, stroke = mine[k], mine[k + 1]
            is_flam = gaps[k] < LONGEST_FLAM and not in_roll[k]
            if is_flam and off_grid[grace] and velocities[grace] < velocities[stroke]:
                steps[grace] = steps[stroke]
                is_grace[grace] = is_place[stroke] or is_grace[stroke]
    return steps, is_grace


def _in_rolls(gaps, off_grid) -> list[bool]:
    """Whether a stroke goes on evenly from one on a step: what leads to the next in a
    roll of 32nds, however it swells, is not a grace note.

    Args:
        gaps: `[N - 1]`, steps between the strokes of a drum.
        off_grid: bool `[N]`.
    """
    found = [False]
    for k in range(1, len(gaps)):
        is_even = gaps[k - 1] < LEAST_APART * gaps[k]
        found.append(bool(is_even and (found[-1] or not off_grid[k - 1])))
    return found

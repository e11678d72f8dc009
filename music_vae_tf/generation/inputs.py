"""Any music file -> examples of a config: which bars of it, and what if they are few.

In beats, so that tempo changes do not matter. Magenta expects files from which exactly
one example is extracted.
"""

from __future__ import annotations

import dataclasses
import logging
import re
from collections import Counter
from typing import Any, NamedTuple

import numpy as np

from music_vae_tf.batch import Example
from music_vae_tf.data import beats
from music_vae_tf.data.converters import drum_parts
from music_vae_tf.errors import UserFacingError
from music_vae_tf.generation.examples import NoExtractedExamplesError, music_of

log = logging.getLogger("music_vae_tf")

FIRST, LAST, LONGEST, ALL = "first", "last", "longest", "all"
LOOP, PAD = "loop", "pad"


class BadInputOptions(UserFacingError, ValueError):
    """A choice of bars that a file does not have, or that is none."""


class Input(NamedTuple):
    """A part of a file as a model reads it."""

    example: Example  # dense
    bar: int  # where it begins, counted from 1
    num_bars: int  # of music; the rest is padding or repetition
    qpm: float


@dataclasses.dataclass(frozen=True)
class InputOptions:
    """Which part of a file is read.

    Attributes:
        bar: `first` (from the first bar on with notes that the config reads), `last`,
            `longest` (the most bars, then the most notes), `all` (one part after
            another), or the number of a bar.
        fit: what makes music that is too short as long as an example: `pad` silence, or
            `loop` it.
        most: how many parts of a file are read for `all`; those after them are not.
    """

    bar: str = FIRST
    fit: str = PAD
    most: int = 100

    def __post_init__(self):
        known = self.bar in (FIRST, LAST, LONGEST, ALL)
        if not known and not re.fullmatch(r"[1-9]\d{0,5}", self.bar):
            raise BadInputOptions(
                f"input_bar={self.bar}: expected the number of a bar, from 1 on, or "
                f"{FIRST}, {LAST}, {LONGEST} or {ALL}"
            )
        if self.fit not in (LOOP, PAD):
            raise BadInputOptions(f"fit={self.fit}: expected {LOOP} or {PAD}")


def inputs_of(
    converter: Any, sequence: Any, name: str, options: InputOptions
) -> list[Input]:
    """The parts of a NoteSequence that are asked for, one at least.

    Raises:
        NoExtractedExamplesError: nothing of it is an example; the message has the
            reason.
        BadInputOptions: there is no such bar.
    """
    converter = drum_parts.decided(converter, sequence)
    tempo_map, music = beats.TempoMap(sequence), beats.in_beats(sequence)
    bars = _bars(music, converter)
    starts, reasons = _starts(converter, music, bars, name, options), Counter()
    found = []
    for number in starts:
        part = _part(converter, music, bars, number, options.fit, reasons)
        if part is not None:
            if options.bar == FIRST:
                number, part = _from_first_note(
                    converter, music, bars, number, part, options.fit
                )
            example, num_bars = part
            qpm = tempo_map.qpm(bars[number].start)
            found.append(Input(example, number + 1, num_bars, qpm))
            if options.bar in (FIRST, LAST):
                break
            if options.bar == ALL and len(found) == options.most:
                _say_what_is_not_read(name, starts, number)
                break
    if not found:
        why = "; ".join(map(str, reasons)) or "it has no notes of the kind"
        raise NoExtractedExamplesError(f"No examples extracted from {name}: {why}")
    if options.bar == LONGEST:
        notes = lambda one: len(music_of(converter, one.example).notes)
        found = [max(found, key=lambda one: (one.num_bars, notes(one)))]
    return found


def _bars(music, converter):
    """The bars of music in beats; a note that ends a little late makes none."""
    bars, early = beats.bars(music), 0.5 / converter.steps_per_quarter
    end = max((note.end_time for note in music.notes), default=0)
    start = max((note.start_time for note in music.notes), default=0)
    last = max(end / beats.SECONDS_PER_QUARTER - early, 0)
    last_start = start / beats.SECONDS_PER_QUARTER + early
    return [bar for bar in bars if bar.start < last or bar.start <= last_start]


def _say_what_is_not_read(name, starts, number):
    left = sum(start > number for start in starts)
    if left:
        log.warning(
            "%s has up to %d examples; the first %d are read (--max_examples reads "
            "more)",
            name,
            len(starts),
            len(starts) - left,
        )


def _starts(converter, music, bars, name, options) -> list[int]:
    """Indices of bars, in the order in which they are tried."""
    if not music.notes:
        raise NoExtractedExamplesError(f"No examples extracted from {name}: no notes")
    fits = [_fits(bar, converter) for bar in bars]
    if not any(fits):
        metres = sorted({"{}/{}".format(*bar.metre) for bar in bars})
        raise NoExtractedExamplesError(
            f"No examples extracted from {name}: time signature {', '.join(metres)}"
        )
    if options.bar.isdecimal():  # an option is checked when it is made
        number = int(options.bar) - 1
        if number >= len(bars):
            raise BadInputOptions(
                f"input_bar={options.bar}: {name} has {len(bars)} bars"
            )
        return [number]
    first = min(note.start_time for note in music.notes) / beats.SECONDS_PER_QUARTER
    early = 0.5 / converter.steps_per_quarter
    size, starts, last = converter.window_bars, [], None
    for number, bar in enumerate(bars):
        is_free = last is None or number - last >= size
        if fits[number] and is_free and bar.start + bar.quarters > first + early:
            starts.append(number)
            last = number
    if options.bar == LAST:
        final = max(len(bars) - size, 0)
        return [final, *reversed(starts)]
    return starts


def _fits(bar, converter):
    return bar.quarters == converter.quarters_per_bar


def _part(converter, music, bars, number, fit, reasons):
    """The example that begins with a bar, and its number of bars; or None."""
    size = converter.window_bars
    run = _run(converter, bars, number, size)
    if not run:
        reasons["time signature {}/{}".format(*bars[number].metre)] += 1
        return None
    per_bar, early = converter.quarters_per_bar, 0.5 / converter.steps_per_quarter
    part = beats.excerpt(music, bars[number].start, run * per_bar, early)
    if not part.notes:
        reasons["bars without notes"] += 1
        return None
    filled = _bars_of(part, per_bar, early)
    if fit == LOOP and filled < size:
        part = beats.looped(part, filled * per_bar, size * per_bar)
    example = _example(converter, part, size, reasons)
    if example is None and fit == PAD:
        example = _padded_example(converter, part, filled, size, reasons)
    is_short = any("shorter than" in reason for reason in reasons)
    if example is None and fit == PAD and is_short and not converter.can_pad:
        reasons["this config's music cannot be padded: --fit=loop repeats it"] += 1
    return None if example is None else (example, min(filled, size))


def _from_first_note(converter, music, bars, number, part, fit):
    """Bar and part of the first note that the converter reads: other instruments may
    begin earlier."""
    while number + 1 < len(bars) and _begins_later(converter, music, bars[number]):
        later = _part(converter, music, bars, number + 1, fit, Counter())
        if later is None:
            break
        # A note that is none of an example by itself, such as an upbeat, is not lost.
        before, after = (music_of(converter, one[0]).notes for one in (part, later))
        if _is_silent(before, converter) or _has_same_start(before, after):
            number, part = number + 1, later
        else:
            break
    return number, part


def _begins_later(converter, music, bar):
    """Whether a bar by itself gives no example, or a silent one."""
    if not converter.can_pad:
        return False
    early = 0.5 / converter.steps_per_quarter
    alone = beats.excerpt(music, bar.start, bar.quarters, early)
    shorter = dataclasses.replace(converter, **{converter.window_field: 1})
    example = _example(shorter, alone, 1, Counter()) if alone.notes else None
    return example is None or not music_of(converter, example).notes


def _is_silent(notes, converter):
    """Whether the first bar of an example is."""
    first = min((note.start_time for note in notes), default=0.0)
    quarters = first / beats.SECONDS_PER_QUARTER + 0.5 / converter.steps_per_quarter
    return quarters >= converter.quarters_per_bar


def _has_same_start(notes, others):
    """Whether an example is the beginning of another: converters of tracks leave out
    the silence before them."""
    strokes, of_others = (
        [(round(note.start_time, 3), note.pitch) for note in some]
        for some in (notes, others)
    )
    return set(strokes) <= set(of_others)


def _run(converter, bars, number, size):
    """How many bars of the right metre follow one another, at most `size`."""
    count = 0
    for bar in bars[number : number + size]:
        if not _fits(bar, converter):
            break
        count += 1
    return count


def _bars_of(part, per_bar, early):
    """Up to the end of the last note; an end a little late is none."""
    end = max(note.end_time for note in part.notes) / beats.SECONDS_PER_QUARTER
    start = max(note.start_time for note in part.notes) / beats.SECONDS_PER_QUARTER
    return max(int(np.ceil((end - early) / per_bar)), int(start // per_bar) + 1, 1)


def _example(converter, part, size, reasons):
    examples, left_out = converter.extract(part)
    reasons.update(left_out)
    if not examples:
        return None
    return converter.unpack(max(examples, key=lambda e: np.sum(e.length)))


def _padded_example(converter, part, filled, size, reasons):
    """An example of fewer bars, with silence after it."""
    if not converter.can_pad:
        return None
    for num_bars in range(min(filled, size - 1), 0, -1):
        shorter = dataclasses.replace(converter, **{converter.window_field: num_bars})
        example = _example(shorter, part, num_bars, Counter())
        if example is not None:
            steps = size * converter.quarters_per_bar * converter.steps_per_quarter
            return _padded(converter, example, steps)
    return None


def _padded(converter, example, steps) -> Example:
    """A dense example that ends in silence."""
    silent_inputs, silent_targets = converter.silence()
    steps *= len(silent_targets)
    pad = lambda rows, row: np.concatenate(
        [rows, np.resize(row, [steps - len(rows), rows.shape[1]])]
    ).astype(np.float32)
    controls = example.controls
    if controls.shape[1]:
        controls = pad(controls, controls[-1:])
    else:
        controls = np.zeros([steps, 0], np.float32)
    return Example(
        targets=pad(example.targets, silent_targets),
        length=steps,
        inputs=pad(example.inputs, silent_inputs),
        controls=controls,
    )

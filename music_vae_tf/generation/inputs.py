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

from music_vae_tf.batch import Example, OneHot
from music_vae_tf.data import beats
from music_vae_tf.data.converters import drum_parts
from music_vae_tf.data.converters.groove import GrooveConverter
from music_vae_tf.data.converters.groove_edits import Groove
from music_vae_tf.errors import UserFacingError
from music_vae_tf.generation.examples import NoExtractedExamplesError

log = logging.getLogger("music_vae_tf")

FIRST, LAST, LONGEST, ALL = "first", "last", "longest", "all"
LOOP, PAD = "loop", "pad"
WINDOW_FIELDS = ("slice_bars", "split_bars")  # of converters: bars of an example


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
        bar: `first` (from the first bar with music on), `last`, `longest` (the most
            bars, then the most notes), `all` (one part after another), or the number of
            a bar.
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


def window_bars(converter: Any) -> int:
    """How many bars an example has."""
    sizes = (getattr(converter, name, None) for name in WINDOW_FIELDS)
    return next(filter(None, sizes), 1)


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
    bars = beats.bars(music)
    starts, reasons = _starts(converter, music, bars, name, options), Counter()
    found = []
    for number in starts:
        part = _part(converter, music, bars, number, options.fit, reasons)
        if part is not None:
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
        found = [max(found, key=lambda one: one.num_bars)]
    return found


def _say_what_is_not_read(name, starts, number):
    left = sum(start > number for start in starts)
    if left:
        log.warning(
            "%s has up to %d examples; the first %d are read (--max_examples reads "
            "more)",
            *(name, len(starts), len(starts) - left),
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
    if options.bar.isdigit():
        number = int(options.bar) - 1
        if number >= len(bars):
            raise BadInputOptions(
                f"input_bar={options.bar}: {name} has {len(bars)} bars"
            )
        return [number]
    first = min(note.start_time for note in music.notes) / beats.SECONDS_PER_QUARTER
    early = 0.5 / converter.steps_per_quarter
    size, starts, last = window_bars(converter), [], None
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
    size = window_bars(converter)
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
    if example is None and fit == PAD and is_short and not _can_pad(converter):
        reasons["this config's music cannot be padded: --fit=loop repeats it"] += 1
    return None if example is None else (example, min(filled, size))


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


def _can_pad(converter):
    return isinstance(converter, GrooveConverter) or (
        hasattr(converter, "slice_bars") and not converter.length_shape
    )


def _padded_example(converter, part, filled, size, reasons):
    """An example of fewer bars, with silence after it."""
    if not _can_pad(converter):
        return None
    (field,) = (name for name in WINDOW_FIELDS if hasattr(converter, name))
    for num_bars in range(min(filled, size - 1), 0, -1):
        shorter = dataclasses.replace(converter, **{field: num_bars})
        example = _example(shorter, part, num_bars, Counter())
        if example is not None:
            steps = size * converter.quarters_per_bar * converter.steps_per_quarter
            return _padded(converter, example, steps)
    return None


def _padded(converter, example, steps) -> Example:
    """A dense example that ends in silence."""
    if isinstance(converter, GrooveConverter):
        silence = converter.rows(
            Groove(*np.zeros([3, 1, len(converter.pitch_classes)]))
        )
        silence = {"inputs": silence, "targets": silence}
        steps *= len(silence["targets"])
    else:
        silence = {
            "inputs": _silent_row(
                converter.inputs, converter.inputs != converter.targets
            ),
            "targets": _silent_row(converter.targets, False),
        }
    pad = lambda rows, row: np.concatenate(
        [rows, np.resize(row, [steps - len(rows), rows.shape[1]])]
    ).astype(np.float32)
    controls = example.controls
    if controls.shape[1]:
        controls = pad(controls, controls[-1:])
    else:
        controls = np.zeros([steps, 0], np.float32)
    return Example(
        targets=pad(example.targets, silence["targets"]),
        length=steps,
        inputs=pad(example.inputs, silence["inputs"]),
        controls=controls,
    )


def _silent_row(layout, has_silence_bit):
    """[1, D]: class 0 of melodies and drums is that nothing begins."""
    row = np.zeros([1, layout.depth], np.float32)
    if isinstance(layout, OneHot):
        row[0, 0] = 1
    elif has_silence_bit:
        row[0, -1] = 1
    return row

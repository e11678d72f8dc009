"""Stage 5, data frames: the elements of one clef as a table, there and back.

    part  offset  element    duration  type     tied
    0     0       E4         1         quarter
    0     1       C4.E4.G4   1/2       eighth   E4
    0     3/2     rest       1/2       eighth

`part` numbers the parts on the staff; offsets and durations are in quarter notes;
`tied` are the pitches that go on from the element before.
"""

from __future__ import annotations

import functools
import io

from music_vae_tf.data import clefs
from music_vae_tf.data.clefs import quarters
from music_vae_tf.data.clefs.extraction import Element

COLUMNS = ("part", "offset", "element", "duration", "type", "tied")
# As music21 spells the keys of a piano that a MIDI file presses; `-` is a flat.
PITCH_NAMES = ("C", "C#", "D", "E-", "E", "F", "F#", "G", "G#", "A", "B-", "B")
REST = "rest"
ticks = functools.cache(clefs.ticks)  # the same texts come thousands of times


def name_of(pitches: tuple[int, ...]) -> str:
    """`C4.E4.G4` for (60, 64, 67), in the order given; `rest` for none."""
    return ".".join(f"{PITCH_NAMES[p % 12]}{p // 12 - 1}" for p in pitches) or REST


def pitches_of(name: str) -> tuple[int, ...]:
    """(60, 64, 67) for `C4.E4.G4`, as `name_of` wrote it."""
    if name in (REST, ""):
        return ()
    return tuple(_pitch_of(pitch) for pitch in name.split("."))


def _pitch_of(name):
    letters = name.rstrip("-0123456789")
    if letters + "-" in PITCH_NAMES and name[len(letters)] == "-":
        # A flat's sign; one more would be that of the octave below 0.
        letters += "-"
    return PITCH_NAMES.index(letters) + 12 * (int(name[len(letters) :]) + 1)


def to_frame(parts: list[list[Element]]):
    """The parts on a staff as one pandas DataFrame."""
    import pandas

    rows = [
        (
            number,
            str(quarters(element.offset)),
            name_of(element.pitches),
            str(quarters(element.duration)),
            element.type,
            name_of(element.tied) if element.tied else "",
        )
        for number, part in enumerate(parts)
        for element in part
    ]
    return pandas.DataFrame(rows, columns=list(COLUMNS))


def from_frame(frame) -> list[list[Element]]:
    """The parts that `to_frame` wrote."""
    parts = {}
    for number, offset, name, duration, kind, tied in frame.itertuples(index=False):
        element = Element(
            ticks(offset), ticks(duration), kind, pitches_of(name), pitches_of(tied)
        )
        parts.setdefault(number, []).append(element)
    return list(parts.values())


def to_csv(frame) -> bytes:
    """The text of a CSV file."""
    return frame.to_csv(index=False).encode()


def from_csv(text: bytes):
    """The frame in a CSV file, whose columns but the first are all text."""
    import pandas

    types = dict.fromkeys(COLUMNS, str) | {"part": int}
    return pandas.read_csv(io.BytesIO(text), dtype=types, keep_default_na=False)

"""Which drums a model tells apart, and which MIDI pitches count as each of them.

A preset is a list of classes; the place of a class in it is its column in tensors. The
first pitch of a class is the one that decoding writes. Pitches in no class are left out
of examples.

The presets are Magenta's, pitch by pitch and in its order, because the columns of its
checkpoints mean them (its music_vae/data.py and note_seq's drums_encoder_decoder.py).
"""

from __future__ import annotations

import functools
from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from music_vae_tf.errors import UserFacingError

MIDI_PITCHES = 128
DRUM_INSTRUMENT = 9  # MIDI's channel 10, counted from 0

# Columns of the presets with nine classes.
(
    KICK,
    SNARE,
    CLOSED_HIHAT,
    OPEN_HIHAT,
    LOW_TOM,
    MID_TOM,
    HIGH_TOM,
    CRASH,
    RIDE,
) = range(9)


class UnknownDrums(UserFacingError, ValueError):
    """Pitch classes that are neither a preset nor lists of MIDI pitches."""


class DrumClass(NamedTuple):
    """Pitches that count as one drum, and why these."""

    name: str
    pitches: tuple[int, ...]
    reason: str


# The electronic kit (Roland TD-11) that plays in the Groove MIDI Dataset: one class per
# pad, however it is struck.
ROLAND = (
    DrumClass("kick", (36,), "the one kick pad"),
    DrumClass("snare", (38, 37, 40), "head, cross-stick, rim"),
    DrumClass("closed hi-hat", (42, 22, 44), "bow, edge, pedal: all short"),
    DrumClass("open hi-hat", (46, 26), "bow, edge: all ringing"),
    DrumClass("low tom", (43, 58), "third tom: head, rim"),
    DrumClass("mid tom", (47, 45), "second tom: rim, head"),
    DrumClass("high tom", (50, 48), "first tom: rim, head"),
    DrumClass("crash", (49, 52, 55, 57), "both crashes: bow, edge"),
    DrumClass("ride", (51, 53, 59), "bow, bell, edge"),
)

# The percussion of General MIDI 1 and 2, and the kit's two hi-hat edges (22 and 26),
# on the same nine drums by their part in a beat.
REDUCED = (
    DrumClass("kick", (36, 35), "both bass drums"),
    DrumClass(
        "snare",
        (38, 27, 28, 31, 32, 33, 34, 37, 39, 40, 56, 65, 66, 75, 85),
        "snares, claps, clicks, sticks, cowbell, timbales: dry and loud",
    ),
    DrumClass(
        "closed hi-hat",
        (42, 44, 54, 68, 69, 70, 71, 73, 78, 80, 22),
        "closed hi-hats, and the short one of each pair: low agogo, short whistle and "
        "guiro, mute cuica and triangle; tambourine, cabasa, maracas",
    ),
    DrumClass(
        "open hi-hat",
        (46, 67, 72, 74, 79, 81, 26),
        "open hi-hats, and the long one of each pair: high agogo, long whistle and "
        "guiro, open cuica and triangle",
    ),
    DrumClass(
        "low tom",
        (45, 29, 41, 43, 61, 64, 84),
        "low and floor toms, scratch push, low bongo and conga, bell tree",
    ),
    DrumClass(
        "mid tom",
        (48, 47, 60, 63, 77, 86, 87),
        "mid toms, high bongo, open high conga, low wood block, surdos",
    ),
    DrumClass(
        "high tom",
        (50, 30, 62, 76, 83),
        "high tom, scratch pull, mute high conga, high wood block, jingle bell",
    ),
    DrumClass(
        "crash",
        (49, 52, 55, 57, 58),
        "crashes, Chinese and splash cymbals, vibraslap (58)",
    ),
    DrumClass("ride", (51, 53, 59, 82), "rides, ride bell, shaker"),
)

# The 61 sounds of General MIDI 2, each by itself, family after family. The families are
# an older grouping than REDUCED: 43 and 52 stand elsewhere.
_GENERAL_MIDI = {
    "kick": {36: "bass drum 1", 35: "acoustic bass drum"},
    "snare": {
        38: "acoustic snare",
        27: "high Q",
        28: "slap",
        31: "sticks",
        32: "square click",
        33: "metronome click",
        34: "metronome bell",
        37: "side stick",
        39: "hand clap",
        40: "electric snare",
        56: "cowbell",
        65: "high timbale",
        66: "low timbale",
        75: "claves",
        85: "castanets",
    },
    "closed hi-hat": {
        42: "closed hi-hat",
        44: "pedal hi-hat",
        54: "tambourine",
        68: "low agogo",
        69: "cabasa",
        70: "maracas",
        71: "short whistle",
        73: "short guiro",
        78: "mute cuica",
        80: "mute triangle",
    },
    "open hi-hat": {
        46: "open hi-hat",
        67: "high agogo",
        72: "long whistle",
        74: "long guiro",
        79: "open cuica",
        81: "open triangle",
    },
    "low tom": {
        45: "low tom",
        29: "scratch push",
        41: "low floor tom",
        61: "low bongo",
        64: "low conga",
        84: "bell tree",
    },
    "mid tom": {
        48: "high mid tom",
        47: "low mid tom",
        60: "high bongo",
        63: "open high conga",
        77: "low wood block",
        86: "mute surdo",
        87: "open surdo",
    },
    "high tom": {
        50: "high tom",
        30: "scratch pull",
        43: "high floor tom",
        62: "mute high conga",
        76: "high wood block",
        83: "jingle bell",
    },
    "crash": {
        49: "crash cymbal 1",
        55: "splash cymbal",
        57: "crash cymbal 2",
        58: "vibraslap",
    },
    "ride": {
        51: "ride cymbal 1",
        52: "Chinese cymbal",
        53: "ride bell",
        59: "ride cymbal 2",
        82: "shaker",
    },
}
FULL = tuple(
    DrumClass(name, (pitch,), f"one of the {family} family")
    for family, names in _GENERAL_MIDI.items()
    for pitch, name in names.items()
)

PRESETS = {"roland": ROLAND, "reduced": REDUCED, "full": FULL}

PitchClasses = tuple[tuple[int, ...], ...]


def classes(name_or_lists: str | Sequence[Sequence[int]]) -> PitchClasses:
    """The pitches of each class: those of a preset, or one's own lists of MIDI pitches.

    Raises:
        UnknownDrums: no such preset, an empty class, a pitch outside 0-127.
    """
    if isinstance(name_or_lists, str):
        if name_or_lists not in PRESETS:
            raise UnknownDrums(
                f"there are no drum pitch classes {name_or_lists!r}; there are "
                f"{', '.join(PRESETS)}, or give lists of MIDI pitches, one per class: "
                "[[36], [38, 40], [42, 44]]"
            )
        return tuple(c.pitches for c in PRESETS[name_or_lists])
    return _checked(name_or_lists)


def _checked(lists) -> PitchClasses:
    try:
        own = tuple(tuple(int(pitch) for pitch in pitches) for pitches in lists)
    except (TypeError, ValueError):
        own = ()
    pitches = [pitch for pitches in own for pitch in pitches]
    if not own or not all(own) or not all(0 <= p < MIDI_PITCHES for p in pitches):
        raise UnknownDrums(
            f"drum pitch classes are lists of MIDI pitches (0-{MIDI_PITCHES - 1}), one "
            f"list per class and none empty, like [[36], [38, 40]]; got {lists!r}"
        )
    return own


@functools.lru_cache
def class_of_pitch(pitch_classes: PitchClasses) -> np.ndarray:
    """Lookup table `[128]`: the class of each MIDI pitch, -1 where it is in none.

    A pitch in two classes belongs to the later one, as in Magenta.
    """
    table = np.full(MIDI_PITCHES, -1)
    for number, pitches in enumerate(pitch_classes):
        table[list(pitches)] = number
    table.flags.writeable = False
    return table


def assign(
    pitches: np.ndarray, pitch_classes: PitchClasses
) -> tuple[np.ndarray, Counter[str]]:
    """Pitches `[N]` -> their classes, -1 where none, and what to say of those."""
    is_midi = (pitches >= 0) & (pitches < MIDI_PITCHES)
    numbers = np.where(is_midi, class_of_pitch(pitch_classes)[pitches * is_midi], -1)
    unmapped = Counter(pitches[numbers < 0].tolist())
    return numbers, Counter(
        {f"notes of unmapped drum pitch {p}": n for p, n in sorted(unmapped.items())}
    )

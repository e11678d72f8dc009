"""Which instruments are drum kits, by their channels, names and notes.

DAWs leave drums where they like: on channel 1, in a track for each drum, with any
program, under a name in any language. A model that is given a user's file looks for
all of these; melodic instruments must never be among them. What a name says is
confirmed by the notes, and the notes alone decide only for an instrument that is alone.
"""

from __future__ import annotations

import re

import numpy as np

from music_vae_tf.data import track_names
from music_vae_tf.data.converters import drum_classes

# MIDI's percussive programs; 0 is also what is named where no program is.
KIT_PROGRAMS = (0, *range(112, 120))
# The kits of General MIDI 2 and Roland's GS, which some DAWs write on any channel.
KIT_NUMBERS = (0, 8, 16, 24, 25, 26, 32, 40, 48, 56)
# What grooves mostly are. Music for other instruments may keep to the pitches of a drum
# map, which are half a piano's, but not to these.
KICKS, SNARES = (35, 36), (37, 38, 39, 40)
CYMBALS = (22, 26, 42, 44, 46, 51, 53, 59)
SHARE_OF_THESE = 0.6
SHARE_OF_KNOWN = 0.8  # notes of a kit that a drum map has
MOST_PITCHES_OF_A_PIECE = 6  # of one drum of a kit
MOST_KEYS_OF_TAPS = 3


def _words(*patterns: str) -> re.Pattern:
    """Any of these; `<` and `>` are where a word of letters begins and ends."""
    start, end = r"(?<![^\W\d_])", r"(?![^\W\d_])"
    whole = "|".join(patterns).replace(">", end).replace("<", start)
    return re.compile(whole, re.IGNORECASE)


KIT_NAME = _words(
    "drum",
    "<drms?>",
    "<kit>",
    "perc",
    "perk",
    "schlagz",
    "tromm",
    "<bater",
    "<batter",
    "<batt>",
    "slagv",
    "slagw",
    "trumm",
    "bicí",
    "ударн",
    "ドラム",
    "鼓",
    "<sd ?[23]",
    "addictive",
    "superior",
    "<ez ?d",
    "<bfd",
    "steven slate",
    "<ssd",
)
LOOSE_NAME = _words("beat", "groove")  # kits are named so, and much else
PIECE_NAME = _words(
    "kick",
    "<kik>",
    "<bd>",
    "bass ?drum",
    "snare",
    "<snr?>",
    "<sd>",
    "hi-?hat",
    "<hi hats?>",
    "<hats?>",
    "<hh",
    "<toms?>",
    "cymbal",
    "<crash",
    "<ride>",
    "<claps?>",
    "<rim",
    "side ?stick",
    "shaker",
    "tambourine",
    "cowbell",
    "<congas?>",
    "<bongos?>",
)
MELODIC_NAME = _words(
    "piano",
    "organ",
    "guitar",
    "gitarr?e",
    "bass(?! ?drum)",
    "string",
    "vocal",
    "<vox>",
    "voice",
    "melod",
    "<lead",
    "chord",
    "<keys>",
    "keyboard",
    "brass",
    "horn",
    "trumpet",
    "sax",
    "flute",
    "violin",
    "cello",
    "<harp",
    "marimba",
    "vibra?phone",
    "xylo",
    "glocken",
    "kalimba",
    "steel ?(drum|pan)",
    "rhodes",
    "wurli",
    "<clav(i|>)",
    "synth(?! ?drum)",
    "<arp",
    "orgel",
    "klavier",
    "<pluck",
)


def found(sequence, notes: np.ndarray, pitch_classes, takes_taps: bool) -> np.ndarray:
    """Which notes `[N]` of a NoteSequence are drums, as far as its names and notes say.

    Those on channel 10, those of tracks that are named as kits or drums are; without
    these, those of an instrument that is alone and plays a beat.

    Args:
        notes: `[N]` of `score.NOTE`.
        pitch_classes: as `drum_classes.classes` gives them.
        takes_taps: whether few keys that a lone instrument taps are drums, too.
    """
    names = track_names.of_instruments(sequence)
    instruments = np.unique(notes["instrument"])
    kits, pieces = [], []
    for number in instruments:
        mine = notes[notes["instrument"] == number]
        if _is_kit(names.get(number, ""), mine, pitch_classes):
            kits.append(number)
        elif _is_piece(names.get(number, ""), mine, pitch_classes):
            pieces.append(number)
    mask = notes["is_drum"] | np.isin(notes["instrument"], kits)
    with_pieces = mask | np.isin(notes["instrument"], pieces)
    if has_beat(notes["pitch"][with_pieces]):  # cymbals alone are no kit
        mask = with_pieces
    if mask.any() or len(instruments) > 1:
        return mask
    name = names.get(instruments[0], "")
    is_lone_kit = _plays_beat_alone(name, notes, pitch_classes)
    return mask | is_lone_kit | (takes_taps and _are_taps(name, notes))


def has_beat(pitches: np.ndarray) -> bool:
    """Whether a kick or a snare is among MIDI pitches."""
    return bool(np.isin(pitches, KICKS + SNARES).any())


def is_groove(pitches: np.ndarray) -> bool:
    """Whether MIDI pitches are mostly kick, snare and cymbals, with some cymbals."""
    has_cymbals = np.isin(pitches, CYMBALS).any()
    return has_beat(pitches) and bool(has_cymbals) and _is_common(pitches)


def _is_common(pitches):
    common = np.isin(pitches, KICKS + SNARES + CYMBALS)
    return bool(common.mean() >= SHARE_OF_THESE)


def _known(notes, pitch_classes):
    """The share of notes that are in a class."""
    return (drum_classes.assign(notes["pitch"], pitch_classes)[0] >= 0).mean()


def _has_program(notes, programs):
    return bool(np.isin(notes["program"], programs).all())


def _is_kit(name, notes, pitch_classes):
    if MELODIC_NAME.search(name):
        return False
    known, pitches = _known(notes, pitch_classes), notes["pitch"]
    if KIT_NAME.search(name):
        plays_kit = known >= SHARE_OF_KNOWN and has_beat(pitches)
        return plays_kit or known == 1 and _has_program(notes, KIT_PROGRAMS)
    return bool(
        LOOSE_NAME.search(name)
        and known >= SHARE_OF_KNOWN
        and _has_program(notes, KIT_PROGRAMS + KIT_NUMBERS)
        and has_beat(pitches)
        and _is_common(pitches)
    )


def _is_piece(name, notes, pitch_classes):
    return bool(
        PIECE_NAME.search(name)
        and not MELODIC_NAME.search(name)
        and len(np.unique(notes["pitch"])) <= MOST_PITCHES_OF_A_PIECE
        and _known(notes, pitch_classes) >= SHARE_OF_KNOWN
    )


def _plays_beat_alone(name, notes, pitch_classes):
    pitches = notes["pitch"]
    return (
        _has_program(notes, KIT_PROGRAMS)
        and bool(_known(notes, pitch_classes) >= SHARE_OF_KNOWN)
        and (
            is_groove(pitches)
            or _is_kick_and_snare(pitches)
            and not MELODIC_NAME.search(name)
        )
    )


def _is_kick_and_snare(pitches):
    """Whether one kick and one snare are played, and nothing else but clap and rim.

    A bass is content with a few low notes as well, but seldom with these.
    """
    played = set(np.unique(pitches).tolist())
    one_of_each = len(played & {35, 36}) == len(played & {38, 40}) == 1
    return one_of_each and played <= {*KICKS, *SNARES}


def _are_taps(name, notes):
    """A rhythm on one key, or on few of an instrument that may be a kit."""
    keys = len(np.unique(notes["pitch"]))
    may_be_kit = _has_program(notes, KIT_PROGRAMS) and not MELODIC_NAME.search(name)
    return keys == 1 or keys <= MOST_KEYS_OF_TAPS and may_be_kit

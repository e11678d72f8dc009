"""MusicXML's part list: who plays, and which drum an unpitched note strikes."""

from __future__ import annotations

import re
from typing import NamedTuple

from music_vae_tf.data.scores.score import DRUM_STAFF, PITCHES, Pitch

DRUM_CHANNEL = 10
# What percussion is called, in General MIDI's numbers; the first that fits counts.
_DRUM_NAMES = (
    (r"bass.?drum|kick|gran.?cassa|grosse.?trommel|grosse.?caisse", 36),
    (r"side.?stick|rim.?(shot|click)|cross.?stick", 37),
    (r"snare|side.?drum|kleine.?trommel|caisse.?claire", 38),
    (r"hand.?clap|clap", 39),
    (r"pedal.*hi.?hat|hi.?hat.*(pedal|foot)", 44),
    (r"open.*hi.?hat|hi.?hat.*open", 46),
    (r"hi.?hat|charleston", 42),
    (r"floor.?tom", 43),
    (r"low.*tom", 45),
    (r"high.*tom", 50),
    (r"tom", 47),
    (r"ride.*bell|bell.*ride", 53),
    (r"ride", 51),
    (r"china|chinese", 52),
    (r"splash", 55),
    (r"crash|cymbal|becken|piatti|tam.?tam|gong", 49),
    (r"tambourin", 54),
    (r"cow.?bell", 56),
    (r"vibra.?slap", 58),
    (r"bongo", 60),
    (r"conga", 63),
    (r"timbale", 65),
    (r"agogo", 67),
    (r"cabasa", 69),
    (r"maraca|shaker|egg", 70),
    (r"guiro", 73),
    (r"clave", 75),
    (r"wood.?block|temple.?block", 76),
    (r"cuica", 78),
    (r"triangle|triangel", 81),
    (r"cajon", 36),
)


class Instrument(NamedTuple):
    """A MusicXML instrument."""

    program: int = 0  # General MIDI, from 0
    drum: int | None = None  # MIDI number of its unpitched note
    on_drum_channel: bool = False


class Player:
    """A part as the part list has it; its instruments may change in the music."""

    def __init__(self, score_part=None):
        self.name = ""
        self._instruments = {}
        if score_part is not None:
            self.name = _text(score_part, "part-name")
            for element in score_part.iter("score-instrument"):
                self._instruments[element.get("id")] = _named(element, self.name)
            for element in score_part.iter("midi-instrument"):
                self.change(element)

    def change(self, midi_instrument):
        """A `midi-instrument`, in the part list or in a `sound`."""
        name = midi_instrument.get("id")
        old = self._instruments.get(name, Instrument())
        channel = _number(midi_instrument, "midi-channel")
        program = _number(midi_instrument, "midi-program")
        drum = _number(midi_instrument, "midi-unpitched")
        self._instruments[name] = Instrument(
            old.program if program is None else min(max(program - 1, 0), 127),
            # MIDI's numbers count from 0, MusicXML's from 1.
            old.drum if drum is None or drum - 1 not in PITCHES else drum - 1,
            old.on_drum_channel if channel is None else channel == DRUM_CHANNEL,
        )

    def _of(self, note):
        """The instrument of a note: its own, or the part's first."""
        element = note.find("instrument")
        name = None if element is None else element.get("id")
        if name in self._instruments:
            return self._instruments[name]
        return next(iter(self._instruments.values()), Instrument())

    def drum_pitch(self, note) -> Pitch | None:
        """The drum of an unpitched note; None if nothing names it.

        That is its instrument's `midi-unpitched`, or what the instrument is called, or
        its place on the staff. Where the part has one instrument for all its notes and
        these have different places, the places count.
        """
        instrument = self._of(note)
        is_own = note.find("instrument") is not None or len(self._instruments) == 1
        if instrument.drum is not None and is_own:
            return Pitch(instrument.drum, is_drum=True)
        unpitched = note.find("unpitched")
        place = _text(unpitched, "display-step"), _number(unpitched, "display-octave")
        drum = DRUM_STAFF.get(place, instrument.drum)
        if drum is None:
            drum = _drum_called(self.name)
        return None if drum is None else Pitch(drum, is_drum=True)

    def pitch(self, note, number: int) -> Pitch:
        """What a pitched note plays; on channel 10, its instrument's drum."""
        instrument = self._of(note)
        if not instrument.on_drum_channel:
            return Pitch(number, program=instrument.program)
        is_own = note.find("instrument") is not None and instrument.drum is not None
        return Pitch(instrument.drum if is_own else number, is_drum=True)


def players(root) -> dict[str, Player]:
    """The part list of a score, by the ids of the parts."""
    return {element.get("id"): Player(element) for element in root.iter("score-part")}


def _named(score_instrument, part_name):
    names = [
        _text(score_instrument, "instrument-sound").replace(".", " "),
        _text(score_instrument, "instrument-name"),
    ]
    return Instrument(drum=next(filter(None, map(_drum_called, names)), None))


def _drum_called(name):
    name = name.lower()
    return next((n for words, n in _DRUM_NAMES if re.search(words, name)), None)


def _text(element, tag):
    found = None if element is None else element.find(tag)
    return "" if found is None or not found.text else found.text.strip()


def _number(element, tag):
    text = _text(element, tag)
    return int(text) if re.fullmatch(r"-?\d{1,6}", text) else None

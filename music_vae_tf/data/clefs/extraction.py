"""Stage 4, element extraction: notes, chords and rests with their durations."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

from music_vae_tf.data.clefs import ticks

PITCHES = range(12, 128)  # MIDI numbers; lower ones are left out


class Element(NamedTuple):
    """A note, a chord or a rest, as the score has it."""

    offset: int  # ticks since the beginning
    duration: int  # ticks
    type: str  # music21's duration type: 'eighth', dotted or not
    pitches: tuple[int, ...]  # MIDI numbers in the score's order; () is a rest
    tied: tuple[int, ...] = ()  # those of the pitches that go on from before

    def only(self, keep: Callable[[int], bool]) -> Element:
        """The same element with some of its pitches; without any it is a rest."""
        pitches = tuple(pitch for pitch in self.pitches if keep(pitch))
        tied = tuple(pitch for pitch in self.tied if keep(pitch))
        return self._replace(pitches=pitches, tied=tied)


def elements(part, semitones: int) -> list[Element]:
    """All elements of a music21 part, shifted by some semitones.

    They come measure by measure, and in each one voice after the other. Grace notes,
    chord symbols and unpitched percussion are not elements.
    """
    return list(_elements(part, semitones))


def _elements(part, semitones) -> Iterator[Element]:
    from music21 import chord, harmony, note

    for element in part.recurse().notesAndRests:
        is_pitched = isinstance(element, (note.Note, chord.Chord))
        if isinstance(element, harmony.Harmony) or element.duration.isGrace:
            continue
        if is_pitched or element.isRest:
            found = Element(
                ticks(element.getOffsetInHierarchy(part)),
                ticks(element.quarterLength),
                element.duration.type,
                tuple(pitch.midi + semitones for pitch in element.pitches),
                tuple(pitch + semitones for pitch in _tied_over(element)),
            )
            yield found.only(PITCHES.__contains__)


def is_percussion(score) -> bool:
    """Whether a music21 score has unpitched strokes, and no other notes."""
    from music21 import note, percussion

    kinds = note.Unpitched, percussion.PercussionChord
    notes = list(score.recurse().notes)
    return bool(notes) and all(isinstance(element, kinds) for element in notes)


def _tied_over(element):
    """MIDI numbers of the notes that only go on from a note before."""
    notes = element.notes if element.isChord else [element]
    return [
        note.pitch.midi
        for note in notes
        if note.tie is not None and note.tie.type in ("stop", "continue")
    ]


def bar_starts(part) -> list[int]:
    """Where a music21 part's bars begin, in ticks.

    A first bar that is not full, an upbeat, begins before 0.
    """
    starts = [
        ticks(measure.offset - measure.paddingLeft)
        for measure in part.getElementsByClass("Measure")
    ]
    return sorted(set(starts)) or [0]


def metres(part) -> list[str]:
    """The metres of a music21 part in their order: `['3/4', '4/4', '3/4']`."""
    signatures = part.recurse().getElementsByClass("TimeSignature")
    found = [signature.ratioString for signature in signatures]
    return [
        metre for i, metre in enumerate(found) if i == 0 or metre != found[i - 1]
    ] or ["4/4"]

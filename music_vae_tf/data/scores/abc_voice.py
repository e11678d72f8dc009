"""A voice of an ABC tune: its notes, bar by bar, as they are read."""

from __future__ import annotations

import copy
from dataclasses import dataclass, field
from fractions import Fraction

from music_vae_tf.data.scores.abc_fields import (
    MF,
    NO_KEY,
    SEMITONES,
    Properties,
    Signature,
)
from music_vae_tf.data.scores.score import (
    DRUM_STAFF,
    MAX_BAR_QUARTERS,
    MAX_BARS,
    MAX_NOTES,
    Bar,
    Marks,
    Metre,
    Note,
    Pitch,
    Tied,
    UnreadableScore,
    checked_pitch,
)


@dataclass
class Event:
    """What a voice does next. Its duration may still change, as in broken rhythm."""

    duration: Fraction = Fraction(0)
    pitches: list[Pitch] = field(default_factory=list)
    ties: list[bool] = field(default_factory=list)
    graces: list[list[Pitch]] = field(default_factory=list)
    velocity: int = MF
    qpm: float | None = None
    chord: str | None = None


@dataclass
class Written:
    """A note's letter, octave and accidental, as written."""

    letter: str
    octave: int
    accidental: float | None
    text: str  # with its accidental and commas


class Voice:
    """Takes notes, rests and bar lines in their order; `bars` are the result."""

    def __init__(self, properties: Properties, unit: Fraction, metre, signature):
        self.properties, self.unit = copy.deepcopy(properties), unit
        self.metre: Metre | None = metre
        self.signature: Signature = signature or NO_KEY
        self.velocity, self.bars = MF, []
        self._layers, self._marks = [[]], Marks()
        self._ending = frozenset()
        self._altered = {}  # in this bar: letter -> accidental
        self._played, self._tied = {}, {}  # (letter, octave) -> accidental
        self._graces, self._last = [], None  # event with a duration
        self._factor = Fraction(1)  # of the next note, in broken rhythm
        self._tuplet, self._left_in_tuplet = Fraction(1), 0
        self._number = 0

    # Notes.

    def play(self, notes: list[tuple[Written, bool]], length: Fraction):
        """A note, or several as a chord, with whether each is tied; [] is a rest.

        `length` is in unit note lengths.
        """
        duration = self.unit * length * self._factor
        if self._left_in_tuplet:
            duration *= self._tuplet
            self._left_in_tuplet -= 1
        if duration > MAX_BAR_QUARTERS:
            raise UnreadableScore(
                f"absurd length: a note of {float(duration):g} quarters; "
                f"{MAX_BAR_QUARTERS} are the limit"
            )
        self._count(len(notes) + len(self._graces))
        tied, self._tied = self._tied, {}
        pitches = [self._pitch(note, tied) for note, _ in notes]
        ties = [tie for _, tie in notes]
        self._last = Event(duration, pitches, ties, self._graces, self.velocity)
        self._last_notes = [note for note, _ in notes]
        self._layers[-1].append(self._last)
        self._factor, self._graces = Fraction(1), []
        for note, tie in notes:
            if tie:
                self._hold(note)

    def grace(self, chords: list[list[Written]]):
        """Grace notes before the next note."""
        self._graces = self._graces + [
            [self._pitch(note, {}) for note in chord] for chord in chords
        ]

    def tie(self):
        """The last note, or chord, goes on in the next."""
        if self._last is not None and self._last.pitches:
            self._last.ties = [True] * len(self._last.pitches)
            for note in self._last_notes:
                self._hold(note)

    def _hold(self, note):
        key = note.letter, note.octave
        self._tied[key] = self._played[key]

    def broken(self, longer: int):
        """Broken rhythm: with 1, the last note is dotted and the next is halved; with
        -1, the other way; 2 and -2 are the double of it."""
        if self._last is None:
            return
        short = Fraction(1, 2 ** min(abs(longer), 5))
        self._last.duration *= 2 - short if longer > 0 else short
        self._factor = short if longer > 0 else 2 - short

    def tuplet(self, number: int, in_time_of: int, notes: int):
        """The next `notes` take as long as `in_time_of` of `number`."""
        self._tuplet, self._left_in_tuplet = Fraction(in_time_of, number), notes

    def _count(self, number):
        self._number += max(number, 1)
        if self._number > MAX_NOTES or len(self.bars) > MAX_BARS:
            raise UnreadableScore(
                f"more than {MAX_NOTES} notes or {MAX_BARS} bars, which are the limits"
            )

    def _alteration(self, note: Written, tied) -> float:
        """An accidental holds to the end of the bar, in all octaves; a tied note keeps
        that of the note before."""
        usual = self.signature.alterations.get(note.letter, 0)
        if note.accidental is not None:
            self._altered[note.letter] = note.accidental
        elif (note.letter, note.octave) in tied:
            return tied[note.letter, note.octave]
        return self._altered.get(note.letter, usual)

    def _pitch(self, note: Written, tied) -> Pitch:
        alteration = self._alteration(note, tied)
        self._played[note.letter, note.octave] = alteration
        number = 12 * (note.octave + 1) + SEMITONES[note.letter] + alteration
        its = self.properties
        if its.is_drum:
            return Pitch(self._drum(note, number), is_drum=True)
        return Pitch(checked_pitch(number + its.shift, note.text), program=its.program)

    def _drum(self, note, number):
        """The note of %%MIDI drummap; on a percussion staff, the place; else the MIDI
        number of the note."""
        its = self.properties
        if its.has_drum_staff:
            number = DRUM_STAFF.get((note.letter, note.octave), number)
        return checked_pitch(its.drums.get(note.text, number), note.text)

    # Between the notes.

    def say(self, event: Event):
        """A tempo or a chord symbol that holds from here on."""
        self._layers[0 if event.qpm else -1].append(event)

    def mark(self, **marks):
        """Fields of Marks for the bar in work."""
        for name, value in marks.items():
            setattr(self._marks, name, value)

    def overlay(self):
        """Goes back to the beginning of the bar."""
        self._layers.append([])
        self._last = None

    def section(self, label: str):
        """A part of the tune begins here."""
        self.bar_line()
        self._marks.section = label

    def bar_line(self, plays=0, starts=False, ending=frozenset(), closes_ending=False):
        """A bar line.

        Args:
            plays: how often what ends here is played; 0 if no repeat ends here.
            starts: whether a repeat starts here.
            ending: the passes that play what follows; empty if none begins.
            closes_ending: whether an ending is over.
        """
        self._close()
        if plays and self.bars:
            self.bars[-1].marks.repeat_plays = plays
        if starts or plays or closes_ending or ending:
            self._ending = ending
            self._marks.ending_starts = bool(ending)
        if starts:
            self._marks.repeat_start = True
        self._altered = {}

    def rest_bars(self, number: int):
        """Bars of rest."""
        self._close()
        for _ in range(number):
            self._count(1)
            rest = self.metre.quarters if self.metre else Fraction(4)
            self._layers[-1].append(Event(rest))
            self._close()

    def _close(self):
        """Makes a bar of what was read since the last bar line, if it has a length."""
        length = max(sum(event.duration for event in layer) for layer in self._layers)
        if not length:
            return
        self._marks.ending = self._ending
        bar = Bar(Fraction(length), marks=self._marks, metre=self.metre)
        bar.key = self.signature.key
        for voice, layer in enumerate(self._layers, 1):
            _lay_out(layer, voice, bar)
        self.bars.append(bar)
        self._layers, self._marks = [[]], Marks()

    def finish(self) -> list[Bar]:
        """The bars, when all is read."""
        self._close()
        if self.bars:  # a D.C. behind the last bar line
            self.bars[-1].marks.merge(
                Marks(jump=self._marks.jump, fine=self._marks.fine)
            )
        return self.bars


def _lay_out(layer, voice, bar):
    """Puts the events of a layer into a bar."""
    onset = Fraction(0)
    for event in layer:
        if event.qpm:
            bar.tempos.append((onset, event.qpm))
        if event.chord:
            bar.chords.append((onset, event.chord))
        distances = range(len(event.graces), 0, -1)
        for distance, chord in zip(distances, event.graces):
            for pitch in chord:
                bar.notes.append(
                    Note(
                        onset, Fraction(0), pitch, event.velocity, voice, grace=distance
                    )
                )
        for pitch, tie in zip(event.pitches, event.ties):
            note = Note(onset, event.duration, pitch, event.velocity, voice, tie)
            bar.notes.append(note._replace(continues=Tied.BY_NEIGHBOUR))
        onset += event.duration

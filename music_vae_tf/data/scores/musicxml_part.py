"""A MusicXML part -> bars of notes, with times in quarters."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections import defaultdict
from fractions import Fraction

from music_vae_tf.data.scores import musicxml_directions as directions
from music_vae_tf.data.scores.musicxml_directions import finite
from music_vae_tf.data.scores.musicxml_instruments import Player
from music_vae_tf.data.scores.score import (
    DEFAULT_VELOCITY,
    MAX_BAR_QUARTERS,
    MAX_BARS,
    MAX_NOTES,
    Bar,
    Key,
    Metre,
    Note,
    Tied,
    UnreadableScore,
    checked_pitch,
)

_SEMITONES = {"C": 0, "D": 2, "E": 4, "F": 5, "G": 7, "A": 9, "B": 11}
_TYPES = {  # of notes, in quarters
    "maxima": Fraction(32),
    "long": Fraction(16),
    "breve": Fraction(8),
    "whole": Fraction(4),
    "half": Fraction(2),
    "quarter": Fraction(1),
    "eighth": Fraction(1, 2),
    "16th": Fraction(1, 4),
    "32nd": Fraction(1, 8),
    "64th": Fraction(1, 16),
    "128th": Fraction(1, 32),
    "256th": Fraction(1, 64),
    "512th": Fraction(1, 128),
    "1024th": Fraction(1, 256),
}
SMALLEST = 1e-3  # divisions of a quarter; what is smaller is no number of them
_VOICE = re.compile(r"[0-9]{1,8}")
_MODES = ("major", "minor", "mixolydian", "dorian", "phrygian", "lydian", "locrian")
# Degrees of the tonic above that of the major key with the same signature, in fifths.
_FIFTHS_OF_MODE = dict(zip(_MODES, (0, 3, 1, 2, 4, -1, 5)))


class PartReader:
    """Reads a part measure by measure.

    `bars` are the result, after `finish`.
    """

    def __init__(self, player: Player):
        self.player, self.bars, self.unknown_strokes = player, [], 0
        self._divisions = Fraction(1)
        self._transpose = defaultdict(int)  # staff, '' for all -> semitones
        self._metre = self._key = None
        self._ending = frozenset()
        self._dynamics = []  # (bar, onset, staff, velocity)
        self._staves = {}  # of notes: (bar, index) -> staff, if they are not of the 1st
        self._number = 0  # of notes
        self._cursor = self._onset = Fraction(0)
        self._graces = []

    def read(self, measure):
        """Reads a `measure` element."""
        if len(self.bars) >= MAX_BARS:
            raise UnreadableScore(f"more than {MAX_BARS} measures, which is the limit")
        self._bar = Bar()
        self.bars.append(self._bar)
        self._cursor = self._onset = self._filled = self._rested = Fraction(0)
        for element in measure:
            read = _READ.get(element.tag)
            if read:
                read(self, element)
        self._set_aside_graces()
        self._bar.metre, self._bar.key = self._metre, self._key
        self._set_length()

    def _set_length(self):
        """A whole-measure rest is as long as the bar, whatever is written."""
        nominal = self._metre.quarters if self._metre else Fraction(4)
        length = max(self._filled, min(self._rested, nominal))
        self._bar.length = length if length > 0 else None

    # Notes.

    def _read_note(self, element):
        duration = Fraction(0) if _has(element, "grace") else self._duration(element)
        if not _has(element, "chord"):
            self._onset = self._cursor
            if not _has(element, "grace"):
                self._set_aside_graces(self._onset)
            self._cursor += duration
        self._count(element, self._onset + duration)
        if _has(element, "rest") or _has(element, "cue"):
            return
        pitch = self._pitch(element)
        if pitch is None:
            self.unknown_strokes += 1
        elif _has(element, "grace"):
            self._add_grace(element, pitch)
        elif duration > 0:
            self._add(element, pitch, self._onset, duration)

    def _count(self, element, end):
        """Counts a note, and how full it makes the bar."""
        self._number += 1
        if self._number > MAX_NOTES:
            raise UnreadableScore(f"more than {MAX_NOTES} notes, which is the limit")
        rest = element.find("rest")
        if rest is not None and rest.get("measure") == "yes":
            self._rested = max(self._rested, end)
        else:
            self._filled = max(self._filled, end)

    def _add(self, element, pitch, onset, duration, grace=0):
        tie, continues = _ties(element)
        velocity = directions.percent(element.get("dynamics"))
        staff = element.findtext("staff") or "1"
        voice = element.findtext("voice") or "1"
        note = Note(
            onset,
            duration,
            pitch,
            velocity or 0,  # until `finish`
            int(voice) if _VOICE.fullmatch(voice) else 1,
            tie,
            Tied.BY_SIGN if continues else Tied.NOT,
            grace,
        )
        if staff != "1":
            self._staves[len(self.bars) - 1, len(self._bar.notes)] = staff
        self._bar.notes.append(note)

    def _add_grace(self, element, pitch):
        """Grace notes wait for the note that they lead to; a chord of them is one."""
        if _has(element, "chord") and self._graces:
            self._graces[-1].append((element, pitch))
        else:
            self._graces.append([(element, pitch)])

    def _set_aside_graces(self, beat=None):
        """Adds the grace notes that have waited, before the beat."""
        waiting, self._graces = self._graces, []
        beat = self._cursor if beat is None else beat
        for distance, chord in zip(range(len(waiting), 0, -1), waiting):
            for element, pitch in chord:
                self._add(element, pitch, beat, Fraction(0), distance)

    def _pitch(self, element):
        pitch = element.find("pitch")
        if pitch is None:
            return self.player.drum_pitch(element)
        step = (pitch.findtext("step") or "").strip()
        octave = finite(pitch.findtext("octave"))
        alter = finite(pitch.findtext("alter"), 0.0)
        if step not in _SEMITONES or octave is None or abs(octave) > 1000:
            raise UnreadableScore(f"a note whose pitch is {step!r} of octave {octave}")
        staff = (element.findtext("staff") or "1").strip()
        shift = self._transpose.get(staff, self._transpose[""])
        number = 12 * (octave + 1) + _SEMITONES[step] + alter + shift
        words = f"{step}{octave:g} in measure {len(self.bars)}"
        return self.player.pitch(element, checked_pitch(number, words))

    def _duration(self, element):
        """Quarters; from the type of the note where no duration is written."""
        text = element.findtext("duration")
        if text is not None:
            return self._quarters(text)
        quarters = _TYPES.get((element.findtext("type") or "").strip(), Fraction(0))
        dots = len(element.findall("dot"))
        quarters *= 2 - Fraction(1, 2 ** min(dots, 10))
        change = element.find("time-modification")
        if change is None:
            return quarters
        actual = finite(change.findtext("actual-notes"), 1.0)
        normal = finite(change.findtext("normal-notes"), 1.0)
        if actual < 1 or not 0 <= normal < MAX_BAR_QUARTERS:
            return quarters
        return quarters * _fraction(normal) / _fraction(actual)

    def _quarters(self, text):
        divisions = finite(text)
        if divisions is None:
            raise UnreadableScore(f"a duration of {text.strip()[:20]!r}")
        quarters = _fraction(divisions) / self._divisions
        if abs(quarters) > MAX_BAR_QUARTERS:
            raise UnreadableScore(
                f"absurd length: {_shown(quarters)} quarter notes in measure "
                f"{len(self.bars)}; {MAX_BAR_QUARTERS} are the limit"
            )
        return max(quarters, Fraction(0))

    def _read_backup(self, element):
        self._set_aside_graces()
        self._cursor -= self._quarters(element.findtext("duration") or "0")
        self._cursor = max(self._cursor, Fraction(0))

    def _read_forward(self, element):
        self._cursor += self._quarters(element.findtext("duration") or "0")
        # Some programs write it in place of rests; it may also be too long.
        self._rested = max(self._rested, self._cursor)

    # What holds for later notes.

    def _read_attributes(self, element):
        divisions = finite(element.findtext("divisions"))
        if divisions is not None and SMALLEST <= divisions < 1e9:
            self._divisions = _fraction(divisions)
        for transpose in element.findall("transpose"):
            self._transpose[transpose.get("number", "")] = _transposition(transpose)
        time = element.find("time")
        if time is not None:
            self._metre = _metre(time)
        key = element.find("key")
        if key is not None:
            self._key = _key(key, self._transpose[""]) or self._key

    def _read_direction(self, element):
        at = self._cursor + self._sounding_offset(element)
        found = directions.of_direction(element)
        self._take(found, at, element.findtext("staff"))
        for sound in element.findall("sound"):
            self._take_sound(sound, at, element.findtext("staff"))

    def _read_sound(self, element):
        self._take_sound(element, self._cursor + self._sounding_offset(element), None)

    def _take_sound(self, element, at, staff):
        self._take(directions.of_sound(element), at, staff)
        for change in element.findall("midi-instrument"):
            self.player.change(change)

    def _take(self, found, at, staff):
        at = max(at, Fraction(0))
        if found.qpm:
            self._bar.tempos.append((at, found.qpm))
        if found.velocity:
            self._dynamics.append((len(self.bars) - 1, at, staff, found.velocity))
        self._bar.marks.merge(found.marks)

    def _sounding_offset(self, element):
        offset = element.find("offset")
        is_heard = offset is not None and offset.get("sound") == "yes"
        return self._offset(offset.text) if is_heard else Fraction(0)

    def _offset(self, text):
        """Quarters; 0 for an offset that leaves every bar."""
        quarters = _fraction(finite(text, 0.0)) / self._divisions
        return quarters if abs(quarters) <= MAX_BAR_QUARTERS else Fraction(0)

    def _read_barline(self, element):
        marks, self._ending, ends = directions.of_barline(element, self._ending)
        self._bar.marks.merge(marks)
        if self._ending:
            self._bar.marks.ending = self._ending
        if ends:
            self._ending = frozenset()

    def _read_harmony(self, element):
        symbol = directions.chord_symbol(element)
        if symbol:
            at = self._cursor + self._offset(element.findtext("offset"))
            self._bar.chords.append((max(at, Fraction(0)), symbol))

    def finish(self):
        """Gives all notes the dynamics in force."""
        by_staff = defaultdict(list)
        for bar, at, staff, velocity in sorted(self._dynamics, key=lambda d: d[:2]):
            for one in {staff} if staff else {"1", *self._staves.values()}:
                by_staff[one].append(((bar, at), velocity))
        times = {staff: [at for at, _ in found] for staff, found in by_staff.items()}
        for number, bar in enumerate(self.bars):
            bar.tempos = sorted(dict(bar.tempos).items())  # of two at once the later
            for index, note in enumerate(bar.notes):
                if note.velocity:
                    continue
                staff = self._staves.get((number, index), "1")
                last = bisect_right(times.get(staff, []), (number, note.onset))
                velocity = by_staff[staff][last - 1][1] if last else DEFAULT_VELOCITY
                bar.notes[index] = note._replace(velocity=velocity)


_READ = {
    "note": PartReader._read_note,
    "backup": PartReader._read_backup,
    "forward": PartReader._read_forward,
    "attributes": PartReader._read_attributes,
    "direction": PartReader._read_direction,
    "sound": PartReader._read_sound,
    "barline": PartReader._read_barline,
    "harmony": PartReader._read_harmony,
}


def _has(element, tag):
    return element.find(tag) is not None


def _fraction(number):
    return Fraction(number).limit_denominator(1_000_000)


def _shown(quarters):
    try:
        return f"{float(quarters):g}"
    except OverflowError:
        return "more than 1e308"


def _ties(element):
    """Whether a note goes on in a later one, and whether it continues an earlier."""
    types = {tie.get("type") for tie in element.findall("tie")}
    if not types:
        types = {tied.get("type") for tied in element.findall("notations/tied")}
    goes_on, continues = {"start", "continue"}, {"stop", "continue"}
    return bool(types & goes_on), bool(types & continues)


def _transposition(element):
    """Semitones from what is written to what sounds."""
    chromatic = finite(element.findtext("chromatic"), 0.0)
    octaves = finite(element.findtext("octave-change"), 0.0)
    return int(chromatic + 12 * octaves) if abs(chromatic) + abs(octaves) < 128 else 0


def _metre(time):
    """A time signature; of several together, their sum; None for none."""
    total = Fraction(0)
    denominators = [4]
    for beats, beat_type in zip(time.findall("beats"), time.findall("beat-type")):
        numbers = [finite(beat) for beat in (beats.text or "").split("+")]
        denominator = finite(beat_type.text)
        if None in numbers or denominator not in (1, 2, 4, 8, 16, 32, 64, 128):
            return None
        if not all(abs(number) < 1e6 for number in numbers):
            return None
        total += Fraction(int(2 * sum(numbers)), 2 * int(denominator))
        denominators.append(int(denominator))
    denominator = max(denominators[1:], default=4)
    numerator = total * denominator
    if not 0 < numerator < 256 or numerator != int(numerator):
        return None
    return Metre(int(numerator), denominator)


def _key(element, transposition):
    """A key signature as it sounds; None for an unusual one."""
    fifths = finite(element.findtext("fifths"))
    if fifths is None or not -14 < fifths < 14:
        return None
    mode = (element.findtext("mode") or "major").strip().lower()
    mode = {"aeolian": "minor", "ionian": "major"}.get(mode, mode)
    mode = mode if mode in _FIFTHS_OF_MODE else "major"
    tonic = 7 * (int(fifths) + _FIFTHS_OF_MODE[mode]) + transposition
    return Key(tonic % 12, mode)

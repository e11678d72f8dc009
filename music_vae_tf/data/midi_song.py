"""A MIDI file that is edited in place: notes move, all other events stay as they are.

A NoteSequence keeps only a part of what a DAW writes: no lyrics, no system exclusive
messages, no order of events. Whoever changes a few notes of a user's file needs all of
it. Times are ticks, that is fractions of a beat, so a tempo map bends nothing.
"""

from __future__ import annotations

import os
from collections import Counter, defaultdict, deque
from pathlib import Path
from typing import NamedTuple

import mido

from music_vae_tf.data import midi_lenient, midi_messages, track_names
from music_vae_tf.data.midi import MAX_QUARTERS, UnreadableMusic
from music_vae_tf.data.midi_editing import Edits, edited_track
from music_vae_tf.data.midi_notes import DRUM_CHANNEL as DRUM_CHANNEL
from music_vae_tf.data.whole_file import whole_file

COARSEST_TICKS_PER_QUARTER = 96  # a coarser file is made finer, or timing is lost
PATTERNS = 2  # a type of MIDI file
SIMULTANEOUS = (0, 1)  # types whose tracks sound at once
COMMON_TIME = (4, 4)


class SongNote(NamedTuple):
    """A note of a MIDI file; times in ticks."""

    track: int
    channel: int
    program: int
    pitch: int
    velocity: int
    start: int
    end: int
    on: int  # which event of its track begins it
    off: int  # which event ends it; -1 where none does


class Metre(NamedTuple):
    """A time signature, and where it sets in."""

    tick: int
    value: tuple[int, int]


class MidiSong:
    """All events of a MIDI file, and which of them are notes.

    Attributes:
        ticks_per_quarter: of the output as well.
        tracks: of each track its events, `(tick, message)`.
        notes: all notes, track by track, by the events that begin them.
        metres: time signatures of all tracks by their tick, the first at 0.
        names: of the tracks; '' where a track has none.
        mended: what is broken in the file, and is left out or guessed.
    """

    def __init__(self, midi: mido.MidiFile, mended: Counter[str] | None = None):
        """
        Raises:
            UnreadableMusic: its time is not in beats, its tracks are not simultaneous,
                or its last note is absurdly late.
        """
        _check(midi)
        self.mended = mended or Counter()
        finer = -(-COARSEST_TICKS_PER_QUARTER // midi.ticks_per_beat)
        # A file that says type 0 and has more tracks is read as type 1, as DAWs do.
        self.kind = midi.type if len(midi.tracks) == 1 else 1
        self.charset = midi.charset
        self.ticks_per_quarter = midi.ticks_per_beat * finer
        self.is_finer = finer > 1
        self.tracks = [_in_ticks(track, finer) for track in midi.tracks]
        self.notes = [
            note
            for number, track in enumerate(self.tracks)
            for note in _notes(number, track)
        ]
        if self.end > MAX_QUARTERS * self.ticks_per_quarter:
            raise UnreadableMusic(f"absurd length: over {MAX_QUARTERS:,} quarter notes")
        self.metres = _metres(self.tracks)
        self.names = [track_names.decoded(track.name) for track in midi.tracks]

    @classmethod
    def read(cls, music) -> MidiSong:
        """The song of a path, the bytes of a file, or a `mido.MidiFile`; or itself.

        Raises:
            UnreadableMusic: it is not MIDI, or in frames instead of beats.
            OSError: it cannot be opened.
        """
        if isinstance(music, cls):
            return music
        if isinstance(music, mido.MidiFile):
            return cls(music)
        if isinstance(music, bytes):
            return cls(*_parsed(music))
        path = os.path.expanduser(os.fspath(music))
        if os.path.exists(path) and not os.path.isfile(path):  # a pipe would block
            what = "a folder" if os.path.isdir(path) else "not an ordinary file"
            raise UnreadableMusic(f"{path}: {what}; a MIDI file is expected")
        try:
            return cls(*_parsed(Path(path).read_bytes()))
        except UnreadableMusic as error:
            raise UnreadableMusic(f"{path}: {error}") from error

    @property
    def end(self) -> int:
        """The tick at which the last note ends."""
        return max((note.end for note in self.notes), default=0)

    def edited(self, edits: Edits) -> mido.MidiFile:
        """A MIDI file with these changes; all other events as in the original."""
        midi = mido.MidiFile(
            type=self.kind, ticks_per_beat=self.ticks_per_quarter, charset=self.charset
        )
        notes = defaultdict(list)
        for number, note in enumerate(self.notes):
            notes[note.track].append((number, note))
        for number, track in enumerate(self.tracks):
            midi.tracks.append(edited_track(number, track, notes[number], edits))
        return midi


def save(midi: mido.MidiFile, path) -> None:
    """Writes a MIDI file; `path` takes it when it is whole."""
    with whole_file(path) as file:
        midi.save(file=file)


def _parsed(data):
    data = midi_lenient.unwrapped(data)
    if not data.startswith(b"MThd"):
        start = (
            f"it starts with {midi_lenient.shown(data[:4])}" if data else "it is empty"
        )
        raise UnreadableMusic(f"not a MIDI file: {start}")
    try:
        return midi_messages.read(data)
    except midi_lenient.NotMidi as error:
        raise UnreadableMusic(str(error)) from error


def _check(midi):
    if midi.ticks_per_beat <= 0:
        raise UnreadableMusic(
            "its time is SMPTE frames, not beats: export it with ticks per quarter note"
        )
    if midi.type == PATTERNS:
        raise UnreadableMusic(
            "a MIDI file of type 2, whose tracks are patterns: export it as type 0 or 1"
        )
    if midi.type not in SIMULTANEOUS:
        raise UnreadableMusic(
            f"a MIDI file of type {midi.type}, which does not exist: export it again, "
            "as type 0 or 1"
        )


def _in_ticks(track, finer):
    events, tick = [], 0
    for message in track:
        tick += message.time * finer
        events.append((tick, message))
    return events


def _metres(tracks) -> list[Metre]:
    """Of two at one tick the later one holds, as in a DAW."""
    found = {0: COMMON_TIME}
    for track in tracks:
        for tick, message in track:
            if message.type == "time_signature":
                found[tick] = message.numerator, message.denominator
    return [Metre(tick, found[tick]) for tick in sorted(found)]


def _notes(number, track) -> list[SongNote]:
    """A release ends the oldest note of its channel and pitch."""
    programs, sounding, notes = [0] * 16, defaultdict(deque), []
    for index, (tick, message) in enumerate(track):
        if message.type == "program_change":
            programs[message.channel] = message.program
        elif message.type == "note_on" and message.velocity:
            key = message.channel, message.note
            sounding[key].append(len(notes))
            program = programs[message.channel]
            notes.append(
                SongNote(
                    number,
                    message.channel,
                    program,
                    message.note,
                    message.velocity,
                    tick,
                    tick,
                    index,
                    -1,
                )
            )
        elif message.type in ("note_on", "note_off"):
            oldest = sounding[message.channel, message.note]
            place = oldest.popleft() if oldest else None
            if place is not None:
                notes[place] = notes[place]._replace(end=tick, off=index)
    return notes

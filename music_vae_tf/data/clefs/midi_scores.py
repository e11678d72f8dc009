"""A MIDI file as a music21 score, whose notes lie on grids as fine as the music.

music21 itself has sixteenths and triplets of eighths, as the original system: faster
notes become chords of neighbours. So the notes are put on their ticks here
(`quantizing`), and music21 reads a file of 24 ticks a quarter with a track for each
channel.
"""

from __future__ import annotations

import io
from typing import NamedTuple

from music_vae_tf.data import midi_daw, midi_events, midi_lenient
from music_vae_tf.data.clefs import TICKS_PER_QUARTER, NotUsable
from music_vae_tf.data.clefs.quantizing import Note, Quantized, quantize

DRUM_CHANNEL = 9  # drums are no part of a piano, and their timing is another's
SHORTEST = 0.25  # quarter notes: what a note of no length lasts


class MidiNotes(NamedTuple):
    """What a MIDI file holds; times are in quarter notes."""

    channels: list[int]  # of the parts
    parts: list[list[Note]]
    metres: list[tuple[float, int, int]]  # start, numerator, denominator; ascending


def score_of(data: bytes):
    """The music21 score of a MIDI file.

    Raises:
        NotUsable: its notes do not keep to its beats.
    """
    from music21 import midi

    music = read_notes(data)
    quantized = quantize(
        music.parts,
        [start for start, _, _ in music.metres],
        timed=[channel != DRUM_CHANNEL for channel in music.channels],
    )
    if quantized.timing.is_free:
        raise NotUsable(
            "played without its beats: notes are off every grid by "
            f"{quantized.timing}; record it with a metronome, or give the file a tempo "
            "map that follows the beat"
        )
    return midi.translate.midiStringToStream(
        _written(music, quantized), quarterLengthDivisors=(TICKS_PER_QUARTER,)
    )


def read_notes(data: bytes) -> MidiNotes:
    """The notes and metres of a MIDI file that `data.midi` can read, damaged or not.

    Raises:
        midi_lenient.NotMidi: there is no MIDI in it.
    """
    file = midi_daw.read_file(midi_lenient.unwrapped(data))
    ticks_per_quarter = file.quarter
    channels, parts, metres = [], [], {}
    for track in midi_daw.tracks_in_time(file):
        events, length = _events(track)
        for channel, notes in sorted(_notes_by_channel(events, length).items()):
            channels.append(channel)
            parts.append([_in_quarters(note, ticks_per_quarter) for note in notes])
        metres.update(
            (tick / ticks_per_quarter, (event[1], event[2]))
            for tick, event in events
            if event[0] == midi_events.METRE
        )
    return MidiNotes(channels, parts, _changes(metres))


def _changes(metres):
    """The metres by time, without those that change nothing."""
    changes = []
    for start, metre in sorted(metres.items()):
        if not changes or changes[-1][1:] != metre:
            changes.append((start, *metre))
    return changes


def _in_quarters(note, ticks_per_quarter):
    start, end = note.start / ticks_per_quarter, note.end / ticks_per_quarter
    return note._replace(start=start, end=end if end > start else start + SHORTEST)


# Events: (tick, (status, data, data)), or (tick, (METRE, numerator, denominator)).


def _events(track):
    """The events of a track in their order, and its length."""
    metres = [
        (tick, (kind, content[0], 2 ** content[1]))
        for tick, kind, content in track.signatures
        if kind == midi_events.METRE
    ]
    return [*metres, *zip(track.ticks, track.events)], track.length


def _notes_by_channel(events, length):
    """The notes of a track, in ticks. A key that is struck again ends its note before;
    a note that is never released ends with its track."""
    notes, sounding = {}, {}
    for tick, (status, pitch, velocity) in events:
        kind, key = status & 0xF0, (status & 0x0F, pitch)
        if kind == midi_events.NOTE_ON and velocity:
            _strike(notes, sounding, key, tick, velocity)
        elif kind in (midi_events.NOTE_ON, midi_events.NOTE_OFF) and key in sounding:
            start, velocity, ended_another = sounding[key]
            if tick == start and ended_another:
                # The release of the note before, written behind the stroke.
                sounding[key] = start, velocity, False
            else:
                _release(notes, sounding, key, tick)
    for key in list(sounding):
        _release(notes, sounding, key, length)
    return notes


def _strike(notes, sounding, key, tick, velocity):
    is_down = key in sounding
    if is_down and sounding[key][0] == tick:
        return  # the same note twice
    if is_down:
        _release(notes, sounding, key, tick)
    sounding[key] = tick, velocity, is_down


def _release(notes, sounding, key, tick):
    (channel, pitch), (start, velocity, _) = key, sounding.pop(key)
    notes.setdefault(channel, []).append(Note(start, tick, pitch, velocity))


def _written(music: MidiNotes, quantized: Quantized) -> bytes:
    """A MIDI file of the quantized notes, a track for each part."""
    import mido

    file = mido.MidiFile(ticks_per_beat=TICKS_PER_QUARTER)
    file.tracks.append(_track(map(_metre_event, music.metres)))
    for channel, part in zip(music.channels, quantized.parts):
        events = (event for note in part for event in _note_events(note, channel))
        file.tracks.append(_track(events))
    written = io.BytesIO()
    file.save(file=written)
    return written.getvalue()


def _metre_event(metre):
    import mido

    start, numerator, denominator = metre
    message = mido.MetaMessage(
        "time_signature", numerator=numerator, denominator=denominator
    )
    return round(start * TICKS_PER_QUARTER), 0, message


def _note_events(note, channel):
    """Tick, whether it comes last on its tick, message."""
    import mido

    on = mido.Message(
        "note_on", channel=channel, note=note.pitch, velocity=note.velocity
    )
    yield note.start, 1, on
    yield note.end, 0, mido.Message("note_off", channel=channel, note=note.pitch)


def _track(events):
    import mido

    track, now = mido.MidiTrack(), 0
    for tick, _, message in sorted(events, key=lambda event: event[:2]):
        track.append(message.copy(time=tick - now))
        now = tick
    return track

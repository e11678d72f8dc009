"""A song whose drums sound as drums, on whatever channel its DAW left them."""

from __future__ import annotations

from collections.abc import Collection, Iterable

import mido

from music_vae_tf.data.midi_notes import DRUM_CHANNEL

Part = tuple[int, int]  # number of the track, channel


def drum_parts_of(notes: Iterable, numbers: Collection[int]) -> frozenset[Part]:
    """The parts of a song that are drums and nothing else.

    Args:
        notes: all `SongNote`s of the song.
        numbers: those that are drums.
    """
    drums, chosen = set(), set(numbers)
    others = set()
    for number, note in enumerate(notes):
        (drums if number in chosen else others).add((note.track, note.channel))
    return frozenset(drums - others)


def on_drum_channel(midi: mido.MidiFile, parts: Collection[Part]) -> mido.MidiFile:
    """A copy of a song to hear and to draw, in which these parts are on channel 10.

    Synthesisers and readers of MIDI know drums by this channel alone. The program
    stays behind, since there it would choose a kit.
    """
    result = mido.MidiFile(
        type=midi.type, ticks_per_beat=midi.ticks_per_beat, charset=midi.charset
    )
    for number, track in enumerate(midi.tracks):
        moved = (_on_drum_channel(event, number, parts) for event in track)
        result.tracks.append(mido.MidiTrack(moved))
    return result


def _on_drum_channel(event, track, parts):
    if event.is_meta or (track, getattr(event, "channel", None)) not in parts:
        return event
    if event.type == "program_change":
        return event
    return event.copy(channel=DRUM_CHANNEL)

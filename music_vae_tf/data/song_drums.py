"""Which notes of a song are drums, before a model transforms them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from types import SimpleNamespace

import numpy as np

from music_vae_tf.data import midi_daw
from music_vae_tf.data.converters import drum_parts
from music_vae_tf.data.converters.base import NotConvertible
from music_vae_tf.data.converters.score import NOTE
from music_vae_tf.data.drum_maps import GENERAL_MIDI, DrumMap
from music_vae_tf.data.midi_events import Track
from music_vae_tf.data.midi_song import DRUM_CHANNEL, MidiSong
from music_vae_tf.errors import UserFacingError


class NothingToTransform(UserFacingError, ValueError):
    """A song without drums that the model can read; the message has the reason."""


class NoDrums(NothingToTransform):
    """A song none of whose notes are drums, as far as the choice of drums says.

    Attributes:
        reason: why, without the flags of the command that would help.
    """

    def __init__(self, reason: str, names: Iterable[str]):
        self.reason = reason
        listed = ", ".join(sorted({name for name in names if name})) or "none"
        super().__init__(
            f"{reason}. Tracks are named: {listed}. --drums=all takes every note, "
            "--drums=track:NAME those of a track, and --drums=track:3 those of the "
            "third that music_vae_inspect lists"
        )


def chosen_drums(
    song: MidiSong,
    choice: str,
    pitch_classes: str | Sequence[Sequence[int]],
    drum_map: DrumMap = GENERAL_MIDI,
) -> tuple[np.ndarray, list[str]]:
    """Numbers of the notes of a song that are drums, and what to say of the choice.

    Raises:
        NoDrums: there are none.
        NothingToTransform: there are no notes.
        drum_parts.BadDrums: there is no such choice.
    """
    drum_parts.check(choice)
    instrument = _instruments(song)
    notes = np.zeros(len(song.notes), NOTE)
    for row, note in zip(notes, song.notes):
        row["pitch"], row["program"] = drum_map.read[note.pitch], note.program
        row["instrument"] = instrument[note.track, note.channel, note.program]
        row["is_drum"] = note.channel == DRUM_CHANNEL
    infos = [
        SimpleNamespace(instrument=number, name=song.names[track])
        for (track, _, _), number in instrument.items()
    ]
    try:
        mask, remarks = drum_parts.choose(
            SimpleNamespace(instrument_infos=infos), notes, choice, pitch_classes
        )
    except NotConvertible as refusal:
        if not song.notes:
            raise NothingToTransform("the file has no notes") from refusal
        raise NoDrums(str(refusal), song.names) from refusal
    return np.flatnonzero(mask), list(remarks)


def _instruments(song) -> dict[tuple[int, int, int], int]:
    """The number of each (track, channel, program) with notes, as in a NoteSequence of
    the file: `track:3` means the same in all commands."""
    sixteenth = max(song.ticks_per_quarter // 4, 1)
    found = [
        (number, channel, program)
        for number, events in enumerate(song.tracks)
        for program, channel in midi_daw.parts(_bare_track(events), sixteenth)
    ]
    return {part: number for number, part in enumerate(found)}


def _bare_track(events) -> Track:
    """The notes and programs of a track of `MidiSong`."""
    kept = [
        (tick, (*message.bytes(), 0)[:3])
        for tick, message in events
        if message.type in ("note_on", "note_off", "program_change")
    ]
    ticks, messages = zip(*kept) if kept else ((), ())
    return Track(list(ticks), list(messages), [], events[-1][0] if events else 0)

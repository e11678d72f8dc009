"""A user's own MIDI file: transformed, or as a place of the latent space."""

from __future__ import annotations

import base64
import contextlib
import itertools
from collections.abc import Iterator
from typing import Any

from music_vae_tf.data import beats
from music_vae_tf.data import midi as midi_reading
from music_vae_tf.data.converters import drum_parts, score
from music_vae_tf.data.converters.base import NotConvertible
from music_vae_tf.data.midi_editing import Edits
from music_vae_tf.data.midi_song import MidiSong
from music_vae_tf.data.midi_sounding import on_drum_channel
from music_vae_tf.data.midi_writer import file_bytes
from music_vae_tf.errors import UserFacingError
from music_vae_tf.serve import tracks
from music_vae_tf.serve.errors import DrumsUnknown, Refused, Unplayable
from music_vae_tf.serve.loops import notes

MOST_SECONDS = 900.0
MOST_NOTES = 20_000
MOST_BARS = 2_000
DRUMS = ("auto", "channel10", "all")
TRACK = drum_parts.TRACK  # followed by a name or a number


def read(data: bytes) -> Any:
    """The NoteSequence of an uploaded file.

    Raises:
        Unplayable: no MIDI, without notes, or too long.
    """
    if not data:
        raise Unplayable("the file is empty")
    with refused():
        sequence = midi_reading.parse_as_daw(data)
    if not sequence.notes:
        raise Unplayable("the file has no notes")
    if sequence.total_time > MOST_SECONDS:
        raise Unplayable(
            f"the file lasts {sequence.total_time / 60:.0f} minutes; the page takes "
            f"{MOST_SECONDS / 60:.0f} at most. music_vae_generate takes any length"
        )
    if len(sequence.notes) > MOST_NOTES:
        raise Unplayable(
            f"the file has {len(sequence.notes):,} notes; the page takes "
            f"{MOST_NOTES:,} at most. music_vae_generate takes more"
        )
    return sequence


@contextlib.contextmanager
def refused() -> Iterator[None]:
    """Errors of a user's music become `Unplayable`."""
    try:
        yield
    except Refused:
        raise
    except UserFacingError as error:
        raise Unplayable(str(error)) from error


def transformed(model: Any, data: bytes, check, **options: Any) -> dict:
    """A song before and after, with the MIDI file of the latter in base64.

    `heard` is the same file with its drums on channel 10, to make sound of it.

    check: is called after each window, and may end the work.

    Raises:
        Unplayable: as in `read`, or the model finds nothing to transform.
        DrumsUnknown: there are notes, and none of them is a drum.
    """
    from music_vae_tf.data.song_drums import NoDrums

    sequence = read(data)
    with refused():
        song = MidiSong.read(data)
        try:
            (version,) = model.transform(
                song, progress=lambda total: _Progress(check), **options
            )
        except NoDrums as error:
            raise _drums_unknown(error.reason, sequence, data) from error
        offered = tracks.choices(sequence, data)
        return {"tracks": offered, **_before_and_after(song, version)}


def _drums_unknown(reason, sequence, data) -> DrumsUnknown:
    words = f"{reason}: choose under Drums which notes to take"
    return DrumsUnknown(words, tracks.choices(sequence, data))


def _before_and_after(song, version) -> dict:
    original = on_drum_channel(song.edited(Edits()), version.drums)
    heard = file_bytes(version.heard())
    before, after = map(midi_reading.parse_as_daw, (file_bytes(original), heard))
    return {
        "before": notes(before),
        "after": notes(after),
        "seconds": max(before.total_time, after.total_time),
        "bars": _bars(before),
        "report": version.report.lines(),
        "midi": base64.b64encode(file_bytes(version.midi)).decode(),
        "heard": base64.b64encode(heard).decode(),
    }


class _Progress(contextlib.nullcontext):
    """Asks after each window whether the work is still wanted."""

    def __init__(self, check):
        super().__init__(self)
        self._check = check

    def advance(self, windows=1):
        """Some windows, or minutes, are done."""
        self._check(windows)


def _bars(sequence) -> list[float]:
    """When each bar begins, in seconds."""
    tempo_map = beats.TempoMap(sequence)
    starts = [bar.start for bar in beats.bars(beats.in_beats(sequence))]
    return [round(tempo_map.seconds(start), 4) for start in starts[:MOST_BARS]]


def place(model: Any, data: bytes, drums: str | None = None) -> tuple[Any, float]:
    """The latent vector [Z] of the first bars of a file, and their tempo in BPM.

    drums: which notes are drums, for models of drums; by default as the model has it.

    Raises:
        Unplayable: as in `read`, or the model reads nothing of it.
        DrumsUnknown: there are notes, and none of them is a drum.
    """
    from music_vae_tf.generation.examples import NoExtractedExamplesError
    from music_vae_tf.generation.latent_verbs import read_inputs

    sequence = read(data)
    sequence.filename = "the file"  # in messages
    if drums is not None and model.converter.is_drums:
        classes = model.converter.pitch_classes
        sequence = _drums_alone(sequence, data, drums, classes)
    with refused():
        try:
            (one,) = read_inputs(model, [sequence])
        except NoExtractedExamplesError as error:
            if drum_parts.NO_DRUMS not in str(error):
                raise
            raise _drums_unknown(drum_parts.NO_DRUMS, sequence, data) from error
    return one.mu, one.input.qpm


def _drums_alone(sequence, data, drums, pitch_classes):
    """A copy of a NoteSequence with the notes that are chosen, all of them drums."""
    try:
        chosen = drum_parts.choose(
            sequence, score.read(sequence).notes, drums, pitch_classes
        )
    except NotConvertible as refusal:
        raise _drums_unknown(refusal.reason, sequence, data) from refusal
    result = type(sequence)()
    result.CopyFrom(sequence)
    del result.notes[:]
    result.notes.extend(itertools.compress(sequence.notes, chosen.mask))
    for note in result.notes:
        note.is_drum = True
    return result


def wav(data: bytes, check=lambda windows: None, soundfont=None) -> bytes:
    """A song as sound.

    check: is called after each minute, and may end the work.

    Raises:
        Unplayable: as in `read`.
    """
    from music_vae_tf.rendering import audio

    return audio.wav(read(data), soundfont, progress=lambda total: _Progress(check))


def png(data: bytes) -> bytes:
    """A song as a picture.

    Raises:
        Unplayable: as in `read`.
    """
    from music_vae_tf.rendering import piano_roll

    return piano_roll.png(read(data))

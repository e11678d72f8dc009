"""NoteSequence -> sound: a WAV file, played by FluidSynth with a SoundFont.

SoundFonts come with the system's packages; the small one that pretty_midi brings is the
last resort.
"""

from __future__ import annotations

import importlib.util
import io
import itertools
import wave
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

RATE_HZ = 44100
TAIL_S = 2.0  # for the last notes to die away
PEAK = 0.9  # of full scale, for the loudest moment
QUIETEST_PEAK = 1000  # of FluidSynth's 16 bits; what is below is noise, not music
FOLDERS = (
    "/usr/share/sounds/sf2",  # Debian, Ubuntu
    "/usr/share/soundfonts",  # Fedora, Arch
    "/opt/homebrew/share/soundfonts",
    "/usr/local/share/soundfonts",
)
DRUM_CHANNEL, DRUM_BANK = 9, 128
MELODIC_CHANNELS = [channel for channel in range(16) if channel != DRUM_CHANNEL]
GAIN = 0.5  # of FluidSynth, which clips what is louder than full scale


class NoSound(ValueError):
    """What sound needs is missing; says how to get it."""

    for_the_user = True


def require() -> None:
    """
    Raises:
        NoSound: pyfluidsynth or FluidSynth itself is not installed.
    """
    if importlib.util.find_spec("fluidsynth") is None:
        raise NoSound(
            "pyfluidsynth is not installed, and sound needs it: "
            "pip install 'music_vae_tf[audio]'"
        )
    try:
        import fluidsynth  # noqa: F401
    except ImportError as error:  # it looks for the C library when it is imported
        raise NoSound(
            f"FluidSynth is not installed, and sound needs it ({error}): "
            "apt-get install libfluidsynth3, or brew install fluid-synth"
        ) from error


def find_soundfont(path=None) -> Path:
    """The SoundFont at a path, or without one the best that is installed.

    Raises:
        NoSound: there is none.
    """
    install = (
        "install one with apt-get install fluid-soundfont-gm, or name a file with "
        "--soundfont=FILE.sf2"
    )
    if path is not None:
        path = Path(path).expanduser()
        if not path.is_file():
            raise NoSound(f"there is no SoundFont {path}; {install}")
        return path
    found = [file for folder in FOLDERS for file in Path(folder).glob("*.sf[23]")]
    # The largest sounds best; a link counts as what it leads to.
    for file in sorted(found, key=lambda file: (-file.stat().st_size, file.name)):
        return file
    bundled = importlib.util.find_spec("pretty_midi")
    for folder in bundled.submodule_search_locations if bundled else ():
        for file in Path(folder).glob("*.sf2"):
            return file
    raise NoSound(f"no SoundFont is installed; {install}")


def wav(sequence, soundfont=None) -> bytes:
    """A NoteSequence as a WAV file: 44,100 Hz, stereo, 16 bits.

    Args:
        soundfont: a path; by default `find_soundfont` chooses.

    Raises:
        NoSound: FluidSynth or the SoundFont is missing, or cannot be read.
    """
    samples = synthesize(sequence, soundfont)
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as file:
        file.setnchannels(2)
        file.setsampwidth(2)
        file.setframerate(RATE_HZ)
        file.writeframes((samples * 32767).astype("<i2").tobytes())
    return buffer.getvalue()


def synthesize(sequence, soundfont=None) -> np.ndarray:
    """A NoteSequence as samples: float32 [N, 2] within -0.9 and 0.9.

    Raises:
        NoSound: as in `wav`.
    """
    require()
    import fluidsynth

    path = find_soundfont(soundfont)
    synthesizer = fluidsynth.Synth(gain=GAIN, samplerate=float(RATE_HZ))
    try:
        bank = synthesizer.sfload(str(path))
        if bank < 0:
            raise NoSound(f"{path} is no SoundFont that FluidSynth can read")
        for voice in _voices(sequence).values():
            synthesizer.program_select(voice.channel, bank, voice.bank, voice.program)
        blocks = list(_blocks(sequence, synthesizer))
    finally:
        synthesizer.delete()
    samples = np.concatenate(blocks).astype(np.float32).reshape(-1, 2)
    return samples * (PEAK / max(np.abs(samples).max(), QUIETEST_PEAK))


class _Voice(NamedTuple):
    """Where FluidSynth plays the notes of an instrument, and with what sound."""

    channel: int
    bank: int
    program: int


class _Stroke(NamedTuple):
    """A key that is pressed, or with velocity 0 let go."""

    time_s: float
    velocity: int
    channel: int
    pitch: int


def _voices(sequence):
    """{(instrument, program, is_drum): its voice}."""
    parts = {(n.instrument, n.program, n.is_drum) for n in sequence.notes}
    channels = itertools.cycle(MELODIC_CHANNELS)
    return {
        part: _Voice(DRUM_CHANNEL, DRUM_BANK, 0)
        if part[2]
        else _Voice(next(channels), 0, part[1])
        for part in sorted(parts)
    }


def _strokes(sequence) -> list[_Stroke]:
    """Of one moment, keys are let go before others are pressed."""
    voices = _voices(sequence)
    strokes = []
    for note in sequence.notes:
        channel = voices[note.instrument, note.program, note.is_drum].channel
        strokes += [
            _Stroke(note.start_time, note.velocity, channel, note.pitch),
            _Stroke(note.end_time, 0, channel, note.pitch),
        ]
    return sorted(strokes)


def _blocks(sequence, synthesizer) -> Iterator[np.ndarray]:
    """The samples between one stroke and the next, int16, both channels in turn."""
    done = 0
    strokes = _strokes(sequence)
    for stroke in strokes:
        due = round(stroke.time_s * RATE_HZ)
        if due > done:
            yield synthesizer.get_samples(due - done)
            done = due
        if stroke.velocity:
            synthesizer.noteon(stroke.channel, stroke.pitch, stroke.velocity)
        else:
            synthesizer.noteoff(stroke.channel, stroke.pitch)
    yield synthesizer.get_samples(round(TAIL_S * RATE_HZ))

"""NoteSequence -> sound: a WAV file, synthesised from a SoundFont.

The synthesiser is midirenderer, a wheel without system libraries. It takes a MIDI file
and gives 16-bit samples. Of the packages that were tried it is the only one that
installs with pip alone on Python 3.10 to 3.13: pyfluidsynth needs the system's
FluidSynth, tinysoundfont needs PortAudio and has no wheel for 3.13.
"""

from __future__ import annotations

import importlib.util
import io
import wave
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

RATE_HZ = 48000  # of midirenderer
TAIL_S = 2.0  # for the last notes to decay
FADE_S = 0.05  # at the end of the tail, so that a long decay ends without a click
PEAK = 0.9  # of full scale, for the loudest moment
QUIETEST_PEAK = 0.001  # of full scale; what is below is noise, not music
FOLDERS = (
    "/usr/share/sounds/sf2",  # Debian, Ubuntu
    "/usr/share/soundfonts",  # Fedora, Arch
    "/opt/homebrew/share/soundfonts",
    "/usr/local/share/soundfonts",
)
DRUM_CHANNEL = 9
MELODIC_CHANNELS = [channel for channel in range(16) if channel != DRUM_CHANNEL]
# With this resolution at 120 quarters a minute, a tick lasts 1/60,000 s.
TICKS_PER_QUARTER, TICKS_PER_S = 30000, 60000
VOLUME_CONTROL = 7
# Values of the volume control, each half as loud as the one before: the next one is
# tried where a rendering reaches full scale, so that nothing is clipped.
VOLUMES = (127, 90, 64, 45, 32, 22, 16, 11, 8)


class NoSound(ValueError):
    """What sound needs is missing, or cannot be read; says how to get it."""

    for_the_user = True


def find_soundfont(path=None) -> Path:
    """The SoundFont at a path, or without one the largest of the system's.

    Without any, it is the small General MIDI SoundFont that pretty_midi brings.

    Raises:
        NoSound: there is none.
    """
    if path is not None:
        path = Path(path).expanduser()
        if not path.is_file():
            raise NoSound(f"there is no SoundFont {path}; expected an .sf2 file")
        return path
    found = [file for folder in FOLDERS for file in Path(folder).glob("*.sf2")]
    # A link counts as what it leads to.
    for file in sorted(found, key=lambda file: (-file.stat().st_size, file.name)):
        return file
    bundled = importlib.util.find_spec("pretty_midi")
    for folder in bundled.submodule_search_locations if bundled else ():
        for file in Path(folder).glob("*.sf2"):
            return file
    raise NoSound(
        "no SoundFont is installed: install pretty_midi again, which brings one, or "
        "name a file with --soundfont=FILE.sf2"
    )


def wav(sequence, soundfont=None) -> bytes:
    """A NoteSequence as a WAV file: 48,000 Hz, stereo, 16 bits.

    Args:
        soundfont: a path; by default `find_soundfont` chooses.

    Raises:
        NoSound: the synthesiser or the SoundFont is missing, or cannot be read.
    """
    return wav_of_samples(synthesize(sequence, soundfont))


def wav_of_samples(samples: np.ndarray) -> bytes:
    """Samples [N, 2] within -1 and 1 as a WAV file of 16 bits."""
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as file:
        file.setnchannels(2)
        file.setsampwidth(2)
        file.setframerate(RATE_HZ)
        file.writeframes((samples * 32767).astype("<i2").tobytes())
    return buffer.getvalue()


def synthesize(sequence, soundfont=None) -> np.ndarray:
    """A NoteSequence as samples: float32 [N, 2] within -0.9 and 0.9.

    The last note is followed by `TAIL_S` seconds, in which it decays. The loudest
    moment of each sequence is equally loud.

    Raises:
        NoSound: as in `wav`.
    """
    font = find_soundfont(soundfont)
    length = round((_end_s(sequence) + TAIL_S) * RATE_HZ)
    samples = np.zeros((length, 2), np.float32)
    for parts in _groups(sequence):
        rendered = _rendered(font, parts, length)
        samples[: len(rendered)] += rendered[:length]
    fade = min(round(FADE_S * RATE_HZ), length)
    samples[length - fade :] *= np.linspace(1, 0, fade, dtype=np.float32)[:, None]
    return samples * (PEAK / max(np.abs(samples).max(), QUIETEST_PEAK))


def _end_s(sequence):
    return max((note.end_time for note in sequence.notes), default=0.0)


class _Event(NamedTuple):
    """A MIDI message; of one tick, lower ranks come first."""

    tick: int
    rank: int
    status: int
    data: tuple[int, int]


NOTE_OFF, CONTROL, NOTE_ON = range(3)


def _groups(sequence) -> Iterator[list[_Event]]:
    """The events of as many parts as there are MIDI channels, group after group."""
    parts = {(n.instrument, n.program, n.is_drum) for n in sequence.notes}
    drums = sorted(part for part in parts if part[2])
    others = sorted(part for part in parts if not part[2])
    size = len(MELODIC_CHANNELS)
    for start in range(0, max(len(others), len(drums), 1), size):
        channels = dict(zip(others[start : start + size], MELODIC_CHANNELS))
        if start == 0:
            channels |= dict.fromkeys(drums, DRUM_CHANNEL)
        if channels:
            yield _events(sequence, channels)


def _events(sequence, channels):
    events = []
    for part, channel in channels.items():
        events.append(_Event(0, CONTROL, 0xC0 | channel, (part[1], 0)))
    for note in sequence.notes:
        channel = channels.get((note.instrument, note.program, note.is_drum))
        if channel is not None and note.velocity:
            start, end = _tick(note.start_time), _tick(note.end_time)
            key = note.pitch, note.velocity
            events.append(_Event(start, NOTE_ON, 0x90 | channel, key))
            events.append(
                _Event(max(end, start + 1), NOTE_OFF, 0x80 | channel, (note.pitch, 0))
            )
    for bend in sequence.pitch_bends:
        channel = channels.get((bend.instrument, bend.program, bend.is_drum))
        if channel is not None:
            high, low = divmod(bend.bend + 8192, 128)
            events.append(
                _Event(_tick(bend.time), CONTROL, 0xE0 | channel, (low, high))
            )
    for change in sequence.control_changes:
        channel = channels.get((change.instrument, change.program, change.is_drum))
        if channel is not None and change.control_number != VOLUME_CONTROL:
            values = change.control_number, change.control_value
            events.append(_Event(_tick(change.time), CONTROL, 0xB0 | channel, values))
    return sorted(events)


def _tick(time_s):
    return round(max(time_s, 0.0) * TICKS_PER_S)


def _rendered(font: Path, events: list[_Event], length: int) -> np.ndarray:
    """Samples [N, 2] of events, float32, at whatever volume does not clip."""
    for volume in VOLUMES:
        samples = _rendered_at(font, _midi(events, length, volume))
        if np.abs(samples.astype(np.int32)).max(initial=0) < 32767:
            break
    return samples.astype(np.float32) * (VOLUMES[0] / volume) ** 2 / 32768


def _midi(events, length, volume) -> bytes:
    """A MIDI file of one track that lasts as long as the samples should."""
    import mido

    track = mido.MidiTrack()
    last = _Event(round(length / RATE_HZ * TICKS_PER_S), CONTROL, 0xB0, (0, 0))
    loud = [
        _Event(0, NOTE_OFF, 0xB0 | channel, (VOLUME_CONTROL, volume))
        for channel in range(16)
    ]
    tick = 0
    for event in [*loud, *events, last]:
        size = 1 if event.status & 0xF0 == 0xC0 else 2
        message = mido.Message.from_bytes([event.status, *event.data[:size]])
        track.append(message.copy(time=event.tick - tick))
        tick = event.tick
    file = io.BytesIO()
    mido.MidiFile(ticks_per_beat=TICKS_PER_QUARTER, tracks=[track]).save(file=file)
    return file.getvalue()


def _rendered_at(font: Path, midi: bytes) -> np.ndarray:
    """Samples of a MIDI file, int16 [N, 2].

    Raises:
        NoSound: the synthesiser is missing, or the file is not a SoundFont.
    """
    try:
        import midirenderer
    except ImportError as error:
        raise NoSound(
            f"midirenderer cannot be imported, and sound needs it ({error}): "
            "pip install midirenderer"
        ) from error
    try:
        data = midirenderer.render_wave_from(font.read_bytes(), midi)
    except BaseException as error:
        # Its panics are no `Exception`: a damaged file must not end the process.
        if isinstance(error, (KeyboardInterrupt, SystemExit, MemoryError, OSError)):
            raise
        raise NoSound(
            f"{font} cannot be read as a SoundFont ({error}); an .sf2 file is "
            "expected, not a compressed .sf3"
        ) from error
    with wave.open(io.BytesIO(data)) as file:
        form = file.getframerate(), file.getsampwidth(), file.getnchannels()
        if form != (RATE_HZ, 2, 2):
            raise NoSound(
                f"midirenderer gave {form} as rate, bytes and channels; expected "
                f"{(RATE_HZ, 2, 2)}: install version 0.1.3"
            )
        return np.frombuffer(file.readframes(file.getnframes()), "<i2").reshape(-1, 2)

"""NoteSequence -> sound: a WAV file, synthesised from a SoundFont.

The synthesiser is midirenderer, a wheel without system libraries. It takes a MIDI file
and gives 16-bit samples. Of the packages that were tried it is the only one that
installs with pip alone and works on Python 3.10 to 3.13. pyfluidsynth needs the
system's FluidSynth. tinysoundfont needs PortAudio and has no wheel for 3.13. symusic
0.6 raises a TypeError in place of returning samples.
"""

from __future__ import annotations

import importlib.util
import io
import math
import mmap
import tempfile
import wave
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import NamedTuple

import numpy as np

from music_vae_tf.errors import UserFacingError
from music_vae_tf.rendering.midi_parts import (
    CONTROL,
    TICKS_PER_QUARTER,
    TICKS_PER_S,
    VOLUME_CONTROL,
    Event,
    Stretch,
    notes_of,
    renderings,
    stretches,
)

RATE_HZ = 48000  # of midirenderer
# After its last note a sequence lasts until it is this much below its peak, within
# these limits: cymbals and bells decay for up to six seconds.
SILENCE = 1e-3  # -60 dB
SHORTEST_TAIL_S, LONGEST_TAIL_S = 0.5, 8.0
FADE_S = 0.2  # at the very end, so that what has not decayed ends without a click
# Longer music is rendered minute by minute, so that an hour needs little memory.
LONGEST_AT_ONCE_S, STRETCH_S = 300.0, 60.0
MOST_FRAMES = 2**30 - 64  # of a WAV file, whose length in bytes has 32 bits
BLOCK = 2**20  # frames that are worked on at a time
PEAK = 0.9  # of full scale, for the loudest moment
QUIETEST_PEAK = 0.001  # of full scale; what is below is noise, not music
FOLDERS = (
    "/usr/share/sounds/sf2",  # Debian, Ubuntu
    "/usr/share/soundfonts",  # Fedora, Arch
    "/opt/homebrew/share/soundfonts",
    "/usr/local/share/soundfonts",
)
# Percentages of the volume control, each half as loud as the one before: the next one
# is tried where a rendering reaches full scale, so that nothing is clipped.
VOLUMES = (100, 71, 50, 35, 25, 18, 13, 9)


class NoSound(UserFacingError, ValueError):
    """What sound needs is missing, or cannot be read; the message has how to get it."""


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


def wav(sequence, soundfont=None, *, progress=None) -> bytes:
    """A NoteSequence as a WAV file: 48,000 Hz, stereo, 16 bits.

    Args:
        soundfont: a path; by default `find_soundfont` chooses.
        progress: as in `write_wav`.

    Raises:
        NoSound: the synthesiser or the SoundFont is missing, or cannot be read.
    """
    buffer = io.BytesIO()
    write_wav(sequence, buffer, soundfont, progress=progress)
    return buffer.getvalue()


def write_wav(
    sequence,
    file,
    soundfont=None,
    *,
    progress: Callable[[int], AbstractContextManager] | None = None,
    scratch=None,
) -> None:
    """Writes what `wav` gives to a binary file; music of any length in 200 MB.

    Args:
        progress: for music that takes long: is called with the number of its
            stretches, and gives a context whose `advance()` is called for each.
        scratch: folder for a file of 23 MB a minute, which is removed at the end; by
            default that of temporary files.

    Raises:
        NoSound: as in `wav`, or the music is longer than a WAV file can be.
        OSError: the disk is full.
    """
    length = _longest(sequence)
    if length <= LONGEST_AT_ONCE_S * RATE_HZ:
        _write_frames(file, mixed(sequence, soundfont))
        return
    if length > MOST_FRAMES:
        raise NoSound(
            f"a WAV file lasts {MOST_FRAMES / RATE_HZ / 3600:.1f} hours at most, and "
            f"this music {length / RATE_HZ / 3600:.1f}"
        )
    with tempfile.TemporaryFile(dir=scratch) as space:
        for start in range(0, length, BLOCK):  # now, if the disk is full
            space.write(bytes(min(BLOCK, length - start) * 8))
        space.flush()
        samples = np.memmap(space, np.float32, shape=(length, 2))
        _write_frames(file, _mixed_in(samples, sequence, soundfont, progress))


def wav_of_samples(samples: np.ndarray) -> bytes:
    """Samples [N, 2] within -1 and 1 as a WAV file of 16 bits."""
    buffer = io.BytesIO()
    _write_frames(buffer, samples, scale=1.0)
    return buffer.getvalue()


def _write_frames(file, samples, scale=None):
    """Samples [N, 2] as a WAV file; by default as loud as `PEAK`."""
    if scale is None:
        scale = _normalizing(samples)
    with wave.open(file, "wb") as frames:
        frames.setnchannels(2)
        frames.setsampwidth(2)
        frames.setframerate(RATE_HZ)
        frames.setnframes(len(samples))
        for start in range(0, len(samples), BLOCK):
            block = samples[start : start + BLOCK] * scale
            frames.writeframes((block * 32767).astype("<i2").tobytes())
            _release(samples)


def _normalizing(samples):
    return PEAK / max(_peak(samples), QUIETEST_PEAK)


def synthesize(
    sequence, soundfont=None, *, sample_rate: int = RATE_HZ, mono: bool = False
) -> np.ndarray:
    """A NoteSequence as samples: float32 [N, 2] within -0.9 and 0.9, or [N] if mono.

    They last until the last notes have decayed. The loudest moment of every sequence is
    equally loud. Program, drums, pitch bends and controllers (volume, pan, sustain...)
    are those of the sequence.

    Args:
        soundfont: a path; by default `find_soundfont` chooses.
        sample_rate: samples a second. The synthesiser has 48,000; from these, others
            are made with a polyphase filter.
        mono: the mean of both channels.

    Raises:
        NoSound: as in `wav`.
        ValueError: `sample_rate` is not a positive whole number.
    """
    if sample_rate != int(sample_rate) or sample_rate <= 0:
        raise ValueError(f"sample_rate={sample_rate}: expected a whole number of Hz")
    samples = mixed(sequence, soundfont)
    if mono:
        samples = samples.mean(axis=1)  # [N]
    samples = _resampled(samples, int(sample_rate))
    return samples * _normalizing(samples)


def mixed(sequence, soundfont=None) -> np.ndarray:
    """The samples of `synthesize` as loud as the synthesiser has them: float32 [N, 2].

    1 is full scale of one MIDI file; several at once can exceed it.

    Raises:
        NoSound: as in `wav`.
    """
    samples = np.zeros((_longest(sequence), 2), np.float32)
    return _mixed_in(samples, sequence, soundfont)


def _longest(sequence) -> int:
    """How many samples a sequence has at most."""
    return round((_end_s(sequence) + LONGEST_TAIL_S) * RATE_HZ)


def _end_s(sequence):
    return max((note.end_time for note in sequence.notes), default=0.0)


def _mixed_in(samples, sequence, soundfont, progress=None) -> np.ndarray:
    """What `mixed` gives, in samples that are 0 and as many as there can be."""
    font = _SoundFont.read(find_soundfont(soundfont))
    parts = _stretches(sequence, len(samples))
    with progress(len(parts)) if progress else nullcontext() as shown:
        for part in parts:
            start = part.start * RATE_HZ // TICKS_PER_S
            tail = part.end / TICKS_PER_S * RATE_HZ - start + LONGEST_TAIL_S * RATE_HZ
            length = min(math.ceil(tail), len(samples) - start)
            for events in renderings(sequence, part):
                _add(samples[start : start + length], _rendered(font, events, length))
            _release(samples)
            if shown is not None:
                shown.advance()
    shortest = round((_end_s(sequence) + SHORTEST_TAIL_S) * RATE_HZ)
    return _until_silent(samples, shortest)


def _stretches(sequence, length) -> list[Stretch]:
    if length > LONGEST_AT_ONCE_S * RATE_HZ:
        return stretches(sequence, STRETCH_S)
    end = math.ceil(length * TICKS_PER_S / RATE_HZ)
    return [Stretch(0, end, notes_of(sequence))]


def _add(samples, rendered: _Rendered):
    for start in range(0, len(samples), BLOCK):
        block = rendered.samples[start : start + BLOCK][: len(samples) - start]
        samples[start : start + len(block)] += block.astype(np.float32) * rendered.gain


def _resampled(samples, sample_rate):
    """Samples at `RATE_HZ` -> at another rate."""
    if sample_rate == RATE_HZ:
        return samples
    from scipy.signal import resample_poly

    common = math.gcd(sample_rate, RATE_HZ)
    up, down = sample_rate // common, RATE_HZ // common
    return resample_poly(samples, up, down).astype(np.float32)


def _peak(samples):
    """The largest absolute value; as a float, since int16 has no 32,768."""
    peak = 0.0
    for start in range(0, len(samples), BLOCK):
        block = samples[start : start + BLOCK]
        peak = max(peak, float(block.max()), -float(block.min()))
        _release(samples)
    return peak


def _release(samples):
    """Takes samples that are mapped from a file out of the memory, until they are used.

    All others stay. Otherwise an hour of music would fill it as an array would.
    """
    owner = samples
    while isinstance(owner, np.ndarray):
        owner = owner.base
    if isinstance(owner, mmap.mmap) and hasattr(mmap, "MADV_DONTNEED"):
        owner.madvise(mmap.MADV_DONTNEED)


def _until_silent(samples, shortest):
    """Without the silence after `shortest`; the last of the rest is faded out."""
    tail = np.abs(samples[shortest:]).max(axis=1)
    (audible,) = np.nonzero(tail > SILENCE * _peak(samples))
    fade = round(FADE_S * RATE_HZ)
    samples = samples[: shortest + (audible[-1] + fade if len(audible) else 0)]
    samples[-fade:] *= np.linspace(1, 0, fade, dtype=np.float32)[:, None]
    return samples


class _SoundFont(NamedTuple):
    path: Path
    data: bytes

    @classmethod
    def read(cls, path: Path) -> _SoundFont:
        try:
            return cls(path, path.read_bytes())
        except OSError as error:
            raise NoSound(f"{path} cannot be read: {error.strerror}") from error


class _Rendered(NamedTuple):
    """What the synthesiser gives, and what makes of it amplitudes.

    Attributes:
        samples: int16 [N, 2].
    """

    samples: np.ndarray
    gain: float


def _rendered(font: _SoundFont, events: list[Event], length: int) -> _Rendered:
    """The sound of events, at whatever volume does not clip."""
    for volume in VOLUMES:
        samples = _rendered_at(font, _midi(events, length, volume))
        if _peak(samples) < 32767:
            break
    # General MIDI: the amplitude is the square of the volume.
    return _Rendered(samples, (VOLUMES[0] / volume) ** 2 / 32768)


def _midi(events, length, volume) -> bytes:
    """A MIDI file of one track that lasts as long as the samples should.

    Args:
        volume: percentage of every volume control.
    """
    import mido

    track = mido.MidiTrack()
    last = Event(round(length / RATE_HZ * TICKS_PER_S), CONTROL, 0xB0, (0, 0))
    tick = 0
    for event in [*(event for event in events if event.tick < last.tick), last]:
        number, *values = event.data
        if event.status & 0xF0 == 0xB0 and number == VOLUME_CONTROL:
            values = [round(values[0] * volume / 100)]
        message = mido.Message.from_bytes([event.status, number, *values])
        track.append(message.copy(time=event.tick - tick))
        tick = event.tick
    file = io.BytesIO()
    mido.MidiFile(ticks_per_beat=TICKS_PER_QUARTER, tracks=[track]).save(file=file)
    return file.getvalue()


def _rendered_at(font: _SoundFont, midi: bytes) -> np.ndarray:
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
        data = midirenderer.render_wave_from(font.data, midi)
    except BaseException as error:
        # Its panics are no `Exception`: a damaged file must not end the process.
        if isinstance(error, (KeyboardInterrupt, SystemExit, MemoryError, OSError)):
            raise
        raise NoSound(
            f"{font.path} cannot be read as a SoundFont ({error}); an .sf2 file is "
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

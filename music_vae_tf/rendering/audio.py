"""NoteSequence -> sound: a WAV file, synthesised from a SoundFont.

The synthesiser is midirenderer, a wheel without system libraries. It takes a MIDI file
and gives 16-bit samples. Of the packages that were tried it is the only one that
installs with pip alone and works on Python 3.10 to 3.13. pyfluidsynth needs the
system's FluidSynth. tinysoundfont needs PortAudio and has no wheel for 3.13. symusic
0.6 raises a TypeError in place of returning samples.
"""

from __future__ import annotations

import collections
import heapq
import importlib.util
import io
import itertools
import math
import wave
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

from music_vae_tf.errors import UserFacingError

RATE_HZ = 48000  # of midirenderer
# After its last note a sequence lasts until it is this much below its peak, within
# these limits: cymbals and bells decay for up to six seconds.
SILENCE = 1e-3  # -60 dB
SHORTEST_TAIL_S, LONGEST_TAIL_S = 0.5, 8.0
FADE_S = 0.2  # at the very end, so that what has not decayed ends without a click
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
# midirenderer has 64 voices, and silences a note for every one more. A note of a stereo
# sound takes two voices, and keeps them while it decays.
NOTES_AT_ONCE = 20
# With this resolution at 120 BPM, a tick lasts 1/60,000 s.
TICKS_PER_QUARTER, TICKS_PER_S = 30000, 60000
# Percentages of the volume control, each half as loud as the one before: the next one
# is tried where a rendering reaches full scale, so that nothing is clipped.
VOLUMES = (100, 71, 50, 35, 25, 18, 13, 9)
VOLUME_CONTROL, USUAL_VOLUME = 7, 100  # General MIDI, level 1


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
    return samples * (PEAK / max(_peak(samples), QUIETEST_PEAK))


def mixed(sequence, soundfont=None) -> np.ndarray:
    """The samples of `synthesize` as loud as the synthesiser has them: float32 [N, 2].

    1 is full scale of one MIDI file; several at once can exceed it.

    Raises:
        NoSound: as in `wav`.
    """
    font = _SoundFont.read(find_soundfont(soundfont))
    end_s = max((note.end_time for note in sequence.notes), default=0.0)
    length = round((end_s + LONGEST_TAIL_S) * RATE_HZ)
    samples = np.zeros((length, 2), np.float32)
    for events in _renderings(sequence):
        rendered = _rendered(font, events, length)
        samples[: len(rendered)] += rendered[:length]
    return _until_silent(samples, round((end_s + SHORTEST_TAIL_S) * RATE_HZ))


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
    return max(float(samples.max(initial=0)), -float(samples.min(initial=0)))


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


class _Part(NamedTuple):
    """Notes that are played with one sound; all else of MIDI belongs to one, too."""

    instrument: int
    program: int
    is_drum: bool

    @classmethod
    def of(cls, event) -> _Part:
        """That of a note, a pitch bend or a control change of a NoteSequence."""
        return cls(event.instrument, event.program, event.is_drum)


class _Note(NamedTuple):
    """A note between two ticks; notes sort by time."""

    start: int
    end: int
    part: _Part
    pitch: int
    velocity: int


class _Event(NamedTuple):
    """A MIDI message; of one tick, lower ranks come first."""

    tick: int
    rank: int
    status: int
    data: tuple[int, ...]


NOTE_OFF, CONTROL, PROGRAM, NOTE_ON = range(4)


def _renderings(sequence) -> Iterator[list[_Event]]:
    """The events of one MIDI file after another; their sounds are to be added.

    One is enough for up to 15 parts, one drum kit and `NOTES_AT_ONCE`.
    """
    notes = _notes(sequence)
    for channels in _channels({note.part for note in notes}):
        controls = _controls(sequence, channels)
        for layer in _layers([note for note in notes if note.part in channels]):
            strokes = [event for note in layer for event in _strokes(note, channels)]
            # Sorting keeps the order of controls: some of them depend on others.
            yield sorted([*controls, *strokes], key=lambda event: event[:2])


def _channels(parts) -> Iterator[dict[_Part, int]]:
    """The MIDI channel of each part, for one group of parts after another."""
    melodic = sorted(part for part in parts if not part.is_drum)
    size = len(MELODIC_CHANNELS)
    groups = [melodic[i : i + size] for i in range(0, len(melodic), size)]
    kits = sorted({part.program for part in parts if part.is_drum})
    for group, kit in itertools.zip_longest(groups, kits):
        drums = [part for part in parts if part.is_drum and part.program == kit]
        yield dict(zip(group or (), MELODIC_CHANNELS)) | dict.fromkeys(
            drums, DRUM_CHANNEL
        )


def _notes(sequence) -> list[_Note]:
    """The notes by time. One ends where its key is struck again: in MIDI the end of the
    first of two notes would end the second."""
    keys = collections.defaultdict(dict)
    for note in sequence.notes:
        if note.velocity:
            part, start = _Part.of(note), _tick(note.start_time)
            end = max(_tick(note.end_time), start + 1)
            strokes = keys[part, note.pitch]
            longest = max(strokes.get(start, (0, 0)), (end, note.velocity))
            strokes[start] = longest
    notes = []
    for (part, pitch), strokes in keys.items():
        starts = sorted(strokes)
        for start, following in itertools.zip_longest(starts, starts[1:]):
            end, velocity = strokes[start]
            notes.append(
                _Note(start, min(end, following or end), part, pitch, velocity)
            )
    return sorted(notes)


def _layers(notes: list[_Note]) -> list[list[_Note]]:
    """Notes in layers of at most `NOTES_AT_ONCE` that sound at one time.

    Drums, which are short, are all in the first: an open hi-hat ends with a closed one.
    """
    layers, ends = [[]], [[]]
    for note in notes:
        number = 0 if note.part.is_drum else _free_layer(ends, note.start)
        if number == len(layers):
            layers.append([])
            ends.append([])
        layers[number].append(note)
        if not note.part.is_drum:
            heapq.heappush(ends[number], note.end)
    return layers


def _free_layer(ends: list[list[int]], start: int) -> int:
    """The first layer with room for one more note; `ends` are heaps."""
    for number, sounding in enumerate(ends):
        while sounding and sounding[0] <= start:
            heapq.heappop(sounding)
        if len(sounding) < NOTES_AT_ONCE:
            return number
    return len(ends)


def _strokes(note: _Note, channels) -> tuple[_Event, _Event]:
    channel = channels[note.part]
    return (
        _Event(note.start, NOTE_ON, 0x90 | channel, (note.pitch, note.velocity)),
        _Event(note.end, NOTE_OFF, 0x80 | channel, (note.pitch, 0)),
    )


def _controls(sequence, channels) -> list[_Event]:
    """Programs, pitch bends and control changes of the parts in `channels`."""
    events = []
    for part, channel in channels.items():
        volume = VOLUME_CONTROL, USUAL_VOLUME
        events.append(_Event(0, CONTROL, 0xB0 | channel, volume))
        events.append(_Event(0, PROGRAM, 0xC0 | channel, (part.program,)))
    for change in sequence.control_changes:
        if (channel := channels.get(_Part.of(change))) is not None:
            values = change.control_number, change.control_value
            events.append(_Event(_tick(change.time), CONTROL, 0xB0 | channel, values))
    for bend in sequence.pitch_bends:
        if (channel := channels.get(_Part.of(bend))) is not None:
            high, low = divmod(bend.bend + 8192, 128)
            values = low, high
            events.append(_Event(_tick(bend.time), CONTROL, 0xE0 | channel, values))
    return events


def _tick(time_s):
    return round(max(time_s, 0.0) * TICKS_PER_S)


def _rendered(font: _SoundFont, events: list[_Event], length: int) -> np.ndarray:
    """Samples [N, 2] of events, float32, at whatever volume does not clip."""
    for volume in VOLUMES:
        samples = _rendered_at(font, _midi(events, length, volume))
        if _peak(samples) < 32767:
            break
    # General MIDI: the amplitude is the square of the volume.
    return samples.astype(np.float32) * ((VOLUMES[0] / volume) ** 2 / 32768)


def _midi(events, length, volume) -> bytes:
    """A MIDI file of one track that lasts as long as the samples should.

    Args:
        volume: percentage of every volume control.
    """
    import mido

    track = mido.MidiTrack()
    last = _Event(round(length / RATE_HZ * TICKS_PER_S), CONTROL, 0xB0, (0, 0))
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

"""Single sounds, from which the page plays notes itself.

A loop as a WAV file takes the synthesiser a tenth of a second, each time. A sound of
each drum takes as long once; then the notes of a loop are enough, and what sounds on is
not cut where the loop repeats. Both are made of the same SoundFont.
"""

from __future__ import annotations

import numpy as np

from music_vae_tf.rendering import audio

DRUM_VELOCITIES = (50, 80, 115)  # a drum sounds otherwise when it is hit harder
PITCHED_VELOCITIES = (95,)
DRUM_SECONDS, PITCHED_SECONDS = 2.5, 3.0
PAUSE_SECONDS = 0.1
FADE_SECONDS = 0.05
# Of what the synthesiser gives; the loudest sounds of General MIDI stay below 1.
LEVEL = 0.8
MOST_PITCHES = 24
ALL_SOUND_OFF = 120


def velocities_of(is_drum: bool) -> tuple[int, ...]:
    """The velocities of which there are sounds."""
    return DRUM_VELOCITIES if is_drum else PITCHED_VELOCITIES


def seconds_of(is_drum: bool) -> float:
    """How long each sound is."""
    return DRUM_SECONDS if is_drum else PITCHED_SECONDS


def sounds(pitches, program: int, is_drum: bool, soundfont=None) -> bytes:
    """A WAV file of one sound after another, mono: of each pitch all velocities.

    Raises:
        audio.NoSound: as in `audio.synthesize`.
    """
    strokes = [(p, v) for p in pitches for v in velocities_of(is_drum)]
    seconds = seconds_of(is_drum)
    sequence = _sequence(strokes, seconds, program, is_drum)
    samples = audio.mixed(sequence, soundfont).mean(axis=1) * LEVEL  # [N]
    slot = round(seconds * audio.RATE_HZ)
    step = round((seconds + PAUSE_SECONDS) * audio.RATE_HZ)
    padded = np.pad(samples, (0, max(0, step * len(strokes) - len(samples))))
    cut = [padded[i * step : i * step + slot] for i in range(len(strokes))]
    return _mono_wav(np.concatenate([_faded(one) for one in cut]))


def _sequence(strokes, seconds, program, is_drum):
    from note_seq.protobuf import music_pb2

    sequence, step = music_pb2.NoteSequence(), seconds + PAUSE_SECONDS
    for number, (pitch, velocity) in enumerate(strokes):
        start = number * step
        sequence.notes.add(
            pitch=pitch,
            velocity=velocity,
            start_time=start,
            end_time=start + seconds,
            program=program,
            is_drum=is_drum,
        )
        sequence.control_changes.add(
            time=start + seconds,
            control_number=ALL_SOUND_OFF,
            program=program,
            is_drum=is_drum,
        )
    return sequence


def _faded(samples):
    fade = round(FADE_SECONDS * audio.RATE_HZ)
    envelope = np.ones(len(samples), np.float32)
    envelope[-fade:] = np.linspace(1, 0, fade)
    return np.clip(samples * envelope, -1, 1)


def _mono_wav(samples) -> bytes:
    import io
    import wave

    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(audio.RATE_HZ)
        file.writeframes((samples * 32767).astype("<i2").tobytes())
    return buffer.getvalue()

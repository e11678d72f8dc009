"""Sound of loops: exactly as long as their bars, so that a sampler repeats them."""

from __future__ import annotations

import numpy as np

from music_vae_tf.rendering import audio

FADE_S = 0.003  # at the cut, against a click


def wav(sequence, seconds: float, soundfont=None, fold: bool = False) -> bytes:
    """A NoteSequence as a WAV file that lasts so many seconds; see `cut`.

    Raises:
        audio.NoSound: the synthesiser or the SoundFont is missing, or cannot be read.
    """
    samples = audio.synthesize(sequence, soundfont)
    return audio.wav_of_samples(cut(samples, round(seconds * audio.RATE_HZ), fold))


def cut(samples: np.ndarray, length: int, fold: bool = False) -> np.ndarray:
    """Samples [N, 2] -> [length, 2].

    Args:
        fold: what sounds after the end is added to the beginning, as it is heard when
            the loop goes round. Otherwise it is faded out.
    """
    if length <= 0:
        return samples[:0]
    parts = -(-max(len(samples), 1) // length)
    padded = np.pad(samples, [(0, parts * length - len(samples)), (0, 0)])
    if not fold:
        return _faded(padded[:length].copy())
    loop = padded.reshape(parts, length, -1).sum(axis=0)
    peak = float(np.abs(loop).max(initial=0))
    return loop * (audio.PEAK / max(peak, audio.PEAK))


def _faded(samples):
    fade = min(round(FADE_S * audio.RATE_HZ), len(samples))
    samples[len(samples) - fade :] *= np.linspace(1, 0, fade, dtype=np.float32)[:, None]
    return samples

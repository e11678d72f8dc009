"""Sound of loops: exactly as long as the bars, with the tail folded back or faded."""

import io
import wave

import numpy as np
from note_seq.protobuf.music_pb2 import NoteSequence

from music_vae_tf.rendering import audio, loops


def test_what_follows_the_end_is_cut_off_or_added_to_the_beginning():
    samples = np.zeros([250, 2], np.float32)
    samples[30], samples[130], samples[235] = 0.2, 0.3, 0.1
    folded = loops.cut(samples, 100, fold=True)
    assert folded.shape == (100, 2)
    np.testing.assert_allclose(folded[[30, 35]], [[0.5] * 2, [0.1] * 2], rtol=1e-6)
    cut = loops.cut(samples, 100)
    assert cut.shape == (100, 2) and cut[-1].max() == 0
    assert loops.cut(samples, 400).shape == (400, 2)
    assert len(loops.cut(samples, 0)) == 0


def test_a_folded_loop_is_not_clipped():
    samples = np.full([200, 2], 0.8, np.float32)
    assert np.abs(loops.cut(samples, 100, fold=True)).max() <= audio.PEAK + 1e-6


def test_a_cymbal_rings_on_into_the_next_round():
    sequence = NoteSequence()
    sequence.notes.add(
        pitch=49, velocity=110, start_time=1.5, end_time=1.6, is_drum=True, instrument=9
    )

    def frames(fold):
        with wave.open(io.BytesIO(loops.wav(sequence, 2.0, fold=fold))) as file:
            assert file.getnframes() == 2 * audio.RATE_HZ
            return np.frombuffer(file.readframes(file.getnframes()), "<i2")

    start = slice(0, audio.RATE_HZ)  # half a second
    assert not frames(False)[start].any()
    assert np.abs(frames(True)[start]).max() > 100

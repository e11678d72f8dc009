"""NoteSequences become sound; what is missing for it is told."""

import io
import wave

import numpy as np
import pytest
from note_seq.protobuf import music_pb2

from music_vae_tf.rendering import audio


@pytest.fixture
def fluidsynth():
    try:
        audio.require()
    except audio.NoSound as missing:
        pytest.skip(f"left out: {missing}")


def note(sequence, start, end, pitch=69, **options):
    sequence.notes.add(
        start_time=start, end_time=end, pitch=pitch, velocity=100, **options
    )
    return sequence


def loudness(samples):
    return np.sqrt(np.mean(np.square(samples)))


def test_sound_is_where_notes_are(fluidsynth):
    sequence = note(music_pb2.NoteSequence(), 1.0, 2.0)
    samples = audio.synthesize(sequence)
    assert samples.dtype == np.float32
    assert len(samples) == round((2.0 + audio.TAIL_S) * audio.RATE_HZ)
    before, during = samples[: audio.RATE_HZ], samples[audio.RATE_HZ : 66150]
    assert loudness(before) < 0.001 < 0.02 < loudness(during)
    assert np.abs(samples).max() < audio.PEAK + 1e-6


def test_a_note_has_its_pitch(fluidsynth):
    samples = audio.synthesize(note(music_pb2.NoteSequence(), 0.0, 2.0, pitch=69))
    spectrum = np.abs(np.fft.rfft(samples[: 2 * audio.RATE_HZ].mean(axis=1)))
    loudest_hz = np.argmax(spectrum) / 2
    assert abs(loudest_hz / 440 - 1) < 0.01


def test_drums_are_played_as_drums(fluidsynth):
    drum = audio.synthesize(note(music_pb2.NoteSequence(), 0, 1, 38, is_drum=True))
    piano = audio.synthesize(note(music_pb2.NoteSequence(), 0, 1, 38))
    assert loudness(drum) > 0.001
    assert not np.allclose(drum, piano, atol=0.01)


def test_a_wav_file_holds_the_samples(fluidsynth):
    sequence = note(music_pb2.NoteSequence(), 0.0, 0.5)
    with wave.open(io.BytesIO(audio.wav(sequence))) as file:
        assert file.getparams()[:3] == (2, 2, audio.RATE_HZ)
        data = np.frombuffer(file.readframes(file.getnframes()), "<i2")
    samples = audio.synthesize(sequence)
    np.testing.assert_allclose(data.reshape(-1, 2) / 32767, samples, atol=1e-4)


def test_silence_is_silent(fluidsynth):
    samples = audio.synthesize(music_pb2.NoteSequence())
    assert loudness(samples) < 0.001


def test_a_missing_soundfont_is_told_with_what_installs_one(tmp_path, monkeypatch):
    with pytest.raises(audio.NoSound, match="no SoundFont .*no.sf2; install one with"):
        audio.find_soundfont(tmp_path / "no.sf2")
    monkeypatch.setattr(audio, "FOLDERS", (str(tmp_path),))
    monkeypatch.setattr(audio.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(audio.NoSound, match="no SoundFont is installed; install one"):
        audio.find_soundfont()


def test_the_largest_soundfont_is_taken(tmp_path, monkeypatch):
    (tmp_path / "small.sf2").write_bytes(b"1")
    (tmp_path / "large.sf2").write_bytes(b"123")
    monkeypatch.setattr(audio, "FOLDERS", (str(tmp_path),))
    assert audio.find_soundfont() == tmp_path / "large.sf2"


def test_without_packages_pretty_midis_soundfont_is_found(monkeypatch):
    monkeypatch.setattr(audio, "FOLDERS", ())
    assert audio.find_soundfont().name == "TimGM6mb.sf2"


def test_a_file_that_is_no_soundfont_is_refused(fluidsynth, tmp_path):
    path = tmp_path / "bad.sf2"
    path.write_bytes(b"RIFF....sfbk")
    with pytest.raises(audio.NoSound, match="is no SoundFont that FluidSynth can read"):
        audio.wav(music_pb2.NoteSequence(), path)


def test_a_missing_library_is_told_with_the_line_that_installs_it(monkeypatch):
    monkeypatch.setattr(audio.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(audio.NoSound, match=r"pip install 'music_vae_tf\[audio\]'"):
        audio.require()

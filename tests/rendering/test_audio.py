"""NoteSequences become sound; an error says what is missing for it."""

import io
import sys
import wave

import numpy as np
import pytest
from note_seq.protobuf import music_pb2

from music_vae_tf.rendering import audio


def note(sequence, start, end, pitch=69, **options):
    sequence.notes.add(
        start_time=start, end_time=end, pitch=pitch, velocity=100, **options
    )
    return sequence


def loudness(samples):
    return np.sqrt(np.mean(np.square(samples)))


def test_sound_is_where_notes_are():
    sequence = note(music_pb2.NoteSequence(), 1.0, 2.0)
    samples = audio.synthesize(sequence)
    assert samples.dtype == np.float32
    assert len(samples) == round((2.0 + audio.TAIL_S) * audio.RATE_HZ)
    before, during = (
        samples[: audio.RATE_HZ],
        samples[audio.RATE_HZ : 3 * audio.RATE_HZ // 2],
    )
    assert loudness(before) < 0.001 < 0.02 < loudness(during)
    assert np.abs(samples).max() < audio.PEAK + 1e-6


def test_a_note_has_its_pitch():
    samples = audio.synthesize(note(music_pb2.NoteSequence(), 0.0, 2.0, pitch=69))
    spectrum = np.abs(np.fft.rfft(samples[: 2 * audio.RATE_HZ].mean(axis=1)))
    loudest_hz = np.argmax(spectrum) / 2
    assert abs(loudest_hz / 440 - 1) < 0.01


def test_drums_are_played_as_drums():
    drum = audio.synthesize(note(music_pb2.NoteSequence(), 0, 1, 38, is_drum=True))
    piano = audio.synthesize(note(music_pb2.NoteSequence(), 0, 1, 38))
    assert loudness(drum) > 0.001
    assert not np.allclose(drum, piano, atol=0.01)


def test_a_wav_file_holds_the_samples():
    sequence = note(music_pb2.NoteSequence(), 0.0, 0.5)
    with wave.open(io.BytesIO(audio.wav(sequence))) as file:
        assert file.getparams()[:3] == (2, 2, audio.RATE_HZ)
        data = np.frombuffer(file.readframes(file.getnframes()), "<i2")
    samples = audio.synthesize(sequence)
    np.testing.assert_allclose(data.reshape(-1, 2) / 32767, samples, atol=1e-4)


def test_silence_is_silent():
    samples = audio.synthesize(music_pb2.NoteSequence())
    assert loudness(samples) < 0.001


def test_the_last_note_decays_after_its_end():
    samples = audio.synthesize(note(music_pb2.NoteSequence(), 0.0, 1.0))
    end = audio.RATE_HZ
    assert loudness(samples[end : end + 2400]) > 0.001
    assert not samples[-1].any()


def test_every_sequence_is_equally_loud_and_none_is_clipped():
    quiet, loud = music_pb2.NoteSequence(), music_pb2.NoteSequence()
    quiet.notes.add(pitch=60, velocity=20, end_time=1)
    for part in range(12):
        for pitch in (36, 48, 55, 60, 64, 67, 72):
            note(loud, 0, 1, pitch, instrument=part, program=part)
    for sequence in (quiet, loud):
        samples = np.abs(audio.synthesize(sequence))
        assert samples.max() == pytest.approx(audio.PEAK)
        # A clipped wave stays at its peak.
        assert np.sum(samples > 0.999 * audio.PEAK) < 20


def test_parts_sound_together_with_sounds_of_their_own():
    flute = note(music_pb2.NoteSequence(), 0, 1, program=73)
    bass = note(music_pb2.NoteSequence(), 0, 1, 36, program=33, instrument=1)
    both = music_pb2.NoteSequence(notes=[*flute.notes, *bass.notes])
    spectra = [
        np.abs(np.fft.rfft(audio.synthesize(s)[: audio.RATE_HZ].mean(axis=1)))
        for s in (flute, bass, both)
    ]
    low, high = slice(50, 100), slice(430, 450)  # Hz
    share = [spectrum[low].sum() / spectrum[high].sum() for spectrum in spectra]
    assert share[0] < share[2] < share[1]


def test_more_parts_than_channels_are_all_heard():
    sequence = music_pb2.NoteSequence()
    for part in range(20):
        note(sequence, 0.2 * part, 0.2 * part + 0.1, program=part, instrument=part)
    samples = audio.synthesize(sequence)
    for part in range(20):
        start = round(0.2 * part * audio.RATE_HZ)
        assert loudness(samples[start : start + 4800]) > 0.005, part


def test_a_bent_note_has_the_pitch_it_is_bent_to():
    sequence = note(music_pb2.NoteSequence(), 0.0, 2.0, pitch=69, program=80)
    sequence.pitch_bends.add(time=0, bend=4096, program=80)  # half of two semitones
    samples = audio.synthesize(sequence)
    spectrum = np.abs(np.fft.rfft(samples[: 2 * audio.RATE_HZ].mean(axis=1)))
    assert np.argmax(spectrum) / 2 == pytest.approx(440 * 2 ** (1 / 12), rel=0.01)


def test_the_same_sequence_gives_the_same_bytes():
    sequence = note(music_pb2.NoteSequence(), 0.0, 0.5)
    assert audio.wav(sequence) == audio.wav(sequence)


def test_a_missing_soundfont_is_an_error_that_says_what_to_do(tmp_path, monkeypatch):
    with pytest.raises(audio.NoSound, match="no SoundFont .*no.sf2; expected an .sf2"):
        audio.find_soundfont(tmp_path / "no.sf2")
    monkeypatch.setattr(audio, "FOLDERS", (str(tmp_path),))
    monkeypatch.setattr(audio.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(audio.NoSound, match="install pretty_midi again"):
        audio.find_soundfont()


def test_the_largest_soundfont_is_taken(tmp_path, monkeypatch):
    (tmp_path / "small.sf2").write_bytes(b"1")
    (tmp_path / "large.sf2").write_bytes(b"123")
    monkeypatch.setattr(audio, "FOLDERS", (str(tmp_path),))
    assert audio.find_soundfont() == tmp_path / "large.sf2"


def test_without_packages_pretty_midis_soundfont_is_found(monkeypatch):
    monkeypatch.setattr(audio, "FOLDERS", ())
    assert audio.find_soundfont().name == "TimGM6mb.sf2"


def test_a_file_that_is_no_soundfont_is_refused(tmp_path):
    path = tmp_path / "bad.sf2"
    path.write_bytes(b"RIFF....sfbk")
    with pytest.raises(audio.NoSound, match="cannot be read as a SoundFont"):
        audio.wav(note(music_pb2.NoteSequence(), 0, 1), path)


def test_a_missing_synthesiser_is_an_error_that_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "midirenderer", None)
    with pytest.raises(audio.NoSound, match="pip install midirenderer"):
        audio.wav(note(music_pb2.NoteSequence(), 0, 1))

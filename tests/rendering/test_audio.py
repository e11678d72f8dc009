"""NoteSequences become sound; an error says what is missing for it."""

import contextlib
import io
import itertools
import sys
import wave

import numpy as np
import pytest
from note_seq.protobuf import music_pb2

from music_vae_tf.rendering import audio, midi_parts


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
    assert 2.0 + audio.SHORTEST_TAIL_S <= len(samples) / audio.RATE_HZ < 5
    before, during = (
        samples[: audio.RATE_HZ],
        samples[audio.RATE_HZ : 3 * audio.RATE_HZ // 2],
    )
    assert loudness(before) < 0.001 < 0.02 < loudness(during)
    assert np.abs(samples).max() < audio.PEAK + 1e-6


@pytest.mark.parametrize("mono", [False, True])
def test_a_note_has_its_pitch_at_any_sample_rate(mono):
    sequence = note(music_pb2.NoteSequence(), 0.0, 2.0, pitch=69)
    samples = audio.synthesize(sequence, sample_rate=22050, mono=mono)
    assert samples.dtype == np.float32
    assert samples.shape[1:] == (() if mono else (2,))
    at_48_khz = audio.synthesize(sequence)
    assert len(samples) / 22050 == pytest.approx(len(at_48_khz) / 48000, abs=0.1)
    assert np.abs(samples).max() == pytest.approx(audio.PEAK, rel=1e-4)
    second = samples[:22050] if mono else samples[:22050, 0]
    assert np.argmax(np.abs(np.fft.rfft(second))) == pytest.approx(440, rel=0.01)


@pytest.mark.parametrize("sample_rate", [0, -1, 44100.5])
def test_a_sample_rate_is_a_whole_number(sample_rate):
    with pytest.raises(ValueError, match="expected a whole number of Hz"):
        audio.synthesize(music_pb2.NoteSequence(), sample_rate=sample_rate)


def test_a_note_has_its_pitch():
    samples = audio.synthesize(note(music_pb2.NoteSequence(), 0.0, 2.0, pitch=69))
    spectrum = np.abs(np.fft.rfft(samples[: 2 * audio.RATE_HZ].mean(axis=1)))
    loudest_hz = np.argmax(spectrum) / 2
    assert abs(loudest_hz / 440 - 1) < 0.01


def test_drums_are_played_as_drums():
    drum, piano = (
        audio.synthesize(note(music_pb2.NoteSequence(), 0, 1, 38, is_drum=is_drum))
        for is_drum in (True, False)
    )
    half = audio.RATE_HZ // 2
    assert loudness(drum[:half]) > 0.01
    assert not np.allclose(drum[:half], piano[:half], atol=0.1)
    # A snare is noise, a piano a tone: their spectra are flat and peaked.
    flatness = [
        np.median(spectrum) / spectrum.max()
        for spectrum in (
            np.abs(np.fft.rfft(sound[:half].mean(axis=1)))[:4000]
            for sound in (drum, piano)
        )
    ]
    assert flatness[0] > 3 * flatness[1]


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


CRASH, AGOGO = 49, 113


@pytest.mark.parametrize(
    "options",
    [{}, {"pitch": CRASH, "is_drum": True}, {"program": AGOGO}, {"program": 9}],
)
def test_the_last_note_decays_until_it_is_silent(options):
    samples = audio.synthesize(note(music_pb2.NoteSequence(), 0.0, 0.2, **options))
    end = round(0.2 * audio.RATE_HZ)
    assert loudness(samples[end : end + 2400]) > 0.01
    fade = round(audio.FADE_S * audio.RATE_HZ)
    before_fade = samples[-fade - 2400 : -fade]
    assert 0 < loudness(before_fade) < audio.SILENCE
    assert not samples[-1].any()


def test_a_cymbal_lasts_longer_than_a_bass_drum():
    lengths = [
        len(audio.synthesize(note(music_pb2.NoteSequence(), 0, 0.1, key, is_drum=True)))
        for key in (36, CRASH)
    ]
    assert lengths[1] > 2 * lengths[0]


def test_a_pedal_that_is_never_released_ends_without_a_click():
    sequence = note(music_pb2.NoteSequence(), 0.0, 0.2, program=19)  # an organ
    sequence.control_changes.add(control_number=64, control_value=127, program=19)
    samples = audio.synthesize(sequence)
    assert len(samples) == round((0.2 + audio.LONGEST_TAIL_S) * audio.RATE_HZ)
    steps = np.abs(np.diff(samples[-2400:], axis=0)).max()
    assert steps < 0.1 and not samples[-1].any()


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


def test_more_notes_than_voices_are_all_heard():
    """60 notes of two voices each are the sum of the 30 low and the 30 high ones."""
    halves = [music_pb2.NoteSequence() for _ in range(2)]
    for part, pitch in itertools.product(range(6), range(36, 46)):
        note(halves[pitch > 40], 0, 1, pitch, instrument=part, program=19)
    both = music_pb2.NoteSequence(notes=[*halves[0].notes, *halves[1].notes])
    low, high, both = (
        audio.synthesize(sequence)[: audio.RATE_HZ].ravel()
        for sequence in (*halves, both)
    )
    mix = np.stack([low, high], axis=1)
    levels, *_ = np.linalg.lstsq(mix, both)
    assert loudness(both - mix @ levels) < 0.01 * loudness(both)


def test_a_note_lasts_though_the_one_before_on_its_key_ends():
    sequence = note(note(music_pb2.NoteSequence(), 0, 2, program=19), 1, 3, program=19)
    samples = audio.synthesize(sequence)
    first, last = (
        loudness(samples[round(at * audio.RATE_HZ) :][:9600]) for at in (0.5, 2.5)
    )
    assert last == pytest.approx(first, rel=0.3)


def low_and_high(sequence):
    """Amplitudes of an organ's pitches 48 and 96."""
    samples = audio.synthesize(sequence)[: audio.RATE_HZ].mean(axis=1)
    spectrum = np.abs(np.fft.rfft(samples))
    return spectrum[125:137].max(), spectrum[2080:2106].max()


def test_a_part_is_as_loud_as_its_volume_control():
    sequence = music_pb2.NoteSequence()
    for part, pitch in enumerate((48, 96)):
        note(sequence, 0, 1, pitch, instrument=part, program=19)
    control = sequence.control_changes.add(control_number=7, instrument=1, program=19)
    ratios = []
    for control.control_value in (midi_parts.USUAL_VOLUME, 50):
        low, high = low_and_high(sequence)
        ratios.append(high / low)
    # Half the volume is a quarter of the amplitude; of pitch 96, a part is an overtone
    # of pitch 48.
    assert 1.5 < ratios[0] / ratios[1] < 4.1


def normal(samples):
    return samples / np.abs(samples).max()


def test_each_drum_part_has_its_own_kit():
    def drums(*programs):
        sequence = music_pb2.NoteSequence()
        for number, program in enumerate(programs):
            start = 2 * number
            note(sequence, start, start + 0.2, 38, is_drum=True, program=program)
        samples = audio.synthesize(sequence)
        return samples[: audio.RATE_HZ], samples[2 * audio.RATE_HZ :][: audio.RATE_HZ]

    usual, electronic = drums(0)[0], drums(25)[0]
    assert not np.allclose(normal(usual), normal(electronic), atol=0.1)
    for sound, alone in zip(drums(0, 25), (usual, electronic)):
        np.testing.assert_allclose(normal(sound), normal(alone), atol=0.01)


def test_controls_of_one_moment_keep_their_order():
    """A wider pitch bend range: its value only counts after its number."""
    sequence = note(music_pb2.NoteSequence(), 0.0, 2.0, pitch=57, program=80)
    for number, value in ((101, 0), (100, 0), (6, 12)):
        sequence.control_changes.add(
            control_number=number, control_value=value, program=80
        )
    sequence.pitch_bends.add(time=0, bend=8191, program=80)
    samples = audio.synthesize(sequence)
    spectrum = np.abs(np.fft.rfft(samples[: 2 * audio.RATE_HZ].mean(axis=1)))
    assert np.argmax(spectrum) / 2 == pytest.approx(440, rel=0.01)


def test_controls_after_the_end_are_left_out():
    sequence = note(music_pb2.NoteSequence(), 0.0, 0.5)
    without = audio.wav(sequence)
    sequence.control_changes.add(time=100, control_number=64, control_value=0)
    assert audio.wav(sequence) == without


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


def test_a_file_that_is_not_a_soundfont_is_refused(tmp_path):
    path = tmp_path / "bad.sf2"
    path.write_bytes(b"RIFF....sfbk")
    with pytest.raises(audio.NoSound, match="cannot be read as a SoundFont"):
        audio.wav(note(music_pb2.NoteSequence(), 0, 1), path)


def test_a_missing_synthesiser_is_an_error_that_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "midirenderer", None)
    with pytest.raises(audio.NoSound, match="pip install midirenderer"):
        audio.wav(note(music_pb2.NoteSequence(), 0, 1))


@pytest.fixture
def long_music(monkeypatch):
    """Six seconds of music that count as long, in stretches of two seconds.

    A pedal, a bend and a note reach from one stretch into the next.
    """
    monkeypatch.setattr(audio, "LONGEST_AT_ONCE_S", 3.0)
    monkeypatch.setattr(audio, "STRETCH_S", 2.0)
    monkeypatch.setattr(audio, "BLOCK", 10_000)
    sequence = music_pb2.NoteSequence()
    for number in range(12):
        # The synthesiser works in blocks of 64 samples, of which 0.5 s is a multiple.
        # At the very border a note falls into either block.
        start = number / 2 + 0.0007
        note(sequence, start, start + 0.4, 60 + number, program=number % 2)
        note(sequence, start, start + 0.1, 36, is_drum=True, instrument=9)
    note(sequence, 1.5007, 4.5007, 50)
    for time, value in ((1.2, 127), (3.1, 0), (4.9, 127)):
        sequence.control_changes.add(time=time, control_number=64, control_value=value)
    sequence.pitch_bends.add(time=0.5, bend=3000)
    return sequence


def whole(sequence, monkeypatch):
    """The samples of music that is rendered at once."""
    with monkeypatch.context() as patch:
        patch.setattr(audio, "LONGEST_AT_ONCE_S", 300.0)
        return audio.synthesize(sequence)


def test_long_music_in_stretches_sounds_as_it_does_at_once(long_music, monkeypatch):
    at_once, samples = whole(long_music, monkeypatch), audio.synthesize(long_music)
    assert samples.shape == pytest.approx(at_once.shape, rel=0.1)
    length = min(map(len, (samples, at_once)))
    difference = samples[:length] - at_once[:length]
    assert loudness(difference) < 0.02 * loudness(at_once)
    assert np.abs(samples).max() == pytest.approx(audio.PEAK)


def test_long_music_is_written_with_progress_and_without_a_trace(
    long_music, tmp_path, monkeypatch
):
    seen = []

    class Bar(contextlib.nullcontext):
        def advance(self):
            seen.append("advance")

    def progress(total):
        seen.append(total)
        bar = Bar()
        bar.enter_result = bar
        return bar

    buffer = io.BytesIO()
    audio.write_wav(long_music, buffer, progress=progress, scratch=tmp_path)
    assert seen == [3, "advance", "advance", "advance"]
    assert buffer.getvalue() == audio.wav_of_samples(audio.synthesize(long_music))
    assert not list(tmp_path.iterdir())
    monkeypatch.setattr(audio, "MOST_FRAMES", 1000)
    with pytest.raises(audio.NoSound, match="hours at most"):
        audio.write_wav(long_music, buffer)


def test_a_pedal_holds_notes_until_it_is_released():
    sequence = note(music_pb2.NoteSequence(), 0.0, 1.0)
    end = lambda: midi_parts.stretches(sequence, 60.0)[0].end / midi_parts.TICKS_PER_S
    assert end() == 1
    for time, value in ((0.5, 100), (0.7, 80), (3.0, 20)):
        sequence.control_changes.add(time=time, control_number=64, control_value=value)
    assert end() == 3
    del sequence.control_changes[2:]
    assert end() == 1 + midi_parts.LONGEST_HELD_S


def test_samples_in_a_file_leave_the_memory_and_stay_as_they_are(tmp_path):
    with open(tmp_path / "samples", "w+b") as file:
        file.write(bytes(8 * 5000))
        file.flush()
        samples = np.memmap(file, np.float32, shape=(5000, 2))
        samples[4000:] = 0.25
        audio._release(samples[10:])
        assert samples.sum() == 500
    audio._release(np.ones([4, 2]))
    audio._release(np.frombuffer(b"1234", np.int16))

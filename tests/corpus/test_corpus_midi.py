"""Music that is written as MIDI sounds as it was meant."""

import corpus_midi
from corpus_music import assert_same, heard
from hypothesis import HealthCheck, given, settings

from music_vae_tf.data import midi


@settings(
    max_examples=150,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
@given(corpus_midi.files())
def test_midi_sounds_as_it_was_meant(tmp_path, music):
    data, expected = music
    (tmp_path / "a.mid").write_bytes(data)
    assert_same(heard(midi.read_midi(tmp_path / "a.mid")), expected)

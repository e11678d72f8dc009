"""Music that is written as MusicXML sounds as it was meant."""

import corpus_musicxml
from corpus_music import assert_same, heard, pieces, sound
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from music_vae_tf.data.scores import read_musicxml


@settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
@given(pieces(), corpus_musicxml.styles, st.booleans())
def test_musicxml_sounds_as_it_was_meant(piece, style, repeats):
    sequence = read_musicxml(corpus_musicxml.write(piece, style), repeats=repeats)
    assert_same(heard(sequence), sound(piece, corpus_musicxml.VELOCITIES, repeats))

"""Music that is written as ABC sounds as it was meant."""

import corpus_abc
from corpus_music import assert_same, heard, pieces, sections, sound
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from music_vae_tf.data.scores import read_abc

BOUNDED = settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)


def assert_sounds_as_meant(tune, piece, repeats=True):
    assert tune.error is None, tune.error
    assert not tune.remarks
    expected = sound(piece, corpus_abc.VELOCITIES, repeats)
    assert_same(heard(tune.sequence), expected)


@BOUNDED
@given(pieces(), corpus_abc.styles, st.booleans())
def test_abc_sounds_as_it_was_meant(piece, style, repeats):
    (tune,) = read_abc(corpus_abc.write(piece, style), repeats)
    assert_sounds_as_meant(tune, piece, repeats)


@settings(BOUNDED, max_examples=15)
@given(sections().flatmap(pieces), corpus_abc.styles)
def test_parts_of_abc_are_played_in_their_order(piece, style):
    (tune,) = read_abc(corpus_abc.write(piece, style))
    assert_sounds_as_meant(tune, piece)


@settings(BOUNDED, max_examples=10)
@given(
    st.lists(st.tuples(pieces(), corpus_abc.styles), min_size=2, max_size=3),
    st.booleans(),
)
def test_tunes_of_a_book_may_have_one_number_and_only_a_broken_one_is_skipped(
    music, tail
):
    books = [corpus_abc.write(*it) for it in music]
    tunes = read_abc("\n".join([*books, "X:1\nT:Broken\nK:C\n[CE"] if tail else books))
    assert len(tunes) == len(music) + tail
    assert {tune.number for tune in tunes} == {"1"}
    for tune, (piece, _) in zip(tunes, music):
        assert_sounds_as_meant(tune, piece)
    assert not tail or tunes[-1].error.startswith("[ is not closed")

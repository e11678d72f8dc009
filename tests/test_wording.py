import pytest

from music_vae_tf.wording import amount, counted


def test_a_noun_has_the_number_of_what_is_counted():
    assert counted(1, "file") == "1 file"
    assert counted(0, "file") == "0 files"
    assert counted(1200, "file") == "1,200 files"


@pytest.mark.parametrize(
    ("plural", "one"),
    [
        ("tracks that are cut off", "1 track that is cut off"),
        ("impossible tempos", "1 impossible tempo"),
        (
            "bytes or chunks outside of any track",
            "1 byte or chunk outside of any track",
        ),
        ("bars in 3/4", "1 bar in 3/4"),
        ("notes in these bars", "1 note in these bars"),
    ],
)
def test_a_reason_has_the_number_of_what_is_counted(plural, one):
    assert amount(1, plural) == one
    assert amount(2000, plural) == f"2,000 {plural}"

"""Repeats, endings and jumps are played as musicians play them."""

import time

import pytest

from music_vae_tf.data.scores.playback_order import marks_of_words, playback_order
from music_vae_tf.data.scores.score import Jump, Marks, UnreadableScore


def order(*bars, sections=()):
    """Each bar is a dict of marks; the order as a text: "0 1 0"."""
    return " ".join(map(str, playback_order([Marks(**b) for b in bars], sections)))


START, END = {"repeat_start": True}, {"repeat_plays": 2}
D_C, D_S = {"jump": Jump(False)}, {"jump": Jump(True)}


def ending(*numbers, **marks):
    return {"ending": frozenset(numbers), "ending_starts": True, **marks}


@pytest.mark.parametrize(
    ("bars", "expected"),
    [
        # |: 0 | 1 :| 2
        ([START, END, {}], "0 1 0 1 2"),
        # 0 :| 1
        ([END, {}], "0 0 1"),
        # 0 |: 1 :|: 2 :| 3
        ([{}, {**START, **END}, {**START, **END}, {}], "0 1 1 2 2 3"),
        # |: 0 :| four times
        ([{**START, "repeat_plays": 4}], "0 0 0 0"),
        # |: 0 |1 1 :|2 2 | 3
        ([START, ending(1, **END), ending(2), {}], "0 1 0 2 3"),
        # |: 0 |1 1 :|2 2 :| 3, where the last sign has no repeat to end
        ([START, ending(1, **END), ending(2, **END), {}], "0 1 0 2 3"),
        # |: 0 |1,2 1 :|3 2
        ([START, ending(1, 2, **END), ending(3)], "0 1 0 1 0 2"),
        # |: 0 |1 1 | 2 :|2 3 | 4 || 5, endings of two bars
        (
            [
                START,
                ending(1),
                {"ending": frozenset({1}), **END},
                ending(2),
                {"ending": frozenset({2})},
                {},
            ],
            "0 1 2 0 3 4 5",
        ),
        # |: 0 |1 1 :| 2, the second ending without a bracket
        ([START, ending(1, **END), {}], "0 1 0 2"),
        # |: 0 |1 1 :|2 2 |: 3 |1 4 :|2 5
        (
            [START, ending(1, **END), ending(2), START, ending(1, **END), ending(2)],
            "0 1 0 2 3 4 3 5",
        ),
        # |: 0 :| 1 Fine | 2 D.C., without the repeat
        ([{**START, **END}, {"fine": True}, D_C], "0 0 1 2 0 1"),
        # 0 | 1 segno | 2 Fine | 3 D.S.
        ([{}, {"segno": ""}, {"fine": True}, D_S], "0 1 2 3 1 2"),
        # 0 | 1 To Coda | 2 D.C. | 3 Coda, whose repeat is played
        ([{}, {"to_coda": ""}, D_C, {"coda": "", **START, **END}], "0 1 2 0 1 3 3"),
        # D.C. with endings plays the last
        ([START, ending(1, **END), ending(2), D_C], "0 1 0 2 3 0 2 3"),
        # D.S. where there is no segno
        ([{}, D_S, {"fine": True}], "0 1 2"),
        # two segnos told apart by their labels
        (
            [
                {"segno": "a"},
                {"segno": "b"},
                {"fine": True},
                {"jump": Jump(True, "b")},
            ],
            "0 1 2 3 1 2",
        ),
        ([], ""),
    ],
)
def test_bars_are_played_in_the_order_of_the_signs(bars, expected):
    assert order(*bars) == expected


def test_parts_are_played_in_their_order_each_with_its_repeats():
    bars = [{}, {"section": "A", **END}, {"section": "B"}, {}]
    assert order(*bars, sections=["A", "B", "A"]) == "0 1 1 2 3 1 1"
    assert order(*bars, sections=["Z"]) == "0 1 0 1 2 3"


def test_repeats_without_an_end_are_refused_before_they_fill_the_memory():
    bars = [{**START, "repeat_plays": 99_999_999}]
    with pytest.raises(UnreadableScore, match="more than 25000 bars"):
        order(*bars)


@pytest.mark.parametrize(
    ("words", "marks"),
    [
        ("D.C. al Fine", {"jump": Jump(False)}),
        ("D.C.", {"jump": Jump(False)}),
        ("DC al coda", {"jump": Jump(False)}),
        ("Da Capo al Fine", {"jump": Jump(False)}),
        ("D.S. al Coda", {"jump": Jump(True)}),
        ("Dal Segno", {"jump": Jump(True)}),
        ("To Coda", {"to_coda": ""}),
        ("Fine", {"fine": True}),
        ("D. Scarlatti", {}),
        ("fine, and then faster", {}),
        ("dc current", {}),
        ("Allegro", {}),
    ],
)
def test_words_say_where_to_go_on(words, marks):
    assert marks_of_words(words) == marks


ONE, OUTER = frozenset({1}), frozenset({1, 999})
INNER = frozenset(range(2, 999))
TO_START = Marks(jump=Jump(False))


@pytest.mark.parametrize(
    "marks",
    [
        [Marks(ending=ONE, ending_starts=i == 0) for i in range(20_000)],
        [Marks(to_coda="") for _ in range(12_000)] + [TO_START],
        [Marks(to_coda="", coda="a") for _ in range(12_000)] + [TO_START],
    ],
    ids=["one ending", "no coda", "codas"],
)
def test_many_bars_are_ordered_in_time_that_grows_with_their_number(marks):
    started = time.process_time()
    assert playback_order(marks)
    assert time.process_time() - started < 2


def test_bars_that_are_skipped_again_and_again_are_refused():
    marks = [Marks(repeat_start=True)]
    marks += [Marks(ending=OUTER, ending_starts=i == 0) for i in range(12_000)]
    marks[-1].repeat_plays = 2
    marks += [Marks(ending=INNER, ending_starts=True, repeat_plays=2)]
    started = time.process_time()
    with pytest.raises(UnreadableScore, match="more than 25000 bars"):
        playback_order(marks)
    assert time.process_time() - started < 2

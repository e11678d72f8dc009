"""Tabs are read as a drummer reads them."""

import pytest

from music_vae_tf.data.drum_tab import (
    PITCHES,
    SIGNS,
    UNDECIDED,
    Stroke,
    read_tab,
)


def test_sixteen_columns_are_sixteenths():
    tab = read_tab(
        """
        HH |x-x-x-x-x-x-x-o-|
        BD |X-------x-------|
        """
    )
    assert tab.bars == 1
    assert [s.step for s in tab.strokes if s.drum == "HH"] == [
        0,
        2,
        4,
        6,
        8,
        10,
        12,
        14,
    ]
    assert [s for s in tab.strokes if s.drum == "BD"] == [
        Stroke(0, "BD", "X"),
        Stroke(8, "BD", "x"),
    ]


def test_twelve_columns_are_triplets():
    steps = [stroke.step for stroke in read_tab("RD |x-xx--------|").strokes]
    assert steps == pytest.approx([0, 8 / 3, 4])


def test_bars_follow_each_other():
    tab = read_tab("SD |----x-----------|--------------x-|")
    assert tab.bars == 2
    assert [stroke.step for stroke in tab.strokes] == [4, 30]


def test_strokes_come_in_order_of_time():
    tab = read_tab("HH |----x-----------|\nSD |x---------------|")
    assert [stroke.drum for stroke in tab.strokes] == ["SD", "HH"]


def test_a_fill_begins_at_its_first_column_that_is_not_all_dots():
    assert read_tab("SD |............xxxx|").first_step == 12
    assert read_tab("SD |........--xx----|\nBD |............x---|").first_step == 8
    assert read_tab("SD |x---------------|").first_step == 0


@pytest.mark.parametrize(
    ("drum", "sign", "pitch"),
    [
        ("BD", "x", 36),
        ("SD", "g", 38),
        ("SD", "r", 37),
        ("HH", "x", 42),
        ("HH", "o", 46),
        ("HH", "O", 46),
        ("HF", "x", 44),
        ("RD", "X", 51),
        ("RD", "b", 53),
        ("FT", "x", 43),
    ],
)
def test_a_stroke_sounds_at_a_pitch_of_general_midi(drum, sign, pitch):
    assert Stroke(0, drum, sign).pitch == pitch


def test_undecided_signs_become_decided_ones():
    decided = {sign for pair in UNDECIDED.values() for sign in pair} - {None}
    assert decided <= SIGNS - set(UNDECIDED)


def test_every_pitch_is_in_a_class_of_the_roland_kit():
    from music_vae_tf.data.converters.drum_classes import ROLAND

    known = {pitch for drum_class in ROLAND for pitch in drum_class.pitches}
    assert {p for pitches in PITCHES.values() for p in pitches.values()} <= known


@pytest.mark.parametrize(
    "line",
    ["XY |x---|", "HH |x-z-|", "HH x-x-", "HH |x-x-|x-"],
    ids=["unknown drum", "unknown sign", "no bar lines", "an open bar"],
)
def test_a_line_that_cannot_be_read_is_shown(line):
    with pytest.raises(ValueError, match="cannot read this line"):
        read_tab(line)


def test_lines_must_have_the_same_number_of_bars():
    with pytest.raises(ValueError, match="number of bars"):
        read_tab("HH |x-x-|x-x-|\nSD |--x-|")

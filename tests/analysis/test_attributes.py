"""Attributes that notes alone decide, against values worked out by hand."""

import math

import numpy as np
import pytest
from note_seq.protobuf.music_pb2 import NoteSequence

from music_vae_tf.analysis import attribute_directions as ways
from music_vae_tf.analysis.attributes import (
    ATTRIBUTES,
    NAMES,
    BadAmounts,
    Onsets,
    measure,
    onsets_of,
    parse_amounts,
    table,
)

KICK, SNARE, HAT = 36, 38, 42


def drums(*notes, quarters=4):
    """(start in quarters, pitch, velocity) -> Onsets."""
    return of(notes, quarters, True)


def melody(*notes, quarters=4):
    return of(notes, quarters, False)


def of(notes, quarters, is_drum):
    starts, pitches, velocities = np.array(notes, float).reshape(-1, 3).T
    mask = np.full(len(starts), is_drum)
    return Onsets(starts, pitches.astype(int), velocities, mask, quarters)


def only(name, onsets):
    return measure(onsets)[name]


def test_density_is_notes_in_a_quarter():
    beat = drums((0, KICK, 90), (0, HAT, 60), (1, SNARE, 90), quarters=8)
    assert only("density", beat) == 3 / 8
    assert only("density", drums()) == 0


@pytest.mark.parametrize(
    ("starts", "strength"),
    [
        ([0, 1, 2, 3], 0),  # on the beats
        ([0.5], 2),  # -3, then the third beat, -1
        ([1.75], 3),  # -4, then the third beat
        ([1.75, 2], 0),  # which is struck: nothing is syncopated
        ([0.25, 1], 2),  # -4, then the off-beat, -3; beat 2 (-2), then 3 (-1)
        ([0, 0.75, 1.5], 4),  # son clave's: -4 before beat 2 (-2); -3 before 3 (-1)
    ],
)
def test_syncopation_is_counted_as_longuet_higgins_and_lee_do(starts, strength):
    rhythm = [(start, KICK, 90) for start in starts]
    assert only("syncopation", drums(*rhythm)) == strength
    assert only("syncopation", melody(*((s, 60, 90) for s in starts))) == strength
    late = [(start + 0.1, KICK, 90) for start in starts]
    assert only("syncopation", drums(*late)) == strength


def test_kick_and_snare_are_counted_apart_and_hats_not_at_all():
    assert only("syncopation", drums((0.5, HAT, 60))) == 0
    both = drums((1.75, KICK, 90), (2, SNARE, 90), (0.5, SNARE, 90))
    # The kick is not relieved by the snare; the snare's 0.5 is followed by beat 2.
    assert only("syncopation", both) == 3 + 1
    two_bars = drums((1.75, KICK, 90), quarters=8)
    assert only("syncopation", two_bars) == 4 / 2  # the next bar's downbeat is 0


def test_swing_is_the_ratio_of_the_eighths():
    straight = drums((0, HAT, 60), (0.5, HAT, 60), (0.75, HAT, 60))
    triplets = drums((0, HAT, 60), (2 / 3, HAT, 60), (1, HAT, 60), (5 / 3, HAT, 60))
    assert only("swing", straight) == pytest.approx(1)
    assert only("swing", triplets) == pytest.approx(2)
    assert math.isnan(only("swing", drums((0, HAT, 60), (0.25, HAT, 60))))


def test_laid_back_is_how_late_the_beats_come():
    late = drums((0.05, KICK, 90), (1.1, SNARE, 90), (0.6, HAT, 50))
    assert only("laid_back", late) == pytest.approx(0.3)  # sixteenths; not the off-beat
    pushed = drums((-0.05, KICK, 90), (0.95, SNARE, 90))
    assert only("laid_back", pushed) == pytest.approx(-0.2)
    assert math.isnan(only("laid_back", drums((0.5, HAT, 60))))


def test_dynamics_are_a_mean_and_the_distance_of_soft_and_loud():
    onsets = drums(*((k / 4, HAT, velocity) for k, velocity in enumerate(range(11))))
    assert only("velocity", onsets) == 5
    assert only("velocity_range", onsets) == 8
    assert math.isnan(only("velocity_range", drums((0, HAT, 60))))


def test_pitches_are_a_melodys_alone():
    tune = melody((0, 60, 80), (1, 48, 80), (1, 64, 80), (2, 62, 80))
    assert only("pitch_range", tune) == 16
    assert only("interval", tune) == 3  # 60, 64, 62: of a chord the top counts
    beat = drums((0, KICK, 80), (1, SNARE, 80))
    assert math.isnan(only("pitch_range", beat)) and math.isnan(only("interval", beat))


def test_no_notes_have_no_attributes_but_density_and_syncopation():
    values = measure(drums())
    assert [name for name in NAMES if not math.isnan(values[name])] == [
        *("density", "syncopation")
    ]


def test_a_sequence_is_read_in_quarters_at_its_tempo():
    sequence = NoteSequence()
    sequence.tempos.add(qpm=90)
    for number in (2, 1, 0):
        start = number * 60 / 90
        sequence.notes.add(
            start_time=start, end_time=start + 0.1, pitch=60, velocity=80
        )
    np.testing.assert_allclose(onsets_of(sequence, 4).starts, [0, 1, 2])
    assert table([onsets_of(sequence, 4)] * 2).shape == (2, len(NAMES))
    del sequence.tempos[:]
    assert onsets_of(sequence, 4).starts[1] == pytest.approx(2 * 60 / 90)


def test_each_attribute_has_a_definition_and_a_unit():
    for one in ATTRIBUTES.values():
        assert len(one.measure.__doc__) > 40 and one.unit and one.description


def test_amounts_are_read_from_text_or_a_mapping():
    assert parse_amounts("density=+1, swing = -0.5") == {"density": 1, "swing": -0.5}
    assert parse_amounts({"density": 1}) == {"density": 1.0}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("density", "expected NAME=AMOUNT"),
        ("density=", "expected NAME=AMOUNT"),
        ("density=much", "density=much: expected a number"),
        ("density=nan", "density=nan: expected a number"),
        ("density=inf", "from -5 to 5"),
        ("density=-1e9", "from -5 to 5"),
        ("density=1,density=2", "duplicate attribute density"),
        ("", "no attribute is named"),
        ({"density": None}, "expected a number"),
    ],
)
def test_amounts_without_sense_are_refused(text, words):
    with pytest.raises(BadAmounts, match=words):
        parse_amounts(text)


# Directions.


def linear_world(noise=0.0):
    """Latent vectors, and two correlated attributes of them."""
    rng = np.random.default_rng(0)
    z = rng.standard_normal([4000, 6])
    weights = np.array([[2.0, 0, 1, 0, 0, 0], [1.0, 1, 0, 0, 0, 0]])
    return z, z @ weights.T + noise * rng.standard_normal([4000, 2]), weights


def test_a_direction_moves_its_attribute_alone():
    z, measured, weights = linear_world()
    moved = ways.directions(z, measured) @ weights.T / measured.std(axis=0)
    np.testing.assert_allclose(np.diag(moved), moved[0, 0], rtol=0.2)
    assert np.abs(moved - np.diag(np.diag(moved))).max() < 0.1 * np.diag(moved).min()


def test_undefined_values_are_not_evidence():
    z, measured, _ = linear_world()
    holed = measured.copy()
    holed[::3, 0] = np.nan
    one, other = ways.directions(z, measured), ways.directions(z, holed)
    cosines = np.sum(one * other, axis=1)
    cosines /= np.linalg.norm(one, axis=1) * np.linalg.norm(other, axis=1)
    assert (cosines > 0.98).all()


def test_attributes_that_do_not_vary_are_left_out():
    measured = np.array([[1, 1, np.nan, 0], [2, 1, np.nan, np.nan], [3, 1, 5, np.nan]])
    assert ways.are_varied(measured).tolist() == [True, False, False, False]
    assert not ways.are_varied(np.zeros([0, 4])).any()


def test_effects_are_rank_correlations_and_mean_changes():
    amounts = np.array([-1, 0, 1])
    change = np.stack([amounts**3, -amounts, 0 * amounts], axis=-1)[None]
    np.testing.assert_allclose(ways.correlations(amounts, change), [1, -1, 0])
    low, high = np.array([[1.0, np.nan]]), np.array([[5.0, np.nan]])
    np.testing.assert_allclose(ways.slopes(low, high, np.array([2, 1])), [1, 0])
    effects = ways.Effects(np.array([[1, 0.5], [-0.25, 1]]), np.eye(2))
    np.testing.assert_allclose(effects.leaks, [0.5, 0.25])

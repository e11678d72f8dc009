"""A drummer keeps to the grid, the style and the possible."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from music_vae_tf.data.drum_tab import Stroke, read_tab
from music_vae_tf.data.drummer import Feel, loudness, onset_seconds, play, swung

BEAT = read_tab(
    """
    HH |X-x-X-x-X-x-X-o-|X-x-X-x-X-x-X-o-|X-x-X-x-X-x-X-o-|X-x-X-x-X-x-X-o-|
    SD |----X--g----X--g|----X--g----X--g|----X--g----X--g|----X--g----f---|
    BD |x-----x-x-------|x-----x-x-------|x-----x-x-------|x-----x-x-------|
    """
).strokes


def rng(seed=0):
    return np.random.default_rng(seed)


def mean_lateness_ms(drum, feel, qpm=100):
    """How late a drum is on average over many drummers."""
    written = np.array([stroke.step for stroke in BEAT]) * 15 / qpm
    late = np.mean(
        [onset_seconds(BEAT, qpm, feel, rng(i)) - written for i in range(200)], axis=0
    )
    return 1000 * late[[s.drum == drum and s.step > 0 for s in BEAT]].mean()


def test_straight_time_is_not_bent():
    steps = np.arange(0, 16, 0.5)
    np.testing.assert_allclose(swung(steps, Feel()), steps)


def test_swung_eighths_move_the_off_beat():
    feel = Feel(swing=2 / 3, swung_steps=2)
    np.testing.assert_allclose(
        swung(np.array([0, 2, 4, 6]), feel), [0, 8 / 3, 4, 20 / 3]
    )


def test_swung_sixteenths_move_every_other_one():
    feel = Feel(swing=0.6, swung_steps=1)
    np.testing.assert_allclose(swung(np.arange(5), feel), [0, 1.2, 2, 3.2, 4])


def test_triplets_are_not_swung_again():
    feel = Feel(swing=0.6, swung_steps=1, loose=0)
    triplets = [Stroke(step, "HH", "x") for step in (0, 4 / 3, 8 / 3, 4)]
    times = np.mean([onset_seconds(triplets, 60, feel, rng(i)) for i in range(300)], 0)
    np.testing.assert_allclose(times * 4, [s.step for s in triplets], atol=0.02)


@given(
    seed=st.integers(0, 10**6),
    qpm=st.floats(40, 240),
    loose=st.floats(0, 10),
    late_ms=st.floats(-200, 200),
)
def test_strokes_stay_nearest_to_their_sixteenth(seed, qpm, loose, late_ms):
    feel = Feel(late_ms={"SD": late_ms}, loose=loose)
    steps = onset_seconds(BEAT, qpm, feel, rng(seed)) * qpm / 15
    assert (steps >= 0).all()
    assert np.round(steps).tolist() == [stroke.step for stroke in BEAT]


def test_a_drum_lies_as_late_as_its_style_asks():
    feel = Feel(late_ms={"SD": 12, "HH": -5})
    assert mean_lateness_ms("SD", feel) == pytest.approx(12, abs=1.5)
    assert mean_lateness_ms("HH", feel) == pytest.approx(-5, abs=1.5)


def test_time_strays_as_far_as_drummers_do():
    steps = np.array([stroke.step for stroke in BEAT]) * 0.15
    late = onset_seconds(BEAT, 100, Feel(), rng(3)) - steps
    assert 0.005 < late.std() < 0.02


def test_accents_are_loud_and_ghost_notes_are_soft():
    velocities = loudness(BEAT, rng())
    snare = lambda sign: np.mean(
        [v for v, s in zip(velocities, BEAT) if (s.drum, s.sign) == ("SD", sign)]
    )
    assert snare("X") > 95 > 40 > snare("g")


def test_a_fill_grows():
    roll = [Stroke(48 + step, "SD", "x") for step in range(16)]
    grown = np.mean([loudness(roll, rng(i), fill_from=48) for i in range(100)], axis=0)
    level = np.mean([loudness(roll, rng(i)) for i in range(100)], axis=0)
    ratio = grown / level
    assert ratio[0] == pytest.approx(0.86, abs=0.02)
    assert ratio[-1] > 1.08


def test_a_flam_has_a_softer_grace_note_before_it():
    sequence = play([Stroke(0, "BD", "x"), Stroke(4, "SD", "f")], 60, Feel(), rng())
    _, grace, stroke = sequence.notes
    assert (grace.pitch, stroke.pitch) == (38, 38)
    assert stroke.start_time - grace.start_time == pytest.approx(0.03)
    assert grace.velocity < 0.5 * stroke.velocity


def test_a_note_ends_before_its_drum_is_struck_again():
    roll = [Stroke(step, "SD", "f") for step in range(16)]
    notes = play(roll, 180, Feel(), rng()).notes
    for before, after in zip(notes, notes[1:]):
        assert before.start_time < before.end_time <= after.start_time


def test_a_performance_is_drums_in_one_tempo_and_four_four():
    sequence = play(BEAT, 97, Feel(), rng())
    assert [tempo.qpm for tempo in sequence.tempos] == [97]
    (metre,) = sequence.time_signatures
    assert (metre.numerator, metre.denominator) == (4, 4)
    assert all(note.is_drum and note.instrument == 9 for note in sequence.notes)
    assert all(1 <= note.velocity <= 127 for note in sequence.notes)
    starts = [note.start_time for note in sequence.notes]
    assert starts == sorted(starts)
    assert sequence.total_time == max(note.end_time for note in sequence.notes)

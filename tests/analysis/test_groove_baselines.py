"""Players without a network, on training windows small enough to count."""

import numpy as np
import pytest

from music_vae_tf.analysis import groove_baselines as players
from music_vae_tf.analysis.groove_windows import Playing, Windows

STEPS, DRUMS = 32, 3


def windows_of(*windows, given=None, asked=(True, True, True)):
    """A window is `{(step, drum): (velocity, offset)}`."""
    hits = np.zeros([len(windows), STEPS, DRUMS], bool)
    velocities, offsets = np.zeros([2, *hits.shape])
    for number, window in enumerate(windows):
        for (step, drum), played in window.items():
            cell = number, step, drum
            hits[cell] = True
            velocities[cell], offsets[cell] = played
    drummers = Playing(hits, velocities, offsets)
    return Windows(
        drummers,
        hits if given is None else given,
        np.arange(len(windows)),
        np.full(len(windows), 120.0),
        np.array(asked),
    )


# Steps 0 and 16 are the same sixteenth of the bar.
TRAINING = windows_of(
    {(0, 0): (100, 0.2), (16, 0): (80, 0.1), (4, 1): (60, -0.1)},
    {(0, 0): (90, 0.0), (8, 0): (50, 0.3), (4, 1): (40, -0.3)},
)
TEST = windows_of(
    {(16, 0): (1, 0.5), (20, 1): (2, 0.5), (3, 0): (3, 0.5), (5, 2): (4, 0)}
)


def test_quantised_is_on_the_grid_at_the_mean_velocity():
    fitted = players.table(TRAINING)
    played = players.quantised(fitted, TEST, holds_hits=True)
    np.testing.assert_array_equal(played.hits, TEST.drummers.hits)
    assert set(played.velocities[played.hits]) == {70}  # of 420 in 6 hits
    assert not played.offsets.any()


def test_means_are_per_drum_and_sixteenth_of_the_bar():
    played = players.mean(players.table(TRAINING), TEST, holds_hits=True)
    assert (played.velocities[0, 16, 0], played.velocities[0, 20, 1]) == (90, 50)
    np.testing.assert_allclose(played.offsets[0, 16, 0], 0.1)
    np.testing.assert_allclose(played.offsets[0, 20, 1], round(-0.2 * 120) / 120)


def test_where_a_drum_was_never_hit_its_mean_stands_in_and_then_the_kits():
    played = players.mean(players.table(TRAINING), TEST, holds_hits=True)
    assert played.velocities[0, 3, 0] == 80  # of 100, 80, 90, 50
    assert played.velocities[0, 5, 2] == 70  # drum 2 is never hit in training


def test_draws_come_from_the_same_drum_and_sixteenth():
    many = windows_of(*[{(16, 0): (1, 0)}] * 300)
    fitted = players.table(TRAINING)
    played = players.histogram_draw(fitted, many, True, TRAINING, seed=0)
    pairs = list(
        zip(played.velocities[many.drummers.hits], played.offsets[many.drummers.hits])
    )
    velocities, offsets = map(set, zip(*pairs))
    assert velocities == {100, 80, 90}
    assert offsets == {0.2, 0.1, 0.0}
    assert len(set(pairs)) == 9  # each by itself, so all pairs come


def test_the_same_seed_draws_the_same():
    fitted = players.table(TRAINING)
    draw = lambda seed: players.histogram_draw(fitted, TEST, True, TRAINING, seed)
    for one, twin in zip(draw(3), draw(3)):
        np.testing.assert_array_equal(one, twin)


def test_the_nearest_neighbour_is_the_window_with_the_same_hits():
    second = TRAINING.drummers.hits[1:]
    asked = windows_of({(0, 0): (1, 0), (8, 0): (1, 0), (4, 1): (1, 0)})
    np.testing.assert_array_equal(asked.given, second)
    fitted = players.table(TRAINING)
    played = players.nearest_neighbours(fitted, asked, True, TRAINING, k=1)
    assert played.velocities[0, 8, 0] == 50
    assert played.velocities[0, 4, 1] == 40
    both = players.nearest_neighbours(fitted, asked, True, TRAINING, k=2)
    assert both.velocities[0, 4, 1] == 50  # of 60 and 40
    assert both.velocities[0, 8, 0] == 50  # the other neighbour is silent there


def test_neighbours_vote_for_hits_that_are_not_held():
    fitted = players.table(TRAINING)
    played = players.nearest_neighbours(fitted, TRAINING, False, TRAINING, k=1)
    for ours, theirs in zip(played, TRAINING.drummers):
        np.testing.assert_allclose(ours, theirs, atol=1 / 240)


def test_hits_are_played_where_training_drummers_mostly_do_given_the_input():
    # The first drum is given alone; wherever it is, the second goes along.
    windows = [{(t, 0): (64, 0), (t, 1): (64, 0)} for t in (0, 4, 8)]
    training = windows_of(*windows)
    training.given[:, :, 1] = False
    played = players.mean(players.table(training), training, holds_hits=False)
    np.testing.assert_array_equal(played.hits, training.drummers.hits)


def test_drums_that_are_not_asked_for_stay_as_they_were():
    asked = TEST._replace(asked=np.array([False, True, False]))
    for name, played in players.baselines(TRAINING, asked, True, seed=0, k=2).items():
        for ours, theirs in zip(played, asked.drummers):
            np.testing.assert_array_equal(
                ours[:, :, [0, 2]], theirs[:, :, [0, 2]], name
            )
        assert played.velocities[0, 20, 1] != 2, name


def test_there_are_four_of_them():
    names = list(players.baselines(TRAINING, TEST, True, seed=0))
    assert names == ["quantised", "mean", "histogram draw", "10 nearest"]


@pytest.mark.parametrize("holds_hits", [True, False])
def test_silent_cells_have_no_velocity_and_no_offset(holds_hits):
    for played in players.baselines(TRAINING, TEST, holds_hits, seed=0).values():
        assert not played.velocities[~played.hits].any()
        assert not played.offsets[~played.hits].any()

"""What a latent space is like, by the points in it."""

import sys

import numpy as np
import pytest

from music_vae_tf.analysis import latent_space
from music_vae_tf.analysis.latent_space import NoUmap, TooFewPoints

RNG = np.random.default_rng(0)
# Units of standard deviation 3, 0.05, 1 and 0.2.
MEANS = RNG.normal(size=[400, 4]) * [3, 0.05, 1, 0.2]


def test_units_are_active_whose_variance_is_above_a_hundredth():
    assert latent_space.active_units(MEANS) == 3
    assert latent_space.most_active(MEANS, 2) == [0, 2]
    assert latent_space.most_active(MEANS, 9) == [0, 2, 3, 1]


def test_principal_components_are_the_directions_of_most_variance():
    turn, _ = np.linalg.qr(RNG.normal(size=[4, 4]))
    plane = latent_space.principal(MEANS @ turn + 7)
    variance = np.var(MEANS, axis=0)
    expected = variance[[0, 2]] / variance.sum()
    np.testing.assert_allclose(plane.shares, expected, rtol=0.02)
    assert abs(np.corrcoef(plane.points[:, 0], MEANS[:, 0])[0, 1]) > 0.99
    mirrored = latent_space.principal(-(MEANS @ turn)).points
    np.testing.assert_allclose(plane.points, -mirrored, atol=1e-9)


def test_points_that_are_all_the_same_make_a_picture_too():
    plane = latent_space.principal(np.ones([5, 3]))
    np.testing.assert_allclose(plane.points, 0, atol=1e-9)
    assert np.isfinite(plane.shares).all()


def test_a_space_of_one_dimension_is_a_line():
    plane = latent_space.principal(MEANS[:, :1])
    assert plane.points.shape == (400, 2)
    assert plane.shares == (pytest.approx(1), 0)
    np.testing.assert_array_equal(plane.points[:, 1], 0)


@pytest.mark.slow
def test_umap_keeps_groups_apart_and_repeats_itself():
    groups = np.concatenate([MEANS[:15] - 20, MEANS[15:30] + 20])
    points = latent_space.neighbourhoods(groups, seed=1)
    centres = points[:15].mean(axis=0), points[15:].mean(axis=0)
    spread = max(points[:15].std(), points[15:].std())
    assert points.shape == (30, 2)
    assert np.linalg.norm(centres[0] - centres[1]) > spread
    np.testing.assert_array_equal(points, latent_space.neighbourhoods(groups, seed=1))


def test_an_attribute_is_what_one_group_has_more_than_another():
    means = np.array([[1.0, 0.0], [3.0, 0.0], [0.0, 5.0], [9.0, 9.0]])
    has = np.array([True, True, False, False])
    lacks = np.array([False, False, True, False])
    got = latent_space.attribute_vector(means, has, lacks)
    np.testing.assert_array_equal(got, [2.0, -5.0])


def test_too_few_points_are_told():
    with pytest.raises(TooFewPoints, match="2 examples make no plot; 3 are needed"):
        latent_space.principal(MEANS[:2])
    with pytest.raises(TooFewPoints, match="4 examples are too few for UMAP"):
        latent_space.neighbourhoods(MEANS[:4])


def test_without_umap_the_command_that_installs_it_is_told(monkeypatch):
    monkeypatch.setitem(sys.modules, "umap", None)
    with pytest.raises(NoUmap, match=r"'music_vae_tf\[umap\]', or give --noumap"):
        latent_space.require_umap()

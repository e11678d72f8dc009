"""The mixture output of grooves, beside sums over its grid and NumPy's logistics."""

import numpy as np
import pytest
import tensorflow as tf

from music_vae_tf.models import groove_mixture
from music_vae_tf.models.groove_mixture import GrooveMixture
from music_vae_tf.models.prng import PRNGKey

DRUMS, COMPONENTS, B = 3, 4, 5
D = 3 * DRUMS
FREE = np.full([B, D], np.nan, np.float32)


@pytest.fixture(scope="module")
def output():
    output = GrooveMixture(D, COMPONENTS)
    output.build()
    output.couplings.assign(tf.zeros_like(output.couplings))
    output.of_hits.assign(np.random.default_rng(1).normal(size=output.of_hits.shape))
    return output


@pytest.fixture(scope="module")
def params(output):
    rng = np.random.default_rng(0)
    return rng.normal(size=[B, output.params_size]).astype(np.float32)


def row(hits, velocities, offsets):
    return np.array([[*hits, *velocities, *offsets]], np.float32)


def only_drum(number, velocity, offset):
    unit = np.eye(DRUMS)[number]
    return row(unit, velocity * unit, offset * unit)[0]


def test_probabilities_of_all_velocities_and_offsets_of_a_hit_sum_to_one(
    output, params
):
    rows = [
        only_drum(1, velocity, offset)
        for velocity in np.linspace(1 / 127, 1, 127)
        for offset in np.linspace(-1, 1, 121)
    ]
    _, losses = output._two_losses(
        np.repeat(params[:1], len(rows), axis=0), np.stack(rows)
    )
    assert np.exp(-losses.numpy()).sum() == pytest.approx(1, abs=2e-3)


def test_a_step_without_hits_costs_its_hits_alone(output, params):
    hits, playing = output._two_losses(params, np.zeros([B, D], np.float32))
    expected = np.log1p(np.exp(params[:, :DRUMS])).sum(axis=1)
    np.testing.assert_allclose(hits, expected, rtol=1e-4)
    np.testing.assert_allclose(playing, 0, atol=1e-6)


def test_velocities_of_drums_at_rest_cost_nothing(output, params):
    quiet = row([1, 0, 0], [0.5, 0, 0], [0.1, 0, 0])
    other = row([1, 0, 0], [0.5, 0.9, 0.3], [0.1, -0.5, 0.4])
    losses = [output.loss(params[:1], rows).numpy() for rows in (quiet, other)]
    np.testing.assert_allclose(*losses)


def test_the_loss_has_finite_gradients_far_from_all_means(output, params):
    extreme = tf.constant(params * 30)
    targets = np.tile(row([1, 1, 1], [0, 1, 0.5], [-1, 1, 0]), [B, 1])
    with tf.GradientTape() as tape:
        tape.watch(extreme)
        loss = output.loss(extreme, targets)
    gradient = tape.gradient(loss, extreme)
    assert np.isfinite(loss).all() and np.isfinite(gradient).all()


def test_the_mode_has_the_medians_of_many_draws(output, params):
    held = FREE.copy()
    held[:, :DRUMS] = output.mode(params)[:, :DRUMS]
    many = lambda rows: np.tile(rows, [2000, 1])  # all draws at once, as one batch
    draws = output.sample_held(many(params), many(held), 1.0, PRNGKey(0)).numpy()
    median = np.median(draws.reshape(2000, *held.shape), axis=0)
    np.testing.assert_allclose(output.mode(params), median, atol=0.06)


def test_drums_of_a_step_vary_together_when_components_differ():
    output = GrooveMixture(D, COMPONENTS)
    output.build()
    apart = np.zeros([300, output.params_size], np.float32)
    apart[:, :DRUMS] = 20  # all drums are hit
    rows = output.sample(apart, 1.0, PRNGKey(0)).numpy()
    velocities = rows[:, DRUMS : 2 * DRUMS]
    assert np.corrcoef(velocities[:, 0], velocities[:, 1])[0, 1] > 0.4


def test_a_temperature_near_0_gives_the_mode(output, params):
    near = output.sample(params, 1e-6, PRNGKey(3))
    np.testing.assert_allclose(near, output.mode(params), atol=1e-4)


def test_a_temperature_of_one_half_goes_half_of_the_way_to_the_median(output, params):
    held = FREE.copy()
    held[:, :DRUMS] = 1
    at = lambda t: output.sample_held(params, held, t, PRNGKey(7)).numpy()
    inside = (np.abs(at(1.0)) < 0.99) & (np.abs(at(1.0)) > 0.01)
    expected = (at(1.0) + at(1e-6)) / 2
    np.testing.assert_allclose(at(0.5)[inside], expected[inside], atol=1e-3)


@pytest.mark.parametrize("temperature", [1.0, 2.0, 30.0])
def test_all_that_is_hit_is_within_its_range(output, params, temperature):
    """A velocity of 0 would be no note."""
    held = FREE.copy()
    held[:, :DRUMS] = 1
    rows = output.sample_held(params, held, temperature, PRNGKey(7)).numpy()
    velocities, offsets = rows[:, DRUMS : 2 * DRUMS], rows[:, 2 * DRUMS :]
    assert velocities.min() >= 0.99 / 127 and velocities.max() <= 1
    assert np.abs(offsets).max() <= 1


def test_draws_of_extreme_parameters_are_numbers(output, params):
    rows = output.sample(1e4 * params, 1.0, PRNGKey(7)).numpy()
    assert np.isfinite(rows).all()


def test_held_values_are_kept_and_the_rest_depends_on_held_hits(output, params):
    held = FREE.copy()
    held[:, :DRUMS] = [1, 0, 1]
    held[:, DRUMS] = 0.25
    rows = output.sample_held(params, held, 1.0, PRNGKey(5)).numpy()
    np.testing.assert_array_equal(rows[:, :DRUMS], held[:, :DRUMS])
    np.testing.assert_array_equal(rows[:, DRUMS], 0.25)
    np.testing.assert_array_equal(rows[:, DRUMS + 1], 0)
    held[:, 1] = 1
    other = output.sample_held(params, held, 1.0, PRNGKey(5)).numpy()
    assert (other[:, DRUMS + 2] != rows[:, DRUMS + 2]).any()


def test_log_probabilities_are_those_of_numpy_logistics():
    means, log_scales = np.float32([[[0.3]]]), np.float32([[[np.log(0.05)]]])
    logistics = groove_mixture._Logistics(
        means, log_scales, np.zeros([1, 1], np.float32), (0.0, 1.0), 1 / 127
    )
    values = np.float32([[64 / 127]])
    cdf = lambda x: 1 / (1 + np.exp(-(x - 0.3) / 0.05))
    expected = np.log(cdf(64.5 / 127) - cdf(63.5 / 127))
    found = logistics.log_probabilities(values, np.ones_like(values)).numpy().item()
    assert found == pytest.approx(expected, abs=1e-3)


def coupled(coupling):
    output = GrooveMixture(D, 1)
    output.build()
    output.of_hits.assign(tf.zeros_like(output.of_hits))
    output.couplings.assign(np.full(output.couplings.shape, coupling))
    return output


def test_a_drum_moves_with_the_mean_of_the_drums_before_it():
    """The loss of the third drum beside that of a mean moved by hand."""
    means, scale, hits = [0.3, 0.5, 0.6], 0.08, np.float32([[1, 1, 1]])
    values = np.float32([[50, 70, 80]]) / 127
    logistics = groove_mixture._Logistics(
        np.float32([means]),
        np.full([1, 3], np.log(scale), np.float32),
        0.5,
        (0, 1),
        0.01,
    )
    found = logistics.log_probabilities(values, hits).numpy()[0, 0, 2]
    moved = means[2] + 0.5 * np.mean(values[0, :2] - means[:2])
    cdf = lambda x: 1 / (1 + np.exp(-(x - moved) / scale))
    expected = np.log(cdf(values[0, 2] + 0.005) - cdf(values[0, 2] - 0.005))
    assert found == pytest.approx(expected, abs=1e-4)


def test_a_drum_at_rest_moves_no_other():
    output, params = coupled(0.8), np.zeros([1, coupled(0).params_size], np.float32)
    one = row([1, 0, 1], [0.4, 0.0, 0.7], [0.1, 0.0, 0.2])
    other = row([1, 0, 1], [0.4, 0.9, 0.7], [0.1, 0.5, 0.2])
    losses = [output.loss(params, rows).numpy() for rows in (one, other)]
    np.testing.assert_allclose(*losses, rtol=1e-6)


@pytest.mark.parametrize("coupling", [0.0, 0.8])
def test_draws_have_the_coupling_that_the_loss_has(coupling):
    """Offsets of the second drum, regressed on those of the first."""
    output = coupled(coupling)
    params = np.zeros([4000, output.params_size], np.float32)
    held = np.full([4000, D], np.nan, np.float32)
    held[:, :DRUMS] = 1
    rows = output.sample_held(params, held, 1.0, PRNGKey(2)).numpy()
    first, second = rows[:, 2 * DRUMS], rows[:, 2 * DRUMS + 1]
    slope = np.polyfit(first, second, 1)[0]
    assert slope == pytest.approx(coupling, abs=0.08)


@pytest.mark.parametrize(("free", "coupling"), [(2, 0.5), (0, 0.0)])
def test_a_free_velocity_is_distributed_as_the_loss_says_given_all_else(
    params, free, coupling
):
    """A free drum last, or drums that move alone: Bayes' rule holds exactly."""
    output = GrooveMixture(D, COMPONENTS)
    output.build()
    output.couplings.assign(tf.fill(output.couplings.shape, coupling))
    held = row([1, 1, 1], [0.9, 0.85, 0.9], [0.1, 0.05, -0.1])
    held[0, DRUMS + free] = np.nan

    grid = np.float32(np.arange(1, 128) / 127)
    rows = np.repeat(held, len(grid), axis=0)
    rows[:, DRUMS + free] = grid
    one = params[:1]
    _, losses = output._two_losses(np.repeat(one, len(grid), axis=0), rows)
    expected = np.exp(-losses.numpy())
    expected = np.cumsum(expected / expected.sum())

    count = 4000
    many = [np.repeat(x, count, axis=0) for x in (one, held)]
    drawn = output.sample_held(*many, 1.0, PRNGKey(0)).numpy()[:, DRUMS + free]
    found = (drawn[:, None] <= grid + 0.5 / 127).mean(axis=0)
    np.testing.assert_allclose(found, expected, atol=0.03)
    median = output.sample_held(one, held, 1e-6, PRNGKey(0))[0, DRUMS + free]
    assert np.interp(median, grid + 0.5 / 127, expected) == pytest.approx(0.5, abs=0.02)

    alone = np.where(np.arange(D) < DRUMS, held, np.nan).astype(np.float32)
    alone = np.repeat(alone, count, axis=0)
    others = output.sample_held(many[0], alone, 1.0, PRNGKey(0)).numpy()
    assert np.abs(np.median(others[:, DRUMS + free]) - median) > 0.03


def test_without_temperature_a_drum_moves_with_held_and_free_drums():
    """Two come after a held one: each is at its mean given those before."""
    output = coupled(1.0)
    params = np.zeros([1, output.params_size], np.float32)
    free = row([1, 1, 1], [np.nan] * 3, [np.nan] * 3)
    held = free.copy()
    held[0, 2 * DRUMS] = 0.3
    offsets = [
        output.sample_held(params, rows, 1e-6, PRNGKey(0)).numpy()[0, 2 * DRUMS :]
        for rows in (free, held)
    ]
    apart = 0.3 - offsets[0][0]
    np.testing.assert_allclose(offsets[1], offsets[0] + apart, atol=2e-3)


def test_a_drum_at_rest_is_emitted_without_velocity_though_one_is_held(params, output):
    held = FREE.copy()
    held[:, 0], held[:, DRUMS] = 0, 0.5
    rows = output.sample_held(params, held, 1.0, PRNGKey(0)).numpy()
    np.testing.assert_array_equal(rows[:, DRUMS], 0)

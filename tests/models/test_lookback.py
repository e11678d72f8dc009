"""The decoder that reads what was played some steps before, beside a NumPy twin."""

import numpy as np
import pytest
import tensorflow as tf

from music_vae_tf import config as configs
from music_vae_tf.config import Kind
from music_vae_tf.config.schema import ConfigError
from music_vae_tf.kinds.music_vae import decoders
from music_vae_tf.models import lstm_decoder
from music_vae_tf.models.decoder import ReconstructOptions, SampleOptions, StepInputs
from music_vae_tf.models.groove_mixture import GrooveMixture
from music_vae_tf.models.lstm import FLOAT32
from music_vae_tf.models.lstm_decoder import LstmDecoder
from music_vae_tf.models.prng import PRNGKey

B, T, Z, U, DRUMS, LOOKBACK = 4, 7, 2, 3, 2, 3
D = 3 * DRUMS


@pytest.fixture(scope="module")
def decoder():
    decoder = LstmDecoder(GrooveMixture(D, 2), [U, U], lookback=LOOKBACK)
    decoder.build(Z, 0)
    rng = np.random.default_rng(0)
    for weight in decoder.weights:
        weight.assign(rng.normal(size=weight.shape, scale=0.7))
    return decoder


@pytest.fixture(scope="module")
def z():
    return tf.constant(np.random.default_rng(1).normal(size=[B, Z]), tf.float32)


@pytest.fixture(scope="module")
def targets():
    rng = np.random.default_rng(2)
    hits = (rng.random([B, T, DRUMS]) < 0.6).astype(np.float32)
    velocities, offsets = rng.random([2, B, T, DRUMS]).astype(np.float32)
    return np.concatenate([hits, velocities * hits, (offsets - 0.5) * hits], axis=-1)


def reconstruct(decoder, targets, z, **options):
    return decoder.reconstruct(
        tf.constant(targets),
        tf.fill([B], T),
        z,
        tf.zeros([B, T, 0]),
        ReconstructOptions(**options),
    )


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def twin_params(decoder, targets, z):
    """The parameters of all steps, [B, T, P], one step after the other."""
    states = [[np.array(x) for x in state] for state in decoder.stack.states_from(z)]
    before = np.pad(targets, [(0, 0), (LOOKBACK, 0), (0, 0)])
    params = []
    for t in range(T):
        read = np.concatenate([before[:, t + LOOKBACK - 1], before[:, t]], axis=-1)
        x = np.concatenate([read, z], axis=-1)
        for state, layer in zip(states, decoder.stack.layers):
            kernel, bias = layer.kernel.numpy(), layer.bias.numpy()
            gates = np.concatenate([x, state[1]], axis=-1) @ kernel + bias
            i, g, f, o = np.split(gates, 4, axis=-1)
            state[0] = sigmoid(f + 1) * state[0] + sigmoid(i) * np.tanh(g)
            x = state[1] = sigmoid(o) * np.tanh(state[0])
        kernel, bias = (w.numpy() for w in decoder.projection.weights)
        params.append(x @ kernel + bias)
    return np.stack(params, axis=1)


def test_each_step_reads_the_row_before_and_that_of_the_lookback(decoder, targets, z):
    params = reconstruct(decoder, targets, z).params
    np.testing.assert_allclose(params, twin_params(decoder, targets, z), atol=1e-5)


@pytest.mark.parametrize("length", [2, T])
def test_sampling_reads_what_reconstruction_reads(decoder, z, length):
    """With rows that are held in their place, and with rows of its own."""
    options = SampleOptions(PRNGKey(3))
    rows = tf.function(lambda: decoder.sample(z, length, None, options).rows)()
    assert rows.shape == [B, length, D]
    padded = np.pad(rows, [(0, 0), (0, T - length), (0, 0)])
    params = reconstruct(decoder, padded, z).params
    for t in range(length):
        key = options.rng.fold_in(t)
        drawn = decoder.output_.sample(params[:, t], 1.0, key)
        np.testing.assert_allclose(rows[:, t], drawn, atol=2e-4)


def test_steps_of_a_host_are_those_of_sampling(decoder, z):
    rng = PRNGKey(3)
    row, state, rows = tf.zeros([B, D]), decoder.start(z), []
    for t in range(T):
        assert state.shape == [B, decoder.state_size]
        inputs = StepInputs(row, z, state, None, 1.0, rng.fold_in(t))
        row, state = decoder.step(inputs)
        rows.append(row)
    sampled = decoder.sample(z, T, None, SampleOptions(rng)).rows
    np.testing.assert_allclose(np.stack(rows, axis=1), sampled, atol=1e-5)


@pytest.mark.parametrize("number", [1, 2])
def test_own_samples_are_read_again_after_the_lookback(
    decoder, targets, z, number, monkeypatch
):
    """Scheduled sampling: parameters are those of being taught the rows it read."""
    monkeypatch.setattr(lstm_decoder, "num_shards", lambda *_, **__: number)
    options = {"sampling_probability": tf.constant(0.7), "rng": PRNGKey(5)}
    sampled = tf.function(lambda: reconstruct(decoder, targets, z, **options))()
    previous = np.array(sampled.previous)
    assert not np.allclose(previous[:, 1:], targets[:, :-1])
    taught = np.concatenate([previous[:, 1:], targets[:, -1:]], axis=1)
    params = reconstruct(decoder, taught, z).params
    np.testing.assert_allclose(sampled.params, params, atol=1e-5)


def test_a_lookback_longer_than_the_music_reads_zeros(targets, z):
    long = LstmDecoder(GrooveMixture(D, 2), [U], lookback=T + 5)
    long.build(Z, 0)
    read = long.earlier.of_all_steps(tf.constant(targets))
    np.testing.assert_array_equal(read[..., D:], np.zeros([B, T, D]))


def make(kind):
    model = configs.load("groovae_2bar_humanize_mixture").model
    plan = decoders.Plan(model, FLOAT32)
    return decoders.decoder(kind, plan, D, "decoder")


GROOVE = {"output": Kind("groove", {})}


def test_a_lookback_of_one_step_is_refused():
    with pytest.raises(ConfigError, match="lookback: 1; expected at least 2"):
        make(Kind("lstm", {**GROOVE, "lookback": 1}))


def test_following_without_a_lookback_is_refused():
    output = Kind("groove_mixture", {"num_components": 2, "follows": True})
    with pytest.raises(ConfigError, match="follows: there is no row to follow"):
        make(Kind("lstm", {"output": output}))


def test_a_lookback_below_a_hierarchy_is_refused():
    core = Kind("lstm", {**GROOVE, "lookback": 4})
    levels = {"level_lengths": (4, 4), "core": core, "disable_autoregression": True}
    with pytest.raises(ConfigError, match="core > lookback: .* leave lookback out"):
        make(Kind("hierarchical", levels))

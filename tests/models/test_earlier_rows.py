"""The decoder that starts from earlier hits of a groove, beside a NumPy twin."""

import numpy as np
import pytest
import tensorflow as tf

from music_vae_tf import build
from music_vae_tf import config as configs
from music_vae_tf.config import Kind
from music_vae_tf.config.schema import ConfigError
from music_vae_tf.kinds.music_vae import decoders
from music_vae_tf.models import lstm_decoder
from music_vae_tf.models.decoder import ReconstructOptions, SampleOptions, StepInputs
from music_vae_tf.models.earlier_rows import EarlierHits
from music_vae_tf.models.groove_mixture import GrooveMixture
from music_vae_tf.models.lstm import FLOAT32
from music_vae_tf.models.lstm_decoder import LstmDecoder
from music_vae_tf.models.prng import PRNGKey

B, T, Z, U, DRUMS, COMPONENTS, LOOKBACK = 4, 7, 2, 3, 2, 4, 3
D = 3 * DRUMS
FIRST_VELOCITIES = np.linspace(0.2, 0.8, COMPONENTS)
FIRST_OFFSETS = np.linspace(-0.2, 0.2, COMPONENTS)


@pytest.fixture(scope="module")
def decoder():
    decoder = LstmDecoder(GrooveMixture(D, COMPONENTS, LOOKBACK), [U, U])
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
    velocities = np.minimum(1.3 * velocities, 1)  # some are the largest
    return np.concatenate([hits, velocities * hits, (offsets - 0.5) * hits], axis=-1)


def reconstruct(decoder, targets, z, **options):
    return decoder.reconstruct(
        tf.constant(targets),
        tf.fill([B], T),
        z,
        tf.zeros([B, T, 0]),
        ReconstructOptions(**options),
    )


def anchors_in_numpy(rows):
    """Of the step after rows [t, D] of one example: [3, D]."""
    before = rows[-LOOKBACK] if len(rows) >= LOOKBACK else np.zeros(D)
    last, sounding = np.zeros([2, 3, DRUMS])
    for row in rows.reshape(-1, 3, DRUMS):
        hits = row[0] > 0
        last = np.where(hits, row, last)
        if hits.any():
            sounding = np.repeat(row[:, hits].mean(axis=1), DRUMS).reshape(3, DRUMS)
    return np.stack([before, last.reshape(D), sounding.reshape(D)])


def all_anchors_in_numpy(targets):
    return np.stack(
        [[anchors_in_numpy(rows[:t]) for t in range(T)] for rows in targets]
    )


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def anchored_in_numpy(params, anchors, gains):
    """Parameters [P] of one step, moved by anchors [3, D]."""
    params = params.copy()
    start = DRUMS + COMPONENTS
    parts = params[start:].reshape(4, COMPONENTS, DRUMS)  # a view
    for a, (hits, velocities, offsets) in enumerate(anchors.reshape(3, 3, DRUMS)):
        for c in range(COMPONENTS):
            move = gains[0, a, c] * (velocities - FIRST_VELOCITIES[c])
            move += gains[1, a, c] * (velocities == 1)
            parts[0, c] += 4 * hits * move
            parts[2, c] += 4 * hits * gains[2, a, c] * (offsets - FIRST_OFFSETS[c])
    return params


def twin_params(decoder, targets, z):
    """The parameters of all steps, [B, T, P], one step after the other."""
    states = [[np.array(x) for x in state] for state in decoder.stack.states_from(z)]
    before = np.pad(targets, [(0, 0), (LOOKBACK, 0), (0, 0)])
    anchors, gains = all_anchors_in_numpy(targets), decoder.output_.gains.numpy()
    params = []
    for t in range(T):
        x = [before[:, t + LOOKBACK - 1], before[:, t], z]
        for state, layer in zip(states, decoder.stack.layers):
            kernel, bias = layer.kernel.numpy(), layer.bias.numpy()
            x = x if isinstance(x, list) else [x]
            gates = np.concatenate([*x, state[1]], axis=-1) @ kernel + bias
            i, g, f, o = np.split(gates, 4, axis=-1)
            state[0] = sigmoid(f + 1) * state[0] + sigmoid(i) * np.tanh(g)
            x = state[1] = sigmoid(o) * np.tanh(state[0])
        kernel, bias = (w.numpy() for w in decoder.projection.weights)
        plain = x @ kernel + bias
        params.append(
            [anchored_in_numpy(*pair, gains) for pair in zip(plain, anchors[:, t])]
        )
    return np.stack(params, axis=1)


def test_anchors_are_the_bar_before_the_last_hits_and_the_last_step(targets):
    earlier = EarlierHits(D, LOOKBACK)
    previous = np.pad(targets, [(0, 0), (1, 0), (0, 0)])[:, :-1]
    read, anchors = earlier.read_all(tf.constant(previous.swapaxes(0, 1)))
    expected = all_anchors_in_numpy(targets)
    np.testing.assert_allclose(np.swapaxes(anchors, 0, 1), expected, atol=1e-6)
    np.testing.assert_array_equal(np.swapaxes(read, 0, 1)[..., :D], previous)
    np.testing.assert_allclose(
        np.swapaxes(read, 0, 1)[..., D:], expected[:, :, 0], atol=1e-6
    )


def test_anchors_of_a_pattern_that_is_read_easily():
    rows = np.zeros([5, D], np.float32)
    rows[0] = 1, 0, 0.5, 0, 0.1, 0  # the first drum
    rows[2] = 1, 1, 0.4, 0.8, -0.1, 0.3  # both
    earlier = EarlierHits(D, LOOKBACK)
    memory = earlier.memory(1)
    for row in rows:
        seen, memory = earlier.read(tf.constant(row[None]), memory)
    before, last, sounding = seen.anchors.numpy()[0]
    np.testing.assert_allclose(before, rows[5 - LOOKBACK])
    np.testing.assert_allclose(last, rows[2])
    np.testing.assert_allclose(sounding, [1, 1, 0.6, 0.6, 0.1, 0.1], rtol=1e-6)


def test_the_decoder_is_its_twin_in_numpy(decoder, targets, z):
    params = reconstruct(decoder, targets, z).params
    np.testing.assert_allclose(params, twin_params(decoder, targets, z), atol=2e-5)


def test_an_untrained_component_repeats_its_anchor():
    output = GrooveMixture(D, COMPONENTS, LOOKBACK)
    output.build()
    output.of_hits.assign(tf.zeros_like(output.of_hits))
    written_as_127 = 0.997
    hit = np.array([[1, 1, 0.3, written_as_127, -0.2, 0.4]], np.float32)
    anchors = np.stack([hit, hit / 2, hit * 0], axis=1)  # the bar before is another
    params = output.anchored(tf.zeros([1, output.params_size]), tf.constant(anchors))
    mixture = output._mixture(params, tf.constant(hit[:, :DRUMS]))
    np.testing.assert_allclose(mixture.velocities.means[0, 1], [0.3, 1.097], rtol=1e-4)
    np.testing.assert_allclose(mixture.offsets.means[0, 1], [-0.2, 0.4], rtol=1e-4)
    free = FIRST_VELOCITIES[[0, 3]][:, None]
    np.testing.assert_allclose(
        mixture.velocities.means.numpy()[0, [0, 3]], np.tile(free, DRUMS), rtol=1e-4
    )


@pytest.mark.parametrize("length", [2, T])
def test_sampling_reads_what_reconstruction_reads(decoder, z, length):
    options = SampleOptions(PRNGKey(3))
    sample = lambda: decoder.sample(z, length, None, options).rows
    rows = tf.function(sample, autograph=False)()
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
    np.testing.assert_allclose(np.stack(rows, axis=1), sampled, atol=1e-4)


@pytest.mark.parametrize("number", [1, 2])
def test_own_samples_become_anchors(decoder, targets, z, number, monkeypatch):
    """Scheduled sampling: parameters are those of being taught the rows it read."""
    monkeypatch.setattr(lstm_decoder, "num_shards", lambda *_, **__: number)
    options = {"sampling_probability": tf.constant(0.7), "rng": PRNGKey(5)}
    run = lambda: reconstruct(decoder, targets, z, **options)
    sampled = tf.function(run, autograph=False)()
    previous = np.array(sampled.previous)
    assert not np.allclose(previous[:, 1:], targets[:, :-1])
    taught = np.concatenate([previous[:, 1:], targets[:, -1:]], axis=1)
    params = reconstruct(decoder, taught, z).params
    np.testing.assert_allclose(sampled.params, params, atol=1e-4)


def test_a_lookback_longer_than_the_music_has_no_bar_before(targets):
    previous = tf.constant(targets.swapaxes(0, 1))
    anchors = EarlierHits(D, T + 5).read_all(previous).anchors
    np.testing.assert_array_equal(anchors[:, :, 0], np.zeros([T, B, D]))


def made(kind, depth=D):
    plan = decoders.Plan(configs.load("groovae_2bar_humanize_mixture").model, FLOAT32)
    return decoders.decoder(kind, plan, depth, "decoder")


def mixture(lookback):
    arguments = {"num_components": 2, "lookback": lookback}
    return Kind("lstm", {"output": Kind("groove_mixture", arguments)})


@pytest.mark.parametrize("lookback", [0, 1, -4])
def test_a_lookback_below_two_steps_is_refused(lookback):
    text = configs.dump(configs.load("groovae_2bar_humanize_mixture"))
    assert "lookback: 16" in text
    with pytest.raises(ConfigError, match="lookback: expected .* of at least 2"):
        made_of = configs.parse(text.replace(": 16", f": {lookback}", 1), "other")
        build.uninitialized_model(made_of, build.converter(made_of))


def inside(wrapping, core):
    if wrapping == "split":
        return Kind("split", {"depths": (D,), "cores": (core,)})
    if wrapping == "control_preprocessing":
        return Kind("control_preprocessing", {"core": core})
    return core


@pytest.mark.parametrize("wrapping", ["", "split", "control_preprocessing"])
def test_a_lookback_below_a_hierarchy_is_refused(wrapping):
    levels = {
        "level_lengths": (4, 4),
        "core": inside(wrapping, mixture(4)),
        "disable_autoregression": True,
    }
    with pytest.raises(ConfigError, match="core: .* leave the lookback of its output"):
        made(Kind("hierarchical", levels))


def test_rows_of_other_music_are_refused():
    with pytest.raises(ConfigError, match="10 columns, not a multiple of 3"):
        made(mixture(4), depth=10)

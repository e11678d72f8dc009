"""What a hierarchical decoder can do that Magenta's configs do not ask for."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from music_vae_tf import checkpoint
from music_vae_tf.batch import Batch, Grammar
from music_vae_tf.config import ConfigError, Kind
from music_vae_tf.kinds.music_vae import MusicVAEConfig, music_vae
from music_vae_tf.models.prng import PRNGKey

CORE = Kind("lstm", {"output": Kind("categorical", {})})
DEPTH, BARS, STEPS = 3, 2, 4


def model_of(**options):
    arguments = {
        "level_lengths": (BARS, STEPS),
        "core": CORE,
        "disable_autoregression": True,
        **options,
    }
    section = MusicVAEConfig(
        encoder=Kind("bidirectional_lstm", {}),
        decoder=Kind("hierarchical", arguments),
        max_seq_len=BARS * STEPS,
        z_size=2,
        enc_rnn_size=(2,),
        dec_rnn_size=(2, 3),
    )
    keras.utils.set_random_seed(1)
    model = music_vae(section, DEPTH, DEPTH, 0)
    rng = np.random.default_rng(2)
    for variable in model.trainable_variables:
        variable.assign(rng.normal(size=variable.shape))
    return model


def batch_of(lengths):
    """Random rows, zeros after the length of each bar."""
    rows = np.eye(DEPTH, dtype=np.float32)[
        np.random.default_rng(3).integers(DEPTH, size=[len(lengths), BARS, STEPS])
    ]
    rows *= (np.arange(STEPS) < np.array(lengths)[..., None])[..., None]
    rows = tf.constant(rows.reshape(len(lengths), -1, DEPTH))
    return Batch(rows, rows, rows[..., :0], tf.constant(lengths, tf.int32))


def test_a_conductor_reads_its_learned_input_and_projects_what_it_says():
    model = model_of(learned_input_size=5, embedding_size=4)
    weights = {name: v.numpy() for name, v in model.named_variables.items()}
    assert weights["decoder/level_0/input"].shape == (5,)
    assert weights["decoder/level_0/projection/kernel"].shape == (3, 4)
    assert weights["decoder/core/initial_state/kernel"].shape[0] == 4
    assert weights["decoder/core/layer_0/kernel"].shape[0] == DEPTH + 4 + 2

    z = np.array([[0.3, -0.7]], np.float32)
    got = model.decoder._embeddings(tf.constant(z), None)

    sigmoid = lambda x: 1 / (1 + np.exp(-x))
    flat = np.tanh(
        z @ weights["decoder/level_0/initial_state/kernel"]
        + weights["decoder/level_0/initial_state/bias"]
    )
    c0, h0, c1, h1 = np.split(flat, [2, 4, 7], axis=1)
    states = [[c0, h0], [c1, h1]]
    expected = []
    for _ in range(BARS):
        x = weights["decoder/level_0/input"][None]
        for number, (c, h) in enumerate(states):
            layer = f"decoder/level_0/layer_{number}"
            i, g, f, o = np.split(
                np.hstack([x, h]) @ weights[f"{layer}/kernel"]
                + weights[f"{layer}/bias"],
                4,
                axis=1,
            )
            c = sigmoid(f + 1) * c + sigmoid(i) * np.tanh(g)
            x = sigmoid(o) * np.tanh(c)
            states[number] = [c, x]
        projection = "decoder/level_0/projection"
        expected.append(
            x @ weights[f"{projection}/kernel"] + weights[f"{projection}/bias"]
        )
    np.testing.assert_allclose(got[0], np.vstack(expected), rtol=1e-5, atol=1e-6)


def test_without_the_options_all_variables_are_magentas():
    plain, more = model_of(), model_of(learned_input_size=5, embedding_size=4)
    new = set(more.named_variables) - set(plain.named_variables)
    assert new == {
        "decoder/level_0/input",
        "decoder/level_0/projection/kernel",
        "decoder/level_0/projection/bias",
    }
    ours = checkpoint.magenta_names(more.named_variables)
    assert {name: ours[name] for name in new} == {name: name for name in new}
    assert checkpoint.our_names(ours.values()) == {v: k for k, v in ours.items()}


def test_every_weight_has_a_gradient():
    model = model_of(learned_input_size=5, embedding_size=4, carry_last_row=False)
    with tf.GradientTape() as tape:
        loss = model.loss_terms(batch_of([[4, 2], [1, 3]]), PRNGKey(0)).loss
    gradients = tape.gradient(loss, model.trainable_variables)
    assert all(np.abs(gradient).max() > 0 for gradient in gradients)


def test_bars_that_carry_no_row_are_independent_of_the_bar_before():
    full = batch_of([[STEPS, STEPS]])
    changed = np.array(full.targets)
    changed[:, STEPS - 1] = np.roll(changed[:, STEPS - 1], 1, axis=-1)
    z = tf.constant([[0.3, -0.7]])
    for carry_last_row in (True, False):
        decoder = model_of(carry_last_row=carry_last_row).decoder
        one, other = (
            decoder.reconstruct(tf.constant(rows), full.lengths, z, full.controls)
            for rows in (full.targets, changed)
        )
        second = slice(STEPS, None)
        same = np.allclose(one.params[:, second], other.params[:, second])
        assert same != carry_last_row


@pytest.mark.parametrize("carry_last_row", [True, False])
def test_a_sample_at_temperature_zero_is_the_mode(carry_last_row):
    model = model_of(carry_last_row=carry_last_row, embedding_size=4)
    z = tf.constant([[0.3, -0.7], [2.0, 1.0]])
    rows = model.sample(z, BARS * STEPS, temperature=1e-6).rows
    said = model.decoder.reconstruct(
        rows, tf.fill([2, BARS], STEPS), z, tf.zeros([2, BARS * STEPS, 0])
    )
    np.testing.assert_array_equal(model.decoder.mode(said.params), rows)


def test_samples_obey_a_grammar_and_end_in_time():
    """1 and 2 take turns, after a 1 a 2 must come, and 0 ends it."""
    grammar = Grammar(np.array([[0, 1, -1], [-1, -1, 2], [0, 1, -1]]))
    model = model_of(carry_last_row=False)
    z = tf.random.stateless_normal([64, 2], [1, 2])
    free, bound = (
        model.sample(z, BARS * STEPS, None, 2.0, PRNGKey(4), end_token=0, **options)
        for options in ({}, {"grammar": grammar})
    )

    def sentences(samples):
        classes = tf.argmax(samples.rows, -1).numpy().reshape(-1, BARS, STEPS)
        return [
            tuple(bar[:length].tolist())
            for bars, lengths in zip(classes, samples.lengths.numpy())
            for bar, length in zip(bars, lengths)
        ]

    assert set(sentences(bound)) == {(0,), (1, 2, 0)}
    assert not set(sentences(free)) <= {(0,), (1, 2, 0)}


def test_an_encoder_reads_segments_that_lie_end_to_end():
    model = model_of()
    rows = np.random.default_rng(0).normal(size=[2, 8, DEPTH]).astype(np.float32)
    one = model.encoder.embed(tf.constant(rows), tf.constant([[2, 3], [1, 0]]))
    other = model.encoder.embed(tf.constant(rows), tf.constant([5, 1]))
    np.testing.assert_allclose(one, other, rtol=1e-6)


def test_an_autoregressive_conductor_has_no_learned_input():
    with pytest.raises(ConfigError, match="add disable_autoregression: true"):
        model_of(learned_input_size=5, disable_autoregression=False)


def test_keras_saves_and_loads_the_options(tmp_path):
    model = model_of(learned_input_size=5, embedding_size=4, carry_last_row=False)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras", compile=False)
    batch = batch_of([[4, 2]])
    np.testing.assert_array_equal(loaded(batch), model(batch))

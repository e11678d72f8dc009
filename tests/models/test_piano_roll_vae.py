"""The VAE of class rolls and its continuation: the published tables, and the losses."""

import itertools
import types

import keras
import numpy as np
import pytest
import tensorflow as tf
from xla import assert_xla_agrees

from music_vae_tf.batch import Batch
from music_vae_tf.models.piano_roll_vae import (
    ClstmDecoder,
    ConvCvae,
    condition_of,
    continuation_batch,
    roll_metrics,
    weighted_cross_entropy,
)
from music_vae_tf.models.prng import PRNGKey

# Name, output, parameters, and multiply-adds of an example.
CVAE_TABLE = [
    ("conv_1", (32, 150, 64), 1_184, 11_366_400),
    ("conv_2", (64, 75, 32), 18_496, 44_390_400),
    ("conv_3", (128, 38, 16), 73_856, 44_904_448),
    ("z_mean", (64,), 4_981_056, 4_981_056),
    ("z_log_variance", (64,), 4_981_056, 4_981_056),
    ("linear", (77_824,), 5_369_856, 5_369_856),
    ("deconv_1", (64, 75, 32), 73_792, 177_100_800),
    ("deconv_2", (32, 150, 64), 18_464, 177_254_400),
    ("deconv_3", (4, 300, 128), 1_156, 44_390_400),
]
CLSTM_TABLE = [
    ("lstm", (64,), 34_304, 34_304),
    ("linear", (51_200,), 3_532_800, 3_532_800),
    ("deconv_1", (64, 50, 32), 73_792, 118_067_200),
    ("deconv_2", (32, 100, 64), 18_464, 118_169_600),
    ("deconv_3", (4, 200, 128), 1_156, 29_593_600),
]
STEPS, FOLLOWING = 8, 4


def table_of(model):
    return [
        (row.name, row.output, row.parameters, row.mult_adds)
        for row in model.layer_table()
    ]


def tiny_cvae(positive_weight=2.0, free_bits=0.0, beta=1.0, dtype="float32"):
    """A model of two units, compiled with a constant beta."""
    keras.utils.set_random_seed(0)
    model = ConvCvae(STEPS, 2, [2, 2], dtype)
    limits = types.SimpleNamespace(
        clip_mode="global_norm", grad_clip=1e3, grad_norm_clip_to_zero=1e9
    )
    objective = types.SimpleNamespace(
        positive_weight=positive_weight,
        free_bits=free_bits,
        beta=lambda step: tf.constant(beta),
    )
    optimizer = keras.optimizers.Adam(0.01)
    optimizer.build(model.trainable_variables)
    model.compile(optimizer, objective, limits)
    return model


def rolls(count=3, steps=STEPS, seed=0):
    """Random rolls, float32 [count, steps, 128], mostly silent."""
    rng = np.random.default_rng(seed)
    shape = [count, steps, 128]
    return (rng.integers(1, 4, shape) * (rng.random(shape) < 0.05)).astype("f4")


def batch(steps=STEPS, lengths=None, **options):
    targets = tf.constant(rolls(steps=steps, **options))
    lengths = [steps] * len(targets) if lengths is None else lengths
    return Batch(targets, targets, targets[..., :0], tf.constant(lengths, tf.int32))


# Tables


@pytest.fixture(scope="module")
def cvae():
    return ConvCvae(300, 64, [32, 64, 128])


def test_the_cvae_has_the_published_layers(cvae):
    assert table_of(cvae) == CVAE_TABLE
    assert sum(row[2] for row in CVAE_TABLE) == 15_518_916 == cvae.count_params()
    assert round(sum(row[3] for row in CVAE_TABLE) / 1e6, 2) == 514.74


def test_the_clstm_has_the_published_layers():
    clstm = ClstmDecoder(200, 64, 1, 64, [32, 64, 128])
    assert table_of(clstm) == CLSTM_TABLE
    assert sum(row[2] for row in CLSTM_TABLE) == 3_660_516 == clstm.count_params()
    assert round(sum(row[3] for row in CLSTM_TABLE) / 1e6, 2) == 269.40


def test_outputs_have_the_sizes_that_the_tables_say(cvae):
    logits = cvae(batch(steps=300, count=1))
    assert logits.shape == [1, 300, 128, 4]
    clstm = ClstmDecoder(200, 64, 1, 64, [2, 2, 2])
    assert clstm.logits(tf.zeros([1, 1, 64]), tf.ones([1, 4])).shape == [1, 200, 128, 4]


def test_odd_numbers_of_steps_come_back_as_they_are():
    assert ConvCvae(5, 2, [2, 2, 2])(batch(steps=5)).shape == [3, 5, 128, 4]


# Losses


def test_a_condition_says_which_classes_there_are():
    some = np.zeros([2, STEPS, 128])
    some[0, 0, 0], some[0, 1, 5], some[1] = 1, 3, 2
    np.testing.assert_array_equal(condition_of(some), [[1, 1, 0, 1], [0, 0, 1, 0]])


def test_cells_that_sound_weigh_more_and_padding_nothing():
    some, logits = rolls(), np.random.default_rng(1).normal(size=[3, STEPS, 128, 4])
    steps = np.array([8, 5, 0])
    expected = np.zeros(3)
    for b, t, p in np.ndindex(*some.shape):
        if t < steps[b]:
            values = logits[b, t, p]
            number = int(some[b, t, p])
            nats = np.log(np.exp(values).sum()) - values[number]
            expected[b] += nats * (2.5 if number else 1)
    result = weighted_cross_entropy(some, logits.astype("f4"), 2.5, steps)
    np.testing.assert_allclose(result, expected, rtol=1e-5)


def test_metrics_count_sounding_cells_of_the_right_class():
    there, said = np.zeros([1, 2, 128], "f4"), np.zeros([1, 2, 128], int)
    there[0, 0, :4] = [1, 1, 2, 3]
    said[0, 0, :5] = [1, 2, 2, 0, 3]
    said[0, 1] = 1  # behind the end
    metrics = roll_metrics(there, np.eye(4, dtype="f4")[said], np.array([1]))
    values = {name: float(metric.value) for name, metric in metrics.items()}
    assert values == {
        "metrics/class_accuracy": pytest.approx(125 / 128),
        "metrics/precision": pytest.approx(2 / 4),
        "metrics/recall": pytest.approx(2 / 4),
        "metrics/f1": pytest.approx(2 / 4),
    }


@pytest.mark.parametrize("beta, free_bits", itertools.product([0.0, 0.5], [0.0, 3.0]))
def test_the_loss_is_cross_entropy_and_what_the_kl_costs(beta, free_bits):
    model = tiny_cvae(beta=beta, free_bits=free_bits)
    some = batch()
    terms = model.loss_terms(some, PRNGKey(1))
    loss, logs = model.training_loss(some, PRNGKey(1), 0)
    cost = np.maximum(terms.kl_nats - free_bits * np.log(2), 0)
    expected = np.mean(terms.r_loss) + beta * cost.mean()
    assert float(loss) == pytest.approx(expected, rel=1e-5)
    assert float(logs["losses/kl_bits"]) == pytest.approx(
        np.mean(terms.kl_nats) / np.log(2), rel=1e-5
    )


def test_evaluation_reports_the_loss_that_training_minimises():
    model = tiny_cvae()
    metrics = model.evaluate_batch(batch(), 3)
    rng = PRNGKey(0).fold_in("evaluation").fold_in(3)
    loss, _ = model.training_loss(batch(), rng, 0)
    assert float(metrics["loss"].value) == pytest.approx(float(loss), rel=1e-5)


def test_steps_of_training_lower_the_loss():
    model = tiny_cvae(beta=0.01)
    step = tf.function(model.train_step, autograph=False)
    first, *_, last = (float(step(batch())["loss"]) for _ in range(40))
    assert last < 0.8 * first


def test_a_step_in_bfloat16_is_near_that_in_float32():
    gradients = []
    for dtype in ("float32", "mixed_bfloat16"):
        model = tiny_cvae(dtype=dtype)
        with tf.GradientTape() as tape:
            loss, _ = model.training_loss(batch(), PRNGKey(1), 0)
        weights = model.trainable_variables
        assert {weight.dtype for weight in weights} == {"float32"}
        gradients.append(tape.gradient(loss, [weight.value for weight in weights]))
    for exact, mixed in zip(*gradients):
        assert exact.dtype == mixed.dtype == tf.float32
        error = np.linalg.norm(mixed - exact) / np.linalg.norm(exact)
        assert 0 < error < 0.1


# Latents of windows


def test_one_window_has_the_latent_of_the_roll():
    model, some = tiny_cvae(), rolls()
    mu, _ = model.posterior(some, condition_of(some))
    np.testing.assert_allclose(model.window_latents(some, 1)[:, 0], mu, rtol=1e-5)


def test_a_windows_latent_depends_on_that_window_alone():
    model, some = tiny_cvae(), rolls()
    changed = some.copy()
    changed[:, 3] = np.roll(changed[:, 3], 1, axis=1)
    before, after = (model.window_latents(r, 4).numpy() for r in (some, changed))
    differs = np.abs(after - before).max(axis=(0, 2)) > 1e-7
    assert differs.tolist() == [False, True, False, False]


def test_latents_are_drawn_with_noise_and_are_means_without():
    model, some = tiny_cvae(), rolls()
    mean, drawn, again, other = (
        model.window_latents(some, 2, rng).numpy()
        for rng in (None, PRNGKey(1), PRNGKey(1), PRNGKey(2))
    )
    np.testing.assert_array_equal(drawn, again)
    assert (drawn != other).all() and (drawn != mean).all()


def test_a_continuation_is_what_follows_the_roll():
    model = tiny_cvae()
    lengths = [STEPS + FOLLOWING, STEPS + 1, STEPS - 2]
    whole = batch(steps=STEPS + FOLLOWING, lengths=lengths)
    result = continuation_batch(model, 2, whole, None)
    first = whole.targets[:, :STEPS]
    np.testing.assert_array_equal(result.targets, whole.targets[:, STEPS:])
    np.testing.assert_array_equal(result.inputs, model.window_latents(first, 2))
    np.testing.assert_array_equal(result.controls, condition_of(first))
    np.testing.assert_array_equal(result.lengths, [FOLLOWING, 1, 0])


# The CLSTM


def gradients_of_recurrence(windows):
    clstm = ClstmDecoder(FOLLOWING, 2, windows, 2, [2, 2])
    latents = np.random.default_rng(0).normal(size=[3, windows, 2]).astype("f4")
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(clstm.logits(latents, tf.ones([3, 4])) ** 2)
    return np.array(tape.gradient(loss, clstm.lstm.recurrent_kernel.value))


def test_recurrent_weights_never_act_on_one_latent_and_do_on_several():
    assert not gradients_of_recurrence(1).any()
    assert gradients_of_recurrence(3).any()


def test_the_windows_order_matters_to_the_clstm():
    clstm = ClstmDecoder(FOLLOWING, 2, 3, 2, [2, 2])
    latents = np.random.default_rng(0).normal(size=[1, 3, 2]).astype("f4")
    one, other = (clstm.logits(z, tf.ones([1, 4])) for z in (latents, latents[:, ::-1]))
    assert np.abs(one - other).max() > 1e-6


def test_models_are_saved_and_loaded_by_keras(tmp_path):
    model = tiny_cvae()
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras", compile=False)
    np.testing.assert_array_equal(loaded(batch()), model(batch()))


def test_xla_takes_the_same_step():
    assert_xla_agrees(tiny_cvae(), batch())

"""A trained VAE of class rolls: what it encodes, decodes, varies and continues."""

import keras
import numpy as np
import pytest

from music_vae_tf.data.converters.piano_roll import NotARoll
from music_vae_tf.generation.interpolation import slerp
from music_vae_tf.generation.piano_roll import (
    BadCondition,
    Prior,
    TrainedRollVae,
    condition,
    condition_name,
)
from music_vae_tf.models.piano_roll_vae import ClstmDecoder, ConvCvae, condition_of

STEPS, FOLLOWING = 8, 4
RNG = np.random.default_rng(0)
ROLLS = RNG.integers(1, 4, [19, STEPS, 128], dtype=np.uint8)
ROLLS[RNG.random(ROLLS.shape) > 0.1] = 0
BAND = condition("piano+bass")


@pytest.fixture(scope="module")
def models():
    """A CVAE that says other things than silence, and decoders for 1 and 2 windows."""
    keras.utils.set_random_seed(0)
    cvae = ConvCvae(STEPS, 2, [2, 2])
    clstms = [ClstmDecoder(FOLLOWING, 2, n, 2, [2, 2]) for n in (1, 2)]
    for model in (cvae, *clstms):
        for variable in model.weights:
            variable.assign(np.random.default_rng(1).normal(size=variable.shape))
    return cvae, *clstms


def trained(models, windows=None, seed=0):
    continuation = models[windows] if windows else None
    return TrainedRollVae(models[0], continuation, seed)


def test_conditions_have_names_both_ways():
    np.testing.assert_array_equal(BAND, [1, 1, 0, 1])
    np.testing.assert_array_equal(condition(" bass + piano"), BAND)
    assert condition_name(BAND) == "piano+bass"
    assert condition_name([1, 0, 0, 0]) == "silence"


@pytest.mark.parametrize("names", ["", "flute", "piano+flute", "none"])
def test_conditions_without_a_class_are_refused(names):
    with pytest.raises(BadCondition, match="one or more of piano, guitar, bass"):
        condition(names)


def test_rolls_are_encoded_a_few_at_a_time_as_all_at_once(models):
    mu, sigma = trained(models).encode(ROLLS)
    whole = models[0].posterior(ROLLS.astype("f4"), condition_of(ROLLS))
    np.testing.assert_allclose(mu, whole[0], rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(sigma, whole[1], rtol=1e-4)


@pytest.mark.parametrize("shape", [(2, 7, 128), (2, 8, 127), (8, 128)])
def test_rolls_of_a_wrong_shape_are_refused(models, shape):
    with pytest.raises(NotARoll, match=r"shape \[N, 8, 128\]; got"):
        trained(models).encode(np.zeros(shape, np.uint8))


def test_a_decoded_roll_has_the_most_probable_classes(models):
    z = RNG.normal(size=[3, 2]).astype("f4")
    rolls = trained(models).decode(z, BAND)
    logits = models[0].logits(z, np.tile(BAND, [3, 1]))
    np.testing.assert_array_equal(rolls, np.argmax(logits, axis=-1))
    assert rolls.dtype == np.uint8 and rolls.any()


def test_reconstruction_is_from_the_mean_under_the_rolls_own_condition(models):
    model = trained(models)
    mu, _ = model.encode(ROLLS)
    expected = model.decode(mu, condition_of(ROLLS).numpy())
    np.testing.assert_array_equal(model.reconstruct(ROLLS), expected)


def test_variations_lie_on_arcs_towards_random_vectors(models):
    model, twin = trained(models, seed=5), np.random.default_rng(5)
    near = model.near(ROLLS[0], 2, 0.6)
    mu, sigma = model.encode(ROLLS[:1])
    own = mu[0] + sigma[0] * twin.standard_normal(2)
    ends = twin.standard_normal([2, 2]).astype("f4")
    np.testing.assert_allclose(near, [slerp(own, end, 0.6) for end in ends], rtol=1e-4)


def test_draws_are_standard_normal_or_as_a_prior_says(models):
    z = trained(models).draw(4000)
    np.testing.assert_allclose(z.mean(axis=0), 0, atol=0.1)
    np.testing.assert_allclose(np.cov(z.T), np.eye(2), atol=0.1)
    prior = Prior(np.array([3.0, -1.0]), np.array([[2.0, 0.0], [1.0, 0.5]]))
    z = trained(models).draw(4000, prior)
    np.testing.assert_allclose(z.mean(axis=0), prior.mean, atol=0.1)
    np.testing.assert_allclose(np.cov(z.T), [[4, 2], [2, 1.25]], atol=0.3)


def test_the_prior_of_a_condition_has_the_spread_of_its_rolls_posteriors(models):
    model = trained(models)
    rolls = ROLLS.copy()
    rolls[:7][rolls[:7] == 2] = 0  # a piano and a bass
    prior = model.prior_of(rolls, BAND)
    mu, sigma = model.encode(rolls[:7])
    covariance = np.cov(mu.T) + np.diag((sigma**2).mean(axis=0))
    np.testing.assert_allclose(prior.factor @ prior.factor.T, covariance, rtol=1e-4)
    np.testing.assert_allclose(prior.mean, mu.mean(axis=0), rtol=1e-4)
    with pytest.raises(BadCondition, match="0 have guitar alone; to fit"):
        model.prior_of(rolls, condition("guitar"))


def test_the_prior_of_two_rolls_far_apart_has_a_factor():
    """Its least eigenvalues are lost in the rounding of the largest."""
    mu = np.array([[1e6] * 8, [-1e6] * 8])
    prior = Prior.of(mu, np.full([2, 8], 1e-3))
    assert np.isfinite(prior.factor).all()
    covariance = prior.factor @ prior.factor.T
    np.testing.assert_allclose(covariance, np.full([8, 8], 2e12), rtol=1e-6)


@pytest.mark.parametrize("towards", [0.0, 1.0])
def test_variations_go_from_the_rolls_own_vector_to_a_random_one(models, towards):
    near = trained(models).near(ROLLS[0], 2, towards)
    same = np.allclose(near[0], near[1])
    assert same == (towards == 0)


def test_a_continuation_of_a_vector_is_decoded_from_it(models):
    z = RNG.normal(size=[3, 2]).astype("f4")
    logits = models[1].logits(z[:, None], np.tile(BAND, [3, 1]))
    following = trained(models, 1).follow(z, BAND)
    np.testing.assert_array_equal(following, np.argmax(logits, axis=-1))
    assert following.shape == (3, FOLLOWING, 128)


def test_a_continuation_by_windows_is_decoded_from_those_of_the_roll(models):
    z = RNG.normal(size=[3, 2]).astype("f4")
    model = trained(models, 2)
    latents = models[0].window_latents(model.decode(z, BAND).astype("f4"), 2)
    logits = models[2].logits(latents, np.tile(BAND, [3, 1]))
    np.testing.assert_array_equal(model.follow(z, BAND), np.argmax(logits, axis=-1))


@pytest.mark.parametrize("windows", [1, 2])
def test_a_continuation_of_a_roll_is_decoded_from_its_own_windows(models, windows):
    latents = models[0].window_latents(ROLLS.astype("f4"), windows)
    logits = models[windows].logits(latents, condition_of(ROLLS))
    following = trained(models, windows).follow_rolls(ROLLS)
    agreement = np.mean(following == np.argmax(logits, axis=-1))
    assert agreement > 0.999  # sums in another order

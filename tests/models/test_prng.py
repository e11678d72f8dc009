"""Noise: the numbers of a seed are the same however and wherever they are computed."""

import numpy as np
import pytest
import tensorflow as tf

from music_vae_tf.models.prng import PRNGKey

MANY = 100_000
DRAWS = {
    "uniform": lambda rng: rng.uniform([5, 3]),
    "normal": lambda rng: rng.normal([5, 3]),
    "kept": lambda rng: rng.keep_mask([5, 3], 0.3),
    "classes": lambda rng: rng.classes(tf.zeros([9, 4])),
    "bernoulli": lambda rng: rng.bernoulli(tf.fill([9], 0.5)),
    "of a stream": lambda rng: rng.fold_in("a name").fold_in(7).uniform([5]),
    "of a part": lambda rng: rng.shard(1, 2).uniform([5, 3]),
}


@pytest.mark.parametrize("draw", DRAWS.values(), ids=DRAWS)
@pytest.mark.parametrize("seed", [[0, 0], [1, 2], [-(2**31), 2**31 - 1], [77, -5]])
def test_xla_draws_the_same(draw, seed):
    # The seed is an argument: a constant would be drawn from before XLA is asked.
    plain, compiled = (
        tf.function(lambda seed: draw(PRNGKey(seed)), autograph=False, jit_compile=jit)(
            tf.constant(seed)
        )
        for jit in (False, True)
    )
    np.testing.assert_allclose(compiled, plain, atol=1e-6)


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_they_are_spread_as_they_should_be(seed):
    uniform = PRNGKey(seed).uniform([MANY]).numpy()
    assert uniform.min() >= 0 and uniform.max() < 1
    counts, _ = np.histogram(uniform, bins=10, range=(0, 1))
    np.testing.assert_allclose(counts / MANY, 0.1, atol=0.005)
    normal = PRNGKey(seed).normal([MANY]).numpy()
    moments = [np.mean(normal**n) for n in (1, 2, 3, 4)]
    assert np.all(np.abs(np.subtract(moments, [0, 1, 0, 3])) < [0.02, 0.03, 0.06, 0.2])
    np.testing.assert_allclose(np.mean(np.abs(normal) < 1), 0.6827, atol=0.01)
    assert abs(np.corrcoef(normal[:-1], normal[1:])[0, 1]) < 0.02
    keep_mask = PRNGKey(seed).keep_mask([MANY], 0.3).numpy()
    np.testing.assert_allclose(keep_mask.mean(), 0.3, atol=0.01)


def test_streams_and_seeds_are_apart():
    streams = [PRNGKey(0), PRNGKey(1), PRNGKey(0).fold_in("a"), PRNGKey(0).fold_in("b")]
    streams += [PRNGKey(0).fold_in(1), PRNGKey(0).fold_in("a").fold_in(1)]
    drawn = [stream.uniform([MANY]).numpy() for stream in streams]
    assert np.abs(np.corrcoef(drawn) - np.eye(len(drawn))).max() < 0.02


def test_parts_draw_what_the_whole_draws():
    whole = PRNGKey(3).normal([6, 2])
    parts = [PRNGKey(3).shard(i, 3).normal([2, 2]) for i in range(3)]
    np.testing.assert_array_equal(tf.concat(parts, axis=0), whole)

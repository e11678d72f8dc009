"""Noise: the numbers of a seed are the same however and wherever they are computed."""

import numpy as np
import pytest
import tensorflow as tf

from music_vae_tf.models.noise import Noise

MANY = 100_000
DRAWS = {
    "uniform": lambda noise: noise.uniform([5, 3]),
    "normal": lambda noise: noise.normal([5, 3]),
    "kept": lambda noise: noise.kept([5, 3], 0.3),
    "classes": lambda noise: noise.classes(tf.zeros([9, 4])),
    "bernoulli": lambda noise: noise.bernoulli(tf.fill([9], 0.5)),
    "of a stream": lambda noise: noise.fold("a name").fold(7).uniform([5]),
    "of a part": lambda noise: noise.of_part(1, 2).uniform([5, 3]),
}


@pytest.mark.parametrize("draw", DRAWS.values(), ids=DRAWS)
@pytest.mark.parametrize("seed", [[0, 0], [1, 2], [-(2**31), 2**31 - 1], [77, -5]])
def test_xla_draws_the_same(draw, seed):
    # The seed is an argument: a constant would be drawn from before XLA is asked.
    plain, compiled = (
        tf.function(lambda seed: draw(Noise(seed)), autograph=False, jit_compile=jit)(
            tf.constant(seed)
        )
        for jit in (False, True)
    )
    np.testing.assert_allclose(compiled, plain, atol=1e-6)


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_they_are_spread_as_they_should_be(seed):
    uniform = Noise(seed).uniform([MANY]).numpy()
    assert uniform.min() >= 0 and uniform.max() < 1
    counts, _ = np.histogram(uniform, bins=10, range=(0, 1))
    np.testing.assert_allclose(counts / MANY, 0.1, atol=0.005)
    normal = Noise(seed).normal([MANY]).numpy()
    moments = [np.mean(normal**n) for n in (1, 2, 3, 4)]
    assert np.all(np.abs(np.subtract(moments, [0, 1, 0, 3])) < [0.02, 0.03, 0.06, 0.2])
    np.testing.assert_allclose(np.mean(np.abs(normal) < 1), 0.6827, atol=0.01)
    assert abs(np.corrcoef(normal[:-1], normal[1:])[0, 1]) < 0.02
    kept = Noise(seed).kept([MANY], 0.3).numpy()
    np.testing.assert_allclose(kept.mean(), 0.3, atol=0.01)


def test_streams_and_seeds_are_apart():
    streams = [Noise(0), Noise(1), Noise(0).fold("a"), Noise(0).fold("b")]
    streams += [Noise(0).fold(1), Noise(0).fold("a").fold(1)]
    drawn = [stream.uniform([MANY]).numpy() for stream in streams]
    assert np.abs(np.corrcoef(drawn) - np.eye(len(drawn))).max() < 0.02


def test_parts_draw_what_the_whole_draws():
    whole = Noise(3).normal([6, 2])
    parts = [Noise(3).of_part(i, 3).normal([2, 2]) for i in range(3)]
    np.testing.assert_array_equal(tf.concat(parts, axis=0), whole)

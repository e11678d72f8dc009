"""Layers of the models of class rolls against their arithmetic written out in NumPy."""

import numpy as np
import pytest
import tensorflow as tf

from music_vae_tf.models.roll_layers import (
    Convolution,
    Size,
    TransposedConvolution,
    TwoBiasLstm,
    halvings,
)

RNG = np.random.default_rng(0)


DTYPES = pytest.mark.parametrize("dtype", ["float32", "mixed_bfloat16"])


def with_weights(layer, *shape):
    """The layer, built, with random weights: integers, which bfloat16 holds exactly."""
    layer.build(*shape)
    for variable in layer.weights:
        variable.assign(integers(*variable.shape))
    return layer


def integers(*shape):
    return RNG.integers(-2, 3, shape).astype("f4")


def as_float32(tensor):
    return np.array(tf.cast(tensor, tf.float32))


def test_sizes_are_halved_and_rounded_up():
    sizes = halvings(Size(300, 128), 3)
    assert sizes == [(300, 128), (150, 64), (75, 32), (38, 16)]


@DTYPES
@pytest.mark.parametrize("size", [Size(6, 8), Size(5, 7), Size(1, 2)])
def test_a_convolution_pads_one_cell_on_each_side(size, dtype):
    layer = with_weights(Convolution(2, size, dtype=dtype), 3)
    inputs = integers(2, *size, 3)
    padded = np.pad(inputs, [(0, 0), (1, 1), (1, 1), (0, 0)])
    expected = np.empty([2, *size.halved(), 2])
    for s, p in np.ndindex(*size.halved()):
        patch = padded[:, 2 * s : 2 * s + 3, 2 * p : 2 * p + 3]
        expected[:, s, p] = np.einsum("bspc,spcd->bd", patch, layer.kernel)
    expected = np.maximum(expected + np.array(layer.bias), 0)
    np.testing.assert_allclose(as_float32(layer(inputs)), expected, atol=1e-5)


@pytest.mark.parametrize("size", [Size(6, 8), Size(5, 7), Size(5, 8)])
@DTYPES
@pytest.mark.parametrize("is_last", [False, True])
def test_a_transposed_convolution_adds_kernels_where_the_other_took_them(
    size, is_last, dtype
):
    layer = with_weights(TransposedConvolution(2, size, is_last, dtype=dtype), 3)
    inputs = integers(2, *size.halved(), 3)
    padded = np.zeros([2, size.steps + 2, size.pitches + 2, 2])
    for s, p in np.ndindex(*size.halved()):
        patch = np.einsum("bc,spdc->bspd", inputs[:, s, p], layer.kernel)
        room = padded[:, 2 * s : 2 * s + 3, 2 * p : 2 * p + 3]
        room += patch[:, : room.shape[1], : room.shape[2]]
    expected = padded[:, 1:-1, 1:-1] + np.array(layer.bias)
    if not is_last:
        expected = np.maximum(expected, 0)
    np.testing.assert_allclose(as_float32(layer(inputs)), expected, atol=1e-5)


def test_the_output_of_the_last_convolution_before_training_is_silence():
    layer = TransposedConvolution(4, Size(2, 2), is_last=True)
    layer.build(1)
    logits = layer(np.zeros([1, 1, 1, 1], "f4"))
    assert (np.argmax(logits, axis=-1) == 0).all()


@pytest.mark.parametrize("steps", [1, 3])
def test_an_lstm_of_two_biases_is_the_textbooks(steps):
    units, depth = 2, 3
    layer = TwoBiasLstm(units, steps)
    layer.build(depth)
    for variable in layer.weights:
        variable.assign(RNG.normal(size=variable.shape))
    inputs = RNG.normal(size=[2, steps, depth]).astype("f4")
    weights = (layer.kernel, layer.recurrent_kernel, layer.bias, layer.recurrent_bias)
    w, u, b, b_u = (np.array(weight) for weight in weights)
    sigmoid = lambda x: 1 / (1 + np.exp(-x))
    h, c = np.zeros([2, units]), np.zeros([2, units])
    for step in range(steps):
        i, g, f, o = np.split(inputs[:, step] @ w + b + h @ u + b_u, 4, axis=-1)
        c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
        h = sigmoid(o) * np.tanh(c)
    np.testing.assert_allclose(layer(inputs), h, atol=1e-5)

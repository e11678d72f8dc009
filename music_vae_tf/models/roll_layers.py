"""What the models of class rolls are made of: strided convolutions and their opposites.

Arrays are [B, steps, pitches, channels]. All convolutions have kernel 3, stride 2 and
padding 1 on each side, as in the models' published layer tables; Keras's padding='same'
pads one side only, which is another function.
"""

from __future__ import annotations

import abc
from collections.abc import Iterable
from typing import NamedTuple

import keras
import tensorflow as tf

from music_vae_tf.models.cell import State, lstm_step

KERNEL, STRIDE, PADDING = 3, 2, 1
SILENCE_LOGIT = 5.0


class Row(NamedTuple):
    """A layer in a table of a model's layers."""

    name: str
    output: tuple[int, ...]  # channels, steps, pitches; or units
    parameters: int
    positions: int  # at which all of the parameters are used

    @property
    def mult_adds(self) -> int:
        """Multiply-adds of one example as the published tables count them: every
        parameter, biases too, once at every position of the output.

        A transposed convolution of stride 2 does about a quarter of that.
        """
        return self.parameters * self.positions


class RollLayer(keras.Layer, abc.ABC):
    """A layer with weights that knows its row in the table."""

    @abc.abstractmethod
    def row(self) -> Row:
        """The layer's row, once it is built."""

    def weights_of(self, kernel_shape, bias_size, initializer, bias="zeros"):
        """Creates a kernel of this shape and a bias."""
        self.kernel = self.add_weight(
            name="kernel", shape=kernel_shape, initializer=initializer
        )
        self.bias = self.add_weight(name="bias", shape=[bias_size], initializer=bias)


class Size(NamedTuple):
    """The plane of a roll, or of what convolutions made of it."""

    steps: int
    pitches: int

    @property
    def area(self) -> int:
        return self.steps * self.pitches

    def halved(self) -> Size:
        """The size after one of these convolutions."""
        return Size(-(-self.steps // STRIDE), -(-self.pitches // STRIDE))


def halvings(size: Size, times: int) -> list[Size]:
    """300x128, 150x64, 75x32, 38x16: a size and those that follow it."""
    sizes = [size]
    for _ in range(times):
        sizes.append(sizes[-1].halved())
    return sizes


class Convolution(RollLayer):
    """Convolution of stride 2 and ReLU: [B, s, p, C] -> [B, s/2, p/2, filters]."""

    def __init__(self, filters: int, size: Size, **kwargs):
        """size: that of the input."""
        super().__init__(**kwargs)
        self.filters, self.size = filters, size.halved()

    def build(self, channels: int):
        """Creates weights for so many input channels."""
        shape = [KERNEL, KERNEL, channels, self.filters]
        self.weights_of(shape, self.filters, "he_uniform")

    def call(self, inputs):
        convolved = tf.nn.conv2d(inputs, self.kernel, STRIDE, _EXPLICIT_PADDING)
        return tf.nn.relu(convolved + self.bias)

    def row(self):
        output = (self.filters, *self.size)
        return Row(self.name, output, self.count_params(), self.size.area)


class TransposedConvolution(RollLayer):
    """The opposite in size: [B, s/2, p/2, C] -> [B, s, p, filters].

    Where s is odd, s/2 is rounded up: the size of the output says which it was (in
    PyTorch, its `output_padding` does).
    """

    def __init__(self, filters: int, size: Size, is_last: bool, **kwargs):
        """size: that of the output; is_last: gives logits, without a ReLU."""
        super().__init__(**kwargs)
        self.filters, self.size, self.is_last = filters, size, is_last

    def build(self, channels: int):
        """Creates weights for so many input channels."""
        shape = [KERNEL, KERNEL, self.filters, channels]
        # A cell of the output adds up about a quarter of the kernel's products.
        initializer = keras.initializers.VarianceScaling(
            2.0 * STRIDE**2, "fan_out", "uniform"
        )
        bias = _mostly_silent if self.is_last else "zeros"
        self.weights_of(shape, self.filters, initializer, bias)

    def call(self, inputs):
        shape = [tf.shape(inputs)[0], *self.size, self.filters]
        convolved = tf.nn.conv2d_transpose(
            inputs, self.kernel, shape, STRIDE, _EXPLICIT_PADDING
        )
        logits = convolved + self.bias
        return logits if self.is_last else tf.nn.relu(logits)

    def row(self):
        output = (self.filters, *self.size)
        return Row(self.name, output, self.count_params(), self.size.area)


def _mostly_silent(shape, dtype=None):
    """Biases with which the first class, silence, has nearly all of the probability, as
    in music."""
    return tf.one_hot(0, shape[0], SILENCE_LOGIT, dtype=dtype or tf.float32)


_EXPLICIT_PADDING = [[0, 0], [PADDING, PADDING], [PADDING, PADDING], [0, 0]]


class Linear(RollLayer):
    """A matrix product and a bias: [B, D] -> [B, units]."""

    def __init__(self, units: int, **kwargs):
        super().__init__(**kwargs)
        self.units = units

    def build(self, depth: int):
        """Creates weights for inputs of this depth."""
        self.weights_of([depth, self.units], self.units, "glorot_uniform")

    def call(self, inputs):
        return inputs @ self.kernel + self.bias

    def row(self):
        return Row(self.name, (self.units,), self.count_params(), 1)


class TwoBiasLstm(RollLayer):
    """An LSTM with a bias for its input and one for its state, as PyTorch has them:
    [B, S, D] -> its last output [B, units].

    Gates lie in the order of `models.lstm`.
    """

    def __init__(self, units: int, steps: int, **kwargs):
        """steps: S."""
        super().__init__(**kwargs)
        self.units, self.steps = units, steps

    def build(self, depth: int):
        """Creates weights for inputs of this depth."""
        gates = 4 * self.units
        self.weights_of([depth, gates], gates, "glorot_uniform")
        self.recurrent_kernel = self.add_weight(
            name="recurrent_kernel", shape=[self.units, gates], initializer="orthogonal"
        )
        self.recurrent_bias = self.add_weight(
            name="recurrent_bias", shape=[gates], initializer="zeros"
        )

    def call(self, inputs):
        gates = inputs @ self.kernel + self.bias + self.recurrent_bias
        zeros = tf.zeros([tf.shape(inputs)[0], self.units])
        state = State(zeros, zeros)
        for step in range(self.steps):  # a few
            recurrence = state.h @ self.recurrent_kernel
            of_step = tf.split(gates[:, step] + recurrence, 4, axis=-1)
            state = lstm_step(of_step, state).state
        return state.h

    def row(self):
        return Row(self.name, (self.units,), self.count_params(), self.steps)


class RollEncoder(keras.Layer):
    """One-hot rolls and their condition -> the posterior of z."""

    def __init__(self, filters: Iterable[int], size: Size, z_size: int, **kwargs):
        super().__init__(**kwargs)
        sizes = halvings(size, len(filters))
        self.convolutions = [
            Convolution(width, before, name=f"conv_{i}")
            for i, (width, before) in enumerate(zip(filters, sizes), start=1)
        ]
        self.features = sizes[-1].area * filters[-1]
        self.mean = Linear(z_size, name="z_mean")
        self.log_variance = Linear(z_size, name="z_log_variance")

    def build(self, channels: int, condition_size: int):
        """Creates all weights."""
        for layer in self.convolutions:
            layer.build(channels)
            channels = layer.filters
        self.mean.build(self.features + condition_size)
        self.log_variance.build(self.features + condition_size)

    def posterior(self, rolls, condition):
        """[B, s, p, C], [B, K] -> mean and standard deviation of z, [B, Z] each."""
        hidden = rolls
        for layer in self.convolutions:
            hidden = layer(hidden)
        hidden = tf.reshape(hidden, [-1, self.features])
        hidden = tf.concat([hidden, condition], axis=-1)
        return self.mean(hidden), tf.exp(0.5 * self.log_variance(hidden))

    def rows(self) -> list[Row]:
        """Those of all its layers, in order."""
        layers = [*self.convolutions, self.mean, self.log_variance]
        return [layer.row() for layer in layers]


class RollDecoder(keras.Layer):
    """A vector and a condition -> logits of a roll's classes."""

    def __init__(self, filters: Iterable[int], size: Size, classes: int, **kwargs):
        """filters: as of the encoder, [32, 64, 128]; size: of the roll."""
        super().__init__(**kwargs)
        sizes = halvings(size, len(filters))
        self.first = (*sizes[-1], filters[-1])
        self.linear = Linear(sizes[-1].area * filters[-1], name="linear")
        widths = [classes, *filters[:-1]]
        layers = [
            TransposedConvolution(
                width, after, is_last=not i, name=f"deconv_{len(filters) - i}"
            )
            for i, (width, after) in enumerate(zip(widths, sizes))
        ]
        self.deconvolutions = layers[::-1]

    def build(self, vector_size: int, condition_size: int):
        """Creates all weights."""
        self.linear.build(vector_size + condition_size)
        channels = self.first[-1]
        for layer in self.deconvolutions:
            layer.build(channels)
            channels = layer.filters

    def logits(self, vector, condition):
        """[B, D], [B, K] -> [B, s, p, classes]."""
        hidden = self.linear(tf.concat([vector, condition], axis=-1))
        hidden = tf.reshape(hidden, [-1, *self.first])
        for layer in self.deconvolutions:
            hidden = layer(hidden)
        return hidden

    def rows(self) -> list[Row]:
        """Those of all its layers, in order."""
        return [layer.row() for layer in [self.linear, *self.deconvolutions]]

"""Layers of the models of class rolls: strided convolutions and their transposes.

Arrays are [B, steps, pitches, channels]. All convolutions have kernel 3, stride 2 and
padding 1 on each side, as in the published layer tables of the models. Keras's
padding='same' pads one side only, which is another function.

With the dtype policy `mixed_bfloat16` they compute in bfloat16. TensorFlow has no fast
gradients on a CPU there for explicit padding or a transposed convolution of stride 2.
So both are written another way.
"""

from __future__ import annotations

import abc
from collections.abc import Sequence
from typing import Any, NamedTuple

import keras
import tensorflow as tf

from music_vae_tf.models.cell import State, lstm_step
from music_vae_tf.models.lstm import FLOAT32
from music_vae_tf.models.recurrence import is_for_inference

KERNEL, STRIDE, PADDING = 3, 2, 1
SILENCE_LOGIT = 5.0


class Row(NamedTuple):
    """A row of a model's layer table."""

    name: str
    output: tuple[int, ...]  # channels, steps, pitches; or units
    parameters: int
    positions: int  # of the output, at each of which all parameters are used

    @property
    def mult_adds(self) -> int:
        """Multiply-adds of one example, as the published tables count them.

        Every parameter counts once at every position of the output, biases included. A
        transposed convolution of stride 2 computes about a quarter of that.
        """
        return self.parameters * self.positions


class RollLayer(keras.Layer, abc.ABC):
    """A layer with weights and a row in the layer table."""

    @abc.abstractmethod
    def row(self) -> Row:
        """The layer's row, once it is built."""

    def add_kernel_and_bias(
        self,
        kernel_shape: Sequence[int],
        bias_size: int,
        initializer: Any,
        bias: Any = "zeros",
    ) -> None:
        """Creates a kernel of this shape and a bias."""
        self.kernel = self.add_weight(
            name="kernel", shape=kernel_shape, initializer=initializer
        )
        self.bias = self.add_weight(name="bias", shape=[bias_size], initializer=bias)

    def in_compute_dtype(self, *tensors: Any) -> list[tf.Tensor]:
        """These as the layer's policy computes them."""
        return [tf.cast(tensor, self.compute_dtype) for tensor in tensors]


class Size(NamedTuple):
    """The size of a roll, or of a convolution's output."""

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


class _OfSize(RollLayer):
    """A layer whose output is a roll of so many filters."""

    filters: int
    size: Size

    def row(self) -> Row:
        output = (self.filters, *self.size)
        return Row(self.name, output, self.count_params(), self.size.area)


class Convolution(_OfSize):
    """Convolution of stride 2 and ReLU: [B, s, p, C] -> [B, s/2, p/2, filters]."""

    def __init__(self, filters: int, size: Size, **kwargs: Any):
        """size: of the input."""
        super().__init__(**kwargs)
        self.filters, self.size = filters, size.halved()

    def build(self, channels: int) -> None:
        """Creates weights for so many input channels."""
        shape = [KERNEL, KERNEL, channels, self.filters]
        self.add_kernel_and_bias(shape, self.filters, "he_uniform")

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        kernel, bias = self.kernel, self.bias
        if self.compute_dtype == FLOAT32:
            convolved = tf.nn.conv2d(inputs, kernel, STRIDE, _EXPLICIT_PADDING)
        else:
            kernel, bias, inputs = self.in_compute_dtype(kernel, bias, inputs)
            padded = tf.pad(inputs, _EXPLICIT_PADDING)
            convolved = tf.nn.conv2d(padded, kernel, STRIDE, "VALID")
        return tf.nn.relu(convolved + bias)


class TransposedConvolution(_OfSize):
    """Transposed convolution of stride 2: [B, s/2, p/2, C] -> [B, s, p, filters].

    If s is odd, s/2 is rounded up. The size of the output tells both cases apart, as
    `output_padding` does in PyTorch.
    """

    def __init__(self, filters: int, size: Size, is_last: bool, **kwargs: Any):
        """size: of the output; is_last: emits logits, without a ReLU."""
        super().__init__(**kwargs)
        self.filters, self.size, self.is_last = filters, size, is_last

    def build(self, channels: int) -> None:
        """Creates weights for so many input channels."""
        shape = [KERNEL, KERNEL, self.filters, channels]
        # A cell of the output is a sum of about a quarter of the kernel's products.
        initializer = keras.initializers.VarianceScaling(
            2.0 * STRIDE**2, "fan_out", "uniform"
        )
        bias = _mostly_silent if self.is_last else "zeros"
        self.add_kernel_and_bias(shape, self.filters, initializer, bias)

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        kernel, bias = self.kernel, self.bias
        if self.compute_dtype != FLOAT32:
            kernel, bias, inputs = self.in_compute_dtype(kernel, bias, inputs)
            convolved = self._by_parity(inputs, kernel)
        elif is_for_inference():
            convolved = self._cropped(inputs)
        else:
            convolved = self._padded(inputs)
        logits = convolved + bias
        return logits if self.is_last else tf.nn.relu(logits)

    def _padded(self, inputs):
        shape = [tf.shape(inputs)[0], *self.size, self.filters]
        return tf.nn.conv2d_transpose(
            inputs, self.kernel, shape, STRIDE, _EXPLICIT_PADDING
        )

    def _cropped(self, inputs):
        """The same without padding: tf2onnx 1.17 reads an explicit one wrongly."""
        batch, *before = tf.unstack(tf.shape(inputs))[:3]
        whole = [STRIDE * (size - 1) + KERNEL for size in before]
        shape = [batch, *whole, self.filters]
        convolved = tf.nn.conv2d_transpose(inputs, self.kernel, shape, STRIDE, "VALID")
        steps, pitches = (slice(PADDING, PADDING + size) for size in self.size)
        return convolved[:, steps, pitches]

    def _by_parity(self, inputs, kernel):
        """The same by a convolution of stride 1, which has a channel for each parity.

        An even output is a product with one tap of the kernel, an odd one with two.
        """
        taps = tf.constant(_TAPS, kernel.dtype)
        parities = tf.einsum("pat,qbu,tuoi->abipqo", taps, taps, kernel)
        channels = STRIDE**2 * self.filters
        kernel = tf.reshape(parities, [2, 2, kernel.shape[-1], channels])
        padded = tf.pad(inputs, [[0, 0], [0, 1], [0, 1], [0, 0]])
        convolved = tf.nn.conv2d(padded, kernel, 1, "VALID")
        whole = tf.nn.depth_to_space(convolved, STRIDE)
        # Not whole[:, :steps], whose gradient takes ten times as long on a CPU.
        if whole.shape[1:3] == self.size:
            return whole
        return tf.slice(whole, [0, 0, 0, 0], [-1, *self.size, -1])


# Which taps of the kernel reach an output: [parity of the output, input before or
# after it, tap].
_TAPS = [[[0, 1, 0], [0, 0, 0]], [[0, 0, 1], [1, 0, 0]]]


def _mostly_silent(shape, dtype=None):
    """Biases that make the first class, silence, nearly certain, as it is in music."""
    return tf.one_hot(0, shape[0], SILENCE_LOGIT, dtype=dtype or tf.float32)


_EXPLICIT_PADDING = [[0, 0], [PADDING, PADDING], [PADDING, PADDING], [0, 0]]


class Linear(RollLayer):
    """A matrix product and a bias: [B, D] -> [B, units]."""

    def __init__(self, units: int, **kwargs: Any):
        super().__init__(**kwargs)
        self.units = units

    def build(self, depth: int) -> None:
        """Creates weights for inputs of this depth."""
        self.add_kernel_and_bias([depth, self.units], self.units, "glorot_uniform")

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        return inputs @ self.kernel + self.bias

    def row(self) -> Row:
        return Row(self.name, (self.units,), self.count_params(), 1)


class TwoBiasLstm(RollLayer):
    """An LSTM with two biases, as in PyTorch: [B, S, D] -> its last output [B, units].

    One bias is for the input, one for the state. The order of gates is that of `cell`.
    """

    def __init__(self, units: int, steps: int, **kwargs: Any):
        """steps: S."""
        super().__init__(**kwargs)
        self.units, self.steps = units, steps

    def build(self, depth: int) -> None:
        """Creates weights for inputs of this depth."""
        gates = 4 * self.units
        self.add_kernel_and_bias([depth, gates], gates, "glorot_uniform")
        self.recurrent_kernel = self.add_weight(
            name="recurrent_kernel", shape=[self.units, gates], initializer="orthogonal"
        )
        self.recurrent_bias = self.add_weight(
            name="recurrent_bias", shape=[gates], initializer="zeros"
        )

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        gates = inputs @ self.kernel + self.bias + self.recurrent_bias
        zeros = tf.zeros([tf.shape(inputs)[0], self.units])
        state = State(zeros, zeros)
        for step in range(self.steps):  # a few
            recurrence = state.h @ self.recurrent_kernel
            step_gates = tf.split(gates[:, step] + recurrence, 4, axis=-1)  # [B, U]
            state = lstm_step(step_gates, state).state
        return state.h

    def row(self) -> Row:
        return Row(self.name, (self.units,), self.count_params(), self.steps)


class RollEncoder(keras.Layer):
    """One-hot rolls and their condition -> the posterior of z."""

    def __init__(
        self,
        filters: Sequence[int],
        size: Size,
        z_size: int,
        convolution_dtype: str = FLOAT32,
        **kwargs: Any,
    ):
        """convolution_dtype: Keras's name of the dtype policy of the convolutions."""
        super().__init__(**kwargs)
        sizes = halvings(size, len(filters))
        self.convolutions = [
            Convolution(width, before, name=f"conv_{i}", dtype=convolution_dtype)
            for i, (width, before) in enumerate(zip(filters, sizes), start=1)
        ]
        self.features = sizes[-1].area * filters[-1]
        self.mean = Linear(z_size, name="z_mean")
        self.log_variance = Linear(z_size, name="z_log_variance")

    def build(self, channels: int, condition_size: int) -> None:
        """Creates all weights."""
        for layer in self.convolutions:
            layer.build(channels)
            channels = layer.filters
        self.mean.build(self.features + condition_size)
        self.log_variance.build(self.features + condition_size)

    def posterior(
        self, rolls: tf.Tensor, condition: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """[B, s, p, C], [B, K] -> mean and standard deviation of z, [B, Z] each."""
        hidden = rolls
        for layer in self.convolutions:
            hidden = layer(hidden)
        hidden = tf.reshape(tf.cast(hidden, tf.float32), [-1, self.features])
        hidden = tf.concat([hidden, condition], axis=-1)
        return self.mean(hidden), tf.exp(0.5 * self.log_variance(hidden))

    def rows(self) -> list[Row]:
        """Rows of all layers, in order."""
        layers = [*self.convolutions, self.mean, self.log_variance]
        return [layer.row() for layer in layers]


class RollDecoder(keras.Layer):
    """A vector and a condition -> logits of a roll's classes."""

    def __init__(
        self,
        filters: Sequence[int],
        size: Size,
        classes: int,
        convolution_dtype: str = FLOAT32,
        **kwargs: Any,
    ):
        """
        Args:
            filters: as of the encoder, [32, 64, 128].
            size: of the roll.
            convolution_dtype: as of the encoder.
        """
        super().__init__(**kwargs)
        sizes = halvings(size, len(filters))
        self.first = (*sizes[-1], filters[-1])
        self.linear = Linear(sizes[-1].area * filters[-1], name="linear")
        widths = [classes, *filters[:-1]]
        layers = [
            TransposedConvolution(
                width,
                after,
                is_last=not i,
                name=f"deconv_{len(filters) - i}",
                dtype=convolution_dtype,
            )
            for i, (width, after) in enumerate(zip(widths, sizes))
        ]
        self.deconvolutions = layers[::-1]

    def build(self, vector_size: int, condition_size: int) -> None:
        """Creates all weights."""
        self.linear.build(vector_size + condition_size)
        channels = self.first[-1]
        for layer in self.deconvolutions:
            layer.build(channels)
            channels = layer.filters

    def logits(self, vector: tf.Tensor, condition: tf.Tensor) -> tf.Tensor:
        """[B, D], [B, K] -> [B, s, p, classes]."""
        hidden = self.linear(tf.concat([vector, condition], axis=-1))
        hidden = tf.reshape(hidden, [-1, *self.first])
        for layer in self.deconvolutions:
            hidden = layer(hidden)
        return tf.cast(hidden, tf.float32)

    def rows(self) -> list[Row]:
        """Rows of all layers, in order."""
        return [layer.row() for layer in [self.linear, *self.deconvolutions]]

"""LSTM layers and stacks.

Sequences are time-major, [T, B, D], in this file. Weights lie as Magenta keeps them
(see `recurrence`), and 1 is added to the forget gate at run time.
"""

from __future__ import annotations

import keras
import numpy as np
import tensorflow as tf

from music_vae_tf.models.noise import Noise
from music_vae_tf.models.recurrence import (
    Recording,
    State,
    Step,
    last_output,
    lstm_sequence,
    lstm_step,
)

FORGET_BIAS = 1.0


def matrix_product(tensor, matrix, dtype):
    """[B, D] or [T, B, D] times [D, E] in `dtype`, as float32 [..., E]."""
    tensor, (depth, columns) = tf.cast(tensor, dtype), matrix.shape
    rows = tf.reshape(tensor, [-1, depth])
    product = tf.cast(tf.matmul(rows, tf.cast(matrix, dtype)), tf.float32)
    if tensor.shape.rank == 2:
        return product
    steps, batch_size = tf.unstack(tf.shape(tensor)[:2])
    return tf.reshape(product, [steps, batch_size, columns])


def step_mask(lengths, steps):
    """1.0 for steps that count, 0.0 for the padding after them: [B] -> [T, B, 1]."""
    return tf.transpose(tf.sequence_mask(lengths, steps, tf.float32))[..., None]


def side_by_side(parts):
    """Parts [T, B, D] and parts without a time axis [B, D] -> one [T, B, sum of D]."""
    if len(parts) == 1:
        return parts[0]
    steps = next(tf.shape(part)[0] for part in parts if part.shape.rank == 3)
    repeated = [
        part if part.shape.rank == 3 else tf.repeat(part[None], steps, axis=0)
        for part in parts
    ]
    return tf.concat(repeated, axis=-1)


def dropout_factors(shape, keep_probability, noise: Noise | None):
    """What inputs of a shape [T, B, D] are multiplied by: 0, or 1 / keep_probability;
    None drops nothing.

    Every step draws its own factors, as Magenta's DropoutWrapper does.
    """
    if noise is None or keep_probability == 1.0:
        return None
    return noise.kept(shape, keep_probability, batch_axis=1) * (1 / keep_probability)


@keras.saving.register_keras_serializable("music_vae_tf")
class LSTMLayer(keras.Layer):
    """One LSTM; a residual one adds its input to its output."""

    def __init__(self, units, residual=False, project_input=False, **kwargs):
        """project_input: bring the input to `units` columns first, for a residual."""
        super().__init__(**kwargs)
        self.units = units
        self.residual = residual
        self.input_projection = None
        if project_input:
            self.input_projection = keras.layers.Dense(units, name="input_projection")

    def build(self, input_size):
        if self.input_projection is not None:
            self.input_projection.build((None, input_size))
            input_size = self.units
        self.kernel = self.add_weight(
            name="kernel", shape=(input_size + self.units, 4 * self.units)
        )
        self.bias = self.add_weight(
            name="bias", shape=(4 * self.units,), initializer="zeros"
        )

    @property
    def recurrent_kernel(self):
        return self.kernel[-self.units :]

    def zero_state(self, batch_size) -> State:
        zeros = tf.zeros([batch_size, self.units])
        return State(zeros, zeros)

    def product(self, part, first_row=0):
        """A part of the input times its rows of the kernel: [..., D] -> [..., 4 U]."""
        rows = self.kernel[first_row : first_row + part.shape[-1]]
        return matrix_product(part, rows, self.compute_dtype)

    def biases(self):
        """b with the forget bias in it, [4 U]."""
        forget = np.repeat(np.float32([0, 0, FORGET_BIAS, 0]), self.units)
        return self.bias + forget

    def input_gates(self, parts, first_row=0):
        """x W + b with the forget bias in it, for the parts [..., D] of x in kernel
        order."""
        gates = self.biases()
        for part in parts:
            if part.shape[-1]:
                gates += self.product(part, first_row)
            first_row += part.shape[-1]
        return gates

    def sequence(self, parts, initial: State, recording: Recording | None = None):
        """Parts of the input in kernel order -> outputs [T, B, U], final state.

        A part without a time axis, [B, D], beside parts [T, B, D] is projected once.
        recording: of these steps, where they have been taken.
        """
        if self.residual:
            parts = [self._carried(side_by_side(parts))]
        outputs, final = self._recurrence(parts, initial, recording)
        return outputs + parts[0] if self.residual else outputs, final

    def padded_sequence(self, inputs, lengths):
        """[T, B, D] of the given lengths [B] -> outputs [T, B, U], zeros in padding.

        (It comes last: what is read there changes nothing that counts.)
        """
        outputs, _ = self.sequence([inputs], self.zero_state(tf.shape(inputs)[1]))
        return outputs * step_mask(lengths, tf.shape(inputs)[0])

    def last_h(self, inputs, lengths, differentiable=True):
        """[T, B, D] of the given lengths [B] -> h [B, U] after the last step of each
        example, zeros for one of length 0.

        Quicker where it need not be differentiable.
        """
        inputs = self._carried(inputs) if self.residual else inputs
        return last_output(
            *(inputs, lengths, self.biases(), self.kernel, self.compute_dtype),
            differentiable,
        )

    def _recurrence(self, parts, initial, recording=None):
        parts = [tf.convert_to_tensor(part) for part in parts if part.shape[-1]]
        kernel, gates = tf.convert_to_tensor(self.kernel), self.biases()
        varying = [part for part in parts if part.shape.rank == 3]
        if len(varying) < len(parts):
            *rows, recurrent_rows = tf.split(
                kernel, [*(part.shape[-1] for part in parts), self.units]
            )
            varying_rows = []
            for part, part_rows in zip(parts, rows):
                if part.shape.rank == 2:
                    gates += matrix_product(part, part_rows, self.compute_dtype)
                else:
                    varying_rows.append(part_rows)
            kernel = tf.concat([*varying_rows, recurrent_rows], axis=0)
        inputs = varying[0] if len(varying) == 1 else tf.concat(varying, axis=-1)
        return lstm_sequence(
            *(inputs, gates, initial, kernel, self.compute_dtype), recording
        )

    def step(self, inputs, state: State):
        """One step: inputs [B, D] -> output [B, U], the step."""
        if self.residual:
            inputs = self._carried(inputs)
        output, taken = self.step_from_gates(self.input_gates([inputs]), state)
        return output + inputs if self.residual else output, taken

    def step_from_gates(self, input_gates, state: State):
        """One step from `input_gates` [B, 4 U], of a layer that is not residual."""
        recurrence = matrix_product(state.h, self.recurrent_kernel, self.compute_dtype)
        taken = lstm_step(tf.split(input_gates + recurrence, 4, axis=-1), state)
        return taken.state.h, taken

    def _carried(self, inputs):
        projection = self.input_projection
        return inputs if projection is None else projection(inputs)


@keras.saving.register_keras_serializable("music_vae_tf")
class LSTMStack(keras.Layer):
    """LSTMs on top of each other, each with dropout on its input."""

    def __init__(self, sizes, keep_probability=1.0, residual=False, **kwargs):
        super().__init__(**kwargs)
        self.sizes = tuple(sizes)
        self.keep_probability = keep_probability
        self.layers = [
            LSTMLayer(
                units,
                residual=residual,
                # Magenta projects where a residual's input has, or may have, another
                # width; the first layer always.
                project_input=residual and (i == 0 or units != sizes[i - 1]),
                name=f"layer_{i}",
            )
            for i, units in enumerate(sizes)
        ]
        self.initial_state = keras.layers.Dense(
            2 * sum(sizes),
            activation="tanh",
            kernel_initializer=keras.initializers.RandomNormal(stddev=0.001),
            name="initial_state",
        )

    def build(self, input_size, embedding_size=None):
        """embedding_size: Z, where the initial state shall come from an embedding."""
        self.input_size = input_size
        for layer, size in zip(self.layers, (input_size, *self.sizes)):
            layer.build(size)
        if embedding_size is not None:
            self.initial_state.build((None, embedding_size))

    def states_from(self, embedding) -> list[State]:
        """Initial states out of an embedding [B, Z]; they lie as c0, h0, c1, h1, ..."""
        sizes = [size for units in self.sizes for size in (units, units)]
        if embedding.shape[-1]:
            flat = self.initial_state(embedding)
        else:  # oneDNN aborts the process at a product over nothing
            flat = tf.tanh(self.initial_state.bias)[None]
            flat = tf.repeat(flat, tf.shape(embedding)[0], axis=0)
        flat = tf.split(flat, sizes, axis=-1)
        return [State(c, h) for c, h in zip(flat[::2], flat[1::2])]

    def zero_state(self, batch_size) -> list[State]:
        return [layer.zero_state(batch_size) for layer in self.layers]

    def dropout_factors(self, steps, batch_size, dropout: Noise | None):
        """For each layer the factors of its inputs, [T, B, D], or None."""
        sizes = (self.input_size, *self.sizes)
        return [
            dropout_factors(
                [steps, batch_size, size],
                self.keep_probability,
                dropout and dropout.fold(layer.name),
            )
            for layer, size in zip(self.layers, sizes)
        ]

    def sequence(self, parts, states, dropout: Noise | None = None, recordings=None):
        """Parts of the input in kernel order -> outputs [T, B, U], final states.

        recordings: one of each layer, where these steps have been taken.
        """
        steps, batch_size = tf.unstack(tf.shape(parts[0])[:2])
        factors = self.dropout_factors(steps, batch_size, dropout)
        recordings = recordings or [None] * len(self.layers)
        finals = []
        for layer, state, factor, recording in zip(
            self.layers, states, factors, recordings
        ):
            if factor is not None:
                parts = [side_by_side(parts) * factor]
            outputs, final = layer.sequence(parts, state, recording)
            finals.append(final)
            parts = [outputs]
        return outputs, finals

    def step(self, inputs, states, factors=None):
        """One step: inputs [B, D] -> output [B, U], the step of each layer.

        factors: dropout factors of this step, one [B, D] or None for each layer.
        """
        steps = []
        for i, (layer, state) in enumerate(zip(self.layers, states)):
            if factors is not None and factors[i] is not None:
                inputs = inputs * factors[i]
            inputs, taken = layer.step(inputs, state)
            steps.append(taken)
        return inputs, steps

    def step_above(self, output, first: Step, states):
        """The step of the layers above the first, which has taken its own."""
        steps = [first]
        for layer, state in zip(self.layers[1:], states[1:]):
            output, taken = layer.step(output, state)
            steps.append(taken)
        return output, steps


@keras.saving.register_keras_serializable("music_vae_tf")
class BidirectionalStack(keras.Layer):
    """Pairs of LSTMs, along the sequence and against it, each on the pair below."""

    def __init__(self, sizes, keep_probability=1.0, residual=False, **kwargs):
        super().__init__(**kwargs)
        self.sizes = tuple(sizes)
        self.pairs = [
            LSTMPair(units, keep_probability, residual, name=f"layer_{i}")
            for i, units in enumerate(sizes)
        ]

    def build(self, input_size):
        for pair, size in zip(self.pairs, (input_size, *(2 * u for u in self.sizes))):
            pair.build(size)

    def sequence(self, inputs, lengths, dropout: Noise | None = None):
        """[T, B, D] of the given lengths [B] -> outputs [T, B, 2 U], zeros in
        padding."""
        return _through(self.pairs, inputs, lengths, dropout)

    def ends(self, inputs, lengths, dropout: Noise | None = None, differentiable=True):
        """[T, B, D] of the given lengths [B] -> both final h of the top, [B, 2 U].

        Forward at the end of each example, backward at its beginning; an example of
        length 0 has zeros. Quicker where they need not be differentiable.
        """
        *below, top = self.pairs
        inputs = _through(below, inputs, lengths, dropout)
        dropout = dropout and dropout.fold(top.name)
        return top.ends(inputs, lengths, dropout, differentiable)


def _through(pairs, inputs, lengths, dropout):
    """What comes out of pairs on top of each other, [T, B, 2 U]."""
    for pair in pairs:
        inputs = pair.sequence(inputs, lengths, dropout and dropout.fold(pair.name))
    return inputs


@keras.saving.register_keras_serializable("music_vae_tf")
class LSTMPair(keras.Layer):
    """One LSTM along the sequence and one against it."""

    def __init__(self, units, keep_probability=1.0, residual=False, **kwargs):
        super().__init__(**kwargs)
        self.keep_probability = keep_probability
        options = {"residual": residual, "project_input": residual}
        self.forward = LSTMLayer(units, **options, name="forward")
        self.backward = LSTMLayer(units, **options, name="backward")

    def build(self, input_size):
        self.forward.build(input_size)
        self.backward.build(input_size)

    def sequence(self, inputs, lengths, dropout: Noise | None = None):
        """[T, B, D] -> outputs [T, B, 2 U]."""
        along, against = self._both_ways(inputs, lengths, dropout)
        outputs = self.forward.padded_sequence(along, lengths)
        reversed_outputs = self.backward.padded_sequence(against, lengths)
        return tf.concat([outputs, _reverse(reversed_outputs, lengths)], axis=-1)

    def ends(self, inputs, lengths, dropout: Noise | None = None, differentiable=True):
        """[T, B, D] -> final h [B, 2 U]."""
        along, against = self._both_ways(inputs, lengths, dropout)
        end = self.forward.last_h(along, lengths, differentiable)
        start = self.backward.last_h(against, lengths, differentiable)
        return tf.concat([end, start], axis=-1)

    def _both_ways(self, inputs, lengths, dropout):
        """What each layer reads: the inputs along and against, with its dropout."""
        return [
            self._dropped(layer, rows, dropout)
            for layer, rows in (
                (self.forward, inputs),
                (self.backward, _reverse(inputs, lengths)),
            )
        ]

    def _dropped(self, layer, inputs, dropout):
        factors = dropout_factors(
            tf.shape(inputs),
            self.keep_probability,
            dropout and dropout.fold(layer.name),
        )
        return inputs if factors is None else inputs * factors


def _reverse(sequence, lengths):
    """Each example of [T, B, D] backwards within its length."""
    return tf.reverse_sequence(sequence, lengths, seq_axis=0, batch_axis=1)

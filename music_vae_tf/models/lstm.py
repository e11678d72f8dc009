"""The recurrent core: one LSTM step, its gradient over a sequence, layers and stacks.

Sequences are time-major, [T, B, D], in this file. Weights lie as Magenta keeps them:
one kernel for `[x, h]`, gates in the order i, g, f, o (g is the candidate, which others
call c or j), and 1 added to the forget gate at run time.
"""

from __future__ import annotations

from typing import NamedTuple

import keras
import tensorflow as tf

from music_vae_tf.models.noise import Noise

FORGET_BIAS = 1.0


class State(NamedTuple):
    """What one LSTM layer remembers: cell and output, [B, U] each."""

    c: tf.Tensor
    h: tf.Tensor


def lstm_step(input_gates, state: State, recurrent_kernel):
    """One step of an LSTM (Hochreiter and Schmidhuber 1997; Gers et al. 2000).

        [i, g, f, o] = x W + b + h U
        c' = sigmoid(f) * c + sigmoid(i) * tanh(g)
        h' = sigmoid(o) * tanh(c')

    input_gates: x W + b with the forget bias in it, [B, 4 U]; recurrent_kernel: U,
    [U, 4 U]. Returns the new state and the four activated gates, [B, U] each.
    """
    i, g, f, o = tf.split(input_gates + state.h @ recurrent_kernel, 4, axis=-1)
    i, g, f, o = tf.sigmoid(i), tf.tanh(g), tf.sigmoid(f), tf.sigmoid(o)
    c = f * state.c + i * g
    return State(c, o * tf.tanh(c)), (i, g, f, o)


def lstm_sequence(input_gates, initial: State, recurrent_kernel, mask=None):
    """All steps of an LSTM over [T, B, 4 U] input gates.

    mask: [T, B, 1], 1.0 for steps that count and 0.0 for the padding after them, where
    outputs are zero and the state stays; None if all count. Returns the outputs
    [T, B, U] and the final state.

    The gradient is written out: the loop back through time yields only the gradients of
    the gates, and that of the recurrent kernel, a sum over all steps, is one matrix
    product after it.
    """

    @tf.custom_gradient
    def run(input_gates, c, h, recurrent_kernel):
        initial = State(c, h)
        outputs, cells, gates, final = _forward(
            input_gates, initial, recurrent_kernel, mask
        )

        def gradient(d_outputs, d_c, d_h):
            previous = State(_shift(cells, initial.c), _shift(outputs, initial.h))
            d_gates, d_initial = _backward(
                d_outputs,
                State(d_c, d_h),
                previous.c,
                cells,
                gates,
                recurrent_kernel,
                mask,
            )
            units = recurrent_kernel.shape[0]
            d_kernel = tf.matmul(
                tf.reshape(previous.h, [-1, units]),
                tf.reshape(d_gates, [-1, 4 * units]),
                transpose_a=True,
            )
            return d_gates, *d_initial, d_kernel

        return (outputs, *final), gradient

    outputs, c, h = run(input_gates, *initial, recurrent_kernel)
    return outputs, State(c, h)


def _forward(input_gates, initial, recurrent_kernel, mask):
    """Outputs, cells [T, B, U], activated gates [T, B, 4 U], and the final state."""
    steps = tf.shape(input_gates)[0]
    units = recurrent_kernel.shape[0]
    inputs = _unstack(input_gates)
    keeps = None if mask is None else _unstack(mask)

    def step(t, state, outputs, cells, gates):
        new, activated = lstm_step(inputs.read(t), state, recurrent_kernel)
        output = new.h
        if keeps is not None:
            keep = keeps.read(t)
            output = keep * new.h
            new = State(*(keep * n + (1.0 - keep) * s for n, s in zip(new, state)))
        return (
            t + 1,
            new,
            outputs.write(t, output),
            cells.write(t, new.c),
            gates.write(t, tf.concat(activated, axis=-1)),
        )

    _, final, outputs, cells, gates = tf.while_loop(
        lambda t, *_: t < steps,
        step,
        (
            tf.constant(0),
            initial,
            _array(steps, input_gates, units),
            _array(steps, input_gates, units),
            _array(steps, input_gates, 4 * units),
        ),
        maximum_iterations=steps,
    )
    return outputs.stack(), cells.stack(), gates.stack(), final


def _backward(d_outputs, d_final, previous_cells, cells, gates, recurrent_kernel, mask):
    """Gradients of the gates before activation, [T, B, 4 U], and of the initial state.

    All factors that do not depend on the gradient itself are computed for all steps at
    once; what is left to the loop is one small product a step.
    """
    steps = tf.shape(d_outputs)[0]
    i, g, f, o = tf.split(gates, 4, axis=-1)
    tanh_cells = tf.tanh(cells)
    slopes = _unstack(
        tf.concat(
            [
                g * i * (1.0 - i),
                i * (1.0 - tf.square(g)),
                previous_cells * f * (1.0 - f),
                tanh_cells * o * (1.0 - o),
            ],
            axis=-1,
        )
    )
    cell_slopes = _unstack(o * (1.0 - tf.square(tanh_cells)))
    forgets = _unstack(f)
    d_outputs_array = _unstack(d_outputs)
    keeps = None if mask is None else _unstack(mask)

    def step(t, d_state, d_gates_array):
        d_c, d_h = d_state
        d_h_new = d_h + d_outputs_array.read(t)
        d_c_new = d_c
        if keeps is not None:
            keep = keeps.read(t)
            d_h_new, d_c_new = keep * d_h_new, keep * d_c_new
        d_c_new = d_c_new + d_h_new * cell_slopes.read(t)
        d_gates = slopes.read(t) * tf.concat([d_c_new] * 3 + [d_h_new], axis=-1)
        before = State(
            d_c_new * forgets.read(t),
            tf.matmul(d_gates, recurrent_kernel, transpose_b=True),
        )
        if keeps is not None:
            before = State(*(b + (1.0 - keep) * d for b, d in zip(before, d_state)))
        return t - 1, before, d_gates_array.write(t, d_gates)

    _, d_initial, d_gates = tf.while_loop(
        lambda t, *_: t >= 0,
        step,
        (steps - 1, d_final, _array(steps, gates, gates.shape[-1])),
        maximum_iterations=steps,
    )
    return d_gates.stack(), d_initial


def _array(steps, like, depth):
    shape = tf.TensorShape([like.shape[1], depth])
    return tf.TensorArray(like.dtype, steps, element_shape=shape)


def _unstack(tensor):
    array = tf.TensorArray(
        tensor.dtype, tf.shape(tensor)[0], element_shape=tensor.shape[1:]
    )
    return array.unstack(tensor)


def _shift(sequence, first):
    """The sequence one step later, beginning with `first`."""
    return tf.concat([first[None], sequence[:-1]], axis=0)


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
    """What inputs are multiplied by: 0, or 1 / keep_probability; None drops nothing.

    Every step draws its own factors, as Magenta's DropoutWrapper does.
    """
    if noise is None or keep_probability == 1.0:
        return None
    return tf.floor(keep_probability + noise.uniform(shape)) / keep_probability


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
        return tf.tensordot(part, rows, 1)

    def input_gates(self, parts, first_row=0):
        """x W + b with the forget bias in it, for the parts of x in kernel order.

        A part without a time axis, [B, D], beside parts [T, B, D] is projected once.
        Returns [T, B, 4 U] or, if no part has a time axis, [B, 4 U].
        """
        gates = self.bias + tf.repeat([0.0, 0.0, FORGET_BIAS, 0.0], self.units)
        for part in parts:
            if part.shape[-1]:
                gates += self.product(part, first_row)
            first_row += part.shape[-1]
        return gates

    def sequence(self, parts, initial: State, mask=None):
        """Parts of the input in kernel order -> outputs [T, B, U], final state."""
        if self.residual:
            parts = [self._carried(side_by_side(parts))]
        outputs, final = lstm_sequence(
            self.input_gates(parts), initial, self.recurrent_kernel, mask
        )
        if self.residual:
            outputs += parts[0] if mask is None else parts[0] * mask
        return outputs, final

    def step(self, inputs, state: State):
        """One step: inputs [B, D] -> output [B, U], new state."""
        if self.residual:
            inputs = self._carried(inputs)
        output, state = self.step_from_gates(self.input_gates([inputs]), state)
        return output + inputs if self.residual else output, state

    def step_from_gates(self, input_gates, state: State):
        """One step from `input_gates` [B, 4 U], of a layer that is not residual."""
        state, _ = lstm_step(input_gates, state, self.recurrent_kernel)
        return state.h, state

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

    def sequence(self, parts, states, dropout: Noise | None = None, mask=None):
        """Parts of the input in kernel order -> outputs [T, B, U], final states."""
        steps, batch_size = tf.unstack(tf.shape(parts[0])[:2])
        factors = self.dropout_factors(steps, batch_size, dropout)
        finals = []
        for layer, state, factor in zip(self.layers, states, factors):
            if factor is not None:
                parts = [side_by_side(parts) * factor]
            outputs, final = layer.sequence(parts, state, mask)
            finals.append(final)
            parts = [outputs]
        return outputs, finals

    def step(self, inputs, states, factors=None):
        """One step: inputs [B, D] -> output [B, U], new states.

        factors: dropout factors of this step, one [B, D] or None for each layer.
        """
        news = []
        for i, (layer, state) in enumerate(zip(self.layers, states)):
            if factors is not None and factors[i] is not None:
                inputs = inputs * factors[i]
            inputs, new = layer.step(inputs, state)
            news.append(new)
        return inputs, news

    def step_above(self, output, states):
        """The layers above the first, whose output and new state are given."""
        news = [states[0]]
        for layer, state in zip(self.layers[1:], states[1:]):
            output, new = layer.step(output, state)
            news.append(new)
        return output, news


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
        """[T, B, D] of the given lengths [B] -> outputs [T, B, 2 U], final h [B, 2 U].

        Both finals are of the last layer: forward at the end of each example, backward
        at its beginning. An example of length 0 has zeros.
        """
        for pair in self.pairs:
            noise = dropout and dropout.fold(pair.name)
            inputs, final = pair.sequence(inputs, lengths, noise)
        return inputs, final


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
        """[T, B, D] -> outputs [T, B, 2 U], final h [B, 2 U]."""
        mask = tf.transpose(tf.sequence_mask(lengths, tf.shape(inputs)[0], tf.float32))
        along, final_along = self._run(self.forward, inputs, mask, dropout)
        against, final_against = self._run(
            self.backward, _reverse(inputs, lengths), mask, dropout
        )
        outputs = tf.concat([along, _reverse(against, lengths)], axis=-1)
        return outputs, tf.concat([final_along.h, final_against.h], axis=-1)

    def _run(self, layer, inputs, mask, dropout):
        factors = dropout_factors(
            tf.shape(inputs),
            self.keep_probability,
            dropout and dropout.fold(layer.name),
        )
        inputs = inputs if factors is None else inputs * factors
        state = layer.zero_state(tf.shape(inputs)[1])
        return layer.sequence([inputs], state, mask[..., None])


def _reverse(sequence, lengths):
    """Each example of [T, B, D] backwards within its length."""
    return tf.reverse_sequence(sequence, lengths, seq_axis=0, batch_axis=1)

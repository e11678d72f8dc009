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


class Step(NamedTuple):
    """One step of an LSTM layer: activated gates, the state after it; [B, U] each."""

    i: tf.Tensor
    g: tf.Tensor
    f: tf.Tensor
    o: tf.Tensor
    state: State


def lstm_step(gates, state: State) -> Step:
    """One step of an LSTM (Hochreiter and Schmidhuber 1997; Gers et al. 2000).

        [i, g, f, o] = x W + b + h U
        c' = sigmoid(f) * c + sigmoid(i) * tanh(g)
        h' = sigmoid(o) * tanh(c')

    gates: x W + b + h U with the forget bias in it, [B, 4 U].
    """
    i, g, f, o = tf.split(gates, 4, axis=-1)
    i, g, f, o = tf.sigmoid(i), tf.tanh(g), tf.sigmoid(f), tf.sigmoid(o)
    c = f * state.c + i * g
    return Step(i, g, f, o, State(c, o * tf.tanh(c)))


class Recording(NamedTuple):
    """All steps of a layer, as the way back needs them: TensorArrays of T times [B, U],
    and of T + 1 cells, the first of them before the first step."""

    i: tf.TensorArray
    g: tf.TensorArray
    f: tf.TensorArray
    o: tf.TensorArray
    cells: tf.TensorArray
    outputs: tf.TensorArray

    @classmethod
    def starting(cls, num_steps, initial: State) -> Recording:
        """An empty one of a layer that starts from a state."""
        arrays = {name: _array(num_steps, initial.c) for name in cls._fields}
        arrays["cells"] = _array(num_steps + 1, initial.c).write(0, initial.c)
        return cls(**arrays)

    def with_step(self, t, step: Step) -> Recording:
        """The recording with step number t."""
        return Recording(
            self.i.write(t, step.i),
            self.g.write(t, step.g),
            self.f.write(t, step.f),
            self.o.write(t, step.o),
            self.cells.write(t + 1, step.state.c),
            self.outputs.write(t, step.state.h),
        )


def lstm_sequence(
    inputs,
    constant_gates,
    initial: State,
    kernel,
    dtype=tf.float32,
    recording: Recording | None = None,
):
    """All steps of an LSTM over inputs [T, B, D].

    constant_gates: [B, 4 U], what every step adds to its gates: bias, forget bias, and
    the product of inputs that do not change over time. kernel: [D + U, 4 U]. dtype: of
    the matrix products; all else is float32. recording: of these same steps, where they
    have been taken already. Returns the outputs [T, B, U] and the final state.

    The gradient is written out: the loop back through time yields only the gradients of
    the gates, and that of the kernel, a sum over all steps, is one matrix product after
    it.
    """

    @tf.custom_gradient
    def run(inputs, constant_gates, c, h, kernel):
        steps = tf.shape(inputs)[0]
        inputs, kernel = tf.cast(inputs, dtype), tf.cast(kernel, dtype)
        input_kernel, recurrent_kernel = tf.split(
            kernel, [inputs.shape[-1], c.shape[-1]]
        )
        recorded = recording or _forward(
            tf.tensordot(inputs, input_kernel, 1),
            constant_gates,
            State(c, h),
            recurrent_kernel,
        )
        outputs = recorded.outputs.stack()

        def gradient(d_outputs, d_c, d_h):
            d_gates, d_constant, d_initial = _backward(
                d_outputs, State(d_c, d_h), recorded, recurrent_kernel
            )
            before = tf.concat([h[None], outputs[:-1]], axis=0)
            read = tf.concat([inputs, tf.cast(before, dtype)], axis=-1)
            d_kernel = tf.matmul(_flat(read), _flat(d_gates), transpose_a=True)
            d_inputs = tf.tensordot(d_gates, input_kernel, [[2], [1]])
            return (
                tf.cast(d_inputs, tf.float32),
                d_constant,
                *d_initial,
                tf.cast(d_kernel, tf.float32),
            )

        return (outputs, recorded.cells.read(steps), outputs[-1]), gradient

    outputs, c, h = run(inputs, constant_gates, *initial, kernel)
    return outputs, State(c, h)


def last_output(inputs, lengths, constant_gates, kernel, dtype=tf.float32):
    """The output of an LSTM's last step, [B, U], of inputs [T, B, D] of the given
    lengths [B]; zeros for an example of length 0.

    Records nothing on the way, so it is quicker than `lstm_sequence`, and TensorFlow's
    own gradient of it slower.
    """
    steps, batch_size = tf.unstack(tf.shape(inputs)[:2])
    kernel = tf.cast(kernel, dtype)
    zeros = tf.zeros([batch_size, kernel.shape[1] // 4])

    def step(t, state):
        read = tf.concat([inputs[t], state.h], axis=-1)
        new = lstm_step(matrix_product(read, kernel, dtype) + constant_gates, state)
        counts = (t < lengths)[:, None]
        return t + 1, State(*(tf.where(counts, *c) for c in zip(new.state, state)))

    _, state = tf.while_loop(
        lambda t, _: t < steps, step, (tf.constant(0), State(zeros, zeros))
    )
    return state.h


def _forward(input_gates, constant_gates, initial, recurrent_kernel) -> Recording:
    steps = tf.shape(input_gates)[0]
    dtype = recurrent_kernel.dtype
    inputs = _unstack(input_gates)

    def step(t, state, recording):
        products = [
            inputs.read(t),
            tf.matmul(tf.cast(state.h, dtype), recurrent_kernel),
        ]
        gates = tf.add_n([constant_gates, *(tf.cast(p, tf.float32) for p in products)])
        taken = lstm_step(gates, state)
        return t + 1, taken.state, recording.with_step(t, taken)

    *_, recording = tf.while_loop(
        lambda t, *_: t < steps,
        step,
        (tf.constant(0), initial, Recording.starting(steps, initial)),
    )
    return recording


def _backward(d_outputs, d_final, recording, recurrent_kernel):
    """Gradients of the gates before activation [T, B, 4 U], in the kernel's type; of
    the constant gates, their sum over time [B, 4 U]; and of the initial state."""
    steps = tf.shape(d_outputs)[0]
    dtype = recurrent_kernel.dtype
    d_outputs = _unstack(d_outputs)
    # Transposed once: a product that is asked to do it does it anew at every step.
    transposed = tf.transpose(recurrent_kernel)
    sigmoid_gradient, tanh_gradient = tf.raw_ops.SigmoidGrad, tf.raw_ops.TanhGrad

    def step(t, d_c, d_h, d_constant, d_gates_array):
        i, g, f, o = (array.read(t) for array in recording[:4])
        tanh_c = tf.tanh(recording.cells.read(t + 1))
        d_h += d_outputs.read(t)
        d_c += tanh_gradient(y=tanh_c, dy=d_h * o)
        d_gates = tf.concat(
            [
                sigmoid_gradient(y=i, dy=d_c * g),
                tanh_gradient(y=g, dy=d_c * i),
                sigmoid_gradient(y=f, dy=d_c * recording.cells.read(t)),
                sigmoid_gradient(y=o, dy=d_h * tanh_c),
            ],
            axis=-1,
        )
        factor = tf.cast(d_gates, dtype)
        d_h = tf.cast(tf.matmul(factor, transposed), tf.float32)
        d_gates_array = d_gates_array.write(t, factor)
        return t - 1, d_c * f, d_h, d_constant + d_gates, d_gates_array

    d_constant = tf.repeat(tf.zeros_like(d_final.c), 4, axis=-1)
    _, d_c, d_h, d_constant, d_gates = tf.while_loop(
        lambda t, *_: t >= 0,
        step,
        (
            *(steps - 1, *d_final, d_constant),
            _array(steps, tf.cast(d_constant, dtype)),
        ),
    )
    return d_gates.stack(), d_constant, State(d_c, d_h)


def _array(num_steps, like):
    return tf.TensorArray(
        like.dtype, num_steps, element_shape=like.shape, clear_after_read=False
    )


def _unstack(tensor):
    return _array(tf.shape(tensor)[0], tensor[0]).unstack(tensor)


def _flat(sequence):
    """[T, B, D] -> [T * B, D]."""
    return tf.reshape(sequence, [-1, sequence.shape[-1]])


def matrix_product(tensor, matrix, dtype):
    """[..., D] times [D, E] in `dtype`, as float32 [..., E]."""
    product = tf.tensordot(tf.cast(tensor, dtype), tf.cast(matrix, dtype), 1)
    return tf.cast(product, tf.float32)


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
    draws = noise.uniform(shape, batch_axis=1)
    return tf.floor(keep_probability + draws) / keep_probability


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
        return self.bias + tf.repeat([0.0, 0.0, FORGET_BIAS, 0.0], self.units)

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
        """[T, B, D] of the given lengths [B] -> outputs [T, B, U], last h [B, U].

        Outputs in padding are zero; the last h is that of the last step that counts,
        or zeros for an example of length 0.
        """
        inputs = self._carried(inputs) if self.residual else inputs
        batch_size = tf.shape(inputs)[1]
        h, _ = self._recurrence([inputs], self.zero_state(batch_size))
        # Padding comes last: what is read there changes nothing that counts.
        last = tf.stack([tf.maximum(lengths - 1, 0), tf.range(batch_size)], axis=1)
        is_there = tf.cast(lengths > 0, tf.float32)[:, None]
        outputs = h + inputs if self.residual else h
        outputs *= step_mask(lengths, tf.shape(inputs)[0])
        return outputs, tf.gather_nd(h, last) * is_there

    def last_output(self, inputs, lengths):
        """The last h [B, U] of `padded_sequence`, where no gradient is wanted."""
        inputs = self._carried(inputs) if self.residual else inputs
        return last_output(
            inputs, lengths, self.biases(), self.kernel, self.compute_dtype
        )

    def _recurrence(self, parts, initial, recording=None):
        parts = [tf.convert_to_tensor(part) for part in parts if part.shape[-1]]
        *rows, recurrent_rows = tf.split(
            self.kernel, [*(part.shape[-1] for part in parts), self.units]
        )
        gates = self.biases()
        varying, varying_rows = [], []
        for part, part_rows in zip(parts, rows):
            if part.shape.rank == 2:
                gates += matrix_product(part, part_rows, self.compute_dtype)
            else:
                varying.append(part)
                varying_rows.append(part_rows)
        return lstm_sequence(
            varying[0] if len(varying) == 1 else tf.concat(varying, axis=-1),
            tf.broadcast_to(gates, [tf.shape(varying[0])[1], 4 * self.units]),
            initial,
            tf.concat([*varying_rows, recurrent_rows], axis=0),
            self.compute_dtype,
            recording,
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
        taken = lstm_step(input_gates + recurrence, state)
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
        """[T, B, D] of the given lengths [B] -> outputs [T, B, 2 U], final h [B, 2 U].

        Both finals are of the last layer: forward at the end of each example, backward
        at its beginning. An example of length 0 has zeros.
        """
        for pair in self.pairs:
            noise = dropout and dropout.fold(pair.name)
            inputs, final = pair.sequence(inputs, lengths, noise)
        return inputs, final

    def ends(self, inputs, lengths):
        """The final h [B, 2 U] of `sequence`, where no gradient is wanted."""
        *below, top = self.pairs
        for pair in below:
            inputs, _ = pair.sequence(inputs, lengths)
        return top.ends(inputs, lengths)


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
        along, end = self._run(self.forward, inputs, lengths, dropout)
        reversed_inputs = _reverse(inputs, lengths)
        against, start = self._run(self.backward, reversed_inputs, lengths, dropout)
        outputs = tf.concat([along, _reverse(against, lengths)], axis=-1)
        return outputs, tf.concat([end, start], axis=-1)

    def ends(self, inputs, lengths):
        """The final h [B, 2 U] of `sequence`, where no gradient is wanted."""
        end = self.forward.last_output(inputs, lengths)
        start = self.backward.last_output(_reverse(inputs, lengths), lengths)
        return tf.concat([end, start], axis=-1)

    def _run(self, layer, inputs, lengths, dropout):
        factors = dropout_factors(
            tf.shape(inputs),
            self.keep_probability,
            dropout and dropout.fold(layer.name),
        )
        inputs = inputs if factors is None else inputs * factors
        return layer.padded_sequence(inputs, lengths)


def _reverse(sequence, lengths):
    """Each example of [T, B, D] backwards within its length."""
    return tf.reverse_sequence(sequence, lengths, seq_axis=0, batch_axis=1)

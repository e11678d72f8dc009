"""LSTM layers and stacks.

Shapes: T steps, B examples, D columns of the input, U units. Sequences are time-major,
[T, B, D]. Weights keep Magenta's layout (see `cell`); 1 is added to the forget gate at
run time.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from music_vae_tf.models import prng
from music_vae_tf.models.backpropagation import SavedActivations
from music_vae_tf.models.cell import LSTMStep, State, lstm_step
from music_vae_tf.models.prng import PRNGKey
from music_vae_tf.models.recurrence import last_output, lstm_sequence

FORGET_BIAS = 1.0
# The dtypes of cells. The weights, states and gates of both are float32; in the second,
# matrix products are of bfloat16.
FLOAT32, MIXED_BFLOAT16 = "float32", "mixed_bfloat16"


def matrix_product(tensor: tf.Tensor, matrix: Any, dtype: Any) -> tf.Tensor:
    """[B, D] or [T, B, D] times [D, E] in `dtype`, as float32 [..., E]."""
    tensor, (depth, columns) = tf.cast(tensor, dtype), matrix.shape
    rows = tf.reshape(tensor, [-1, depth])  # [T B, D]: one product for all steps
    product = tf.cast(tf.matmul(rows, tf.cast(matrix, dtype)), tf.float32)
    if tensor.shape.rank == 2:
        return product
    steps, batch_size = tf.unstack(tf.shape(tensor)[:2])
    return tf.reshape(product, [steps, batch_size, columns])


def time_major_mask(lengths: tf.Tensor, steps: tf.Tensor) -> tf.Tensor:
    """1.0 for steps within the length, 0.0 for padding: [B] -> [T, B, 1]."""
    return tf.transpose(tf.sequence_mask(lengths, steps, tf.float32))[..., None]


def side_by_side(parts: Sequence[tf.Tensor]) -> tf.Tensor:
    """Parts [T, B, D] and parts without a time axis [B, D] -> one [T, B, sum of D]."""
    if len(parts) == 1:
        return parts[0]
    steps = next(tf.shape(part)[0] for part in parts if part.shape.rank == 3)
    repeated = [
        part if part.shape.rank == 3 else tf.repeat(part[None], steps, axis=0)
        for part in parts
    ]  # [T, B, D] each
    return tf.concat(repeated, axis=-1)


def dropout_factors(
    shape: Any, keep_probability: float, key: PRNGKey | None
) -> tf.Tensor | None:
    """Factors of inputs of a shape [T, B, D]: 0, or 1 / keep_probability.

    None means no dropout. Every step draws its own factors, as with Magenta's
    DropoutWrapper.
    """
    if key is None or keep_probability == 1.0:
        return None
    return key.keep_mask(shape, keep_probability, batch_axis=1) * (1 / keep_probability)


def _dropped(inputs: tf.Tensor, factors: tf.Tensor | None) -> tf.Tensor:
    return inputs if factors is None else inputs * factors


@keras.saving.register_keras_serializable("music_vae_tf")
class LSTMLayer(keras.Layer):
    """One LSTM; a residual one adds its input to its output."""

    def __init__(
        self,
        units: int,
        residual: bool = False,
        project_input: bool = False,
        **kwargs: Any,
    ):
        """project_input: bring the input to `units` columns first, for a residual."""
        super().__init__(**kwargs)
        self.units = units
        self.residual = residual
        self.input_projection = None
        if project_input:
            self.input_projection = keras.layers.Dense(units, name="input_projection")

    def build(self, input_size: int) -> None:
        """Creates the kernel [D + U, 4 U] and the bias [4 U]."""
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
    def recurrent_kernel(self) -> tf.Tensor:
        """Rows of the kernel for h, [U, 4 U]."""
        return self.kernel[-self.units :]

    def zero_state(self, batch_size: Any) -> State:
        """Zeros, [B, U] each."""
        zeros = tf.zeros([batch_size, self.units])
        return State(zeros, zeros)

    def product(self, part: tf.Tensor, first_row: int = 0) -> tf.Tensor:
        """A part of the input times its rows of the kernel: [..., D] -> [..., 4 U]."""
        rows = self.kernel[first_row : first_row + part.shape[-1]]  # [D, 4 U]
        return matrix_product(part, rows, self.compute_dtype)

    def biases(self) -> tf.Tensor:
        """b, the forget bias included, [4 U]."""
        forget = np.repeat(np.array([0, 0, FORGET_BIAS, 0], np.float32), self.units)
        return self.bias + forget

    def input_gates(self, parts: Sequence[tf.Tensor], first_row: int = 0) -> tf.Tensor:
        """x W + b, the forget bias included, [..., 4 U].

        parts: of x, in the order of the kernel's rows, [..., D] each.
        """
        gates = self.biases()  # [4 U]
        for part in parts:
            if part.shape[-1]:
                gates += self.product(part, first_row)  # [..., 4 U]
            first_row += part.shape[-1]
        return gates

    def sequence(
        self,
        parts: Sequence[tf.Tensor],
        initial: State,
        saved: SavedActivations | None = None,
    ) -> tuple[tf.Tensor, State]:
        """Parts of the input in kernel order -> outputs [T, B, U], final state.

        A part without a time axis, [B, D] beside parts [T, B, D], is projected once.
        saved: activations of these steps, if they were taken before.
        """
        if not self.residual:
            return self._recurrence(parts, initial, saved)
        inputs = self._projected(side_by_side(parts))  # [T, B, U]
        outputs, final = self._recurrence([inputs], initial, saved)
        return outputs + inputs, final

    def padded_sequence(self, inputs: tf.Tensor, lengths: tf.Tensor) -> tf.Tensor:
        """[T, B, D] of lengths [B] -> outputs [T, B, U], zeros in padding."""
        # Padding comes last, so its steps change no output that is kept.
        outputs, _ = self.sequence([inputs], self.zero_state(tf.shape(inputs)[1]))
        return outputs * time_major_mask(lengths, tf.shape(inputs)[0])

    def last_h(
        self, inputs: tf.Tensor, lengths: tf.Tensor, needs_gradient: bool = True
    ) -> tf.Tensor:
        """[T, B, D] of lengths [B] -> h [B, U] after the last step of each example.

        An example of length 0 yields zeros. needs_gradient: False is faster.
        """
        inputs = self._projected(inputs) if self.residual else inputs
        return last_output(
            inputs,
            lengths,
            self.biases(),
            self.kernel,
            self.compute_dtype,
            needs_gradient,
        )

    def _recurrence(self, parts, initial, saved=None):
        # Parts without columns, such as absent controls, have no rows in the kernel.
        parts = [tf.convert_to_tensor(part) for part in parts if part.shape[-1]]
        kernel, gates = tf.convert_to_tensor(self.kernel), self.biases()
        varying = [part for part in parts if part.shape.rank == 3]
        if len(varying) < len(parts):
            # Parts that are the same at each step are multiplied once, not T times.
            *rows, recurrent_rows = tf.split(
                kernel, [*(part.shape[-1] for part in parts), self.units]
            )  # [D, 4 U] for each part, [U, 4 U]
            varying_rows = []
            for part, part_rows in zip(parts, rows):
                if part.shape.rank == 2:
                    # [4 U] + [B, 4 U] -> [B, 4 U]
                    gates += matrix_product(part, part_rows, self.compute_dtype)
                else:
                    varying_rows.append(part_rows)
            kernel = tf.concat([*varying_rows, recurrent_rows], axis=0)
        inputs = varying[0] if len(varying) == 1 else tf.concat(varying, axis=-1)
        return lstm_sequence(inputs, gates, initial, kernel, self.compute_dtype, saved)

    def step(self, inputs: tf.Tensor, state: State) -> tuple[tf.Tensor, LSTMStep]:
        """One step: inputs [B, D] -> output [B, U], and the step."""
        if self.residual:
            inputs = self._projected(inputs)  # [B, U]
        output, taken = self.step_from_gates(self.input_gates([inputs]), state)
        return output + inputs if self.residual else output, taken

    def step_from_gates(
        self, input_gates: tf.Tensor, state: State
    ) -> tuple[tf.Tensor, LSTMStep]:
        """One step from `input_gates` [B, 4 U], of a layer that is not residual."""
        # [B, U] -> [B, 4 U]
        recurrence = matrix_product(state.h, self.recurrent_kernel, self.compute_dtype)
        taken = lstm_step(tf.split(input_gates + recurrence, 4, axis=-1), state)
        return taken.state.h, taken

    def _projected(self, inputs):
        """The input as a residual adds it: [..., D] -> [..., U]."""
        projection = self.input_projection
        return inputs if projection is None else projection(inputs)


@keras.saving.register_keras_serializable("music_vae_tf")
class LSTMStack(keras.Layer):
    """LSTMs on top of each other, each with dropout on its input."""

    def __init__(
        self,
        sizes: Sequence[int],
        keep_probability: float = 1.0,
        residual: bool = False,
        cell_dtype: Any = FLOAT32,
        **kwargs: Any,
    ):
        super().__init__(**kwargs)
        self.sizes = tuple(sizes)
        self.keep_probability = keep_probability
        self.layers = [
            LSTMLayer(
                units,
                residual=residual,
                # As in Magenta: the first layer always projects a residual's input,
                # another one where the width changes.
                project_input=residual and (i == 0 or units != sizes[i - 1]),
                dtype=cell_dtype,
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

    def build(self, input_size: int, embedding_size: int | None = None) -> None:
        """embedding_size: Z, if an embedding yields the initial state."""
        self.input_size = input_size
        for layer, size in zip(self.layers, (input_size, *self.sizes)):
            layer.build(size)
        if embedding_size is not None:
            self.initial_state.build((None, embedding_size))

    def states_from(self, embedding: tf.Tensor) -> list[State]:
        """Initial states from an embedding [B, Z]; the order is c0, h0, c1, h1, ..."""
        if embedding.shape[-1]:
            flat = self.initial_state(embedding)  # [B, 2 * sum of sizes]
        else:
            # oneDNN aborts the process at a product over no columns. Their sum is the
            # same, and has a gradient.
            dense = self.initial_state
            flat = tf.tanh(tf.reduce_sum(dense.kernel, axis=0) + dense.bias)[None]
            flat = tf.repeat(flat, tf.shape(embedding)[0], axis=0)
        return self.split(flat)

    def split(self, flat: tf.Tensor) -> list[State]:
        """States side by side, [B, 2 * sum of sizes] -> the state of each layer."""
        return split_states(flat, self.sizes)

    def zero_state(self, batch_size: Any) -> list[State]:
        """Zeros for each layer, [B, U] each."""
        return [layer.zero_state(batch_size) for layer in self.layers]

    def dropout_factors(
        self, steps: Any, batch_size: Any, dropout: PRNGKey | None
    ) -> list[tf.Tensor | None]:
        """For each layer the factors of its inputs, [T, B, D], or None."""
        sizes = (self.input_size, *self.sizes)
        return [
            dropout_factors(
                [steps, batch_size, size],
                self.keep_probability,
                prng.fold_in(dropout, layer.name),
            )
            for layer, size in zip(self.layers, sizes)
        ]

    def sequence(
        self,
        parts: Sequence[tf.Tensor],
        states: Sequence[State],
        dropout: PRNGKey | None = None,
        saved: Sequence[SavedActivations] | None = None,
    ) -> tuple[tf.Tensor, list[State]]:
        """Parts of the input in kernel order -> outputs [T, B, U], final states.

        saved: activations of each layer, if these steps were taken before.
        """
        steps, batch_size = tf.unstack(tf.shape(parts[0])[:2])
        factors = self.dropout_factors(steps, batch_size, dropout)
        finals, outputs = [], None
        of_layers = zip(
            self.layers, states, factors, saved or [None] * len(self.layers)
        )
        for layer, state, factor, of_layer in of_layers:
            if factor is not None:
                # Each step drops other columns, so no part stays the same over time.
                parts = [side_by_side(parts) * factor]  # [T, B, D]
            outputs, final = layer.sequence(parts, state, of_layer)  # [T, B, U]
            finals.append(final)
            parts = [outputs]
        return outputs, finals

    def step(
        self,
        inputs: tf.Tensor,
        states: Sequence[State],
        factors: Sequence[tf.Tensor | None] | None = None,
    ) -> tuple[tf.Tensor, list[LSTMStep]]:
        """One step: inputs [B, D] -> output [B, U], and the step of each layer.

        factors: dropout factors of this step, [B, D] or None for each layer.
        """
        steps, factors = [], factors or [None] * len(self.layers)
        for layer, state, factor in zip(self.layers, states, factors):
            inputs, taken = layer.step(_dropped(inputs, factor), state)  # [B, U]
            steps.append(taken)
        return inputs, steps

    def step_above(
        self, output: tf.Tensor, first: LSTMStep, states: Sequence[State]
    ) -> tuple[tf.Tensor, list[LSTMStep]]:
        """The step of all layers above the first, whose output and step are given."""
        steps = [first]
        for layer, state in zip(self.layers[1:], states[1:]):
            output, taken = layer.step(output, state)  # [B, U]
            steps.append(taken)
        return output, steps


def flat_states(states: Sequence[State]) -> tf.Tensor:
    """States of all layers side by side: c0, h0, c1, h1, ... -> [B, state size]."""
    return tf.concat([part for state in states for part in state], axis=-1)


def split_states(flat: tf.Tensor, units: Sequence[int]) -> list[State]:
    """The states that `flat_states` put side by side; units: of each layer."""
    sizes = [size for number in units for size in (number, number)]
    parts = tf.split(flat, sizes, axis=-1)  # [B, U] each
    return [State(c, h) for c, h in zip(parts[::2], parts[1::2])]

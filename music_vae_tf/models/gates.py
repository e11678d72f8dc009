"""The gates of an LSTM layer over a sequence: products forward, gradients backward.

Shapes: T steps, B examples, D columns of the input, U units. Sequences are time-major.
"""

from __future__ import annotations

from typing import NamedTuple

import tensorflow as tf

from music_vae_tf.models.cell import LSTMStep, State, activated_step


class GateGradients(NamedTuple):
    """Gradients of the arguments of `lstm_sequence`, summed over some of its steps."""

    inputs: tf.Tensor  # [T', B, D], of these T' steps alone
    constant_gates: tf.Tensor  # [4 U] or [B, 4 U]
    kernel: tf.Tensor  # [D + U, 4 U]


class Gates:
    """The gates of a layer at every step of a sequence.

    Each step multiplies its operand `[x, 1, h]` by one kernel. The 1 selects a row of
    the kernel that holds the constant gates, where all examples share them. Constant
    gates of each example are added after the product, and the operand is `[x, h]`.
    """

    def __init__(
        self,
        inputs: tf.Tensor,
        constant_gates: tf.Tensor,
        kernel: tf.Tensor,
        dtype: tf.DType,
    ):
        """Arguments are those of `recurrence.lstm_sequence`."""
        self._dtype = dtype
        self._inputs = tf.cast(inputs, dtype)  # [T, B, D]
        kernel = tf.cast(kernel, dtype)  # [D + U, 4 U]
        self._units = kernel.shape[1] // 4
        self._input_kernel, self.recurrent_kernel = tf.split(
            kernel, [inputs.shape[-1], self._units]
        )  # [D, 4 U], [U, 4 U]
        shared_rows, self._added = [], None
        if constant_gates.shape.rank == 1:
            shared_rows = _as_rows(constant_gates, dtype)  # one or two of [1, 4 U]
        else:
            self._added = _reordered(constant_gates)  # [3, B, U], [B, U]
        # Ones that select the shared rows: [B, 1], [B, 2] in bfloat16, else [B, 0].
        self._ones = tf.ones([tf.shape(inputs)[1], len(shared_rows)], dtype)
        self._kernel = _reordered(
            tf.concat(
                [self._input_kernel, *shared_rows, self.recurrent_kernel], axis=0
            )  # [D + 1 + U, 4 U]
        )  # [3, D + 1 + U, U], [D + 1 + U, U]

    @property
    def num_steps(self) -> tf.Tensor:
        """T, a scalar."""
        return tf.shape(self._inputs)[0]

    @property
    def operand_spec(self) -> tf.TensorSpec:
        """Shape and type of a step's operand, [B, D + 1 + U]."""
        return tf.TensorSpec(
            [self._inputs.shape[1], self._kernel[1].shape[0]], self._dtype
        )

    def operand(self, t: tf.Tensor, h: tf.Tensor) -> tf.Tensor:
        """The operand of step t, [B, D + 1 + U]; h: the output before it, [B, U]."""
        h = tf.cast(h, self._dtype)
        return tf.concat([self._inputs[t], self._ones, h], axis=-1)

    def operands(self, previous: tf.Tensor) -> tf.Tensor:
        """All operands, [T, B, D + 1 + U].

        previous: the output before each step, [T, B, U].
        """
        previous = tf.cast(previous, self._dtype)
        ones = tf.repeat(self._ones[None], self.num_steps, axis=0)  # [T, B, 1]
        return tf.concat([self._inputs, ones, previous], axis=-1)

    def step(self, operand: tf.Tensor, state: State) -> LSTMStep:
        """The step with this operand, [B, D + 1 + U]."""
        # i, f and o in one product [3, B, U]: one activation covers all three, and
        # unstacking the first axis copies nothing.
        products = (
            tf.matmul(operand[None], self._kernel[0]),  # [3, B, U]
            tf.matmul(operand, self._kernel[1]),  # [B, U]
        )
        gates = [tf.cast(product, tf.float32) for product in products]
        # Never sum three tensors at once: TensorFlow adds them in the order in which
        # they become ready, and the last bit would differ between runs.
        if self._added is not None:
            gates = [gate + added for gate, added in zip(gates, self._added)]
        i, f, o = tf.unstack(tf.sigmoid(gates[0]))  # [B, U] each
        return activated_step(i, tf.tanh(gates[1]), f, o, state)

    def gradients(self, operands: tf.Tensor, d_gates: tf.Tensor) -> GateGradients:
        """Gradients from some steps.

        operands: [T', B, D + 1 + U]; d_gates: before activation, [T', B, 4 U], in the
        type of the products.
        """
        flat = _flat(d_gates)  # [T' B, 4 U]
        if self._dtype == tf.float32:
            d_kernel = tf.matmul(_flat(operands), flat, transpose_a=True)
        else:  # The other order is faster in bfloat16, and slower in float32.
            d_kernel = tf.transpose(tf.matmul(flat, _flat(operands), transpose_a=True))
        # d_kernel: [D + 1 + U, 4 U]
        d_inputs = tf.matmul(flat, self._input_kernel, transpose_b=True)  # [T' B, D]
        steps, batch_size = tf.unstack(tf.shape(d_gates)[:2])
        d_inputs = tf.reshape(d_inputs, [steps, batch_size, self._inputs.shape[-1]])
        d_input_rows, d_shared_rows, d_recurrent_rows = tf.split(
            tf.cast(d_kernel, tf.float32),
            [self._inputs.shape[-1], self._ones.shape[-1], self._units],
        )  # [D, 4 U], [1, 4 U], [U, 4 U]
        if self._added is None:
            d_constant = d_shared_rows[0]  # [4 U]
        else:
            d_constant = tf.reduce_sum(tf.cast(d_gates, tf.float32), axis=0)  # [B, 4 U]
        return GateGradients(
            tf.cast(d_inputs, tf.float32),
            d_constant,
            tf.concat([d_input_rows, d_recurrent_rows], axis=0),  # [D + U, 4 U]
        )


def _as_rows(values, dtype):
    """Values [D] as rows [1, D] of a type, which add up to them.

    bfloat16 has 8 bits of precision: next to a forget bias of 1, what training adds to
    it would be rounded away. A second row holds that remainder.
    """
    row = tf.cast(values[None], dtype)
    if dtype == tf.float32:
        return [row]
    return [row, tf.cast(values - tf.cast(row, tf.float32), dtype)]


def _reordered(columns):
    """[D, 4 U] -> columns of i, f and o, [3, D, U], and columns of g, [D, U]."""
    i, g, f, o = tf.split(columns, 4, axis=1)
    return tf.stack([i, f, o]), g


def _flat(sequence):
    """[T, B, D] -> [T * B, D]."""
    return tf.reshape(sequence, [-1, sequence.shape[-1]])

"""Backpropagation through time for one LSTM layer, written out.

Shapes: T steps, B examples, U units. The forward pass saves its activations in lists.
The backward pass pops them, so that their memory is free as soon as they are used.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import tensorflow as tf

from music_vae_tf import raw_ops
from music_vae_tf.models.cell import LSTMStep, State
from music_vae_tf.models.gates import Gates


class Residuals(NamedTuple):
    """Activations of all steps of a layer, as the backward pass needs them.

    Lists of T tensors [B, U]; `cells` has T + 1, starting before the first step.
    """

    i: raw_ops.TensorList
    g: raw_ops.TensorList
    f: raw_ops.TensorList
    o: raw_ops.TensorList
    cells: raw_ops.TensorList

    @classmethod
    def from_cell(cls, num_steps: tf.Tensor, c: tf.Tensor) -> Residuals:
        """Empty lists, for a layer that starts from a cell [B, U]."""
        gates = (raw_ops.empty_list(num_steps, c) for _ in range(4))
        return cls(*gates, cells=raw_ops.push(raw_ops.empty_list(num_steps + 1, c), c))

    def with_step(self, step: LSTMStep) -> Residuals:
        """The residuals with one more step."""
        return Residuals(
            raw_ops.push(self.i, step.i),
            raw_ops.push(self.g, step.g),
            raw_ops.push(self.f, step.f),
            raw_ops.push(self.o, step.o),
            raw_ops.push(self.cells, step.state.c),
        )


class SavedActivations(NamedTuple):
    """A forward pass that was taken step by step: residuals, and a list of outputs."""

    residuals: Residuals
    outputs: raw_ops.TensorList  # T of [B, U]

    @classmethod
    def from_state(cls, num_steps: tf.Tensor, initial: State) -> SavedActivations:
        """Empty lists, for a layer that starts from a state."""
        residuals = Residuals.from_cell(num_steps, initial.c)
        return cls(residuals, raw_ops.empty_list(num_steps, initial.h))

    def with_step(self, step: LSTMStep) -> SavedActivations:
        """The activations with one more step."""
        outputs = raw_ops.push(self.outputs, step.state.h)
        return SavedActivations(self.residuals.with_step(step), outputs)


class SequenceGradients(NamedTuple):
    """Gradients of the arguments of `recurrence.lstm_sequence`."""

    inputs: tf.Tensor  # [T, B, D]
    constant_gates: tf.Tensor  # [4 U] or [B, 4 U]
    initial: State  # [B, U] each
    kernel: tf.Tensor  # [D + U, 4 U]


def sequence_gradients(
    gates: Gates,
    residuals: Residuals,
    operands: tf.Tensor,
    upstream: Callable[[tf.Tensor], tf.Tensor],
    d_final: State,
) -> SequenceGradients:
    """The backward pass of a layer.

    Args:
        operands: of all steps, [T, B, D + 1 + U].
        upstream: t -> gradient of the output of step t, [B, U].
        d_final: gradient of the final state.

    The loop over time yields the gradients of the gates alone. The gradient of the
    kernel is a sum over all steps, so it is one matrix product for each half of them.
    With two halves, one core can take the product of the later half while the loop
    goes on, and only half of the gates' gradients are in memory at once.
    """
    steps = gates.num_steps
    middle, halves = steps // 2, []
    cells, c = raw_ops.pop(residuals.cells, d_final.c)  # the final cell, [B, U]
    residuals = residuals._replace(cells=cells)
    for begin, end in ((middle, steps), (0, middle)):
        d_gates, d_final, c, residuals = _backward(
            begin, end, upstream, d_final, c, residuals, gates.recurrent_kernel
        )
        halves.append(gates.gradients(operands[begin:end], d_gates))
    later, earlier = halves
    return SequenceGradients(
        tf.concat([earlier.inputs, later.inputs], axis=0),  # [T, B, D]
        earlier.constant_gates + later.constant_gates,
        d_final,
        earlier.kernel + later.kernel,
    )


def _backward(begin, end, upstream, d_final, c, residuals, recurrent_kernel):
    """Steps `end - 1` down to `begin`.

    c: the cell after them, [B, U], popped from the residuals already.

    Returns:
        Gradients of the gates before activation, [T', B, 4 U], in the kernel's type.
        The gradient of the state before these steps.
        The cell before them.
        The residuals that are left.
    """
    dtype = recurrent_kernel.dtype
    # Transposed once, because a product with `transpose_b` transposes at every step.
    # The dependency delays it: TensorFlow would otherwise keep the copy in memory
    # during the whole forward pass.
    with tf.control_dependencies([upstream(end - 1)]):
        transposed = tf.transpose(recurrent_kernel)  # [4 U, U]

    def step(t, d_c, d_h, c, residuals, d_gates_array):
        residuals, (i, g, f, o, previous_c) = zip(
            *(raw_ops.pop(each, c) for each in residuals)
        )  # [B, U] each
        tanh_c = tf.tanh(c)
        d_h += upstream(t)
        d_c += raw_ops.tanh_gradient(y=tanh_c, dy=d_h * o)
        d_gates = [
            raw_ops.sigmoid_gradient(y=i, dy=d_c * g),
            raw_ops.tanh_gradient(y=g, dy=d_c * i),
            raw_ops.sigmoid_gradient(y=f, dy=d_c * previous_c),
            raw_ops.sigmoid_gradient(y=o, dy=d_h * tanh_c),
        ]
        d_gates = tf.concat([tf.cast(d, dtype) for d in d_gates], axis=-1)  # [B, 4 U]
        d_h = tf.cast(tf.matmul(d_gates, transposed), tf.float32)  # [B, U]
        d_gates_array = d_gates_array.write(t - begin, d_gates)
        residuals = Residuals(*residuals)
        return t - 1, d_c * f, d_h, previous_c, residuals, d_gates_array

    d_gates_array = tf.TensorArray(
        dtype, end - begin, element_shape=[d_final.c.shape[0], transposed.shape[0]]
    )
    _, d_c, d_h, c, residuals, d_gates_array = tf.while_loop(
        lambda t, *_: t >= begin,
        step,
        (end - 1, *d_final, c, residuals, d_gates_array),
    )
    return d_gates_array.stack(), State(d_c, d_h), c, residuals

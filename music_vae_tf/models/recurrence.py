"""An LSTM layer over a sequence, with its gradient written out.

Shapes: T steps, B examples, D columns of the input, U units. Sequences are time-major,
[T, B, D]. `cell` has the equations of a step, `gates` its matrix products, and
`backpropagation` the backward pass.
"""

from __future__ import annotations

import contextlib
import contextvars
from collections.abc import Callable, Iterator
from typing import Any

import tensorflow as tf

from music_vae_tf import raw_ops
from music_vae_tf.models.backpropagation import (
    Residuals,
    SavedActivations,
    sequence_gradients,
)
from music_vae_tf.models.cell import State
from music_vae_tf.models.gates import Gates

_SAVES_ACTIVATIONS = contextvars.ContextVar("saves_activations", default=True)


@contextlib.contextmanager
def for_inference() -> Iterator[None]:
    """Functions traced inside save no activations, and use TensorArrays alone.

    They have no gradient, and tf2onnx converts their loops and convolutions.
    """
    token = _SAVES_ACTIVATIONS.set(False)
    try:
        yield
    finally:
        _SAVES_ACTIVATIONS.reset(token)


def is_for_inference() -> bool:
    """Whether a function is traced inside of `for_inference`."""
    return not _SAVES_ACTIVATIONS.get()


def lstm_sequence(
    inputs: tf.Tensor,
    constant_gates: tf.Tensor,
    initial: State,
    kernel: tf.Tensor,
    dtype: Any = tf.float32,
    saved: SavedActivations | None = None,
) -> tuple[tf.Tensor, State]:
    """All steps of an LSTM: its outputs [T, B, U], and its final state.

    Args:
        inputs: [T, B, D].
        constant_gates: [4 U] or [B, 4 U], added to the gates of every step: bias,
            forget bias, and the product of inputs that do not change over time.
        kernel: [D + U, 4 U].
        dtype: of the matrix products. All else is float32.
        saved: activations of these same steps, if they were taken before.
    """
    if is_for_inference():
        return _outputs(Gates(inputs, constant_gates, kernel, dtype), initial)

    @tf.custom_gradient
    def run(inputs, constant_gates, c, h, kernel):
        gates = Gates(inputs, constant_gates, kernel, dtype)
        if saved is None:
            outputs = raw_ops.empty_list(gates.num_steps, h)
            residuals, operands, outputs = _forward(
                gates,
                State(c, h),
                outputs,
                lambda t, h, outputs: raw_ops.push(outputs, h),
            )
            outputs = raw_ops.stack(outputs, h)  # [T, B, U]
        else:
            residuals, outputs = saved.residuals, raw_ops.stack(saved.outputs, h)
            previous = tf.concat([h[None], outputs[:-1]], axis=0)  # [T, B, U]
            operands = gates.operands(previous)

        def gradient(d_outputs, d_c, d_h):
            gradients = sequence_gradients(
                gates,
                residuals,
                operands,
                upstream=lambda t: d_outputs[t],
                d_final=State(d_c, d_h),
            )
            d_inputs, d_constant_gates, d_initial, d_kernel = gradients
            return d_inputs, d_constant_gates, *d_initial, d_kernel

        final_c = raw_ops.get_item(residuals.cells, gates.num_steps, c)
        return (outputs, final_c, outputs[-1]), gradient

    outputs, c, h = run(inputs, constant_gates, *initial, kernel)
    return outputs, State(c, h)


def _outputs(gates, initial):
    """Outputs [T, B, U] and the final state, without anything for a backward pass."""
    steps = gates.num_steps

    def step(t, state, outputs):
        taken = gates.step(gates.operand(t, state.h), state)
        return t + 1, taken.state, outputs.write(t, taken.state.h)

    outputs = tf.TensorArray(tf.float32, steps, element_shape=initial.h.shape)
    _, state, outputs = tf.while_loop(
        lambda t, *_: t < steps, step, (tf.constant(0), initial, outputs)
    )
    return outputs.stack(), state


def last_output(
    inputs: tf.Tensor,
    lengths: tf.Tensor,
    constant_gates: tf.Tensor,
    kernel: Any,
    dtype: Any = tf.float32,
    needs_gradient: bool = True,
) -> tf.Tensor:
    """The output [B, U] of an LSTM after the last step of each example.

    The layer starts from zeros, and an example of length 0 yields zeros.

    Args:
        inputs: [T, B, D].
        lengths: [B].
        needs_gradient: False skips saving activations for the backward pass.
        constant_gates, kernel, dtype: as in `lstm_sequence`.
    """

    def is_last(t):
        return tf.equal(t, lengths - 1)  # [B]

    def run(inputs, constant_gates, kernel):
        gates = Gates(inputs, constant_gates, kernel, dtype)
        zeros = tf.zeros([tf.shape(inputs)[1], gates.recurrent_kernel.shape[0]])
        residuals, operands, last = _forward(
            gates,
            State(zeros, zeros),
            zeros,
            lambda t, h, last: raw_ops.select_rows(is_last(t), h, last),  # [B, U]
            save=needs_gradient,
        )

        def gradient(d_last):
            # Only an example's last step has a gradient from above.
            gradients = sequence_gradients(
                gates,
                residuals,
                operands,
                upstream=lambda t: d_last * tf.cast(is_last(t), tf.float32)[:, None],
                d_final=State(zeros, zeros),
            )
            return gradients.inputs, gradients.constant_gates, gradients.kernel

        return last, gradient

    arguments = inputs, constant_gates, tf.convert_to_tensor(kernel)
    if not needs_gradient:
        return run(*arguments)[0]
    return tf.custom_gradient(run)(*arguments)


def _forward(
    gates: Gates, initial: State, carry: Any, update: Callable, save: bool = True
) -> tuple[Any, Any, Any]:
    """The forward loop: residuals, all operands [T, B, D + 1 + U], and the carry.

    carry: accumulates over the steps, by `update(t, h, carry)` with h [B, U].
    save: False leaves out residuals and operands, which are then None.
    """

    def step(t, state, carry, *history):
        operand = gates.operand(t, state.h)  # [B, D + 1 + U]
        taken = gates.step(operand, state)
        if history:
            residuals, operands = history
            history = residuals.with_step(taken), raw_ops.push(operands, operand)
        return t + 1, taken.state, update(t, taken.state.h, carry), *history

    steps, history = gates.num_steps, ()
    if save:
        operands = raw_ops.empty_list(steps, gates.operand_spec)
        history = Residuals.from_cell(steps, initial.c), operands
    _, _, carry, *history = tf.while_loop(
        lambda t, *_: t < steps, step, (tf.constant(0), initial, carry, *history)
    )
    if not save:
        return None, None, carry
    residuals, operands = history
    return residuals, raw_ops.stack(operands, gates.operand_spec), carry

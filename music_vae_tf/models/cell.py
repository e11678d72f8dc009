"""One step of an LSTM: its equations and its state.

Magenta's layout is kept: one kernel for `[x, h]`, gates in the order i, g, f, o. (g is
the candidate, which others call c or j.)
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import tensorflow as tf


class State(NamedTuple):
    """The state of one LSTM layer: cell and output, [B, U] each."""

    c: tf.Tensor
    h: tf.Tensor


class LSTMStep(NamedTuple):
    """One step of an LSTM layer: activated gates, and the state after it; [B, U]."""

    i: tf.Tensor
    g: tf.Tensor
    f: tf.Tensor
    o: tf.Tensor
    state: State


def lstm_step(gates: Sequence[tf.Tensor], state: State) -> LSTMStep:
    """One step of an LSTM (Hochreiter and Schmidhuber 1997; Gers et al. 2000).

        [i, g, f, o] = x W + b + h U
        c' = sigmoid(f) * c + sigmoid(i) * tanh(g)
        h' = sigmoid(o) * tanh(c')

    gates: x W + b + h U, the forget bias included, as four tensors [B, U].
    """
    i, g, f, o = gates
    return activated_step(
        tf.sigmoid(i), tf.tanh(g), tf.sigmoid(f), tf.sigmoid(o), state
    )


def activated_step(
    i: tf.Tensor, g: tf.Tensor, f: tf.Tensor, o: tf.Tensor, state: State
) -> LSTMStep:
    """The same step, from gates that are activated already; [B, U] each."""
    c = f * state.c + i * g
    return LSTMStep(i, g, f, o, State(c, o * tf.tanh(c)))

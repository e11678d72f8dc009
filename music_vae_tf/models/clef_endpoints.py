"""What an exported clef-split LSTM computes, with the signatures of its inputs.

Shapes: B pieces, T events, S columns of a state, C columns of a clock.
"""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from music_vae_tf.batch import Batch
from music_vae_tf.models.lstm import flat_states, split_states
from music_vae_tf.models.staves import NUM_PITCHES, StaffInput, one_hot


def endpoints(model: Any) -> dict[str, tuple]:
    """The endpoints of a `ClefLSTM`: {name: (function, its signature)}.

    predict      arrays of a Batch -> logits of both staves and heads, by name
    treble_step  previous [B, 2], clock [B, C], state [B, S]
                 -> notes, durations, next_state
    bass_step    the same, and other_staff [B, 256]

    A step returns the logits of the next event. `previous` holds the classes of note
    and duration of the event before, -1 before the first; the first state is zeros.
    Models without a shared clock read neither `clock` nor `other_staff`.
    """
    predict = _predict(model), _batch_signature(model)
    return {
        "predict": predict,
        "serve": predict,
        **{
            f"{staff}_step": (_step(network), _step_signature(network))
            for staff, network in model.staves.items()
        },
    }


def _batch_signature(model):
    clock = sum(len(network.sizes.clock) for network in model.staves.values())
    return [
        tf.TensorSpec([None, None, 4 * NUM_PITCHES], tf.float32, "inputs"),
        tf.TensorSpec([None, None, 4], tf.float32, "targets"),
        tf.TensorSpec([None, None, clock], tf.float32, "controls"),
        tf.TensorSpec([None, 2], tf.int32, "lengths"),
    ]


def _predict(model):
    def predict(inputs, targets, controls, lengths):
        return {
            f"{staff}_{head}": logits
            for staff, heads in model(Batch(inputs, targets, controls, lengths)).items()
            for head, logits in heads._asdict().items()
        }

    return predict


def _step_signature(network):
    state_size = 2 * sum(_sizes(network))
    other_staff = tf.TensorSpec([None, 2 * NUM_PITCHES], tf.float32, "other_staff")
    clock = tf.TensorSpec([None, len(network.clock)], tf.float32, "clock")
    return [
        tf.TensorSpec([None, 2], tf.int32, "previous"),
        tf.TensorSpec([None, state_size], tf.float32, "state"),
        *([clock] if network.clock else []),
        *([other_staff] if network.is_accompaniment else []),
    ]


def _step(network):
    def step(previous, state, clock=None, other_staff=None):
        pitches = _pitches(network, previous[:, 0])
        inputs = StaffInput(tf.cast(previous, tf.float32), pitches, clock, other_staff)
        logits, states = network.step(inputs, split_states(state, _sizes(network)))
        return {**logits._asdict(), "next_state": flat_states(states)}

    return step


def _sizes(network):
    return [lstm.units for lstm in network.lstms]


def _pitches(network, classes):
    """The chords of note classes, [B] -> [B, 128]; none for classes below 0."""
    chords = network.sizes.chords
    table = [[float(p in chord) for p in range(NUM_PITCHES)] for chord in chords]
    return tf.matmul(one_hot(classes, len(chords)), tf.constant(table, tf.float32))

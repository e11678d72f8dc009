"""The autoregressive decoder: an LSTM stack that starts from z, and an output on top.

Shapes: T steps, B examples, D columns of a row, R columns of the earlier rows that a
step reads, U units of the last layer, P parameters of the output. Batches are [B, T, D]
at the interface, and time-major [T, B, D] inside.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import keras
import tensorflow as tf

from music_vae_tf.losses import step_mask
from music_vae_tf.models.backpropagation import SavedActivations
from music_vae_tf.models.composed import Composed
from music_vae_tf.models.decoder import (
    Decoder,
    Reconstruction,
    ReconstructOptions,
    SampleOptions,
    Samples,
    StepInputs,
)
from music_vae_tf.models.encoders import time_major
from music_vae_tf.models.lstm import FLOAT32, LSTMStack, flat_states
from music_vae_tf.models.metrics import WeightedMean
from music_vae_tf.models.outputs import Output
from music_vae_tf.models.shards import in_shards, num_shards


@keras.saving.register_keras_serializable("music_vae_tf")
class LstmDecoder(Composed, Decoder):
    """An LSTM stack that starts from z, and an output on top."""

    takes_forced_rows = True

    def __init__(
        self,
        output: Output,
        sizes: Sequence[int],
        keep_probability: float = 1.0,
        residual: bool = False,
        cell_dtype: Any = FLOAT32,
        **kwargs: Any,
    ):
        super().__init__(**kwargs)
        self.output_ = output
        self.stack = LSTMStack(
            sizes, keep_probability, residual, cell_dtype, name="stack"
        )
        self.projection = keras.layers.Dense(output.params_size, name="projection")

        self.earlier = output.earlier_rows()
        self.has_memory = bool(self.earlier.memory_sizes)

        self.depth = output.depth
        self.params_size = output.params_size
        self.num_draws = output.num_draws
        self.state_size = 2 * sum(sizes) + sum(self.earlier.memory_sizes)

    def build(
        self, z_size: int, control_size: int, reencoding_size: int | None = None
    ) -> None:
        self.stack.build(self.earlier.size + z_size + control_size, z_size)
        self.projection.build((None, self.stack.sizes[-1]))
        self.output_.build()

    # Targets.

    def reconstruct(
        self,
        targets: tf.Tensor,
        lengths: tf.Tensor,
        z: tf.Tensor,
        controls: tf.Tensor,
        options: ReconstructOptions = ReconstructOptions(),  # noqa: B008 it is frozen
    ) -> Reconstruction:
        first = options.first
        if first is None:
            first = tf.zeros_like(targets[:, 0])  # [B, D]
        # Shards of the batch run side by side, one on each core.
        number = num_shards(targets.shape[0])

        def reconstruct_shard(i, targets, lengths, z, controls, first):
            options_of_shard = options.shard(i, number).replace(first=first)
            return self._reconstruct(targets, lengths, z, controls, options_of_shard)

        batches = targets, lengths, z, controls, first
        return in_shards(number, reconstruct_shard, *batches)

    def _reconstruct(self, targets, lengths, z, controls, options):
        # What a step reads is the target of the step before: [B, T, D].
        first, saved = options.first[:, None], None  # [B, 1, D]
        previous = tf.concat([first, targets[:, :-1]], axis=1)
        dropout = options.fold_in("stack").dropout
        if not options.is_teacher_forced:
            previous, saved = self._scheduled(previous, z, controls, dropout, options)
        # z has no time axis: it is projected once, not at each step.
        earlier = self.earlier.read_all(time_major(previous))
        parts = [earlier.read, z, time_major(controls)]
        outputs, states = self.stack.sequence(
            parts, self.stack.states_from(z), dropout, saved
        )  # [T, B, U]
        params = time_major(self._params(outputs, earlier))  # [B, T, P]
        mask = step_mask(lengths, tf.shape(targets)[1])  # [B, T]
        losses = self.output_.loss(params, targets) * mask  # [B, T]
        return Reconstruction(losses, params, previous, states)

    def reconstruction_metrics(
        self, params: tf.Tensor, targets: tf.Tensor, lengths: tf.Tensor
    ) -> dict[str, WeightedMean]:
        mask = step_mask(lengths, tf.shape(targets)[1])  # [B, T]
        return self.output_.metrics_of(params, targets, mask)

    def mode(self, params: tf.Tensor) -> tf.Tensor:
        return self.output_.mode(params)

    # Samples.

    def sample(
        self,
        z: tf.Tensor,
        length: Any,
        controls: tf.Tensor | None,
        options: SampleOptions,
    ) -> Samples:
        """As in `Decoder`. `forced` has at least `length` steps.

        Sampling stops when the controls end, and when every sequence has reached its
        end token. Sequences that ended earlier go on, as in Magenta; `lengths` says
        where each ends.
        """
        batch_size = tf.shape(z)[0]
        first = options.first
        if first is None:
            first = tf.zeros([batch_size, self.depth])
        z, first = _with_one_static_batch(z, first)
        if controls is not None:
            length = tf.minimum(length, tf.shape(controls)[0])
            controls = controls[:, None]  # [T, 1, D_c]
        first_layer_step = self._first_layer_stepper(z, controls)

        def step(t, running, previous, memory, states, rows, lengths, grammar_states):
            earlier, memory = self.earlier.read(previous, memory)
            output, first_step = first_layer_step(earlier.read, t, states[0])
            output, steps = self.stack.step_above(output, first_step, states)
            params = self._params(output, earlier)  # [B, P]
            row, grammar_states = self._draw(
                params, t, length - t, grammar_states, options
            )
            lengths += tf.cast(running, tf.int32)
            if options.end_token is not None:
                running &= tf.logical_not(_is_end(row, options.end_token))
            states = [step.state for step in steps]
            rows = rows.write(t, row)
            return t + 1, running, row, memory, states, rows, lengths, grammar_states

        # A TensorArray, because the number of steps is not known beforehand.
        rows = tf.TensorArray(
            tf.float32, 0, dynamic_size=True, element_shape=[None, self.depth]
        )
        *_, states, rows, lengths, _ = tf.while_loop(
            lambda t, running, *_: (t < length) & tf.reduce_any(running),
            step,
            (
                tf.constant(0),
                tf.ones([batch_size], tf.bool),  # running
                first,
                self.earlier.memory(batch_size),
                self.stack.states_from(z),
                rows,
                tf.zeros([batch_size], tf.int32),  # lengths
                tf.zeros([batch_size], tf.int32),  # states of the grammar
            ),
        )
        return Samples(time_major(rows.stack()), lengths, states)

    def _draw(self, params, t, steps_left, grammar_states, options):
        """The row of step t, [B, D], and the states of the grammar after it, [B]."""
        grammar, forced = options.grammar, options.forced
        key = options.rng.fold_in(t)
        if grammar is not None:
            allowed = grammar.allowed(grammar_states, steps_left)  # [B, P]
            params = tf.where(allowed, params, params.dtype.min)
        if forced is None:
            row = self.output_.sample(params, options.temperature, key)
            if options.given_hits:
                row = self.output_.given_hits(row, params)
        else:
            row = self.output_.sample_held(
                params, forced[:, t], options.temperature, key
            )
        if grammar is not None:
            grammar_states = grammar.after(grammar_states, row)
        return row, grammar_states

    def start(self, z: tf.Tensor) -> tf.Tensor:
        memory = self.earlier.memory(tf.shape(z)[0])
        return tf.concat([flat_states(self.stack.states_from(z)), *memory], axis=-1)

    def step(self, inputs: StepInputs) -> tuple[tf.Tensor, tf.Tensor]:
        states, memory = self._split(inputs.state)
        earlier, memory = self.earlier.read(inputs.previous, memory)
        parts = [earlier.read, inputs.z]
        parts += [] if inputs.control is None else [inputs.control]
        output, steps = self.stack.step(tf.concat(parts, axis=-1), states)  # [B, U]
        params = self._params(output, earlier)  # [B, P]
        row = self.output_.sample(params, inputs.temperature, inputs.rng)  # [B, D]
        state = flat_states([taken.state for taken in steps])
        return row, tf.concat([state, *memory], axis=-1)

    def _split(self, state):
        """A host's state, [B, state_size] -> the stack's states, and the memory."""
        sizes = self.earlier.memory_sizes
        of_stack, *memory = tf.split(state, [2 * sum(self.stack.sizes), *sizes], -1)
        return self.stack.split(of_stack), tuple(memory)

    def _params(self, outputs, earlier):
        """The stack's outputs [..., U] and what the step read -> [..., P]."""
        return self.output_.anchored(self.projection(outputs), earlier.anchors)

    def _first_layer_stepper(self, z, controls) -> Callable:
        """A function of (what is read, t, state): one step of the first layer.

        z and the controls do not depend on the samples, so their products are taken
        before the loop. A residual layer needs its whole input at every step.

        controls: [T, B or 1, D_c], or None.
        """
        layer = self.stack.layers[0]
        if layer.residual:

            def residual_step(row, t, state):
                parts = [row, z]  # [B, R], [B, Z]
                if controls is not None:
                    shape = [tf.shape(row)[0], controls.shape[-1]]
                    parts.append(tf.broadcast_to(controls[t], shape))  # [B, D_c]
                return layer.step(tf.concat(parts, axis=-1), state)

            return residual_step
        fixed = layer.input_gates([z], first_row=self.earlier.size)  # [B, 4 U]
        if controls is None:
            gates_at = lambda t: fixed
        else:
            first_row = self.earlier.size + z.shape[-1]
            of_controls = layer.product(controls, first_row)  # [T, B or 1, 4 U]
            gates_at = lambda t: fixed + of_controls[t]
        return lambda row, t, state: layer.step_from_gates(
            gates_at(t) + layer.product(row, first_row=0), state
        )

    # Scheduled sampling.

    def _scheduled(self, previous, z, controls, dropout, options):
        """The previous rows [B, T, D], some replaced by the decoder's own samples.

        Also returns the saved activations of the steps that drew them, so that they are
        not taken twice. Samples carry no gradient: the gradient is that of teacher
        forcing on the rows returned.
        """
        rng, probability = options.rng, options.sampling_probability
        previous, controls = time_major(previous), time_major(controls)  # [T, B, D]
        num_steps, batch_size = tf.unstack(tf.shape(previous)[:2])
        factors = self.stack.dropout_factors(num_steps, batch_size, dropout)
        take_step = self._dropout_stepper(z, controls, factors)
        draws = rng.fold_in("choice").uniform([num_steps, batch_size, 1], batch_axis=1)
        reads_sample = draws < probability  # [T, B, 1]

        def step(t, sample, memory, states, rows, saved):
            row = tf.where(reads_sample[t] & (t > 0), sample, previous[t])  # [B, D]
            earlier, memory = self.earlier.read(row, memory)
            output, steps = take_step(earlier.read, t, states)
            params = self._params(output, earlier)  # [B, P]
            sample = self.output_.scheduled_sample(params, rng.fold_in(t))  # [B, D]
            states = [taken.state for taken in steps]
            saved = [one.with_step(taken) for one, taken in zip(saved, steps)]
            return t + 1, sample, memory, states, rows.write(t, row), saved

        states = self.stack.states_from(z)
        *_, rows, saved = tf.while_loop(
            lambda t, *_: t < num_steps,
            step,
            (
                tf.constant(0),
                tf.zeros_like(previous[0]),
                self.earlier.memory(batch_size),
                states,
                tf.TensorArray(tf.float32, num_steps, element_shape=previous.shape[1:]),
                [SavedActivations.from_state(num_steps, state) for state in states],
            ),
        )
        return tf.stop_gradient(time_major(rows.stack())), saved

    def _dropout_stepper(self, z, controls, factors) -> Callable:
        """A function of (what is read, t, states): one step of the stack, with dropout.

        factors: of each layer, [T, B, D] or None.
        """
        if all(factor is None for factor in factors):
            of_controls = controls if controls.shape[-1] else None
            first_layer_step = self._first_layer_stepper(z, of_controls)

            def step(row, t, states):
                output, first_step = first_layer_step(row, t, states[0])
                return self.stack.step_above(output, first_step, states)
        else:

            def step(row, t, states):
                return self.stack.step(
                    tf.concat([row, z, controls[t]], axis=-1),  # [B, R + Z + D_c]
                    states,
                    [None if factor is None else factor[t] for factor in factors],
                )

        return step


def _is_end(rows, end_token):
    """Whether each row [B, D] ends its sequence.

    end_token: a class, or a predicate on rows where they are not one-hot.
    """
    if callable(end_token):
        return end_token(rows)
    return tf.equal(tf.argmax(rows, axis=-1), end_token)


def _with_one_static_batch(*tensors):
    """Tensors [B, ...] that have the same static B, which may be unknown.

    A loop refuses a state whose static shape changes, and a static B of 1 combined with
    an unknown B becomes unknown.
    """
    batch = tf.TensorShape([None])
    for tensor in tensors:
        batch = batch.merge_with(tensor.shape[:1])
    return [tf.ensure_shape(t, batch.concatenate(t.shape[1:])) for t in tensors]

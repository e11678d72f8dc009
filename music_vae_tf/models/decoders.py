"""Decoders: z [B, Z] -> sequences [B, T, D], step by step.

Each has `depth` D, `parameter_size` P, `state_size`, `build(z_size, control_size)` and

    reconstruct(targets, lengths, z, controls, ...) -> Reconstruction
        what the decoder says of given sequences, the truth (or with scheduled sampling
        its own sample) being the input of the next step;
    tallies(parameters, targets, lengths) -> {name: Tally}
        Magenta's metrics of a reconstruction;
    likeliest(parameters) -> rows
        the likeliest row of each step of a reconstruction;
    sample(z, length, controls, temperature, noise, ...) -> Samples
        new sequences, each step's sample being the input of the next.

The input of a step is [previous row, z, control]; the row before the first is zeros.
"""

from __future__ import annotations

from typing import NamedTuple

import keras
import tensorflow as tf

from music_vae_tf.batch import Grammar
from music_vae_tf.losses import step_mask
from music_vae_tf.models.composed import Composed
from music_vae_tf.models.encoders import time_major
from music_vae_tf.models.lanes import in_lanes, lanes
from music_vae_tf.models.lstm import BidirectionalStack, LSTMStack
from music_vae_tf.models.noise import Noise
from music_vae_tf.models.recurrence import Recording
from music_vae_tf.models.tally import merge_tallies


class Reconstruction(NamedTuple):
    """What a decoder said of given sequences."""

    step_losses: tf.Tensor  # [B, T], 0 in padding
    parameters: tf.Tensor  # [B, T, P]
    previous: tf.Tensor  # [B, T, D], the previous rows that it read
    states: list  # after the last step of the batch


class Samples(NamedTuple):
    """New sequences."""

    rows: tf.Tensor  # [B, T, D]
    lengths: tf.Tensor  # int32 [B], up to and with an end token
    states: list  # after the last step


class Decoder(keras.Layer):
    """What every decoder is."""

    depth: int

    @property
    def output_shape(self):
        """Shown in Keras's summary."""
        return None, None, self.depth


@keras.saving.register_keras_serializable("music_vae_tf")
class LstmDecoder(Composed, Decoder):
    """An LSTM stack that starts from z, and an output on top."""

    def __init__(self, output, sizes, keep_probability=1.0, residual=False, **kwargs):
        super().__init__(**kwargs)
        self.output_ = output
        self.stack = LSTMStack(sizes, keep_probability, residual, name="stack")
        self.projection = keras.layers.Dense(output.parameter_size, name="projection")

        self.depth = output.depth
        self.parameter_size = output.parameter_size
        self.state_size = 2 * sum(sizes)

    def build(self, z_size, control_size):
        self.stack.build(self.depth + z_size + control_size, z_size)
        self.projection.build((None, self.stack.sizes[-1]))
        self.output_.build()

    def reconstruct(
        self,
        targets,
        lengths,
        z,
        controls,
        *,
        first=None,
        sampling_probability=0.0,
        dropout: Noise | None = None,
        noise: Noise | None = None,
    ) -> Reconstruction:
        """targets [B, T, D], lengths [B], z [B, Z], controls [B, T, D_c].

        first: the row [B, D] before the first one, zeros if None.
        sampling_probability: how likely a step reads the decoder's own sample of the
        previous one instead of the truth (Bengio et al. 2015); a Python 0.0 is pure
        teacher forcing.
        """
        first = tf.zeros_like(targets[:, 0]) if first is None else first
        number = lanes(targets.shape[0])

        def reconstruct_part(i, *batches):
            of_part = lambda stream: stream and stream.of_part(i, number)
            noises = of_part(dropout), of_part(noise)
            return self._reconstruct(*batches, sampling_probability, *noises)

        batches = targets, lengths, z, controls, first
        return in_lanes(number, reconstruct_part, *batches)

    def _reconstruct(
        self,
        targets,
        lengths,
        z,
        controls,
        first,
        sampling_probability,
        dropout,
        noise,
    ):
        previous = tf.concat([first[:, None], targets[:, :-1]], axis=1)
        dropout, recordings = dropout and dropout.fold("stack"), None
        if not (isinstance(sampling_probability, float) and sampling_probability == 0):
            previous, recordings = self._scheduled(
                previous, z, controls, sampling_probability, dropout, noise
            )
        parts = [time_major(previous), z, time_major(controls)]
        outputs, states = self.stack.sequence(
            parts, self.stack.states_from(z), dropout, recordings
        )
        parameters = time_major(self.projection(outputs))
        mask = step_mask(lengths, tf.shape(targets)[1])
        return Reconstruction(
            self.output_.loss(parameters, targets) * mask,
            parameters,
            previous,
            states,
        )

    def tallies(self, parameters, targets, lengths):
        mask = step_mask(lengths, tf.shape(targets)[1])
        return self.output_.tallies(parameters, targets, mask)

    def likeliest(self, parameters):
        return self.output_.likeliest(parameters)

    def sample(
        self,
        z,
        length,
        controls=None,
        temperature=1.0,
        noise: Noise | None = None,
        *,
        first=None,
        end_token=None,
        grammar: Grammar | None = None,
        forced=None,
    ) -> Samples:
        """z [B, Z], length a scalar, controls [T, D_c] shared by the batch or None.

        grammar: of one-hot rows; nothing is said that it forbids.
        forced: [B, T, D], T at least the length: what is not NaN replaces what was
        sampled, before the next step reads it. So the hits of a groove are held while
        its velocities and offsets are predicted. (Magenta has nothing of the kind.)

        Stops when the controls run out, and when every sequence has said its end token.
        Those that said it earlier go on, as in Magenta; `lengths` tells where they end.
        """
        batch_size = tf.shape(z)[0]
        if first is None:
            first = tf.zeros([batch_size, self.depth])
        z, first = _of_one_static_batch(z, first)
        if controls is not None:
            length = tf.minimum(length, tf.shape(controls)[0])
            controls = controls[:, None]
        step_input = self._first_layer_reader(z, controls)
        rows = tf.TensorArray(
            tf.float32, 0, dynamic_size=True, element_shape=[None, self.depth]
        )

        def step(t, previous, states, rows, lengths, running, places):
            output, first_step = step_input(previous, t, states[0])
            output, steps = self.stack.step_above(output, first_step, states)
            parameters = self.projection(output)
            if grammar is not None:
                allowed = grammar.allowed(places, length - t)
                parameters = tf.where(allowed, parameters, parameters.dtype.min)
            row = self.output_.sample(parameters, temperature, noise.fold(t))
            if forced is not None:
                row = self.output_.hold(row, parameters, forced[:, t])
            if grammar is not None:
                places = grammar.after(places, row)
            lengths += tf.cast(running, tf.int32)
            if end_token is not None:
                running &= tf.logical_not(_is_end(row, end_token))
            states = [step.state for step in steps]
            return t + 1, row, states, rows.write(t, row), lengths, running, places

        _, _, states, rows, lengths, *_ = tf.while_loop(
            lambda t, p, s, r, n, running, _: (t < length) & tf.reduce_any(running),
            step,
            (
                tf.constant(0),
                first,
                self.stack.states_from(z),
                rows,
                tf.zeros([batch_size], tf.int32),
                tf.ones([batch_size], tf.bool),
                tf.zeros([batch_size], tf.int32),  # states of the grammar
            ),
        )
        return Samples(time_major(rows.stack()), lengths, states)

    def _first_layer_reader(self, z, controls):
        """A function of (previous row, t, state): the first layer's step.

        z and the controls do not depend on what was sampled, so they are projected
        before the loop; a residual layer needs its whole input at every step.

        controls: [T, B or 1, D_c], or None.
        """
        layer = self.stack.layers[0]
        if layer.residual:
            controls_at = lambda t, row: (
                [] if controls is None else [_as_many(controls[t], tf.shape(row)[0])]
            )
            return lambda row, t, state: layer.step(
                tf.concat([row, z, *controls_at(t, row)], axis=-1), state
            )
        z_end = self.depth + z.shape[-1]
        fixed = layer.input_gates([z], first_row=self.depth)
        if controls is None:
            gates_at = lambda t: fixed
        else:
            of_controls = layer.product(controls, first_row=z_end)
            gates_at = lambda t: fixed + of_controls[t]
        return lambda row, t, state: layer.step_from_gates(
            gates_at(t) + layer.product(row, first_row=0), state
        )

    def _scheduled(self, previous, z, controls, probability, dropout, noise):
        """The previous rows [B, T, D], some replaced by samples of the decoder itself,
        and recordings of the steps that read them.

        The samples carry no gradient: it is that of teacher forcing on them.
        """
        previous, controls = time_major(previous), time_major(controls)
        num_steps, batch_size = tf.unstack(tf.shape(previous)[:2])
        factors = self.stack.dropout_factors(num_steps, batch_size, dropout)
        take_step = self._dropping_step(z, controls, factors)
        draws = noise.fold("choice").uniform([num_steps, batch_size, 1], batch_axis=1)
        own = draws < probability

        def step(t, sample, states, rows, recordings):
            row = tf.where(own[t] & (t > 0), sample, previous[t])
            output, steps = take_step(row, t, states)
            sample = self.output_.sample(self.projection(output), None, noise.fold(t))
            return (
                *(t + 1, sample, [taken.state for taken in steps], rows.write(t, row)),
                [r.with_step(taken) for r, taken in zip(recordings, steps)],
            )

        states = self.stack.states_from(z)
        *_, rows, recordings = tf.while_loop(
            lambda t, *_: t < num_steps,
            step,
            (
                tf.constant(0),
                tf.zeros_like(previous[0]),
                states,
                tf.TensorArray(tf.float32, num_steps, element_shape=previous.shape[1:]),
                [Recording.starting(num_steps, state) for state in states],
            ),
        )
        return tf.stop_gradient(time_major(rows.stack())), recordings

    def _dropping_step(self, z, controls, factors):
        """A function of (previous row, t, states): one step of the stack, with these
        factors of dropout."""
        if all(factor is None for factor in factors):
            read = self._first_layer_reader(z, controls if controls.shape[-1] else None)

            def step(row, t, states):
                return self.stack.step_above(*read(row, t, states[0]), states)
        else:

            def step(row, t, states):
                return self.stack.step(
                    tf.concat([row, z, controls[t]], axis=-1),
                    states,
                    [None if factor is None else factor[t] for factor in factors],
                )

        return step


def _is_end(rows, end_token):
    """Which of rows [B, D] end their sequences: those of a class, or, where rows are no
    classes, those of which a function of them says so."""
    if callable(end_token):
        return end_token(rows)
    return tf.equal(tf.argmax(rows, axis=-1), end_token)


def _of_one_static_batch(*tensors):
    """Tensors [B, ...] that have the same static B, which may be unknown.

    A loop refuses a state whose static shape changes, and a B of 1 added to an unknown
    B is unknown.
    """
    batch = tf.TensorShape([None])
    for tensor in tensors:
        batch = batch.merge_with(tensor.shape[:1])
    return [tf.ensure_shape(t, batch.concatenate(t.shape[1:])) for t in tensors]


def _as_many(rows, batch_size):
    return tf.broadcast_to(rows, [batch_size, rows.shape[-1]])


@keras.saving.register_keras_serializable("music_vae_tf")
class ControlPreprocessingDecoder(Composed, Decoder):
    """A decoder that hears its controls through a bidirectional LSTM."""

    def __init__(self, core, sizes, keep_probability=1.0, residual=False, **kwargs):
        super().__init__(**kwargs)
        self.core = core
        self.controls = BidirectionalStack(
            sizes, keep_probability, residual, name="controls"
        )

        self.depth = core.depth
        self.parameter_size = core.parameter_size
        self.state_size = core.state_size

    def build(self, z_size, control_size):
        self.controls.build(control_size)
        self.core.build(z_size, 2 * self.controls.sizes[-1])

    def reconstruct(self, targets, lengths, z, controls, *, dropout=None, **options):
        heard = self.controls.sequence(
            time_major(controls), lengths, dropout and dropout.fold("controls")
        )
        return self.core.reconstruct(
            targets, lengths, z, time_major(heard), dropout=dropout, **options
        )

    def tallies(self, parameters, targets, lengths):
        return self.core.tallies(parameters, targets, lengths)

    def likeliest(self, parameters):
        return self.core.likeliest(parameters)

    def sample(self, z, length, controls, temperature=1.0, noise=None, **options):
        steps = tf.shape(controls)[0]
        # All of the controls are heard, up to the length asked for.
        lengths = tf.reshape(tf.minimum(length, steps), [1])
        heard = self.controls.sequence(controls[:, None], lengths)
        return self.core.sample(z, length, heard[:, 0], temperature, noise, **options)


@keras.saving.register_keras_serializable("music_vae_tf")
class SplitDecoder(Composed, Decoder):
    """Decoders side by side, one for each group of columns, all with the same z."""

    def __init__(self, parts, **kwargs):
        """parts: decoders, named part_0, part_1, ..."""
        super().__init__(**kwargs)
        self.parts = list(parts)

        self.depth = sum(part.depth for part in parts)
        self.parameter_size = sum(part.parameter_size for part in parts)
        self.state_size = sum(part.state_size for part in parts)

    def build(self, z_size, control_size):
        for part in self.parts:
            part.build(z_size, control_size)

    def _split(self, rows):
        depths = [part.depth for part in self.parts]
        return [None] * len(depths) if rows is None else tf.split(rows, depths, axis=-1)

    def reconstruct(
        self,
        targets,
        lengths,
        z,
        controls,
        *,
        first=None,
        dropout=None,
        noise=None,
        **options,
    ):
        results = [
            part.reconstruct(
                target,
                lengths,
                z,
                controls,
                first=start,
                dropout=dropout and dropout.fold(part.name),
                noise=noise and noise.fold(part.name),
                **options,
            )
            for part, target, start in zip(
                self.parts, self._split(targets), self._split(first)
            )
        ]
        return Reconstruction(
            tf.add_n([r.step_losses for r in results]),
            tf.concat([r.parameters for r in results], axis=-1),
            tf.concat([r.previous for r in results], axis=-1),
            [state for r in results for state in r.states],
        )

    def tallies(self, parameters, targets, lengths):
        sizes = [part.parameter_size for part in self.parts]
        columns = zip(
            self.parts, tf.split(parameters, sizes, axis=-1), self._split(targets)
        )
        tallies = [part.tallies(p, t, lengths) for part, p, t in columns]
        return merge_tallies(tallies, "{name}/output_{i}")

    def likeliest(self, parameters):
        sizes = [part.parameter_size for part in self.parts]
        columns = zip(self.parts, tf.split(parameters, sizes, axis=-1))
        return tf.concat([part.likeliest(p) for part, p in columns], axis=-1)

    def sample(
        self,
        z,
        length,
        controls=None,
        temperature=1.0,
        noise=None,
        *,
        first=None,
        end_token=None,
    ):
        if end_token is not None:
            raise ValueError("A split decoder has no single end token.")
        results = [
            part.sample(
                z, length, controls, temperature, noise.fold(part.name), first=start
            )
            for part, start in zip(self.parts, self._split(first))
        ]
        return Samples(
            tf.concat([r.rows for r in results], axis=-1),
            results[0].lengths,
            [state for r in results for state in r.states],
        )

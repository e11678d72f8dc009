"""The hierarchical decoder: conductor levels over a core decoder.

A conductor starts from z and says one embedding per segment; each takes the place of z
for the level below, down to the core decoder, which says the steps of one segment. With
level_lengths (16, 16), 16 conductor steps lead 16 segments of 16 steps. Segments are
padded each, as in `encoders.HierarchicalEncoder`. Roberts et al. 2018, section 3.2.
"""

from __future__ import annotations

import math

import keras
import tensorflow as tf

from music_vae_tf.batch import Grammar
from music_vae_tf.models.composed import Composed
from music_vae_tf.models.decoders import Decoder, Reconstruction, Samples
from music_vae_tf.models.encoders import segment_lengths
from music_vae_tf.models.lstm import LSTMStack
from music_vae_tf.models.noise import Noise
from music_vae_tf.models.tally import merge_tallies


@keras.saving.register_keras_serializable("music_vae_tf")
class Conductor(keras.Layer):
    """One level above the steps: an embedding -> one for each segment below it.

    Without a size of its own input it reads a zero at each step, and without an
    embedding size the output of its LSTMs is the embedding, as in Magenta.
    """

    def __init__(
        self,
        sizes,
        keep_probability=1.0,
        residual=False,
        learned_input_size=None,
        embedding_size=None,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.stack = LSTMStack(sizes, keep_probability, residual, name="stack")
        self.learned_input_size = learned_input_size
        self.embedding_size = embedding_size or sizes[-1]
        self.projection = embedding_size and keras.layers.Dense(
            embedding_size, name="projection"
        )

    def build(self, input_size, z_size):
        """input_size: of what it hears of the level below, None if it hears nothing."""
        if input_size is None and self.learned_input_size:
            # Being the same at each step, it moves the gates as their bias does.
            self.learned_input = self.add_weight(
                name="input",
                shape=(self.learned_input_size,),
                initializer=keras.initializers.RandomNormal(stddev=1.0),
            )
        self.stack.build(input_size or self.learned_input_size or 1, z_size)
        if self.projection:
            self.projection.build((None, self.stack.sizes[-1]))

    def input_of(self, batch_size):
        """What it reads at each step if it hears nothing, [B, D]."""
        if not self.learned_input_size:
            return tf.zeros([batch_size, 1])
        return tf.repeat(tf.convert_to_tensor(self.learned_input)[None], batch_size, 0)

    def embedding_of(self, output):
        """Outputs of its LSTMs -> embeddings, [..., U] -> [..., E]."""
        return self.projection(output) if self.projection else output

    def conduct(self, embedding, length, dropout):
        """All its embeddings [L, B, E] at once, hearing nothing."""
        inputs = self.input_of(tf.shape(embedding)[0])
        said, _ = self.stack.sequence(
            [tf.repeat(inputs[None], length, axis=0)],
            self.stack.states_from(embedding),
            dropout,
        )
        return self.embedding_of(said)


@keras.saving.register_keras_serializable("music_vae_tf")
class HierarchicalDecoder(Composed, Decoder):
    """Conductors over a core decoder, in one of three modes.

    What a conductor reads at each step beside its state is

        non-autoregressive  a single zero (all of Magenta's configs), or a vector that
                            is learned, the same at each step and for all examples;
        autoregressive      the final state of the level below after the last segment,
                            and its own embedding;
        re-encoder          the last segment, encoded again by the model's hierarchical
                            encoder, and its own embedding.

    Without autoregression all embeddings are known before the first step is, and the
    segments of a reconstruction are decoded side by side in one batch.
    """

    def __init__(
        self,
        core,
        level_lengths,
        sizes,
        keep_probability=1.0,
        residual=False,
        disable_autoregression=False,
        reencode=False,
        learned_input_size=None,
        embedding_size=None,
        carry_rows=True,
        **kwargs,
    ):
        """level_lengths: steps of each conductor, then of a segment of the core;
        disable_autoregression: True, False, or the numbers of the levels;
        reencode: `reconstruct` and `sample` are given the model's encoder;
        learned_input_size: of the learned vector; None is Magenta's zero;
        embedding_size: to which what a conductor says is projected; None leaves it;
        carry_rows: a segment begins with the last row of the one before, as in
        Magenta; otherwise with zeros, as the first does."""
        super().__init__(**kwargs)
        self.core = core
        self.level_lengths = tuple(level_lengths)
        self.reencode = reencode
        self.depth = core.depth
        self.parameter_size = core.parameter_size
        self.state_size = core.state_size
        self.levels = [
            Conductor(
                sizes,
                keep_probability,
                residual,
                learned_input_size,
                embedding_size,
                name=f"level_{i}",
            )
            for i in range(len(level_lengths) - 1)
        ]
        self.carry_rows = carry_rows
        if isinstance(disable_autoregression, bool):
            every = range(len(level_lengths))
            disable_autoregression = every if disable_autoregression else ()
        self.autoregressive = [
            i not in disable_autoregression for i in range(len(self.levels))
        ]

    @property
    def num_segments(self):
        return math.prod(self.level_lengths[:-1])

    @property
    def segment_size(self):
        return self.level_lengths[-1]

    @property
    def total_length(self):
        return math.prod(self.level_lengths)

    def build(self, z_size, control_size, reencoding_size=None):
        """reencoding_size: the embedding size of the encoder's lowest level."""
        below = [2 * sum(level.stack.sizes) for level in self.levels[1:]]
        read_sizes = [*below, self.core.state_size]
        for level, autoregressive, read in zip(
            self.levels, self.autoregressive, read_sizes
        ):
            read = reencoding_size if self.reencode else read
            level.build(read + z_size if autoregressive else None, z_size)
            z_size = level.embedding_size
        self.core.build(z_size, control_size)

    def tallies(self, parameters, targets, lengths):
        """Magenta's: each metric of each segment, and its mean over the segments."""
        lengths = segment_lengths(lengths, self.num_segments, self.segment_size)
        segments = zip(
            self._segments(parameters),
            self._segments(targets),
            tf.unstack(lengths, axis=1),
        )
        return merge_tallies(
            [self.core.tallies(*segment) for segment in segments],
            "segment/{i:03d}/{name}",
        )

    def likeliest(self, parameters):
        return self.core.likeliest(parameters)

    def reconstruct(
        self,
        targets,
        lengths,
        z,
        controls,
        *,
        dropout=None,
        noise=None,
        encoder=None,
        **options,
    ) -> Reconstruction:
        """lengths: [B, S] of the segments, or [B], each 0 or the whole length.

        encoder: the model's `HierarchicalEncoder`, if this decoder re-encodes.
        """
        lengths = segment_lengths(lengths, self.num_segments, self.segment_size)
        run = (
            self._reconstruct_in_turn
            if any(self.autoregressive)
            else self._reconstruct_at_once
        )
        return run(
            targets,
            lengths,
            z,
            controls,
            dropout=dropout,
            noise=noise,
            **({"encoder": encoder} if self.reencode else {}),
            **options,
        )

    # The segments side by side.

    def _embeddings(self, z, noise: Noise | None):
        """What the lowest conductor says without autoregression: [B, S, U]."""
        batch_size = tf.shape(z)[0]
        embeddings = z
        for level, length in zip(self.levels, self.level_lengths):
            # Magenta builds these cells as if training: where a config has dropout,
            # they drop out in evaluation and sampling too.
            said = level.conduct(embeddings, length, noise and noise.fold(level.name))
            embeddings = tf.reshape(tf.transpose(said, [1, 0, 2]), [-1, said.shape[-1]])
        return tf.reshape(
            embeddings, [batch_size, self.num_segments, self.levels[-1].embedding_size]
        )

    def _reconstruct_at_once(
        self,
        targets,
        lengths,
        z,
        controls,
        *,
        dropout=None,
        noise=None,
        encoder=None,
        **options,
    ):
        embeddings = self._embeddings(z, noise)
        first = self._rows_before_segments(targets)
        result = self.core.reconstruct(
            self._as_batch(targets),
            tf.reshape(lengths, [-1]),
            tf.reshape(embeddings, [-1, embeddings.shape[-1]]),
            self._as_batch(controls),
            first=tf.reshape(first, [-1, self.depth]),
            dropout=dropout and dropout.fold("core"),
            noise=noise and noise.fold("core"),
            **options,
        )
        whole = lambda t: tf.reshape(t, [-1, self.total_length, *t.shape[2:]])
        return Reconstruction(
            whole(result.step_losses),
            whole(result.parameters),
            whole(result.previous),
            result.states,
        )

    def _rows_before_segments(self, targets):
        """[B, S, D]: zeros, then the last (padded) row of each segment but the last."""
        last = targets[:, self.segment_size - 1 :: self.segment_size]
        if not self.carry_rows:
            return tf.zeros_like(last)
        return tf.concat([tf.zeros_like(last[:, :1]), last[:, :-1]], axis=1)

    def _as_batch(self, sequence):
        """[B, S * L, D] -> [B * S, L, D]."""
        return tf.reshape(sequence, [-1, self.segment_size, sequence.shape[-1]])

    def _segments(self, sequence):
        """[B, S * L, D] -> S times [B, L, D]."""
        return tf.split(sequence, self.num_segments, axis=1)

    # The segments one after the other.

    def _conduct(self, embedding, say_segment, noise, encoder, level=0):
        """Goes down the levels, segment by segment; returns what the level above hears.

        say_segment: embedding [B, E] -> what the lowest conductor hears of it.
        """
        if level == len(self.levels):
            return say_segment(embedding)
        conductor, noise = self.levels[level], noise and noise.fold(f"level_{level}")
        stack = conductor.stack
        batch_size = tf.shape(embedding)[0]
        states = stack.states_from(embedding)
        listens = self.autoregressive[level]
        if listens:
            heard = tf.zeros([batch_size, stack.input_size - embedding.shape[-1]])
        below = []
        for i in range(self.level_lengths[level]):
            inputs = (
                tf.concat([heard, embedding], -1)
                if listens
                else conductor.input_of(batch_size)
            )
            here = noise and noise.fold(i)
            factors = stack.dropout_factors(1, batch_size, here)
            factors = [None if factor is None else factor[0] for factor in factors]
            said, steps = stack.step(inputs, states, factors)
            states = [step.state for step in steps]
            said = conductor.embedding_of(said)
            heard = self._conduct(said, say_segment, here, encoder, level + 1)
            below.append(heard)
        if encoder is None:
            return _flat(states)
        lengths = tf.fill([batch_size], len(below))
        encoding_level = encoder.levels[len(self.levels) - level]
        return encoding_level.embed(tf.stack(below, axis=1), lengths)

    def _reconstruct_in_turn(
        self,
        targets,
        lengths,
        z,
        controls,
        *,
        dropout=None,
        noise=None,
        encoder=None,
        **options,
    ):
        segments = list(
            zip(
                self._segments(targets),
                tf.unstack(lengths, axis=1),
                tf.unstack(self._rows_before_segments(targets), axis=1),
                self._segments(controls),
            )
        )
        results = []

        def say_segment(embedding):
            number = len(results)
            target, length, first, control = segments[number]
            result = self.core.reconstruct(
                target,
                length,
                embedding,
                control,
                first=first,
                dropout=dropout and dropout.fold(number),
                noise=noise and noise.fold(number),
                **options,
            )
            results.append(result)
            if encoder is None:
                return _flat(result.states)
            return encoder.levels[0].embed(_rows_heard(result, target, length), length)

        self._conduct(z, say_segment, noise, encoder)
        along_time = lambda name: tf.concat([getattr(r, name) for r in results], axis=1)
        return Reconstruction(
            along_time("step_losses"),
            along_time("parameters"),
            along_time("previous"),
            results[-1].states,
        )

    # Samples: always one after the other, since a segment begins with the last row of
    # the one before.

    def sample(
        self,
        z,
        length,
        controls=None,
        temperature=1.0,
        noise=None,
        *,
        end_token=None,
        grammar: Grammar | None = None,
        encoder=None,
    ) -> Samples:
        """Samples of the total length, padded per segment; their lengths are [B, S].

        end_token, grammar: of each segment.
        length: must be the total length. controls: [T, D_c] shared by the batch.
        """
        tf.debugging.assert_equal(
            length,
            self.total_length,
            "A hierarchical decoder says sequences of its whole length only.",
        )
        if controls is not None:
            controls = tf.reshape(
                controls, [self.num_segments, self.segment_size, controls.shape[-1]]
            )

        options = {"end_token": end_token, "grammar": grammar}
        options = {name: value for name, value in options.items() if value is not None}

        def say(number, embedding, first):
            result = self.core.sample(
                embedding,
                self.segment_size,
                None if controls is None else controls[number],
                temperature,
                noise.fold("core").fold(number),
                first=first,
                **options,
            )
            missing = self.segment_size - tf.shape(result.rows)[1]
            rows = tf.pad(result.rows, [(0, 0), (0, missing), (0, 0)])
            # The next segment begins with the last row said, not with padding.
            return tf.ensure_shape(rows, [None, self.segment_size, self.depth]), result

        if any(self.autoregressive):
            return self._sample_in_turn(z, say, noise, encoder)
        return self._sample_from_embeddings(self._embeddings(z, noise), say)

    def _row_after(self, result):
        """What the segment after a sampled one begins with, [B, D]."""
        last = result.rows[:, -1]
        return last if self.carry_rows else tf.zeros_like(last)

    def _sample_from_embeddings(self, embeddings, say):
        batch_size = tf.shape(embeddings)[0]

        def step(number, first, segments, lengths):
            rows, result = say(number, embeddings[:, number], first)
            return (
                number + 1,
                self._row_after(result),
                segments.write(number, rows),
                lengths.write(number, result.lengths),
            )

        *_, segments, lengths = tf.while_loop(
            lambda number, *_: number < self.num_segments,
            step,
            (
                tf.constant(0),
                tf.zeros([batch_size, self.depth]),
                tf.TensorArray(tf.float32, self.num_segments),
                tf.TensorArray(tf.int32, self.num_segments),
            ),
            shape_invariants=(
                tf.TensorShape([]),
                tf.TensorShape([None, self.depth]),
                None,
                None,
            ),
        )
        rows = tf.transpose(segments.stack(), [1, 0, 2, 3])
        rows = tf.reshape(rows, [batch_size, self.total_length, self.depth])
        return Samples(rows, tf.transpose(lengths.stack()), [])

    def _sample_in_turn(self, z, say, noise, encoder):
        results, segments = [], []

        def say_segment(embedding):
            first = self._row_after(results[-1]) if results else None
            rows, result = say(len(results), embedding, first)
            results.append(result)
            segments.append(rows)
            if encoder is None:
                return _flat(result.states)
            return encoder.levels[0].embed(result.rows, result.lengths)

        self._conduct(z, say_segment, noise, encoder)
        lengths = tf.stack([result.lengths for result in results], axis=1)
        return Samples(tf.concat(segments, axis=1), lengths, results[-1].states)


def _flat(states):
    """States of all layers side by side: c0, h0, c1, h1, ... -> [B, state size]."""
    return tf.concat([part for state in states for part in state], axis=-1)


def _rows_heard(result, targets, lengths):
    """The rows of a segment as the decoder itself read them, the last from the truth.

    Reading stops one step early: what is said last is read by nobody, so Magenta takes
    the target there.
    """
    read_next = tf.pad(result.previous[:, 1:], [(0, 0), (0, 1), (0, 0)])
    position = tf.range(tf.shape(targets)[1])[None, :, None]
    last = lengths[:, None, None] - 1
    return tf.where(
        position < last, read_next, tf.where(position == last, targets, 0.0)
    )

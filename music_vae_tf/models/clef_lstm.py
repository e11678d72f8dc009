"""The clef-split LSTM: a network for each staff, with two softmax heads.

The joint probability of both staves is p(treble) * p(bass | treble). If both share one
clock, the bass reads what the treble plays when its own next event begins. Classes
below 0 mean none: they are read as zeros, and are not targets.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from music_vae_tf.batch import Batch
from music_vae_tf.models import clef_endpoints, prng
from music_vae_tf.models.cell import State
from music_vae_tf.models.lstm import FLOAT32, LSTMLayer, dropout_factors
from music_vae_tf.models.metrics import WeightedMean
from music_vae_tf.models.prng import PRNGKey
from music_vae_tf.models.staves import (
    NUM_PITCHES,
    Logits,
    StaffInput,
    StaffSizes,
    one_hot,
)
from music_vae_tf.models.trainable import Trainable

NOTE_SIZE, DURATION_SIZE, CLOCK_SIZE, OTHER_STAFF_SIZE = 128, 32, 16, 64


@keras.saving.register_keras_serializable("music_vae_tf")
class Lookup(keras.Layer):
    """Classes [...] -> rows of a table [..., size]; zeros for classes below 0."""

    def __init__(self, num_classes: int, size: int, **kwargs: Any):
        super().__init__(**kwargs)
        self.num_classes, self.size = num_classes, size

    def build(self) -> None:
        self.table = self.add_weight(
            name="table",
            shape=(self.num_classes, self.size),
            initializer=keras.initializers.RandomNormal(stddev=0.05),
        )

    def call(self, classes: tf.Tensor) -> tf.Tensor:
        # A product, since the gradient of a gather is no plain tensor.
        rows = one_hot(tf.cast(classes, tf.int32), self.num_classes)
        return tf.tensordot(rows, tf.convert_to_tensor(self.table), 1)


class StaffNetwork(keras.Layer):
    """Input, LSTMs with dropout between them, a dense layer, and two softmax heads.

    An `outer_keep_probability` below 1 adds dropout before the first LSTM and after the
    last. With `factored_logits` the logit of a chord is its own plus those of its
    pitches, so that chords share what is learnt about their common notes.
    """

    def __init__(
        self,
        sizes: StaffSizes,
        lstm_sizes: Sequence[int],
        keep_probability: float,
        outer_keep_probability: float,
        dense_size: int,
        note_input: str,
        factored_logits: bool,
        shared_clock: bool,
        cell_dtype: Any = FLOAT32,
        **kwargs: Any,
    ):
        super().__init__(**kwargs)
        self.sizes = sizes
        between = len(lstm_sizes) - 1
        self.keep_probabilities = [
            outer_keep_probability,
            *[keep_probability] * between,
            outer_keep_probability,
        ]
        self.note_input = note_input
        self.shared_clock = shared_clock
        self.is_accompaniment = shared_clock and sizes.is_accompaniment
        self._make_input_layers()
        self.lstms = [
            LSTMLayer(units, dtype=cell_dtype, name=f"layer_{i}")
            for i, units in enumerate(lstm_sizes)
        ]
        self.dense = keras.layers.Dense(dense_size, activation="tanh", name="dense")
        self._make_heads(factored_logits)

    def _make_input_layers(self) -> None:
        """Those whose outputs, side by side, the first LSTM reads."""
        sizes, note_input = self.sizes, self.note_input
        num_notes, num_durations = len(sizes.note_counts), len(sizes.duration_counts)
        if note_input == "label":
            self.note = Lookup(num_notes, NOTE_SIZE, name="note")
        if note_input == "multi_hot":
            self.note = keras.layers.Dense(NOTE_SIZE, name="note")
        if note_input != "scalar":
            self.duration = Lookup(num_durations, DURATION_SIZE, name="duration")
        columns = sizes.clock if self.shared_clock else ()
        self.clock = [
            Lookup(num_classes, CLOCK_SIZE, name=f"clock_{i}")
            for i, num_classes in enumerate(columns)
        ]
        if self.is_accompaniment:
            self.other_staff = keras.layers.Dense(OTHER_STAFF_SIZE, name="other_staff")

    def _make_heads(self, factored_logits: bool) -> None:
        """Logits of notes and of durations."""
        self.heads = [
            _head(self.sizes.note_counts, "notes"),
            _head(self.sizes.duration_counts, "durations"),
        ]
        self.pitch_logits = None
        if factored_logits:
            self.chord_parts = chord_parts(self.sizes.chords)
            self.pitch_logits = keras.layers.Dense(
                self.chord_parts.shape[1], use_bias=False, name="pitches"
            )

    def build(self) -> None:
        width = len(self.clock) * CLOCK_SIZE
        for lookup in self.clock:
            lookup.build()
        if self.note_input == "scalar":
            width += 2
        else:
            self.duration.build()
            shape = () if self.note_input == "label" else ((None, NUM_PITCHES),)
            self.note.build(*shape)
            width += NOTE_SIZE + DURATION_SIZE
        if self.is_accompaniment:
            self.other_staff.build((None, NUM_PITCHES))
            width += 2 * OTHER_STAFF_SIZE
        for lstm in self.lstms:
            lstm.build(width)
            width = lstm.units
        self.dense.build((None, width))
        for head in (*self.heads, self.pitch_logits):
            if head is not None:
                head.build((None, self.dense.units))

    def inputs(self, step: StaffInput) -> tf.Tensor:
        """Input of the first LSTM: [..., columns]."""
        parts = self._previous_event(step)
        parts += [lookup(step.clock[..., i]) for i, lookup in enumerate(self.clock)]
        if self.is_accompaniment:
            now_and_next = tf.split(step.other_staff, 2, axis=-1)  # [..., 128] each
            parts += [self.other_staff(pitches) for pitches in now_and_next]
        return tf.concat(parts, axis=-1)

    def _previous_event(self, step):
        notes, durations = step.classes[..., 0], step.classes[..., 1]
        if self.note_input == "scalar":
            sizes = len(self.sizes.note_counts), len(self.sizes.duration_counts)
            return [step.classes / tf.constant(sizes, tf.float32)]
        read = notes if self.note_input == "label" else step.pitches
        return [self.note(read), self.duration(durations)]

    def sequence(self, step: StaffInput, dropout: PRNGKey | None = None) -> Logits:
        """Logits of the event after each of the events [B, T, ...]."""
        outputs = tf.transpose(self.inputs(step), [1, 0, 2])
        for i, lstm in enumerate(self.lstms):
            outputs = self._dropped(outputs, i, dropout)
            state = lstm.zero_state(tf.shape(outputs)[1])
            outputs, _ = lstm.sequence([outputs], state)
        outputs = self._dropped(outputs, len(self.lstms), dropout)
        return self._logits(tf.transpose(outputs, [1, 0, 2]))

    def _dropped(self, outputs, index, dropout):
        """Applies the dropout before the LSTM of this index, or after the last."""
        keep = self.keep_probabilities[index]
        key = prng.fold_in(dropout, index)
        factors = dropout_factors(tf.shape(outputs), keep, key)
        return outputs if factors is None else outputs * factors

    def step(self, step: StaffInput, states: list[State]) -> tuple[Logits, list[State]]:
        """Logits after one more event [B, ...], and the new states."""
        outputs, new_states = self.inputs(step), []
        for lstm, state in zip(self.lstms, states):
            outputs, taken = lstm.step(outputs, state)
            new_states.append(taken.state)
        return self._logits(outputs), new_states

    def zero_states(self, batch_size: Any) -> list[State]:
        """States before the first event."""
        return [lstm.zero_state(batch_size) for lstm in self.lstms]

    def _logits(self, outputs):
        hidden = self.dense(outputs)
        notes, durations = (head(hidden) for head in self.heads)
        if self.pitch_logits is not None:
            parts = tf.constant(self.chord_parts.T)
            notes += tf.tensordot(self.pitch_logits(hidden), parts, 1)
        return Logits(notes, durations)


def chord_parts(chords: Sequence[Sequence[int]]) -> np.ndarray:
    """Features of each chord: float32 [classes, 128 + 12 + 1].

    They are its pitches, the number of its notes in each pitch class, and the number
    of its notes.
    """
    parts = np.zeros([len(chords), NUM_PITCHES + 12 + 1], np.float32)
    for row, chord in zip(parts, chords):
        for pitch in chord:
            row[pitch] = 1
            row[NUM_PITCHES + pitch % 12] += 1
        row[-1] = len(chord)
    return parts


def _head(counts, name):
    """A dense layer whose initial biases are the log frequencies of the classes."""
    shares = (np.array(counts) + 1.0) / (sum(counts) + len(counts))
    return keras.layers.Dense(
        len(counts),
        kernel_initializer=keras.initializers.RandomNormal(stddev=0.01),
        bias_initializer=lambda shape, dtype=None: tf.constant(np.log(shares), dtype),
        name=name,
    )


@keras.saving.register_keras_serializable("music_vae_tf")
class ClefLSTM(Trainable):
    """The networks of both staves.

    Batches are those of `data.clefs.windows`: rows of both staves side by side, the
    first row empty.
    """

    def __init__(
        self,
        treble: StaffSizes,
        bass: StaffSizes,
        *,
        name: str | None = None,
        **options: Any,
    ):
        """options: of `StaffNetwork`, the same for both."""
        super().__init__(name=name)
        self.staves = {
            "treble": StaffNetwork(treble, name="treble", **options),
            "bass": StaffNetwork(bass, name="bass", **options),
        }
        for staff, network in self.staves.items():
            setattr(self, staff, network)
            network.build()
        self.built = True

    def call(self, batch: Batch, training: bool = False) -> dict[str, Logits]:
        """Logits of each staff's next event, {staff: Logits [B, T, classes]}."""
        steps = self._steps(Batch(*batch))
        return {
            staff: network.sequence(steps[staff])
            for staff, network in self.staves.items()
        }

    def endpoints(self) -> dict[str, tuple]:
        """`predict` and `serve`, a step of either staff: see `clef_endpoints`."""
        return clef_endpoints.endpoints(self)

    def training_loss(
        self, batch: Batch, rng: PRNGKey, step: Any
    ) -> tuple[tf.Tensor, dict[str, Any]]:
        losses = {
            name: mean
            for staff in self.staves
            for name, mean in self._means(batch, staff, rng.fold_in(staff)).items()
        }
        return tf.add_n(list(losses.values())), losses

    def evaluation_metrics(
        self, batch: Batch, rng: PRNGKey, step: Any
    ) -> dict[str, WeightedMean]:
        metrics = {}
        for staff in self.staves:
            metrics |= self._staff_metrics(batch, staff)
        losses = [
            metric for name, metric in metrics.items() if name.startswith("losses")
        ]
        metrics["loss"] = WeightedMean(
            tf.concat([metric.total for metric in losses], 0),
            tf.concat([metric.count for metric in losses], 0),
            tf.concat([metric.weight for metric in losses], 0),
        )
        return metrics

    def _means(self, batch, staff, rng):
        """Mean negative log likelihood of notes and of durations, in nats."""
        logits = self.staves[staff].sequence(self._steps(batch)[staff], rng)
        means = {}
        for head, targets, weights in self._targets(batch, staff):
            nats = _nats(getattr(logits, head), targets)
            if self.objective.loss_on == "last":
                weights = weights * self._is_last(batch, staff)
            total, count = tf.reduce_sum(nats * weights), tf.reduce_sum(weights)
            means[f"losses/{staff}_{head}"] = tf.math.divide_no_nan(total, count)
        return means

    def _staff_metrics(self, batch, staff):
        logits = self.staves[staff].sequence(self._steps(batch)[staff])
        metrics = {}
        for head, targets, weights in self._targets(batch, staff):
            of_head = getattr(logits, head)
            nats = _nats(of_head, targets)
            metrics[f"losses/{staff}_{head}"] = WeightedMean.from_values(nats, weights)
            correct = _is_correct(of_head, targets)
            metrics[f"metrics/{staff}_{head}_accuracy"] = WeightedMean.from_values(
                correct, weights
            )
        return metrics

    def _steps(self, batch):
        """Input of each staff at each step, {staff: StaffInput [B, T, ...]}."""
        classes = tf.split(batch.targets[:, :-1], 2, axis=-1)
        pitches = tf.split(batch.inputs, 4, axis=-1)
        clock_columns = [len(n.sizes.clock) for n in self.staves.values()]
        clocks = tf.split(batch.controls[:, 1:], clock_columns, axis=-1)
        other_staff = tf.concat(pitches[2:], axis=-1)[:, 1:]
        return {
            staff: StaffInput(classes[i], pitches[i][:, :-1], clocks[i], other_staff)
            for i, staff in enumerate(self.staves)
        }

    def _targets(self, batch, staff):
        """Yields for each head its name, the targets [B, T] and their mask [B, T]."""
        i = list(self.staves).index(staff)
        classes = tf.cast(batch.targets[:, 1:, 2 * i : 2 * i + 2], tf.int32)
        for head, targets in zip(Logits._fields, tf.unstack(classes, axis=-1)):
            yield head, targets, tf.cast(targets >= 0, tf.float32)

    def _is_last(self, batch, staff):
        i = list(self.staves).index(staff)
        steps = tf.shape(batch.targets)[1] - 1
        return tf.one_hot(batch.lengths[:, i] - 1, steps)


def _nats(logits, targets):
    """Negative log likelihood; targets below 0 count as class 0."""
    return tf.nn.sparse_softmax_cross_entropy_with_logits(
        tf.maximum(targets, 0), logits
    )


def _is_correct(logits, targets):
    """1.0 where the argmax is the target; the last class, unknown, is left out."""
    predictions = tf.argmax(logits[..., :-1], axis=-1, output_type=tf.int32)
    return tf.cast(predictions == targets, tf.float32)

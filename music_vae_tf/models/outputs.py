"""The distribution of one step: its parameters, loss, metrics, mode and samples.

A decoder's projection emits P parameters for each step. An output reads them as a
distribution over rows of depth D. All methods but `sample` take any number of leading
axes, [..., P] and [..., D].
"""

from __future__ import annotations

import abc
import math
from collections.abc import Sequence
from typing import Any

import keras
import tensorflow as tf

from music_vae_tf.models.earlier_rows import EarlierRows, RowBefore
from music_vae_tf.models.metrics import WeightedMean
from music_vae_tf.models.prng import PRNGKey


class Output(keras.Layer, abc.ABC):
    """One step's distribution."""

    depth: int  # D
    params_size: int  # P
    num_draws: int  # uniform random numbers that `sample` draws for a row

    def build(self) -> None:
        """Creates weights, for the output that has some."""

    def earlier_rows(self) -> EarlierRows:
        """What a decoder with this output reads of the rows before a step."""
        return RowBefore(self.depth)

    def anchored(self, params: tf.Tensor, anchors: tf.Tensor | None) -> tf.Tensor:
        """Parameters [..., P] given the anchors [..., A, D] of `earlier_rows`; the same
        parameters, where there are none."""
        return params

    @abc.abstractmethod
    def loss(self, params: tf.Tensor, targets: tf.Tensor) -> tf.Tensor:
        """Negative log likelihood, or its stand-in: [..., P], [..., D] -> [...]."""

    @abc.abstractmethod
    def metrics_of(
        self, params: tf.Tensor, targets: tf.Tensor, mask: tf.Tensor
    ) -> dict[str, WeightedMean]:
        """Magenta's metrics by name; mask [...] is 0 for padding, else 1."""

    @abc.abstractmethod
    def sample(self, params: tf.Tensor, temperature: Any, rng: PRNGKey) -> tf.Tensor:
        """Draws a row from each distribution: [B, P] -> [B, D].

        temperature: below 1 what is probable becomes more probable.
        """

    def scheduled_sample(self, params: tf.Tensor, rng: PRNGKey) -> tf.Tensor:
        """Rows as scheduled sampling draws them in training: [B, P] -> [B, D]."""
        return self.sample(params, 1.0, rng)

    @abc.abstractmethod
    def mode(self, params: tf.Tensor) -> tf.Tensor:
        """The most probable rows: [..., P] -> [..., D]."""

    def given_hits(self, rows: tf.Tensor, params: tf.Tensor) -> tf.Tensor:
        """Sampled rows [B, D] with what else depends on their hits, as it is given
        these; the same rows, where it is so or where nothing does."""
        return rows

    def hold(self, rows: tf.Tensor, params: tf.Tensor, held: tf.Tensor) -> tf.Tensor:
        """Sampled rows [B, D] with values of `held` in their place; NaN is free."""
        return with_held(rows, held)

    def sample_held(
        self, params: tf.Tensor, held: tf.Tensor, temperature: Any, rng: PRNGKey
    ) -> tf.Tensor:
        """Draws rows, some values of which are given: [B, P], [B, D] -> [B, D].

        held: NaN is free.
        """
        return self.hold(self.sample(params, temperature, rng), params, held)


class OneParameterPerColumn(Output):
    """An output with a parameter and a draw for each column."""

    def __init__(self, depth: int, **kwargs: Any):
        super().__init__(**kwargs)
        self.depth = self.params_size = self.num_draws = depth


@keras.saving.register_keras_serializable("music_vae_tf")
class Categorical(OneParameterPerColumn):
    """One class out of D, by a softmax."""

    def loss(self, params: tf.Tensor, targets: tf.Tensor) -> tf.Tensor:
        return tf.nn.softmax_cross_entropy_with_logits(targets, params)

    def metrics_of(
        self, params: tf.Tensor, targets: tf.Tensor, mask: tf.Tensor
    ) -> dict[str, WeightedMean]:
        classes = tf.argmax(targets, axis=-1)  # [...]
        correct = tf.cast(classes == tf.argmax(params, axis=-1), tf.float32)
        of_class = tf.one_hot(classes, self.depth) * mask[..., None]  # [..., D]
        axes = list(range(of_class.shape.rank - 1))
        return {
            "metrics/accuracy": WeightedMean.from_values(correct, mask),
            "metrics/mean_per_class_accuracy": WeightedMean.from_totals(
                tf.reduce_sum(of_class * correct[..., None], axes),  # [D]
                tf.reduce_sum(of_class, axes),
            ),
        }

    def sample(self, params: tf.Tensor, temperature: Any, rng: PRNGKey) -> tf.Tensor:
        return tf.one_hot(rng.classes(params / temperature), self.depth)

    def mode(self, params: tf.Tensor) -> tf.Tensor:
        return tf.one_hot(tf.argmax(params, axis=-1), self.depth)


@keras.saving.register_keras_serializable("music_vae_tf")
class Concatenated(Output):
    """Several categorical outputs side by side, their losses summed."""

    def __init__(self, depths: Sequence[int], **kwargs: Any):
        super().__init__(**kwargs)
        self.depths = tuple(depths)
        self.depth = self.params_size = self.num_draws = sum(depths)
        self.parts = [Categorical(depth) for depth in depths]

    def _split(self, *tensors):
        columns = [tf.split(tensor, self.depths, axis=-1) for tensor in tensors]
        return list(zip(self.parts, *columns))

    def loss(self, params: tf.Tensor, targets: tf.Tensor) -> tf.Tensor:
        split = self._split(params, targets)
        return tf.add_n([part.loss(p, t) for part, p, t in split])

    def metrics_of(
        self, params: tf.Tensor, targets: tf.Tensor, mask: tf.Tensor
    ) -> dict[str, WeightedMean]:
        return {
            f"{name}/output_{i}": metric
            for i, (part, p, t) in enumerate(self._split(params, targets))
            for name, metric in part.metrics_of(p, t, mask).items()
        }

    def sample(self, params: tf.Tensor, temperature: Any, rng: PRNGKey) -> tf.Tensor:
        samples = [
            part.sample(p, temperature, rng.fold_in(i))
            for i, (part, p) in enumerate(self._split(params))
        ]
        return tf.concat(samples, axis=-1)

    def mode(self, params: tf.Tensor) -> tf.Tensor:
        return tf.concat([part.mode(p) for part, p in self._split(params)], axis=-1)


@keras.saving.register_keras_serializable("music_vae_tf")
class Bernoulli(OneParameterPerColumn):
    """Columns that are on or off, independently of each other."""

    def loss(self, params: tf.Tensor, targets: tf.Tensor) -> tf.Tensor:
        entropies = tf.nn.sigmoid_cross_entropy_with_logits(targets, params)
        return tf.reduce_sum(entropies, axis=-1)

    def metrics_of(
        self, params: tf.Tensor, targets: tf.Tensor, mask: tf.Tensor
    ) -> dict[str, WeightedMean]:
        correct = (targets > 0.5) == (params >= 0.0)
        return {"metrics/accuracy": WeightedMean.from_values(correct, mask[..., None])}

    def sample(self, params: tf.Tensor, temperature: Any, rng: PRNGKey) -> tf.Tensor:
        return rng.bernoulli(tf.sigmoid(params / temperature))

    def mode(self, params: tf.Tensor) -> tf.Tensor:
        return is_positive(params)


@keras.saving.register_keras_serializable("music_vae_tf")
class Nade(Output):
    """Columns that are on or off, each given those before it.

    A neural autoregressive distribution estimator (Larochelle and Murray 2011) whose
    biases come from the decoder (Boulanger-Lewandowski et al. 2012):

        a_1 = b_enc;  a_(d+1) = a_d + v_d W_enc[d]
        p(v_d = 1 | v_<d) = sigmoid(b_dec[d] + W_dec[d] . sigmoid(a_d))
    """

    # Inside the logarithms, as in Magenta.
    EPSILON = 1e-6

    def __init__(self, depth: int, num_hidden: int, **kwargs: Any):
        super().__init__(**kwargs)
        self.depth = self.num_draws = depth
        self.num_hidden = num_hidden
        self.params_size = num_hidden + depth

    def build(self) -> None:
        deviation = 1.0 / math.sqrt(self.depth)
        initializer = keras.initializers.TruncatedNormal(stddev=deviation)
        for name, shape in (
            ("w_enc", (self.depth, 1, self.num_hidden)),
            ("w_dec_t", (self.depth, self.num_hidden, 1)),
        ):
            weight = self.add_weight(name=name, shape=shape, initializer=initializer)
            setattr(self, name, weight)

    def _probabilities(self, params, rows):
        """p(v_d = 1 | v_<d) for given rows: [..., P], [..., D] -> [..., D]."""
        b_enc, b_dec = tf.split(params, [self.num_hidden, self.depth], axis=-1)
        # What all columns before d add to the hidden activation: [..., D, H].
        steps = rows[..., None] * self.w_enc[:, 0]
        hidden = tf.sigmoid(b_enc[..., None, :] + tf.cumsum(steps, -2, exclusive=True))
        return tf.sigmoid(b_dec + tf.reduce_sum(hidden * self.w_dec_t[..., 0], axis=-1))

    def loss(self, params: tf.Tensor, targets: tf.Tensor) -> tf.Tensor:
        probabilities = self._probabilities(params, targets)
        log_likelihoods = targets * tf.math.log(probabilities + self.EPSILON) + (
            1.0 - targets
        ) * tf.math.log(1.0 - probabilities + self.EPSILON)
        return -tf.reduce_sum(log_likelihoods, axis=-1)

    def metrics_of(
        self, params: tf.Tensor, targets: tf.Tensor, mask: tf.Tensor
    ) -> dict[str, WeightedMean]:
        is_on = targets > 0.5
        predicted = self._probabilities(params, targets) >= 0.5
        correct = tf.reduce_all(is_on == predicted, axis=-1)  # [...], of whole rows

        def count(cells):
            return tf.reduce_sum(tf.cast(cells, tf.float32) * mask[..., None])

        true_positives = count(is_on & predicted)
        return {
            "metrics/accuracy": WeightedMean.from_values(correct, mask),
            "metrics/recall": WeightedMean.from_totals(true_positives, count(is_on)),
            "metrics/precision": WeightedMean.from_totals(
                true_positives, count(predicted)
            ),
        }

    def sample(self, params: tf.Tensor, temperature: Any, rng: PRNGKey) -> tf.Tensor:
        draws = rng.uniform([tf.shape(params)[0], self.depth])
        is_on = lambda logits, d: draws[:, d, None] < tf.sigmoid(logits / temperature)
        return self._by_column(params, is_on)

    def scheduled_sample(self, params: tf.Tensor, rng: PRNGKey) -> tf.Tensor:
        """The more probable value of each column, as in Magenta; nothing is drawn."""
        is_on = lambda logits, d: tf.sigmoid(logits) >= 0.5
        return self._by_column(params, is_on)

    def mode(self, params: tf.Tensor) -> tf.Tensor:
        """The more probable value of each column given those before it."""
        flat = tf.reshape(params, [-1, self.params_size])
        rows = self._by_column(flat, lambda logits, d: logits > 0.0)
        return tf.reshape(rows, [*tf.unstack(tf.shape(params)[:-1]), self.depth])

    def _by_column(self, params, is_on):
        """Decides column after column: [B, P] -> [B, D].

        is_on: (logits [B, 1], number of the column) -> bool [B, 1].
        """
        b_enc, b_dec = tf.split(params, [self.num_hidden, self.depth], axis=-1)
        activation, columns = b_enc, []  # [B, H]
        for d in range(self.depth):
            # [B, 1]
            logits = b_dec[:, d, None] + tf.sigmoid(activation) @ self.w_dec_t[d]
            column = tf.cast(is_on(logits, d), tf.float32)
            columns.append(column)
            activation += column @ self.w_enc[d]
        return tf.concat(columns, axis=-1)


def with_held(values: tf.Tensor, held: tf.Tensor) -> tf.Tensor:
    """Those of `held` where they are given; NaN is free."""
    return tf.where(tf.math.is_nan(held), values, held)


def is_positive(logits: tf.Tensor) -> tf.Tensor:
    """1.0 where the probability is above one half, else 0.0."""
    return tf.cast(logits > 0.0, tf.float32)

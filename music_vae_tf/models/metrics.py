"""Metrics that add up over batches."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import tensorflow as tf


class WeightedMean(NamedTuple):
    """A metric that adds up over batches: a weighted mean of one or more ratios.

    Its value is the sum of weight * total / count. Totals and counts of batches add up,
    the weights stay.
    """

    total: tf.Tensor  # [C]
    count: tf.Tensor  # [C]
    weight: tf.Tensor  # [C], sums to 1

    @classmethod
    def from_totals(cls, total: tf.Tensor, count: tf.Tensor) -> WeightedMean:
        """The unweighted mean of total / count over C classes; [C] or scalars each."""
        total, count = tf.reshape(total, [-1]), tf.reshape(count, [-1])
        weight = tf.ones_like(total) / tf.cast(tf.size(total), tf.float32)
        return cls(total, count, weight)

    @classmethod
    def from_values(cls, values: Any, mask: Any) -> WeightedMean:
        """The mean of values [...] where the mask, broadcast to them, is 1."""
        values = tf.cast(values, tf.float32)
        mask = tf.broadcast_to(mask, tf.shape(values))
        return cls.from_totals(tf.reduce_sum(values * mask), tf.reduce_sum(mask))

    def plus(self, other: WeightedMean) -> WeightedMean:
        """The metric of both batches together."""
        total, count = self.total + other.total, self.count + other.count
        return WeightedMean(total, count, self.weight)

    @property
    def value(self) -> tf.Tensor:
        """The metric, a scalar; a class without counts adds 0."""
        shares = tf.math.divide_no_nan(self.total, self.count)
        return tf.reduce_sum(self.weight * shares)


def merge_metrics(
    metrics: Sequence[dict[str, WeightedMean]], pattern: str
) -> dict[str, WeightedMean]:
    """Each part's metrics under a name made of `name` and `i`, and the parts' mean.

    metrics: by name, for each part. The mean is that of the parts' values, whatever
    their counts, as in Magenta.
    """
    merged = {
        pattern.format(name=name, i=i): metric
        for i, part in enumerate(metrics)
        for name, metric in part.items()
    }
    for name in metrics[0]:
        columns = zip(*(part[name] for part in metrics))
        total, count, weight = (tf.concat(column, axis=0) for column in columns)
        merged[name] = WeightedMean(total, count, weight / len(metrics))
    return merged

"""Metrics that add up over batches."""

from __future__ import annotations

from typing import NamedTuple

import tensorflow as tf


class Tally(NamedTuple):
    """A metric that adds up over batches.

    Its value is the weighted sum of total / count, over one or more classes; totals and
    counts of batches are added, the weights stay.
    """

    total: tf.Tensor  # [C]
    count: tf.Tensor  # [C]
    weight: tf.Tensor  # [C], sums to 1

    @classmethod
    def of_classes(cls, total, count):
        """The mean over classes of each one's total / count, [C] or scalars."""
        total, count = tf.reshape(total, [-1]), tf.reshape(count, [-1])
        weight = tf.ones_like(total) / tf.cast(tf.size(total), tf.float32)
        return cls(total, count, weight)

    @classmethod
    def of_steps(cls, values, weights):
        """The mean of values [...] where the weights, broadcast to them, are 1."""
        values = tf.cast(values, tf.float32)
        weights = tf.broadcast_to(weights, tf.shape(values))
        return cls.of_classes(tf.reduce_sum(values * weights), tf.reduce_sum(weights))

    def plus(self, other: Tally) -> Tally:
        """Both batches together."""
        return Tally(self.total + other.total, self.count + other.count, self.weight)

    @property
    def value(self):
        shares = tf.math.divide_no_nan(self.total, self.count)
        return tf.reduce_sum(self.weight * shares)


def merge_tallies(tallies, pattern):
    """Each part's metrics under a name made of `name` and `i`, and the parts' mean.

    tallies: one {name: Tally} per part. The mean is that of the parts' values, as in
    Magenta, whatever their counts.
    """
    merged = {
        pattern.format(name=name, i=i): tally
        for i, part in enumerate(tallies)
        for name, tally in part.items()
    }
    for name in tallies[0]:
        columns = zip(*(part[name] for part in tallies))
        total, count, weight = (tf.concat(column, axis=0) for column in columns)
        merged[name] = Tally(total, count, weight / len(tallies))
    return merged

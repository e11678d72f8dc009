"""Grooves whose velocities and offsets have a spread, not one mean."""

from __future__ import annotations

import math
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from music_vae_tf.models.earlier_rows import EarlierHits, EarlierRows
from music_vae_tf.models.groove_outputs import bernoulli_losses
from music_vae_tf.models.metrics import WeightedMean
from music_vae_tf.models.outputs import Output, with_held
from music_vae_tf.models.prng import PRNGKey

# The grids of the data: MIDI velocities as v / 127, and offsets in half steps at the
# resolution of the Groove MIDI Dataset, 120 ticks a sixteenth.
VELOCITY_BIN, OFFSET_BIN = 1 / 127, 1 / 60
VELOCITIES, OFFSETS = (VELOCITY_BIN, 1.0), (-1.0, 1.0)  # ranges; 0 would be no note
# Log scales before training, of the narrowest component, and of one that is flat.
INITIAL_LOG_SCALE, SMALLEST_LOG_SCALE = math.log(0.08), math.log(0.004)
LARGEST_LOG_SCALE = math.log(100.0)
# Components start apart, or all would learn the same.
FIRST_VELOCITIES, FIRST_OFFSETS = (0.2, 0.8), (-0.2, 0.2)
MEAN_PER_PARAMETER = 0.25  # means change more slowly than parameters
# A hit at 127 may have been louder: what repeats it begins with a mean out of range.
FIRST_BEYOND = 0.1
BISECTIONS = 12  # of the median: to 1/4096 of its range
SMALLEST_PROBABILITY = 1e-7
SMALLEST_UNIFORM = 1e-5


@keras.saving.register_keras_serializable("music_vae_tf")
class GrooveMixture(Output):
    """Hits by their log loss; velocities and offsets of hits by a mixture.

    Rows are those of `Groove`: hits, velocities and offsets of K = D / 3 drums. C
    components describe how all drums of a step are played together:

        p(v, o | hits) = sum_c w_c product_{d is hit} p_c(v_d) p_c(o_d)

    So drums of one step may be early, late, loud or soft together. Each p_c is a
    logistic distribution on the grid of the data (Salimans, Karpathy, Chen and Kingma
    2017, "PixelCNN++"). Its parameters depend on which drums of the step are hit. Its
    mean moves with the drums before it in the row: by a learned share of how far these
    are from their own means, on average. Drums at rest cost nothing and are emitted as
    0.

    The squared error of `Groove` learns one mean for each drum. Magenta has nothing
    of the kind.
    """

    def __init__(
        self,
        depth: int,
        num_components: int,
        lookback: int | None = None,
        **kwargs: Any,
    ):
        """lookback: steps of a bar. Components start from velocities and offsets of
        earlier hits then, see `anchored`; None, they do not."""
        super().__init__(**kwargs)
        self.lookback = lookback
        self.depth, self.num_drums = depth, depth // 3
        self.num_components = num_components
        # Of each component: its weight; of each drum the mean and scale of both.
        self.mixture_size = num_components * (1 + 4 * self.num_drums)
        self.params_size = self.num_drums + self.mixture_size
        # Hits, the component, velocities, offsets.
        self.num_draws = 3 * self.num_drums + 1

    def build(self) -> None:
        self.of_hits = self.add_weight(
            name="of_hits",
            shape=(self.num_drums, self.mixture_size),
            initializer=keras.initializers.RandomNormal(stddev=0.01),
        )
        self.couplings = self.add_weight(
            name="couplings",  # of velocities and of offsets
            shape=(2, self.num_components, self.num_drums),
            initializer=keras.initializers.Constant(0.25),
        )
        if self.lookback:
            self.gains = self.add_weight(
                name="gains",  # of velocities, of the largest velocity, and of offsets
                shape=(3, EarlierHits.num_anchors, self.num_components, self.num_drums),
                initializer=_first_gains,
            )

    def earlier_rows(self) -> EarlierRows:
        if self.lookback is None:
            return super().earlier_rows()
        return EarlierHits(self.depth, self.lookback)

    def anchored(self, params: tf.Tensor, anchors: tf.Tensor | None) -> tf.Tensor:
        """Moves means towards the velocities and offsets of earlier hits.

            mean += gain * (value of the anchor - first mean), if the anchor is hit
            mean += gain, if the anchor has the largest velocity

        With a gain of 1, a component that has learned nothing yet repeats the anchor.
        Gains are learned, for each component, drum and anchor. At first a third of the
        components repeat the bar before, and a third the drum's last hit.
        """
        if anchors is None:
            return params
        hits, velocities, offsets = (  # [..., A, 1, K] each
            values[..., None, :] for values in tf.split(anchors, 3, axis=-1)
        )
        of_velocities, of_loudest, of_offsets = tf.unstack(self.gains)  # [A, C, K]
        loudest = tf.cast(velocities >= VELOCITIES[1] - VELOCITY_BIN / 2, tf.float32)
        moves = (
            of_velocities * hits * (velocities - self._apart(FIRST_VELOCITIES))
            + of_loudest * hits * loudest,
            of_offsets * hits * (offsets - self._apart(FIRST_OFFSETS)),
        )
        size = self.num_components * self.num_drums
        shape = [*tf.unstack(tf.shape(params)[:-1]), size]
        head, *parts = tf.split(params, [self.params_size - 4 * size, *[size] * 4], -1)
        for number, move in zip((0, 2), moves):  # the means
            move = tf.reshape(tf.reduce_sum(move, axis=-3), shape)  # [..., C * K]
            parts[number] += move / MEAN_PER_PARAMETER
        return tf.concat([head, *parts], axis=-1)

    def loss(self, params: tf.Tensor, targets: tf.Tensor) -> tf.Tensor:
        return tf.add_n(self._two_losses(params, targets))

    def metrics_of(
        self, params: tf.Tensor, targets: tf.Tensor, mask: tf.Tensor
    ) -> dict[str, WeightedMean]:
        hits, playing = self._two_losses(params, targets)
        return {
            "metrics/hits_loss": WeightedMean.from_values(hits, mask),
            "metrics/velocities_and_offsets_loss": WeightedMean.from_values(
                playing, mask
            ),
        }

    def _two_losses(self, params, targets):
        """Of hits, and of velocities and offsets given hits: [...] each."""
        logits = params[..., : self.num_drums]
        hits, velocities, offsets = tf.split(targets, 3, axis=-1)  # [..., K]
        mixture = self._mixture(params, hits)
        # [..., C, K]
        log_likelihoods = (
            mixture.velocities.log_probabilities(velocities, hits)
            + mixture.offsets.log_probabilities(offsets, hits)
        ) * hits[..., None, :]
        log_likelihoods = tf.reduce_sum(log_likelihoods, axis=-1)  # [..., C]
        together = tf.reduce_logsumexp(mixture.log_weights + log_likelihoods, axis=-1)
        return tf.reduce_sum(bernoulli_losses(logits, hits), axis=-1), -together

    def sample(self, params: tf.Tensor, temperature: Any, rng: PRNGKey) -> tf.Tensor:
        """Draws rows; near temperature 0 they are the `mode`.

        A temperature scales how far velocities and offsets are from the median: at 0.5
        a draw is moved half of the way to it.
        """
        return self._sample(params, temperature, rng, None)

    def sample_held(
        self, params: tf.Tensor, held: tf.Tensor, temperature: Any, rng: PRNGKey
    ) -> tf.Tensor:
        """Velocities and offsets are drawn given what is held: a loud drum makes the
        others of its step loud, an early one early.

        Components weigh more that explain held values well; for that, a free drum is
        at its mean. A drum moves with those before it, held or drawn.
        """
        return self._sample(params, temperature, rng, held)

    def _sample(self, params, temperature, rng, held):
        draws = rng.uniform([tf.shape(params)[0], self.num_draws])  # [B, 3 K + 1]
        sizes = [self.num_drums, 1, self.num_drums, self.num_drums]
        of_hits, of_component, *of_parts = tf.split(draws, sizes, -1)
        probabilities = tf.sigmoid(params[..., : self.num_drums] / temperature)
        hits = tf.cast(of_hits < probabilities, tf.float32)  # [B, K]
        held_parts = [None, None]
        if held is not None:
            held_hits, *held_parts = tf.split(held, 3, axis=-1)  # [B, K]
            hits = with_held(hits, held_hits)
        mixture = self._mixture(params, hits)
        known = mixture if held is None else mixture.given(held_parts, hits)
        component = known.drawn_component(of_component)  # [B, C], one-hot
        columns = []
        for part, of_part, held_part, median in zip(
            mixture.parts, of_parts, held_parts, known.medians()
        ):
            drawn = part.drawn(component, of_part, hits, held_part)
            moved = median + temperature * (drawn - median)
            column = tf.clip_by_value(moved, *part.ends)
            columns.append(column if held is None else with_held(column, held_part))
        return self._row(hits, columns)

    def mode(self, params: tf.Tensor) -> tf.Tensor:
        """The more probable hits, and the medians of velocities and offsets, for drums
        before that are at their means."""
        hits = tf.cast(params[..., : self.num_drums] > 0.0, tf.float32)
        return self._row(hits, self._mixture(params, hits).medians())

    def _row(self, hits, columns):
        return tf.concat([hits, *(values * hits for values in columns)], axis=-1)

    def _mixture(self, params, hits):
        """[..., P], [..., K] -> the mixture given the hits."""
        mixture = params[..., self.num_drums :] + tf.tensordot(hits, self.of_hits, 1)
        weights, rest = tf.split(
            mixture, [self.num_components, self.mixture_size - self.num_components], -1
        )
        shape = [*tf.unstack(tf.shape(rest)[:-1]), self.num_components, self.num_drums]
        # [..., C, K] each
        parts = [tf.reshape(part, shape) for part in tf.split(rest, 4, axis=-1)]
        return _Mixture(
            tf.nn.log_softmax(weights),
            _Logistics(
                parts[0] * MEAN_PER_PARAMETER + self._apart(FIRST_VELOCITIES),
                _log_scales(parts[1]),
                self.couplings[0],
                VELOCITIES,
                VELOCITY_BIN,
            ),
            _Logistics(
                parts[2] * MEAN_PER_PARAMETER + self._apart(FIRST_OFFSETS),
                _log_scales(parts[3]),
                self.couplings[1],
                OFFSETS,
                OFFSET_BIN,
            ),
        )

    def _apart(self, ends):
        """Values from one end to the other, [C, 1]."""
        low, high = ends
        return np.linspace(low, high, self.num_components, dtype=np.float32)[:, None]


class _Mixture:
    """Components of one step: weights [..., C], logistics [..., C, K]."""

    def __init__(self, log_weights, velocities, offsets):
        self.log_weights = log_weights
        self.velocities, self.offsets = velocities, offsets

    @property
    def parts(self):
        return self.velocities, self.offsets

    def given(self, held, hits):
        """The mixture given held velocities and offsets [B, K], by Bayes' rule.

        NaN is free, and a free drum is at its mean.
        """
        parts = [part.given(values, hits) for part, values in zip(self.parts, held)]
        log_weights = self.log_weights
        for part, values in zip(parts, held):
            is_given = (hits > 0) & ~tf.math.is_nan(values)  # [B, K]
            of_each = part.log_densities(tf.where(is_given, values, 0.0))  # [B, C, K]
            of_each = tf.where(is_given[:, None, :], of_each, 0.0)
            log_weights += tf.reduce_sum(of_each, axis=-1)
        return _Mixture(tf.nn.log_softmax(log_weights), *parts)

    def medians(self):
        """Of velocities and offsets, of each drum by itself: [..., K] each."""
        return [part.median(self.log_weights) for part in self.parts]

    def drawn_component(self, draws):
        """Uniform draws [B, 1] -> one-hot [B, C]."""
        ends = tf.cumsum(tf.exp(self.log_weights), axis=-1)
        number = tf.reduce_sum(tf.cast(draws >= ends[..., :-1], tf.int32), axis=-1)
        return tf.one_hot(number, self.log_weights.shape[-1])


class _Logistics:
    """Logistic distributions on a grid, [..., C, K].

    couplings: [C, K], how far the mean of a drum moves with the drums before it.
    """

    def __init__(self, means, log_scales, couplings, ends, bin_width):
        self.means, self.log_scales, self.couplings = means, log_scales, couplings
        self.ends, self.bin_width = ends, bin_width

    def log_probabilities(self, values, hits):
        """Of values and hits [..., K], each given the drums before: [..., C, K]."""
        hits = hits[..., None, :]
        apart = (values[..., None, :] - self.means) * hits
        sums = tf.cumsum(apart, axis=-1, exclusive=True)
        moved = self.means + self.couplings * sums / _hits_before(hits)
        return self._with(moved).log_densities(values)

    def given(self, held, hits):
        """With the means given the drums before, held or at their means.

        held, hits: [B, K]; NaN is free.
        """
        value_of = lambda drum, mean: with_held(mean, held[:, drum, None])
        moved, _ = _in_turn(self.means, self.couplings, hits[:, None, :], value_of)
        return self._with(moved)

    def _with(self, means):
        return _Logistics(
            means, self.log_scales, self.couplings, self.ends, self.bin_width
        )

    def log_densities(self, values):
        """Of each value by itself, [..., K] -> [..., C, K].

        The bins at both ends hold all that is beyond them.
        """
        values, half = values[..., None, :], self.bin_width / 2
        below = self._cdf(values - half)
        above = self._cdf(values + half)
        below = tf.where(values <= self.ends[0] + half, 0.0, below)
        above = tf.where(values >= self.ends[1] - half, 1.0, above)
        # Far from the mean the difference is 0 in float32: there the density counts.
        near = tf.maximum(above - below, SMALLEST_PROBABILITY)
        distance = (values - self.means) * tf.exp(-self.log_scales)
        far = (
            math.log(self.bin_width)
            - self.log_scales
            - distance
            - 2 * tf.nn.softplus(-distance)
        )
        return tf.where(above - below > SMALLEST_PROBABILITY, tf.math.log(near), far)

    def _cdf(self, values):
        return tf.sigmoid((values - self.means) * tf.exp(-self.log_scales))

    def drawn(self, component, draws, hits, held):
        """Of one component [B, C], by uniform draws [B, K]: values [B, K]."""
        chosen = component[..., None]  # [B, C, 1]
        means = tf.reduce_sum(chosen * self.means, axis=-2)  # [B, K]
        scales = tf.reduce_sum(chosen * tf.exp(self.log_scales), axis=-2)
        couplings = tf.reduce_sum(chosen * self.couplings, axis=-2)
        draws = tf.clip_by_value(draws, SMALLEST_UNIFORM, 1 - SMALLEST_UNIFORM)
        # ONNX has no log1p; the draws keep away from 0 and 1.
        noise = scales * (tf.math.log(draws) - tf.math.log(1 - draws))

        def value_of(drum, mean):
            value = tf.clip_by_value(mean + noise[:, drum], *self.ends)
            return value if held is None else with_held(value, held[:, drum])

        _, values = _in_turn(means, couplings, hits, value_of)
        return values

    def median(self, log_weights):
        """Of the mixture, of each drum by itself: [..., K]."""
        weights = tf.exp(log_weights)[..., None]  # [..., C, 1]
        low = tf.zeros_like(self.means[..., 0, :]) + self.ends[0]  # [..., K]
        size = (self.ends[1] - self.ends[0]) / 2
        for _ in range(BISECTIONS):
            middle = low + size
            below = self._cdf(middle[..., None, :])  # [..., C, K]
            share = tf.reduce_sum(weights * below, axis=-2)
            low = tf.where(share < 0.5, middle, low)
            size /= 2
        return low + size


def _in_turn(means, couplings, hits, value_of):
    """Drum by drum: the means given the values before, and the values, [..., K] each.

    means, couplings, hits: [..., K]. value_of: (drum, its mean [...]) -> value [...].
    """
    number = _hits_before(hits)
    moved, values, apart = [], [], tf.zeros_like(means[..., 0])
    for drum in range(hits.shape[-1]):
        mean = means[..., drum] + couplings[..., drum] * apart / number[..., drum]
        value = value_of(drum, mean)
        apart += (value - means[..., drum]) * hits[..., drum]
        moved.append(mean)
        values.append(value)
    return tf.stack(moved, axis=-1), tf.stack(values, axis=-1)


def _hits_before(hits):
    """How many drums before each of [..., K] are hit, or 1 if none is."""
    return tf.maximum(tf.cumsum(hits, axis=-1, exclusive=True), 1.0)


def _first_gains(shape, dtype=None):
    """[3, A, C, K]: components repeat no anchor, the first, the second, none, ..."""
    anchor, component = np.indices(shape[1:3])
    repeats = (component % 3 == anchor + 1).astype(float)  # [A, C]
    gains = np.stack([repeats, FIRST_BEYOND * repeats, repeats])[..., None]
    return tf.constant(np.broadcast_to(gains, shape), dtype)


def _log_scales(raw):
    return tf.clip_by_value(
        raw + INITIAL_LOG_SCALE, SMALLEST_LOG_SCALE, LARGEST_LOG_SCALE
    )

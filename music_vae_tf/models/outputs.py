"""What one step of a decoder means: the size of its parameters, loss, metrics, sample.

The parameters of a step are the P numbers that a decoder's projection emits; an output
reads them as a distribution over rows of depth D. All methods take any number of
leading axes, [..., P] and [..., D].
"""

from __future__ import annotations

import abc
import math

import keras
import tensorflow as tf

from music_vae_tf.models.noise import Noise
from music_vae_tf.models.tally import Tally

NEARLY_ZERO = 1e-6  # a temperature
SMALLEST_PROBABILITY = 1e-6  # that is divided by


class Output(keras.Layer, abc.ABC):
    """One step's distribution."""

    depth: int  # D
    parameter_size: int  # P

    def build(self):
        """Creates weights, for the output that has some."""

    @abc.abstractmethod
    def loss(self, parameters, targets):
        """Negative log likelihood, or its stand-in: [..., P], [..., D] -> [...]."""

    @abc.abstractmethod
    def tallies(self, parameters, targets, weights):
        """Magenta's metrics by name; weights [...] are 0 for padding, else 1."""

    @abc.abstractmethod
    def sample(self, parameters, temperature, noise):
        """A row drawn for each row of parameters: [B, P] -> [B, D].

        A lower temperature makes likely rows likelier. None is how scheduled sampling
        draws while training.
        """

    def hold(self, rows, parameters, held):
        """Rows [B, D] that were sampled, with what is held in its place: [B, D], NaN is
        free."""
        return tf.where(tf.math.is_nan(held), rows, held)

    def likeliest(self, parameters):
        """What is drawn as the temperature goes to 0: [..., P] -> [..., D]."""
        flat = tf.reshape(parameters, [-1, self.parameter_size])
        rows = self.sample(flat, NEARLY_ZERO, Noise(0))
        return tf.reshape(rows, [*tf.unstack(tf.shape(parameters)[:-1]), self.depth])


@keras.saving.register_keras_serializable("music_vae_tf")
class Categorical(Output):
    """One class out of D, by a softmax."""

    def __init__(self, depth, **kwargs):
        super().__init__(**kwargs)
        self.depth = self.parameter_size = depth

    def loss(self, parameters, targets):
        return tf.nn.softmax_cross_entropy_with_logits(targets, parameters)

    def tallies(self, parameters, targets, weights):
        truth = tf.argmax(targets, axis=-1)
        hits = tf.cast(truth == tf.argmax(parameters, axis=-1), tf.float32)
        of_class = tf.one_hot(truth, self.depth) * weights[..., None]
        axes = list(range(of_class.shape.rank - 1))
        return {
            "metrics/accuracy": Tally.of_steps(hits, weights),
            "metrics/mean_per_class_accuracy": Tally.of_classes(
                tf.reduce_sum(of_class * hits[..., None], axes),
                tf.reduce_sum(of_class, axes),
            ),
        }

    def sample(self, parameters, temperature, noise):
        logits = parameters / (1.0 if temperature is None else temperature)
        return tf.one_hot(noise.classes(logits), self.depth)


@keras.saving.register_keras_serializable("music_vae_tf")
class Concatenated(Output):
    """Several categorical outputs side by side, their losses summed."""

    def __init__(self, depths, **kwargs):
        super().__init__(**kwargs)
        self.depths = tuple(depths)
        self.depth = self.parameter_size = sum(depths)
        self.parts = [Categorical(depth) for depth in depths]

    def _split(self, *tensors):
        columns = [tf.split(tensor, self.depths, axis=-1) for tensor in tensors]
        return list(zip(self.parts, *columns))

    def loss(self, parameters, targets):
        split = self._split(parameters, targets)
        return tf.add_n([part.loss(p, t) for part, p, t in split])

    def tallies(self, parameters, targets, weights):
        return {
            f"{name}/output_{i}": tally
            for i, (part, p, t) in enumerate(self._split(parameters, targets))
            for name, tally in part.tallies(p, t, weights).items()
        }

    def sample(self, parameters, temperature, noise):
        samples = [
            part.sample(p, temperature, noise.fold(i))
            for i, (part, p) in enumerate(self._split(parameters))
        ]
        return tf.concat(samples, axis=-1)


@keras.saving.register_keras_serializable("music_vae_tf")
class Bernoulli(Output):
    """Columns that are on or off, independently of each other."""

    def __init__(self, depth, **kwargs):
        super().__init__(**kwargs)
        self.depth = self.parameter_size = depth

    def loss(self, parameters, targets):
        entropies = tf.nn.sigmoid_cross_entropy_with_logits(targets, parameters)
        return tf.reduce_sum(entropies, axis=-1)

    def tallies(self, parameters, targets, weights):
        hits = (targets > 0.5) == (parameters >= 0.0)
        return {"metrics/accuracy": Tally.of_steps(hits, weights[..., None])}

    def sample(self, parameters, temperature, noise):
        logits = parameters / (1.0 if temperature is None else temperature)
        return noise.bernoulli(tf.sigmoid(logits))


class GrooveColumns(Output):
    """Hits, velocities and offsets side by side, each with a loss of its own."""

    @abc.abstractmethod
    def _terms(self, parameters, targets):
        """The losses of hits, velocities and offsets: [..., P], [..., D] -> [...]."""

    def loss(self, parameters, targets):
        return tf.add_n(self._terms(parameters, targets))

    def hold(self, rows, parameters, held):
        """Where a hit is held, its free velocity and offset are those given the hit.

        Targets are 0 where a drum rests, and the losses count these cells too, so what
        is emitted is the mean over both cases, E[v] = p(hit) E[v | hit]: soft, and
        near the grid, where the hit came as a surprise. Divided by p(hit), it is
        E[v | hit]. Magenta has nothing of the kind.
        """
        hits, velocities, offsets = tf.split(rows, 3, axis=-1)
        logits, *_ = tf.split(parameters, 3, axis=-1)
        held_hits, *_ = tf.split(held, 3, axis=-1)
        probabilities = tf.maximum(tf.sigmoid(logits), SMALLEST_PROBABILITY)
        share = tf.where(held_hits > 0.5, probabilities, 1.0)
        given_hits = [
            hits,
            tf.minimum(velocities / share, 1.0),
            tf.clip_by_value(offsets / share, -1.0, 1.0),
        ]
        return super().hold(tf.concat(given_hits, axis=-1), parameters, held)

    def tallies(self, parameters, targets, weights):
        names = ("hits_loss", "velocities_loss", "offsets_loss")
        return {
            f"metrics/{name}": Tally.of_steps(losses, weights)
            for name, losses in zip(names, self._terms(parameters, targets))
        }


@keras.saving.register_keras_serializable("music_vae_tf")
class Groove(GrooveColumns):
    """Drum hits with velocities in [0, 1] and offsets in [-1, 1], a third of D each.

    Gillick et al. 2019, "Learning to Groove with Inverse Sequence Transformations".
    """

    def __init__(self, depth, **kwargs):
        super().__init__(**kwargs)
        self.depth = self.parameter_size = depth

    def _terms(self, parameters, targets):
        """Of hits, velocities, offsets: summed over all drums, hit or not."""
        hits, velocities, offsets = tf.split(parameters, 3, axis=-1)
        true_hits, true_velocities, true_offsets = tf.split(targets, 3, axis=-1)
        chances = tf.sigmoid(hits)
        # 1e-7 inside the logarithms, as in tf.losses.log_loss, which Magenta uses.
        log_losses = -(
            true_hits * tf.math.log(chances + 1e-7)
            + (1.0 - true_hits) * tf.math.log(1.0 - chances + 1e-7)
        )
        return [
            tf.reduce_sum(columns, axis=-1)
            for columns in (
                log_losses,
                tf.square(tf.sigmoid(velocities) - true_velocities),
                tf.square(tf.tanh(offsets) - true_offsets),
            )
        ]

    def sample(self, parameters, temperature, noise):
        hits, velocities, offsets = tf.split(parameters, 3, axis=-1)
        # The temperature touches the hits alone; the others are emitted with or without
        # a hit.
        logits = hits / (1.0 if temperature is None else temperature)
        return tf.concat(
            [
                noise.bernoulli(tf.sigmoid(logits)),
                tf.sigmoid(velocities),
                tf.tanh(offsets),
            ],
            axis=-1,
        )


@keras.saving.register_keras_serializable("music_vae_tf")
class GrooveAsChances(GrooveColumns):
    """The columns of `Groove`, all of them taken for chances: a loss to compare with.

    A velocity v, and an offset o as (o + 1) / 2, are truths t between 0 and 1, and a
    column costs its cross entropy, -t ln p - (1 - t) ln (1 - p). Of that no model can
    go below H(t), the entropy of t, which is 0 for a hit or a rest alone. A drum that
    rests has the offset 0, so t = 1/2 and H(t) = ln 2: where all of 9 drums rest for 64
    steps, 576 ln 2 = 399 nats an example cannot be unlearned. Drums that are hit add
    the entropy of their velocity, and save a little on the offset; in the Groove MIDI
    Dataset, the mean of all is 427 nats in the validation split. Losses of this kind
    and of `Groove` cannot be compared; accuracies can.
    """

    def __init__(self, depth, **kwargs):
        super().__init__(**kwargs)
        self.depth = self.parameter_size = depth

    def _terms(self, parameters, targets):
        """Of hits, velocities, offsets: summed over all drums."""
        hits, velocities, offsets = tf.split(targets, 3, axis=-1)
        truths = (hits, velocities, (offsets + 1.0) / 2.0)
        return [
            tf.reduce_sum(
                tf.nn.sigmoid_cross_entropy_with_logits(truth, logits), axis=-1
            )
            for truth, logits in zip(truths, tf.split(parameters, 3, axis=-1))
        ]

    def sample(self, parameters, temperature, noise):
        hits, velocities, offsets = tf.split(parameters, 3, axis=-1)
        logits = hits / (1.0 if temperature is None else temperature)
        return tf.concat(
            [
                noise.bernoulli(tf.sigmoid(logits)),
                tf.sigmoid(velocities),
                2.0 * tf.sigmoid(offsets) - 1.0,
            ],
            axis=-1,
        )


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

    def __init__(self, depth, num_hidden, **kwargs):
        super().__init__(**kwargs)
        self.depth = depth
        self.num_hidden = num_hidden
        self.parameter_size = num_hidden + depth

    def build(self):
        deviation = 1.0 / math.sqrt(self.depth)
        initializer = keras.initializers.TruncatedNormal(stddev=deviation)
        for name, shape in (
            ("w_enc", (self.depth, 1, self.num_hidden)),
            ("w_dec_t", (self.depth, self.num_hidden, 1)),
        ):
            weight = self.add_weight(name=name, shape=shape, initializer=initializer)
            setattr(self, name, weight)

    def _chances(self, parameters, rows):
        """p(v_d = 1 | v_<d) for given rows: [..., P], [..., D] -> [..., D]."""
        b_enc, b_dec = tf.split(parameters, [self.num_hidden, self.depth], axis=-1)
        # [..., D, H]: what all columns before d add to the activation of the hidden.
        steps = rows[..., None] * self.w_enc[:, 0]
        hidden = tf.sigmoid(b_enc[..., None, :] + tf.cumsum(steps, -2, exclusive=True))
        return tf.sigmoid(b_dec + tf.reduce_sum(hidden * self.w_dec_t[..., 0], axis=-1))

    def loss(self, parameters, targets):
        chances = self._chances(parameters, targets)
        log_likelihoods = targets * tf.math.log(chances + self.EPSILON) + (
            1.0 - targets
        ) * tf.math.log(1.0 - chances + self.EPSILON)
        return -tf.reduce_sum(log_likelihoods, axis=-1)

    def tallies(self, parameters, targets, weights):
        truth = targets > 0.5
        guess = self._chances(parameters, targets) >= 0.5
        columns = weights[..., None]
        count = lambda mask: tf.reduce_sum(tf.cast(mask, tf.float32) * columns)
        return {
            "metrics/accuracy": Tally.of_steps(
                tf.reduce_all(truth == guess, axis=-1), weights
            ),
            "metrics/recall": Tally.of_classes(count(truth & guess), count(truth)),
            "metrics/precision": Tally.of_classes(count(truth & guess), count(guess)),
        }

    def sample(self, parameters, temperature, noise):
        """Column after column; temperature None takes the likelier value of each."""
        b_enc, b_dec = tf.split(parameters, [self.num_hidden, self.depth], axis=-1)
        activation, columns = b_enc, []
        draws = noise.uniform(tf.shape(b_dec))
        for d in range(self.depth):
            logits = b_dec[:, d, None] + tf.sigmoid(activation) @ self.w_dec_t[d]
            if temperature is None:
                column = tf.cast(tf.sigmoid(logits) >= 0.5, tf.float32)
            else:
                chance = tf.sigmoid(logits / temperature)
                column = tf.cast(draws[:, d, None] < chance, tf.float32)
            columns.append(column)
            activation += column @ self.w_enc[d]
        return tf.concat(columns, axis=-1)

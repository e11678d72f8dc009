"""Trained models of class rolls at work: from a latent vector, or from a roll, thirty
seconds of music and what follows them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from music_vae_tf.analysis.rolls import conditions
from music_vae_tf.data.converters.piano_roll import CLASSES, NONE, PITCHES, NotARoll
from music_vae_tf.errors import UserFacingError
from music_vae_tf.generation.compiling import compiled
from music_vae_tf.generation.interpolation import slerp
from music_vae_tf.generation.roll_cleaning import Cleaning, cleaned
from music_vae_tf.models.piano_roll_vae import ClstmDecoder, ConvCvae, condition_of

# Share of the way from a roll's latent vector to a random one.
TOWARDS_RANDOM = 0.6
ROLLS_OF_A_PRIOR = 1000
BATCH_SIZE = 16


class BadCondition(UserFacingError, ValueError):
    """A condition that names no class, or one that there is not."""


def condition(names: str) -> np.ndarray:
    """`piano+bass` -> float32 [4], 1 for these classes and for silence.

    Raises:
        BadCondition: it names none of piano, guitar and bass, or something else.
    """
    asked = [name.strip() for name in names.split("+")]
    unknown = [name for name in asked if name not in CLASSES[NONE + 1 :]]
    if unknown:
        raise BadCondition(
            f"condition {names!r} names {unknown[0]!r}; expected one or more of "
            f"{', '.join(CLASSES[NONE + 1 :])}, with + between them"
        )
    return np.array([name == CLASSES[NONE] or name in asked for name in CLASSES], "f4")


def condition_name(condition: np.ndarray) -> str:
    """[4] -> `piano+bass`; `silence` if nothing sounds."""
    names = [n for n, is_in in zip(CLASSES[1:], condition[1:]) if is_in]
    return "+".join(names) or "silence"


def stride(count: int) -> int:
    """The step through so many rolls that reads a thousand of them at most."""
    return -(-count // ROLLS_OF_A_PRIOR)


class Prior(NamedTuple):
    """A normal distribution of latent vectors."""

    mean: np.ndarray  # [Z]
    factor: np.ndarray  # [Z, Z], whose product with its transpose is the covariance

    @classmethod
    def standard(cls, z_size: int) -> Prior:
        """The one that training draws the posteriors to."""
        return cls(np.zeros(z_size), np.eye(z_size))

    @classmethod
    def of(cls, mu: np.ndarray, sigma: np.ndarray) -> Prior:
        """With the mean and the covariance of draws from posteriors, [N, Z] each.

        Where training has not come near the standard one, its draws are like no music;
        those of this one are more so (Ghosh et al. 2020, ex-post density estimation).
        """
        mu, sigma = (array.astype(np.float64) for array in (mu, sigma))
        covariance = np.atleast_2d(np.cov(mu.T)) + np.diag(np.mean(sigma**2, axis=0))
        if not np.isfinite(covariance).all():
            return cls(mu.mean(axis=0), covariance)
        # Not Cholesky's factor: of few rolls far apart, rounding makes the least
        # eigenvalues negative.
        values, vectors = np.linalg.eigh(covariance)
        return cls(mu.mean(axis=0), vectors * np.sqrt(np.maximum(values, 0)))


class TrainedRollVae:
    """A CVAE of class rolls with its weights, and a decoder of what follows them.

    Rolls are uint8 [N, T, 128], as `ClassRoll.cells` gives them.
    """

    def __init__(
        self,
        cvae: ConvCvae,
        continuation: ClstmDecoder | None = None,
        seed: int | None = None,
        priors: Mapping[str, Prior] | None = None,
    ):
        """
        Args:
            seed: makes every draw repeatable, in the order of the calls.
            priors: {condition: `Prior`}, fitted when the CVAE was trained.
        """
        self.cvae = cvae
        self.priors = dict(priors or {})
        self.continuation: Any = continuation  # None without one
        self._rng = np.random.default_rng(seed)
        self._posterior = compiled(self._posterior_step)
        self._decode = compiled(self._decode_step)
        self._follow = compiled(self._follow_step)
        self._follow_rolls = compiled(self._follow_rolls_step)

    # Latent vectors.

    def prior_of(self, rolls: np.ndarray, condition: np.ndarray) -> Prior:
        """The distribution of latent vectors of those rolls that have a condition, of
        which a thousand are read.

        Raises:
            BadCondition: fewer than two of them have it.
        """
        sounding = conditions(rolls, len(CLASSES))
        has = (sounding[:, 1:] == np.asarray(condition[1:], bool)).all(axis=1)
        count = int(np.count_nonzero(has))
        if count < 2:
            raise BadCondition(
                f"of {len(rolls):,} rolls, {count} {'has' if count == 1 else 'have'} "
                f"{condition_name(condition)} alone; to fit a prior takes two or more"
            )
        every = stride(count)
        return Prior.of(*self.encode(rolls[has][::every]))

    def kept_prior(self, condition: np.ndarray) -> Prior | None:
        """The one that was fitted when the CVAE was trained, None where none was."""
        return self.priors.get(condition_name(condition))

    def draw(self, count: int, prior: Prior | None = None) -> np.ndarray:
        """Latent vectors [count, Z] from a prior, by default the standard one."""
        prior = Prior.standard(self.cvae.z_size) if prior is None else prior
        noise = self._rng.standard_normal([count, self.cvae.z_size])
        return (prior.mean + noise @ prior.factor.T).astype(np.float32)

    def encode(self, rolls: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Mean and standard deviation of z for each roll, [N, Z] each.

        Raises:
            NotARoll: they are of another length.
        """
        mu, sigma = _in_batches(self._posterior, self._of_our_length(rolls))
        return mu, sigma

    def _of_our_length(self, rolls):
        rolls = np.asarray(rolls)
        expected = (self.cvae.steps, PITCHES)
        if rolls.ndim != 3 or rolls.shape[1:] != expected:
            raise NotARoll(
                f"rolls should be of shape [N, {self.cvae.steps}, {PITCHES}]; got "
                f"{list(rolls.shape)}"
            )
        return rolls

    def near(
        self,
        roll: np.ndarray,
        count: int,
        towards_random: float = TOWARDS_RANDOM,
        prior: Prior | None = None,
    ) -> np.ndarray:
        """Latent vectors [count, Z] on the arcs from a roll's own, drawn from its
        posterior, each towards another one that `draw` gives."""
        mu, sigma = (array[0] for array in self.encode(np.asarray(roll)[None]))
        own = mu + sigma * self._rng.standard_normal(mu.shape)
        ends = self.draw(count, prior)
        arcs = [slerp(own, end, towards_random) for end in ends]
        return np.array(arcs, np.float32)

    # Rolls.

    def decode(
        self, z: np.ndarray, condition: np.ndarray, cleaning: Cleaning | None = None
    ) -> np.ndarray:
        """The most probable class of each cell: [N, Z] -> uint8 [N, T, 128].

        Args:
            condition: [4] for all, or [N, 4].
            cleaning: removes flicker.
        """
        arrays = z, _for_each(condition, z)
        return _rolls(self._decode, arrays, cleaning)

    def follow(
        self, z: np.ndarray, condition: np.ndarray, cleaning: Cleaning | None = None
    ) -> np.ndarray:
        """What follows the rolls of latent vectors, uint8 [N, T', 128]."""
        arrays = z, _for_each(condition, z)
        return _rolls(self._follow, arrays, cleaning)

    def follow_rolls(self, rolls: np.ndarray) -> np.ndarray:
        """What follows rolls [N, T, 128], from their own latents' means."""
        return _rolls(self._follow_rolls, (self._of_our_length(rolls),))

    def reconstruct(
        self, rolls: np.ndarray, cleaning: Cleaning | None = None
    ) -> np.ndarray:
        """Reconstructions of rolls from their posterior means."""
        mu, _ = self.encode(rolls)
        return self.decode(mu, condition_of(np.asarray(rolls)).numpy(), cleaning)

    def _posterior_step(self, rolls):
        rolls = tf.cast(rolls, tf.float32)
        return self.cvae.posterior(rolls, condition_of(rolls))

    def _decode_step(self, z, condition):
        return self.cvae.logits(z, condition)

    def _follow_step(self, z, condition):
        if self.continuation.latent_windows == 1:
            return self.continuation.logits(z[:, None], condition)
        # One vector has no windows: those of the roll that it decodes to are taken.
        rolls = tf.argmax(self.cvae.logits(z, condition), axis=-1)
        return self._follow_rolls_step(rolls, condition)

    def _follow_rolls_step(self, rolls, condition=None):
        rolls = tf.cast(rolls, tf.float32)
        latents = self.cvae.window_latents(rolls, self.continuation.latent_windows)
        condition = condition_of(rolls) if condition is None else condition
        return self.continuation.logits(latents, condition)


def _rolls(logits_of, arrays, cleaning=None) -> np.ndarray:
    """The most probable classes, or the cleaned ones: uint8 [N, T, 128]."""

    def classes(*batch):
        logits = logits_of(*batch)  # [B, T, 128, C]
        if cleaning is None:
            return (tf.cast(tf.argmax(logits, axis=-1), tf.uint8),)
        return (tf.constant(cleaned(tf.nn.softmax(logits).numpy(), cleaning)),)

    (rolls,) = _in_batches(classes, *arrays)
    return rolls


def _for_each(condition, z) -> np.ndarray:
    return np.broadcast_to(np.asarray(condition, np.float32), [len(z), len(CLASSES)])


def _in_batches(function, *arrays) -> tuple[np.ndarray, ...]:
    """A function of arrays [N, ...], a few rows at a time -> its arrays [N, ...]."""
    results = [
        [tensor.numpy() for tensor in function(*(tf.constant(a[part]) for a in arrays))]
        for part in _slices(len(arrays[0]))
    ]
    return tuple(np.concatenate(column) for column in zip(*results))


def _slices(count: int) -> Iterable[slice]:
    return [slice(i, i + BATCH_SIZE) for i in range(0, count, BATCH_SIZE)]

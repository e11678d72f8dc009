"""A latent space as a map: examples as points of a plane, and vectors of places."""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np

from music_vae_tf.analysis.attributes import measure, onsets_of
from music_vae_tf.analysis.latent_space import principal
from music_vae_tf.data import pieces

MOST_POINTS = 1500
FEWEST_POINTS = 3  # for principal components
GROOVES = 160  # of the project's own, four bars each
NEIGHBOURS = 4
PRIOR_POINTS = 300


class Example(NamedTuple):
    """What is known of a point."""

    name: str
    style: str
    measured: dict[str, float]  # attributes of its notes; NaN where one is not defined


class LatentMap(NamedTuple):
    """N points of a plane, and where each lies in the latent space."""

    points: np.ndarray  # [N, 2], within -1 and 1
    means: np.ndarray  # [N, Z], of the posteriors
    sigmas: np.ndarray  # [N, Z]
    projection: np.ndarray  # [Z, 2], from centred means to points
    examples: list[Example]  # N; none where points are draws from the prior
    shares: tuple[float, float]  # of the variance, of both axes
    source: str

    def vector(self, point: np.ndarray) -> np.ndarray:
        """The latent vector of a place [2]: [Z], float32.

        The mean of its nearest examples on the map, weighted by the inverse squared
        distance (Shepard 1968), so that at an example it is that example.
        """
        squared = np.sum((self.points - point) ** 2, axis=1)
        nearest = np.argsort(squared, kind="stable")[:NEIGHBOURS]
        weights = 1 / np.maximum(squared[nearest], 1e-9)
        mean = weights @ self.means[nearest] / weights.sum()
        return mean.astype(np.float32)

    def place(self, z: np.ndarray) -> np.ndarray:
        """Where a latent vector [Z] is shown: its principal components, [2]."""
        return (z - self.means.mean(axis=0)) @ self.projection

    def draw(self, seed: int) -> np.ndarray:
        """A latent vector [Z] from the aggregated posterior, the mean of the posteriors
        of all examples. Where these are draws from the prior it is the prior."""
        rng = np.random.default_rng(seed)
        number = rng.integers(len(self.means))
        noise = self.sigmas[number] * rng.standard_normal(self.means.shape[1])
        return (self.means[number] + noise).astype(np.float32)


def of_sequences(model: Any, sequences: Iterable, source: str, check) -> LatentMap:
    """The map of the examples of pairs (style, NoteSequence).

    Where these give too few, it is one of draws from the prior.

    Args:
        check: is called before each sequence, and may end the work.
    """
    from music_vae_tf.generation.examples import encode

    waiting, examples = [], []
    for index, (style, sequence) in enumerate(sequences):
        check()
        found = pieces.extract(model.converter, sequence, index, quiet=True).examples
        for number, example in enumerate(found[: MOST_POINTS - len(waiting)]):
            dense = model.converter.unpack(example)
            waiting.append(dense)
            name = sequence.filename or f"{style} {index + 1}"
            part = f" ({number + 1})" if len(found) > 1 else ""
            examples.append(_example(model, dense, f"{name}{part}", style))
        if len(waiting) >= MOST_POINTS:
            break
    if len(waiting) < FEWEST_POINTS:
        return of_prior(model)
    return _map(*encode(model, waiting), examples, source)


def of_prior(model: Any) -> LatentMap:
    """The map of draws from the prior, where no examples are known."""
    model.reseed(0)
    draws = model.draw(PRIOR_POINTS)
    return _map(draws, np.zeros_like(draws), [], "draws from the prior")


def _map(means, sigmas, examples, source):
    means = np.asarray(means, np.float64)
    points, shares = principal(means)
    points = points / max(float(np.abs(points).max(initial=0)), 1e-9)
    # Points are linear in means: this finds the directions again.
    projection, *_ = np.linalg.lstsq(means - means.mean(axis=0), points, rcond=None)
    return LatentMap(points, means, sigmas, projection, examples, shares, source)


def _example(model, dense, name, style) -> Example:
    from music_vae_tf.generation.examples import music_of

    sequence = music_of(model.converter, dense)
    steps = max(len(dense.targets), 1)
    quarters = model.converter.quarters(steps) or steps / 4
    return Example(name, style, measure(onsets_of(sequence, quarters)))


def own_grooves() -> Iterable:
    """Pairs (style, NoteSequence) of the project's own grooves."""
    from music_vae_tf.data import grooves

    return grooves.performances(GROOVES)


def of_files(sequences: Iterable) -> Iterable:
    """Pairs (style, NoteSequence) of a collection: its folders are the styles."""
    for sequence in itertools.islice(sequences, MOST_POINTS):
        folder = sequence.filename.rsplit("/", 1)
        yield (folder[0].rsplit("/", 1)[-1] if len(folder) > 1 else ""), sequence

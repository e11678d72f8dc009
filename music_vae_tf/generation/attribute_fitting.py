"""Attribute vectors of a trained model, and how well each moves what it names.

    fitted = fit(model, training_collection, test_collection)
    write_attributes("attributes.json", model, fitted.vectors)
    write_effects("attribute_effects.json", fitted)

What is decoded is the mode, so that the same weights and data give the same vectors.
"""

from __future__ import annotations

import json
import os
from typing import Any, NamedTuple

import numpy as np

from music_vae_tf.analysis import attribute_directions as ways
from music_vae_tf.analysis.attributes import ATTRIBUTES, NAMES, onsets_of, table
from music_vae_tf.data.whole_file import whole_file
from music_vae_tf.errors import UserFacingError
from music_vae_tf.generation.attributes import AttributeVector
from music_vae_tf.generation.collection import Collection

MODE_TEMPERATURE = 1e-12  # near 0, samples are the mode
FEWEST_EXAMPLES = 10
NUM_REGRESSED, NUM_CALIBRATING, NUM_TESTED = 6000, 96, 128
AMOUNTS = np.array([-1, -0.5, 0, 0.5, 1])
# A vector is at most this long; 1 is as far as two random points are apart, sqrt(2 Z).
LONGEST = 0.4
CALIBRATIONS = 5
# With a lower correlation a model has not the attribute.
WEAKEST = 0.2


class NoAttributes(UserFacingError, ValueError):
    """A model, or a collection, whose attributes cannot be measured."""


class Fitted(NamedTuple):
    """The attributes that a model can move, and how well it moves all that were tried.

    Attributes:
        names: those that vary in the data and in what is decoded, K.
        vectors: those of them that the model moves.
        effects: of the vectors of all K, on `num_tested` examples.
    """

    names: list[str]
    vectors: dict[str, AttributeVector]
    effects: ways.Effects
    num_tested: int

    def lines(self) -> list[str]:
        """A table: how much +1 of each moves all, and Spearman's correlations."""
        width = max(map(len, self.names)) + 2
        head = "".join(f"{name:>{width}}" for name in self.names)
        lines = [f"{'':<{width}}{head}{'moved':>8}{'leak':>6}"]
        for number, name in enumerate(self.names):
            cells = self.effects.correlations[number]
            row = "".join(f"{cell:>{width}.2f}" for cell in cells)
            moved = self.effects.moved[number, number]
            lines.append(
                f"{name:<{width}}{row}{moved:>8.2f}{self.effects.leaks[number]:>6.2f}"
            )
        return lines


def check_model(model: Any) -> None:
    """
    Raises:
        NoAttributes: attributes of a model's music cannot be measured; says why.
    """
    if model.model.control_depth:
        raise NoAttributes(
            f"config {model.config.name} is conditioned, and attributes of its music "
            "are not measured"
        )
    if not _quarters(model):
        raise NoAttributes(
            f"config {model.config.name}: its steps are no fractions of a bar, and "
            "attributes of its music are not measured"
        )


def fit(model: Any, data: Collection, test: Collection, seed: int = 0) -> Fitted:
    """Attribute vectors of a `TrainedModel`.

    Args:
        data: examples that the vectors are made of.
        test: examples on which their effects are measured.

    Raises:
        NoAttributes: there are too few examples, or none of the attributes varies.
    """
    check_model(model)
    for collection in (data, test):
        if len(collection.means) < FEWEST_EXAMPLES:
            raise NoAttributes(
                f"{len(collection.means)} examples are too few to measure attributes; "
                f"{FEWEST_EXAMPLES} are needed"
            )
    rng = np.random.default_rng(seed)
    z = _drawn(data, rng)
    decoded = measured_of(model, z)
    varied = ways.are_varied(decoded) & ways.are_varied(data.measured)
    if not varied.any():
        raise NoAttributes("no attribute varies in the music that the model decodes")
    names = [name for name, is_varied in zip(NAMES, varied) if is_varied]
    measure = lambda z: measured_of(model, z)[:, varied]
    known = data.measured[:, varied]
    means, deviations = np.nanmean(known, axis=0), np.nanstd(known, axis=0)
    vectors = ways.directions(z, decoded[:, varied])
    base = rng.permutation(data.means)[:NUM_CALIBRATING]
    vectors = _calibrated(measure, vectors, base, deviations)
    base = rng.permutation(test.means)[:NUM_TESTED]
    effects = _effects(measure, vectors, base, deviations)
    return _fitted(names, vectors, means, deviations, effects, len(base))


def _fitted(names, vectors, means, deviations, effects, num_tested) -> Fitted:
    found = {}
    for k, name in enumerate(names):
        correlation, known = effects.correlations[k, k], ATTRIBUTES[name]
        if correlation < WEAKEST:
            continue
        found[name] = AttributeVector(
            *(vectors[k].astype(np.float32), means[k], deviations[k]),
            *(correlation, effects.moved[k, k]),
            *(known.unit, known.description, known.is_of_hits),
        )
    return Fitted(names, found, effects, num_tested)


def _drawn(data, rng):
    """Latent vectors from the posteriors of some of the examples: [N, Z]."""
    some = rng.permutation(len(data.means))[:NUM_REGRESSED]
    eps = rng.standard_normal([len(some), data.means.shape[1]])
    return data.means[some] + data.deviations[some] * eps


def measured_of(model: Any, z: np.ndarray) -> np.ndarray:
    """The attributes of what is decoded from latent vectors: [N, Z] -> [N, K]."""
    length, quarters = model.config.model.max_seq_len, _quarters(model)
    decoded = model.decode(z.astype(np.float32), length, MODE_TEMPERATURE)
    return table(onsets_of(sequence, quarters) for sequence in decoded)


def _quarters(model):
    return model.converter.quarters(model.config.model.max_seq_len)


def _calibrated(measure, vectors, base, deviations):
    """The vectors, scaled so that +1 moves each attribute by one standard deviation,
    but at most as long as `LONGEST`."""
    longest = LONGEST * np.sqrt(2 * vectors.shape[1])
    for _ in range(CALIBRATIONS):
        norms = np.linalg.norm(vectors, axis=1, keepdims=True)
        vectors = vectors * np.minimum(1, longest / np.maximum(norms, 1e-9))
        moved = [
            ways.slopes(measure(base - v), measure(base + v), deviations)[k]
            for k, v in enumerate(vectors)
        ]
        factors = 1 / np.clip(moved, 0.5, 2)  # a step towards 1
        vectors = vectors * factors[:, None]
    norms = np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors * np.minimum(1, longest / np.maximum(norms, 1e-9))


def _effects(measure, vectors, base, deviations) -> ways.Effects:
    correlations, moved = [], []
    for vector in vectors:
        z = base[:, None] + AMOUNTS[:, None] * vector  # [B, A, Z]
        measured = measure(z.reshape(-1, z.shape[-1])).reshape(*z.shape[:2], -1)
        change = measured - measured[:, AMOUNTS == 0]  # of each example by itself
        correlations.append(ways.correlations(AMOUNTS, change))
        moved.append(ways.slopes(measured[:, 0], measured[:, -1], deviations))
    return ways.Effects(np.array(correlations), np.array(moved))


def write_effects(path: str | os.PathLike, fitted: Fitted) -> None:
    """Writes the matrices as JSON; rows are what is moved, columns what is measured."""
    rounded = lambda matrix: [[round(float(x), 3) for x in row] for row in matrix]
    content = {
        "attributes": fitted.names,
        "units": [ATTRIBUTES[name].unit for name in fitted.names],
        "amounts": AMOUNTS.tolist(),
        "num_examples": fitted.num_tested,
        "spearman": rounded(fitted.effects.correlations),
        "moved_deviations": rounded(fitted.effects.moved),
        "mean_leak": rounded([fitted.effects.leaks])[0],
        "has": list(fitted.vectors),
    }
    with whole_file(path) as file:
        file.write((json.dumps(content, indent=2) + "\n").encode())

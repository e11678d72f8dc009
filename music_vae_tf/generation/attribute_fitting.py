"""Attribute vectors of a trained model, and how well each moves what it names.

    fitted = fit(model, training_collection, test_collection)
    playing = fit_playing(model, training_collection, test_collection)
    write_attributes("attributes.json", model, fitted.vectors, playing.vectors)
    write_effects("attribute_effects.json", fitted, playing)

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
from music_vae_tf.generation.held import HeldDecoder

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
        width = max(map(len, self.names), default=0) + 2
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
        NoAttributes: attributes of a model's music cannot be measured; the message
            has the reason.
    """
    if model.model.control_depth:
        raise NoAttributes(
            f"config {model.config.name} is conditioned, and attributes of its music "
            "are not measured"
        )
    if not _quarters(model):
        raise NoAttributes(
            f"config {model.config.name}: its steps are not fractions of a bar, and "
            "attributes of its music are not measured"
        )


def fit(model: Any, data: Collection, test: Collection, seed: int = 0) -> Fitted:
    """Attribute vectors of a `TrainedModel` that decodes latent vectors alone.

    Args:
        data: examples that the vectors are made of.
        test: examples on which their effects are measured.

    Raises:
        NoAttributes: there are too few examples, or none of the attributes varies.
    """
    check_model(model)
    decode = lambda z, held: _decoded(model, z)
    fitted = _fit(model, decode, np.arange(len(NAMES)), data, test, seed)
    if not fitted.names:
        raise NoAttributes("no attribute varies in the music that the model decodes")
    return fitted


def fit_playing(
    model: Any, data: Collection, test: Collection, seed: int = 0
) -> Fitted | None:
    """Attribute vectors of a `TrainedModel` that plays given hits, as `transform` lets
    it: of velocities and timing. None where its decoder cannot be given hits.

    Args, Raises: as in `fit`.
    """
    check_model(model)
    if data.held is None or test.held is None:
        return None
    decoder = HeldDecoder(model)
    decode = lambda z, held: map(
        model.converter.to_sequence, decoder(z, held, None, MODE_TEMPERATURE)
    )
    tried = [k for k, name in enumerate(NAMES) if not ATTRIBUTES[name].is_of_hits]
    return _fit(model, decode, np.array(tried), data, test, seed)


class _Base(NamedTuple):
    """Some examples."""

    z: np.ndarray  # [B, Z]
    held: np.ndarray | None  # [B, T, D_out]


def _fit(model, decode, tried, data, test, seed) -> Fitted:
    """tried: indices of attributes."""
    for collection in (data, test):
        if len(collection.means) < FEWEST_EXAMPLES:
            raise NoAttributes(
                f"{len(collection.means)} examples are too few to measure attributes; "
                f"{FEWEST_EXAMPLES} are needed"
            )

    def measure(base: _Base):
        z = base.z.astype(np.float32)
        onsets = (onsets_of(one, _quarters(model)) for one in decode(z, base.held))
        return table(onsets)[:, tried]

    rng = np.random.default_rng(seed)
    drawn = _some(data, rng, NUM_REGRESSED, is_drawn=True)
    decoded = measure(drawn)
    varied = ways.are_varied(decoded) & ways.are_varied(data.measured[:, tried])
    tried = tried[varied]
    known = data.measured[:, tried]
    means, deviations = np.nanmean(known, axis=0), np.nanstd(known, axis=0)
    vectors = ways.directions(drawn.z, decoded[:, varied])
    base = _some(data, rng, NUM_CALIBRATING)
    vectors = _calibrated(measure, vectors, base, deviations)
    base = _some(test, rng, NUM_TESTED)
    effects = _effects(measure, vectors, base, deviations)
    names = [NAMES[k] for k in tried]
    return _fitted(names, vectors, means, deviations, effects, len(base.z))


def _some(collection, rng, count, is_drawn=False) -> _Base:
    """Some examples; with `is_drawn` by draws from their posteriors, not the means."""
    chosen = rng.permutation(len(collection.means))[:count]
    z = collection.means[chosen]
    if is_drawn:
        z = z + collection.deviations[chosen] * rng.standard_normal(z.shape)
    return _Base(z, None if collection.held is None else collection.held[chosen])


def _fitted(names, vectors, means, deviations, effects, num_tested) -> Fitted:
    found = {}
    for k, name in enumerate(names):
        correlation, known = effects.correlations[k, k], ATTRIBUTES[name]
        if correlation < WEAKEST:
            continue
        found[name] = AttributeVector(
            vectors[k].astype(np.float32),
            means[k],
            deviations[k],
            correlation,
            effects.moved[k, k],
            known.unit,
            known.description,
            known.is_of_hits,
        )
    return Fitted(names, found, effects, num_tested)


def measured_of(model: Any, z: np.ndarray) -> np.ndarray:
    """The attributes of what is decoded from latent vectors: [N, Z] -> [N, K]."""
    decoded = _decoded(model, z.astype(np.float32))
    return table(onsets_of(sequence, _quarters(model)) for sequence in decoded)


def _decoded(model, z):
    return model.decode(z, _length(model), MODE_TEMPERATURE)


def _length(model):
    return model.config.model.max_seq_len


def _quarters(model):
    return model.converter.quarters(_length(model))


def _calibrated(measure, vectors, base, deviations):
    """The vectors, scaled so that +1 moves each attribute by one standard deviation,
    but at most as long as `LONGEST`."""
    longest = LONGEST * np.sqrt(2 * vectors.shape[1])
    for _ in range(CALIBRATIONS):
        vectors = _at_most(vectors, longest)
        moved = [
            ways.slopes(
                measure(base._replace(z=base.z - v)),
                measure(base._replace(z=base.z + v)),
                deviations,
            )[k]
            for k, v in enumerate(vectors)
        ]
        factors = 1 / np.clip(moved, 0.5, 2)  # a step towards 1
        vectors = vectors * factors[:, None]
    return _at_most(vectors, longest)


def _at_most(vectors, longest):
    """Vectors [K, Z], shortened where they are longer."""
    norms = np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors * np.minimum(1, longest / np.maximum(norms, 1e-9))


def _effects(measure, vectors, base, deviations) -> ways.Effects:
    correlations, moved = [], []
    for vector in vectors:
        steps = [
            measure(base._replace(z=base.z + amount * vector)) for amount in AMOUNTS
        ]
        measured = np.stack(steps, axis=1)  # [B, A, K]
        change = measured - measured[:, AMOUNTS == 0]  # of each example by itself
        correlations.append(ways.correlations(AMOUNTS, change))
        moved.append(ways.slopes(measured[:, 0], measured[:, -1], deviations))
    shape = [len(vectors), len(vectors)]  # [0, 0] where none varies
    return ways.Effects(
        np.reshape(correlations, shape).astype(float),
        np.reshape(moved, shape).astype(float),
    )


def write_effects(
    path: str | os.PathLike, fitted: Fitted, playing: Fitted | None = None
) -> None:
    """Writes the matrices as JSON; rows are what is moved, columns what is measured.

    playing: of given hits, from `fit_playing`.
    """
    content = _effects_as_json(fitted)
    if playing is not None:
        content["given_hits"] = _effects_as_json(playing)
    with whole_file(path) as file:
        file.write((json.dumps(content, indent=2) + "\n").encode())


def _effects_as_json(fitted) -> dict:
    rounded = lambda matrix: [[round(float(x), 3) for x in row] for row in matrix]
    return {
        "attributes": fitted.names,
        "units": [ATTRIBUTES[name].unit for name in fitted.names],
        "amounts": AMOUNTS.tolist(),
        "num_examples": fitted.num_tested,
        "spearman": rounded(fitted.effects.correlations),
        "moved_deviations": rounded(fitted.effects.moved),
        "mean_leak": rounded([fitted.effects.leaks])[0],
        "has": list(fitted.vectors),
    }

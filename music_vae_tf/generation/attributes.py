"""Attributes of a trained model: which it can move, and how far along which vector.

    model = TrainedModel("groovae_2bar_humanize")
    attributes_of(model)  # {'density': AttributeVector(...), ...}
    z = model.draw(4) + shift(model, "density=+1,swing=-0.5")

The vectors of a pretrained model lie beside its weights; `music_vae_explore` writes
those of any other model.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from music_vae_tf import pretrained
from music_vae_tf.analysis.attributes import ATTRIBUTES, parse_amounts
from music_vae_tf.data.whole_file import whole_file
from music_vae_tf.errors import UserFacingError
from music_vae_tf.json_files import read_json

SAME_WEIGHTS = 1e-5  # relative difference of their norms
LARGEST = 1e9  # of the numbers in a file; those of models are near 1
SIGNIFICANT = 4  # digits of the numbers in files
HOW_TO_MAKE = (
    "music_vae_explore writes attributes.json for it, which --attribute_file reads"
)


class BadAttribute(UserFacingError, ValueError):
    """An attribute that a model has not, or a file of attributes that does not fit."""


class AttributeVector(NamedTuple):
    """How a model moves an attribute.

    Attributes:
        vector: float32 [Z]; added once to a latent vector it is an amount of +1.
        mean, deviation: of the attribute over the data, in its unit.
        correlation: Spearman's, of the amount with the attribute of what is decoded.
        moved: by an amount of +1, in standard deviations over the data.
        unit, description: for users; see `analysis.attributes.Attribute`.
        is_of_hits: whether onsets and pitches alone decide it.
    """

    vector: np.ndarray
    mean: float
    deviation: float
    correlation: float
    moved: float
    unit: str
    description: str
    is_of_hits: bool


# Sections of a file: vectors of free decoding, and of the playing of given hits.
SECTIONS = FREE, GIVEN_HITS = "attributes", "given_hits"
NUMBERS = ("mean", "deviation", "correlation", "moved")  # of a file, beside vectors


def attributes_of(
    model: Any, path: str | os.PathLike | None = None, *, given_hits: bool = False
) -> dict[str, AttributeVector]:
    """The attributes that a `TrainedModel` can move, by name.

    Args:
        given_hits: those that it moves where it plays given hits, as `transform` lets
            it; their vectors are others.
        path: a file of `write_attributes`. By default that of the pretrained model, if
            these are its weights; otherwise the model has no attributes.

    Raises:
        BadAttribute: the file is damaged, or of another model.
        OSError: it cannot be opened.
    """
    if path is not None:
        content = _read(path)
        _check_model(content, model, path)
        return _vectors(content, path, given_hits)
    path = pretrained.attributes_path(model.config.name)
    if path is None:
        return {}
    content = _read(path)
    return _vectors(content, path, given_hits) if _is_of(content, model) else {}


def shift(
    model: Any,
    amounts: str | Mapping[str, float],
    path: str | os.PathLike | None = None,
    *,
    given_hits: bool = False,
) -> np.ndarray:
    """What some amounts of attributes add to a latent vector: float32 [Z].

    Args:
        amounts: `density=+1,swing=-0.5`, or a mapping. An amount of +1 is meant to add
            one standard deviation of the attribute over the data.
        path, given_hits: as in `attributes_of`.

    Raises:
        analysis.attributes.BadAmounts: an amount is not a number from -5 to 5.
        BadAttribute: the model has no such attribute; lists those it has.
    """
    amounts = parse_amounts(amounts)
    vectors = attributes_of(model, path, given_hits=given_hits)
    check_names(model, amounts, vectors)
    return along(vectors, amounts)


def along(vectors: Mapping[str, Any], amounts: Mapping[str, float]) -> np.ndarray:
    """The sum of some amounts of `AttributeVector`s: float32 [Z]; 0 of none."""
    moved = [amount * vectors[name].vector for name, amount in amounts.items()]
    return np.asarray(np.sum(moved, axis=0), np.float32)


def check_names(model: Any, names: Iterable[str], vectors: Mapping) -> None:
    """
    Raises:
        BadAttribute: one of the names is none of an attribute that the model has.
    """
    unknown = [name for name in names if name not in vectors]
    if unknown and not vectors:
        have = [n for n in pretrained.names() if pretrained.attributes_path(n)]
        raise BadAttribute(
            f"this model of config {model.config.name} has no attribute "
            f"{', '.join(unknown)}, nor any other: {HOW_TO_MAKE}. Pretrained models "
            f"that have some: {', '.join(have) or 'none'}"
        )
    if unknown:
        raise BadAttribute(
            f"this model of config {model.config.name} has no attribute "
            f"{', '.join(unknown)}; it has {', '.join(vectors)}"
        )


# Files.


def weights_norm(model: Any) -> float:
    """The Euclidean norm of all weights, by which a file knows its model."""
    values = (np.asarray(v, np.float64) for v in model.model.named_variables.values())
    return float(np.sqrt(sum(np.sum(np.square(value)) for value in values)))


def write_attributes(
    path: str | os.PathLike,
    model: Any,
    vectors: Mapping[str, AttributeVector],
    playing: Mapping[str, AttributeVector] | None = None,
) -> None:
    """Writes the attributes of a `TrainedModel` as JSON; the same gives equal bytes.

    playing: those of given hits.
    """
    content = {
        "config": model.config.name,
        "weights_norm": float(f"{weights_norm(model):.8g}"),
        FREE: {name: _fields(one) for name, one in vectors.items()},
        GIVEN_HITS: {name: _fields(one) for name, one in (playing or {}).items()},
    }
    with whole_file(path) as file:
        file.write((_dumped(content) + "\n").encode())


def _fields(one: AttributeVector) -> dict:
    fields = {name: _short(getattr(one, name)) for name in NUMBERS}
    return {**fields, "vector": [_short(value) for value in one.vector]}


def _short(value) -> float:
    return float(f"{value:.{SIGNIFICANT}g}")


def _dumped(content) -> str:
    """A line for each attribute, so that versions can be compared."""
    head = {name: content[name] for name in ("config", "weights_norm")}
    lines = [f"{json.dumps(n)}: {json.dumps(v)}" for n, v in head.items()]
    for section in SECTIONS:
        of_attributes = ",\n".join(
            f"{json.dumps(name)}: {json.dumps(one)}"
            for name, one in content[section].items()
        )
        lines.append(f'"{section}": {{\n{of_attributes}}}')
    return "{" + ",\n".join(lines) + "}"


def _read(path) -> dict:
    try:
        content = read_json(Path(path).expanduser())
        is_whole = isinstance(content["config"], str)
        is_whole &= isinstance(content["weights_norm"], float)
        is_whole &= all(isinstance(content[section], dict) for section in SECTIONS)
    except (ValueError, LookupError, TypeError):
        is_whole = False
    if not is_whole:
        raise BadAttribute(
            f"{path} is not a file of attributes, as music_vae_explore writes them "
            "(attributes.json)"
        )
    return content


def _is_of(content, model) -> bool:
    norm = weights_norm(model)
    is_close = abs(content["weights_norm"] - norm) <= SAME_WEIGHTS * norm
    return content["config"] == model.config.name and is_close


def _check_model(content, model, path):
    if not _is_of(content, model):
        raise BadAttribute(
            f"{path} holds attributes of config {content['config'][:100]}, and of "
            f"other weights than this model of {model.config.name}: each training has "
            "a latent space of its own"
        )
    every = [pair for section in SECTIONS for pair in content[section].items()]
    for name, one in every:
        vector = one.get("vector") if isinstance(one, dict) else None
        size = len(vector) if isinstance(vector, list) else 0
        if size != model.z_size:
            raise BadAttribute(
                f"{path}: the vector of {name} has {size} numbers; {model.z_size} are "
                "expected"
            )


def _vectors(content, path, given_hits) -> dict[str, AttributeVector]:
    vectors = {}
    for name, fields in content[GIVEN_HITS if given_hits else FREE].items():
        if name not in ATTRIBUTES:
            raise BadAttribute(
                f"{path}: {name!r} is none of {', '.join(ATTRIBUTES)}, the attributes "
                "that are known"
            )
        vectors[name] = _vector(name, fields, path)
    return vectors


def _vector(name, fields, path) -> AttributeVector:
    known = ATTRIBUTES[name]
    try:
        with np.errstate(over="ignore"):  # infinite then, which is refused
            vector = np.array(fields["vector"], np.float32)
        mean, deviation, correlation, moved = (float(fields[n]) for n in NUMBERS)
    except (ValueError, LookupError, TypeError, OverflowError) as error:
        raise BadAttribute(f"{path}: the entry of {name} is damaged") from error
    numbers = [*vector.ravel(), mean, deviation, correlation, moved]
    if vector.ndim != 1 or not (np.abs(numbers) <= LARGEST).all():  # nor NaN
        raise BadAttribute(f"{path}: {name} has numbers that are not finite, or huge")
    return AttributeVector(
        vector,
        mean=mean,
        deviation=deviation,
        correlation=correlation,
        moved=moved,
        unit=known.unit,
        description=known.description,
        is_of_hits=known.is_of_hits,
    )

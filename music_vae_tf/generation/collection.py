"""A collection of music in the latent space of a model, with metadata."""

from __future__ import annotations

import csv
import io
import json
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np

from music_vae_tf.analysis.attributes import NAMES, measure, onsets_of
from music_vae_tf.config import Config
from music_vae_tf.data import pieces
from music_vae_tf.data.converters.groove_edits import Groove
from music_vae_tf.data.pipeline import Report
from music_vae_tf.data.whole_file import whole_file
from music_vae_tf.errors import UserFacingError
from music_vae_tf.generation import examples
from music_vae_tf.generation.decodable import LARGEST_LATENT
from music_vae_tf.generation.music_vae import TrainedModel
from music_vae_tf.generation.transform_tasks import is_fit
from music_vae_tf.json_files import read_json

# What a row has of every example: the name of its NoteSequence, and its number there.
FILE, EXAMPLE = "file", "example"
SUBGROUP = "/"  # style=rock/indie is a rock, too


class NotInCollection(UserFacingError, ValueError):
    """A column or a value that no example has."""


class Collection(NamedTuple):
    """N examples: metadata and latent vector of each."""

    rows: list[dict[str, str]]  # N; all have the same columns
    means: np.ndarray  # [N, Z], of their posteriors
    report: Report
    deviations: np.ndarray  # [N, Z], of their posteriors
    # Attributes of their notes, in the order of `analysis.attributes.NAMES`.
    measured: np.ndarray  # [N, K], NaN where one is not defined
    # What a decoder is given where it plays the hits of the examples: float32
    # [N, T, D_out], NaN where it is free. None where it cannot be given them.
    held: np.ndarray | None

    @property
    def columns(self) -> list[str]:
        return list(self.rows[0]) if self.rows else []

    def column(self, name: str) -> list[str]:
        """What is known of each example under this name; '' where nothing is.

        Raises:
            NotInCollection: there is no such column.
        """
        if name not in self.columns:
            raise NotInCollection(
                f"no column {name!r}; known of the examples: "
                f"{', '.join(self.columns)}. A table info.csv in the folder of music "
                "adds more"
            )
        return [row[name] for row in self.rows]

    def having(self, condition: str) -> np.ndarray:
        """Which examples a condition like `style=funk` holds of: bool [N]. It holds of
        funk/latin, too.

        Raises:
            NotInCollection: it is none, or holds of no example.
        """
        name, equals, value = (part.strip() for part in condition.partition("="))
        if not (name and equals and value):
            raise NotInCollection(
                f"{condition!r} is not a condition; write one such as style=funk"
            )
        values = self.column(name)
        holds = [v == value or v.startswith(value + SUBGROUP) for v in values]
        if not any(holds):
            there = sorted({v.split(SUBGROUP)[0] for v in values if v})
            raise NotInCollection(
                f"{condition}: no example is; under {name} there are {', '.join(there)}"
            )
        return np.array(holds)


def encode(
    model: TrainedModel, sequences: Iterable, known: Mapping[str, Mapping[str, str]]
) -> Collection:
    """Encodes all examples of NoteSequences, and measures their attributes.

    Args:
        known: `{filename of a NoteSequence: {column: text}}`, the same columns for all.
    """
    columns = next(iter(known.values()), {})
    keeps_hits = is_fit(model.config)
    rows, waiting, report = [], [], Report()
    means, deviations, measured, held = [], [], [], []

    def encode_waiting():
        mu, sigma = examples.encode(model, waiting)
        means.append(mu)
        deviations.append(sigma)
        waiting.clear()

    for index, sequence in enumerate(sequences):
        extraction = pieces.extract(model.converter, sequence, index)
        report = report.after(extraction)
        facts = known.get(sequence.filename, dict.fromkeys(columns, ""))
        for number, example in enumerate(extraction.examples):
            own = {FILE: sequence.filename, EXAMPLE: str(number)}
            dense = model.converter.unpack(example)
            attributes = _attributes(model.converter, dense)
            measured.append(list(attributes.values()))
            # A column of the name of a file or example is no fact; one of an attribute
            # is.
            rows.append({**own, **_as_text(attributes), **facts, **own})
            waiting.append(dense)
            if keeps_hits:
                held.append(_held_hits(model.converter, dense))
            if len(waiting) == model.batch_size:
                encode_waiting()
    if waiting:
        encode_waiting()
    nothing = np.zeros([0, model.z_size])
    return Collection(
        rows,
        np.concatenate([nothing, *means]),
        report,
        np.concatenate([nothing, *deviations]),
        np.array(measured, float).reshape(-1, len(NAMES)),
        np.array(held, np.float32) if keeps_hits and held else None,
    )


def _attributes(converter, example) -> dict[str, float]:
    """Those of a dense example; NaN where its steps are not fractions of a bar."""
    quarters = converter.quarters(len(example.targets))
    if not quarters:
        return dict.fromkeys(NAMES, np.nan)
    return measure(onsets_of(examples.music_of(converter, example), quarters))


def _held_hits(converter, example):
    """The hits of a groove, with free velocities and offsets: [T, D_out]."""
    groove = converter.groove_of(example.targets)
    struck = groove.hits > 0
    is_free = Groove(np.zeros_like(struck), struck, struck)
    return converter.held_rows(groove, is_free).astype(np.float32)


def _as_text(attributes):
    return {n: "" if np.isnan(v) else f"{v:.4g}" for n, v in attributes.items()}


# Files.


def write_csv(collection: Collection, path: str | os.PathLike) -> None:
    """Writes a row for each example: its metadata, then z_0, z_1, ..."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    units = [f"z_{unit}" for unit in range(collection.means.shape[1])]
    writer.writerow([*collection.columns, *units])
    for row, mean in zip(collection.rows, collection.means):
        writer.writerow([*row.values(), *map("{:.6g}".format, mean)])
    _write_text(path, text.getvalue())


def write_projector(collection: Collection, folder: Path) -> None:
    """The files that TensorBoard's projector shows, into an existing folder."""
    columns = collection.columns
    rows = [columns, *(list(row.values()) for row in collection.rows)]
    points = (map("{:.6g}".format, mean) for mean in collection.means)
    _write_text(folder / "metadata.tsv", _tab_separated(rows))
    _write_text(folder / "vectors.tsv", _tab_separated(points))
    _write_text(
        folder / "projector_config.pbtxt",
        'embeddings {\n  tensor_name: "latent space"\n  tensor_path: "vectors.tsv"\n'
        '  metadata_path: "metadata.tsv"\n}\n',
    )


def _tab_separated(rows) -> str:
    clean = lambda cell: " ".join(cell.split())
    return "".join("\t".join(map(clean, row)) + "\n" for row in rows)


def _write_text(path, text: str) -> None:
    with whole_file(path) as file:
        file.write(text.encode())


# Attributes.


class BadAttribute(UserFacingError, ValueError):
    """A file without an attribute vector, or with one of another model."""


def write_attribute(
    path: str | os.PathLike, name: str, config: Config, vector: np.ndarray
) -> None:
    """An attribute vector [Z] of a model of a config."""
    content = {"attribute": name, "config": config.name, "vector": vector.tolist()}
    _write_text(path, json.dumps(content) + "\n")


def read_attribute(path: str | os.PathLike, config: Config) -> np.ndarray:
    """The attribute vector [Z] that `write_attribute` wrote.

    Raises:
        BadAttribute: the file holds something else, or is of another config.
        OSError: it cannot be opened.
    """
    try:
        content = read_json(path)
        with np.errstate(over="ignore"):  # infinite then, which is refused
            name, vector = content["config"], np.array(content["vector"], np.float32)
    except (ValueError, LookupError, TypeError, OverflowError) as error:
        raise BadAttribute(
            f"{path} is not an attribute vector, as music_vae_explore --attributes "
            "writes them"
        ) from error
    if not isinstance(name, str):
        raise BadAttribute(f"{path}: `config` should be the name of one")
    if name != config.name:
        raise BadAttribute(
            f"{path} is an attribute of config {name[:100]}, and this is "
            f"{config.name}: each model has a latent space of its own"
        )
    if vector.shape != (config.model.z_size,):
        raise BadAttribute(
            f"{path}: expected {config.model.z_size} finite numbers; got "
            f"{list(vector.shape)}"
        )
    if not (np.abs(vector) <= LARGEST_LATENT).all():  # nor NaN
        raise BadAttribute(
            f"{path}: expected {config.model.z_size} finite numbers up to "
            f"{LARGEST_LATENT:,.0f}; got others"
        )
    return vector

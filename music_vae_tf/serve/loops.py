"""A loop: what describes it exactly, its notes, and its files."""

from __future__ import annotations

import math
import zlib
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from music_vae_tf.data.tempo import DEFAULT_QPM, in_time, qpm_of
from music_vae_tf.serve.bodies import LARGEST_SEED, Fields, encoded

SLOWEST_QPM, FASTEST_QPM = 40, 240
COOLEST, HOTTEST = 0.01, 2.0
USUAL_TEMPERATURE = 0.5
FURTHEST = 3.0  # amounts of attributes, in both directions


class Recipe(NamedTuple):
    """All that a loop depends on, with the model. The same gives the same loop."""

    z: np.ndarray  # [Z], before attributes
    seed: int
    temperature: float
    qpm: float
    amounts: Mapping[str, float]  # of attributes


FIELDS = ("model", "where", "seed", "temperature", "qpm", "attributes")
PLACES = ("draw", "point", "xy", "z", "between")


def read_recipe(fields: Fields, playable: Any) -> Recipe:
    """The recipe in a request.

    `where` is one of:

    - `{"draw": seed}`
    - `{"point": n}`, an example of the map
    - `{"xy": [x, y]}`, a place of the map
    - `{"z": base64}`
    - `{"between": {"a": base64, "b": base64, "t": 0 to 1}}`

    Raises:
        Refused: a field is missing, unknown or beyond its limits.
    """
    fields.only(FIELDS)
    return Recipe(
        z=_vector(fields.fields("where"), playable),
        seed=fields.integer("seed", 0, LARGEST_SEED, 0),
        temperature=fields.number("temperature", COOLEST, HOTTEST, USUAL_TEMPERATURE),
        qpm=fields.number("qpm", SLOWEST_QPM, FASTEST_QPM, DEFAULT_QPM),
        amounts=_amounts(fields.fields("attributes"), playable.attributes),
    )


def _vector(where, playable):
    where.only(PLACES)
    model, latent_map = playable.player, playable.latent_map
    if "z" in where:
        return where.vector("z", model.z_size)
    if "between" in where:
        from music_vae_tf.generation.interpolation import slerp

        ends = where.fields("between")
        a, b = (ends.vector(name, model.z_size) for name in "ab")
        return slerp(a, b, ends.number("t", 0, 1)).astype(np.float32)
    if "point" in where:
        number = where.integer("point", 0, len(latent_map.means) - 1)
        return latent_map.means[number].astype(np.float32)
    if "xy" in where:
        return latent_map.vector(np.array(where.numbers("xy", 2, 10)))
    return latent_map.draw(where.integer("draw", 0, LARGEST_SEED))


def _amounts(fields, known):
    fields.only(known)
    return {name: fields.number(name, -FURTHEST, FURTHEST) for name in fields.names()}


def decode(recipe: Recipe, playable: Any) -> Any:
    """The NoteSequence of a recipe, at its tempo and as long as its bars."""
    from music_vae_tf.generation.attributes import along

    model = playable.player
    model.reseed(recipe.seed)
    z = recipe.z + along(playable.attributes, recipe.amounts)
    length = model.config.model.max_seq_len
    (sequence,) = model.decode(z[None], length, recipe.temperature)
    quarters = model.converter.quarters(length) or _whole_quarters(sequence)
    return in_time(sequence, recipe.qpm, quarters)


def _whole_quarters(sequence):
    """As many as its notes last, where steps are not part of a bar."""
    end_s = max((note.end_time for note in sequence.notes), default=0.0)
    return max(math.ceil(end_s * qpm_of(sequence) / 60 - 1e-6), 4)


def answer(recipe: Recipe, playable: Any) -> dict:
    """What the page shows and plays: times in quarter notes."""
    sequence = decode(recipe, playable)
    x, y = playable.latent_map.place(recipe.z).tolist()
    return {
        "notes": notes(sequence, recipe.qpm / 60),
        "quarters": round(sequence.total_time * recipe.qpm / 60, 5),
        "qpm": recipe.qpm,
        "seed": recipe.seed,
        "temperature": recipe.temperature,
        "attributes": dict(recipe.amounts),
        "z": encoded(recipe.z),
        "xy": [x, y],
    }


def notes(sequence: Any, per_second: float = 1.0) -> list[list]:
    """`[start, end, pitch, velocity, program, drum]` of each note by its start."""
    return sorted(
        [
            round(note.start_time * per_second, 5),
            round(note.end_time * per_second, 5),
            note.pitch,
            note.velocity,
            note.program,
            int(note.is_drum),
        ]
        for note in sequence.notes
        if note.velocity
    )


def wav(sequence: Any, soundfont=None) -> bytes:
    """A NoteSequence as a WAV file that repeats without a gap."""
    from music_vae_tf.rendering import loops

    return loops.wav(sequence, sequence.total_time, soundfont, fold=True)


def png(sequence: Any, title: str = "") -> bytes:
    """A NoteSequence as a picture."""
    from music_vae_tf.rendering import piano_roll

    return piano_roll.png(sequence, title)


def fingerprint(model: Any) -> str:
    """Eight digits that other weights do not share: links name them."""
    checksum = 0
    for name, variable in sorted(model.model.named_variables.items()):
        checksum = zlib.crc32(name.encode(), checksum)
        checksum = zlib.crc32(np.asarray(variable).tobytes(), checksum)
    return f"{checksum:08x}"

"""What a model makes of a user's own music by its latent vectors.

    model = TrainedModel("groovae_4bar", 8, "run")
    read = read_inputs(model, ["loop.mid"])
    neighbours = vary(model, read, 5, distance=0.2)

Each function gives NoteSequences as long as an example, at the tempo of their input.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from music_vae_tf.data import beats
from music_vae_tf.data.midi import read_midi
from music_vae_tf.data.tempo import in_time
from music_vae_tf.errors import UserFacingError
from music_vae_tf.generation import examples
from music_vae_tf.generation.held import HeldDecoder
from music_vae_tf.generation.inputs import Input, InputOptions, inputs_of
from music_vae_tf.generation.interpolation import slerp

if TYPE_CHECKING:
    from note_seq.protobuf.music_pb2 import NoteSequence


class BadVerb(UserFacingError, ValueError):
    """Something that a model cannot do, or not with these inputs."""


class ReadInput(NamedTuple):
    """A part of a file, and where it lies in the latent space."""

    name: str
    input: Input
    mu: np.ndarray  # [Z], mean of the posterior
    sigma: np.ndarray  # [Z]


def read_inputs(
    model: Any,
    files: Sequence,
    options: InputOptions = InputOptions(),  # noqa: B008
) -> list[ReadInput]:
    """Music files, or NoteSequences, as a model reads them; of each one part or more.

    Raises:
        BadVerb: the model has no latent space.
        NoExtractedExamplesError, BadInputOptions: as in `inputs_of`.
    """
    if not model.z_size:
        raise BadVerb(
            f"config {model.config.name} has no latent space, and reads nothing"
        )
    read = []
    for number, file in enumerate(files, 1):
        is_sequence = hasattr(file, "notes")
        sequence = file if is_sequence else read_midi(file)
        name = (sequence.filename or f"input {number}") if is_sequence else str(file)
        for one in inputs_of(model.converter, sequence, name, options):
            read.append((name, one))
    mu, sigma = examples.encode(model, [one.example for _, one in read])
    return [
        ReadInput(name, one, of_mu, of_sigma)
        for (name, one), of_mu, of_sigma in zip(read, mu, sigma)
    ]


def moved(read: Sequence[ReadInput], shift: np.ndarray | float) -> list[ReadInput]:
    """Inputs as if they lay elsewhere: [Z], as of `TrainedModel.shift`, is added."""
    return [one._replace(mu=one.mu + shift) for one in read]


# Latent vectors.


def neighbours(
    mu: np.ndarray, count: int, distance: float, rng: np.random.Generator
) -> np.ndarray:
    """Latent vectors [N, Z] around one [Z], in random directions.

    Args:
        distance: Euclidean, where 1 is how far two random points of the prior are
            apart, sqrt(2 Z).
    """
    directions = rng.standard_normal([count, len(mu)])
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    return mu + distance * np.sqrt(2 * len(mu)) * directions


def path(points: np.ndarray, count: int) -> np.ndarray:
    """Latent vectors [N, Z] along the arcs through points [K, Z], ends included."""
    places = np.linspace(0, len(points) - 1, count)
    return np.stack([_on_path(points, place) for place in places])


def _on_path(points, place):
    first = min(int(place), len(points) - 2)
    return slerp(points[first], points[first + 1], place - first)


def grid(corners: np.ndarray, size: int) -> np.ndarray:
    """Latent vectors [size * size, Z] between four corners, row by row.

    The first row goes from corner 1 to 2, the last from 3 to 4.
    """
    first, second, third, fourth = corners
    left = path(np.stack([first, third]), size)
    right = path(np.stack([second, fourth]), size)
    return np.concatenate([path(np.stack(ends), size) for ends in zip(left, right)])


# Music.


def reconstruct(
    model: Any, read: Sequence[ReadInput], count: int = 1, temperature: float = 0.5
) -> list[NoteSequence]:
    """`count` reconstructions of each input, from its posterior mean."""
    return [
        sequence
        for one in read
        for sequence in decode(
            model, np.repeat(one.mu[None], count, 0), one, temperature
        )
    ]


def vary(
    model: Any,
    read: Sequence[ReadInput],
    count: int = 5,
    distance: float = 0.2,
    temperature: float = 0.5,
) -> list[NoteSequence]:
    """`count` neighbours of each input; see `neighbours`."""
    if not 0 <= distance <= 10:
        raise BadVerb(f"distance={distance}: expected 0 to 10")
    return [
        sequence
        for one in read
        for sequence in decode(
            model, neighbours(one.mu, count, distance, model._rng), one, temperature
        )
    ]


def interpolate(
    model: Any, read: Sequence[ReadInput], count: int = 5, temperature: float = 0.5
) -> list[NoteSequence]:
    """`count` steps through two inputs or more, from the first to the last."""
    if len(read) < 2 or count < 2:
        raise BadVerb(
            f"an interpolation of {count} steps through {len(read)} inputs: expected 2 "
            "of each, or more"
        )
    points = np.stack([one.mu for one in read])
    tempos = np.interp(
        np.linspace(0, len(read) - 1, count),
        range(len(read)),
        [one.input.qpm for one in read],
    )
    return decode(model, path(points, count), read[0], temperature, tempos)


def interpolate_grid(
    model: Any, read: Sequence[ReadInput], size: int, temperature: float = 0.5
) -> list[NoteSequence]:
    """A grid of `size` by `size` between four inputs, row by row."""
    if len(read) != 4 or size < 2:
        raise BadVerb(
            f"a grid of {size} by {size} between {len(read)} inputs: expected 4 "
            "inputs, and 2 by 2 or more"
        )
    corners = np.stack([one.mu for one in read])
    first, second, third, fourth = (one.input.qpm for one in read)
    left, right = np.linspace(first, third, size), np.linspace(second, fourth, size)
    tempos = np.linspace(left, right, size, axis=1).ravel()
    return decode(model, grid(corners, size), read[0], temperature, tempos)


def decode(
    model: Any,
    z: np.ndarray,
    like: ReadInput,
    temperature: float,
    tempos: Sequence[float] | np.ndarray | None = None,
) -> list[NoteSequence]:
    """Latent vectors [N, Z] as sequences, with the controls of an input.

    tempos: N numbers in BPM; by default the input's.
    """
    controls = like.input.example.controls
    sequences = model.decode(
        z.astype(np.float32),
        model.config.model.max_seq_len,
        temperature,
        controls if model.model.control_depth else None,
    )
    tempos = [like.input.qpm] * len(z) if tempos is None else tempos
    quarters = length_quarters(model)
    return [in_time(one, float(qpm), quarters) for one, qpm in zip(sequences, tempos)]


def length_quarters(model: Any) -> float:
    """How long an example is; 0 where a model's steps are not fractions of a bar."""
    return model.converter.quarters(model.config.model.max_seq_len)


# What follows.


def continue_inputs(
    model: Any,
    read: Sequence[ReadInput],
    count: int = 5,
    num_bars: int | None = None,
    temperature: float = 0.5,
) -> list[NoteSequence]:
    """`count` continuations of each input, without the input itself.

    The decoder is given the last bars of a window as its first, and samples the rest;
    then these are given, and so on. Its latent vector is drawn near the input's.

    num_bars: how many; by default as many as an example has.

    Raises:
        BadVerb: the decoder cannot be given bars, or its music has no steps of a bar,
            or it needs controls of bars to come.
    """
    check_continues(model)
    num_bars = model.converter.window_bars if num_bars is None else num_bars
    per_bar = model.converter.steps_per_bar
    held_decoder = HeldDecoder(model)
    sequences = []
    for one in read:
        eps = model._rng.standard_normal([count, model.z_size])
        z = one.mu + temperature * one.sigma * eps
        rows = np.repeat(one.input.example.targets[None], count, axis=0)  # [N, T, D]
        new = _continued(model, held_decoder, z, rows, num_bars * per_bar, temperature)
        quarters = num_bars * model.converter.quarters_per_bar
        for sample in new:
            sequence = model.converter.to_sequence(sample)
            sequences.append(in_time(sequence, one.input.qpm, quarters))
    return sequences


def check_continues(model: Any) -> None:
    """
    Raises:
        BadVerb: the model continues nothing; the message has the reason.
    """
    name, converter = model.config.name, model.converter
    if not model.model.decoder.takes_forced_rows:
        raise BadVerb(
            f"config {name} continues nothing: its decoder makes all bars at once, and "
            "cannot be given the first ones"
        )
    if not converter.steps_per_bar:
        raise BadVerb(
            f"config {name} continues nothing: its steps are not part of a bar"
        )
    if model.model.control_depth:
        raise BadVerb(
            f"config {name} continues nothing: it is conditioned, and what follows has "
            "no controls"
        )


def _continued(model, held_decoder, z, rows, num_steps, temperature):
    """Rows after those of a window: [N, num_steps, D]."""
    size = model.config.model.max_seq_len
    given = size - _hop(model)
    done = [rows]
    while sum(part.shape[1] for part in done[1:]) < num_steps:
        before = np.concatenate(done, axis=1)[:, -given:]
        held = np.full([len(rows), size, rows.shape[2]], np.nan, np.float32)
        held[:, :given] = before
        window = held_decoder(z, held, None, temperature)
        done.append(window[:, given:])
    return np.concatenate(done[1:], axis=1)[:, :num_steps]


def _hop(model):
    """Half a window, in whole bars if it has several."""
    bars, per_bar = model.converter.window_bars, model.converter.steps_per_bar
    return max(bars // 2, 1) * per_bar if bars > 1 else per_bar // 2


def joined(model: Any, sequences: Sequence) -> Any:
    """Outputs one after another in one NoteSequence, each at its tempo.

    Raises:
        BadVerb: outputs have no length in bars.
    """
    if not length_quarters(model):
        raise BadVerb(
            f"config {model.config.name}: its outputs have no length in bars, and are "
            "not joined"
        )
    return beats.in_a_row(list(sequences))

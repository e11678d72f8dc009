"""Examples of the pieces of a collection, where a bad piece costs only itself."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from typing import Any

from music_vae_tf.data import limits
from music_vae_tf.data.converters.base import Extraction, extract_or_refuse

log = logging.getLogger("music_vae_tf")


def extract(
    converter: Any,
    sequence: Any,
    number: int,
    rng: Any = None,
    augmenter: Callable | None = None,
    quiet: bool = False,
) -> Extraction:
    """The examples of a piece; one that is left out whole is named in a warning.

    Args:
        number: of the piece in its collection, from 0.
        augmenter: `(sequence, rng) -> sequence`.
        quiet: without the warning, where the piece was read before.
    """

    def extraction():
        piece = sequence if augmenter is None else augmenter(sequence, rng)
        return converter.extract(piece, rng)

    result = extract_or_refuse(extraction)
    if not quiet:
        warn_of(result.left_out, name_of(sequence, number))
    return result


def names_of_examples(
    converter: Any,
    sequences: Iterable[Any],
    rng_of: Callable[[int], Any] = lambda number: None,
    augmenter: Callable | None = None,
) -> list[str]:
    """The name of the piece that each example of a collection is from.

    Reads the pieces anew: what few ask for takes no memory in every training.
    """
    names = []
    for number, sequence in enumerate(sequences):
        rng = rng_of(number)
        examples, _ = extract(converter, sequence, number, rng, augmenter, quiet=True)
        names += [name_of(sequence, number)] * len(examples)
    return names


def warn_of(left_out: Iterable[str], name: str) -> None:
    """A warning for each reason for which a whole piece of this name is left out."""
    for reason in left_out:
        if reason.startswith(limits.LEFT_OUT):
            log.warning("left out %s: %s", name, reason.removeprefix(limits.LEFT_OUT))


def name_of(sequence: Any, number: int) -> str:
    """What a user finds a piece by: its file, if it has one, and its number."""
    file = getattr(sequence, "filename", "") or getattr(sequence, "id", "")
    return f"{file} (NoteSequence {number})" if file else f"NoteSequence {number}"

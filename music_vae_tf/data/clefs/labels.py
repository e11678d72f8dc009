"""Stage 7, label encoding: chord labels and duration categories as integers."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

from music_vae_tf.data.clefs import STAVES
from music_vae_tf.data.clefs.transformation import (
    Event,
    chord_label,
    duration_category,
)
from music_vae_tf.errors import UserFacingError
from music_vae_tf.json_files import BadJson, parse_json

MAX_SHOWN = 300  # characters of a damaged file


class BadLabels(UserFacingError, ValueError):
    """A file of labels that cannot be read."""


@dataclass(frozen=True)
class Encoding:
    """Words as integers 0, 1, 2, ..., and all other words as one integer more."""

    words: tuple[str, ...]
    counts: tuple[int, ...]  # how often each integer came, the unknown word's as well

    @classmethod
    def of(cls, words: Iterable[str], min_count: int) -> Encoding:
        """All words that come at least so often, the most frequent first."""
        counts = Counter(words)
        kept = [word for word, count in counts.items() if count >= min_count]
        kept = sorted(kept, key=lambda word: (-counts[word], word))
        of_kept = [counts[word] for word in kept]
        return cls(tuple(kept), (*of_kept, counts.total() - sum(of_kept)))

    @cached_property
    def _places(self):
        return {word: place for place, word in enumerate(self.words)}

    @property
    def unknown(self) -> int:
        """The integer of all words that are not in the list."""
        return len(self.words)

    @property
    def size(self) -> int:
        """How many integers there are, that of the unknown word included."""
        return len(self.words) + 1

    def encode(self, word: str) -> int:
        """The integer of a word."""
        return self._places.get(word, self.unknown)

    def decode(self, number: int) -> str:
        """The word of an integer that is not that of the unknown word."""
        return self.words[number]


@dataclass(frozen=True)
class Labels:
    """The encodings of one staff."""

    notes: Encoding
    durations: Encoding

    @classmethod
    def of(cls, lines: Iterable[list[Event]], min_count: int) -> Labels:
        """Of all events in some lines."""
        events = [event for line in lines for event in line]
        return cls(
            Encoding.of((chord_label(e.pitches) for e in events), min_count),
            Encoding.of((duration_category(e.duration) for e in events), min_count),
        )


def to_json(labels: dict[str, Labels]) -> str:
    """The labels of both staves as text."""
    document = {
        staff: {
            name: {"words": encoding.words, "counts": encoding.counts}
            for name, encoding in vars(its).items()
        }
        for staff, its in labels.items()
    }
    return json.dumps(document, indent=1) + "\n"


def from_json(text: str) -> dict[str, Labels]:
    """The labels that `to_json` wrote.

    Raises:
        BadLabels: it did not write this.
    """
    try:
        document = parse_json(text, "the text")
        return {staff: _labels(document[staff]) for staff in STAVES}
    except BadJson as error:
        raise BadLabels(f"no labels of two staves: {error}") from error
    except (KeyError, TypeError, AttributeError) as error:
        raise BadLabels(f"no labels of two staves: {error!r}"[:MAX_SHOWN]) from error


def _labels(encodings) -> Labels:
    return Labels(**{name: _encoding(its) for name, its in encodings.items()})


def _encoding(content) -> Encoding:
    words, counts = content["words"], content["counts"]
    if not isinstance(words, list) or not all(isinstance(word, str) for word in words):
        raise TypeError("`words` should be a list of texts")
    if not isinstance(counts, list) or not all(
        type(n) is int and n >= 0 for n in counts
    ):
        raise TypeError("`counts` should be a list of numbers from 0 on")
    if len(counts) != len(words) + 1 or len(set(words)) != len(words):
        raise TypeError("each word is expected once, and one more number than words")
    return Encoding(tuple(words), tuple(counts))

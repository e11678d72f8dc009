"""Both staves of piano music, as windows of events (see `data.clefs`).

Other converters read NoteSequences; this one reads pieces that `clef_lstm_prepare` has
taken apart, and what it makes of them depends on the labels of a training.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from music_vae_tf.data.clefs import STAVES
from music_vae_tf.data.clefs.labels import Labels
from music_vae_tf.data.clefs.windows import Piece, Windows


@dataclass(frozen=True)
class ClefsConverter:
    """How pieces become labels and windows."""

    window: int  # events of a staff in an example
    hop: int  # events after which the next window begins, at the latest
    voices: Literal["merged", "flattened"]  # one line that keeps the time, or in a row
    min_count: int  # labels that come less often are unknown

    def __post_init__(self):
        if not 1 <= self.hop <= self.window:
            raise ValueError(
                f"hop is {self.hop}; it should be from 1 to window, which is "
                f"{self.window}: else events would be left out"
            )

    def labels_of(self, pieces: Iterable[Piece]) -> dict[str, Labels]:
        """The labels of both staves, of some pieces to train on."""
        pieces = list(pieces)
        return {
            staff: Labels.of((piece.lines[staff] for piece in pieces), self.min_count)
            for staff in STAVES
        }

    def windows(self, labels: dict[str, Labels]) -> Windows:
        """What makes examples of pieces."""
        return Windows(labels, self.window, self.hop)

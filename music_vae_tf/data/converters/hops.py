"""What each instrument plays in each few bars of a piece.

A hop is as many bars as an example has. The grid begins anew with every hop, as in
Magenta, which cuts in seconds and then rounds to steps.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from music_vae_tf.data.converters.grid import Pieces, Stretch, note_steps, parts_of


class Hops(NamedTuple):
    """A piece cut into hops. Hops are numbered through; some numbers mean none."""

    notes: np.ndarray  # [N] of score.NOTE, seconds from the start of the hop
    hop: np.ndarray  # [N], which one a note is in; ascending
    start_steps: np.ndarray  # [N], from the start of the hop
    end_steps: np.ndarray  # [N]
    is_hop: np.ndarray  # [H]; not from the end of a stretch on, or in a silent one
    stretch: np.ndarray  # [H], which stretch a hop is in
    bounds: np.ndarray  # [H + 1], from one to the next in seconds of the stretch


class Tracks(NamedTuple):
    """What instruments play, each in one hop."""

    hop: np.ndarray  # [K]
    is_drum: np.ndarray  # [K], all notes are drums
    program: np.ndarray  # [K]
    is_mixed: np.ndarray  # [K], notes are of several programs, or some of them drums
    of_notes: np.ndarray  # [N], the track that each note of the hops is in, or -1

    def take(self, indices: np.ndarray) -> Tracks:
        """Some of the tracks, in this order."""
        number = np.full(len(self.hop) + 1, -1)
        number[indices] = np.arange(len(indices))
        columns = (column[indices] for column in self[:-1])
        return Tracks(*columns, of_notes=number[self.of_notes])


class Verdict(NamedTuple):
    """Which hops can be converted, and why others cannot."""

    is_fine: np.ndarray  # [H]
    left_out: Counter[str]

    def unless(self, objections: Mapping[str, np.ndarray]) -> Verdict:
        """The same after some reasons, and for each the hops `[H]` where it holds."""
        is_fine, left_out = self.is_fine, Counter(self.left_out)
        for reason, holds in objections.items():
            left_out[reason] += int(np.count_nonzero(is_fine & holds))
            is_fine = is_fine & ~holds
        return Verdict(is_fine, +left_out)


def cut_into_hops(pieces: Pieces, quarters: int, steps_per_quarter: int) -> Hops:
    """Hops of so many quarters; the last of each stretch may be shorter."""
    bounds = [_bounds(stretch, quarters) for stretch in pieces.stretches]
    counts = np.array([len(b) for b in bounds], int)
    first = np.cumsum(counts) - counts
    stretch = np.repeat(np.arange(len(counts)), counts)
    is_hop = np.isin(stretch, pieces.stretch)
    is_hop[first + counts - 1] = False
    bounds = np.concatenate([*bounds, [np.inf]])

    qpm = np.array([stretch.qpm for stretch in pieces.stretches])[pieces.stretch]
    start_seconds = pieces.notes["start_seconds"]
    # Where it should be; rounding errors may have put the bounds a little elsewhere.
    hop = (start_seconds // (60.0 * quarters / qpm)).astype(int)
    hop = first[pieces.stretch] + np.minimum(hop, counts[pieces.stretch] - 1)
    hop -= start_seconds < bounds[hop]
    hop += start_seconds >= bounds[hop + 1]
    inside = is_hop[hop] & (stretch[hop] == pieces.stretch)

    notes, hop = pieces.notes.compress(inside), hop[inside]
    notes["start_seconds"] -= bounds[hop]
    end = np.minimum(notes["end_seconds"], bounds[hop + 1])
    notes["end_seconds"] = end - bounds[hop]
    steps = note_steps(notes, steps_per_quarter * qpm[inside] / 60.0)
    return Hops(notes, hop, *steps, is_hop, stretch, bounds)


def _bounds(stretch: Stretch, quarters: int) -> list[float]:
    """Where hops begin, and at last where the stretch ends (seconds)."""
    bounds = [0.0]
    if stretch.qpm:
        hop_seconds = 60.0 * quarters / stretch.qpm
        bounds += np.arange(hop_seconds, stretch.total_seconds, hop_seconds).tolist()
    if stretch.total_seconds > bounds[-1]:
        bounds.append(stretch.total_seconds)
    return bounds


def tracks_of(hops: Hops) -> Tracks:
    """The instruments of each hop, in Magenta's order."""
    track = parts_of(hops.hop, hops.notes["instrument"])
    order = np.argsort(track, kind="stable")
    first = np.flatnonzero(np.diff(track[order], prepend=-1))
    is_drum, program = (hops.notes[field][order] for field in ("is_drum", "program"))
    all_drums = np.logical_and.reduceat(is_drum, first)
    lowest = np.minimum.reduceat(program, first)
    is_mixed = all_drums != np.logical_or.reduceat(is_drum, first)
    is_mixed |= ~all_drums & (lowest != np.maximum.reduceat(program, first))
    return Tracks(hops.hop[order[first]], all_drums, lowest, is_mixed, track)

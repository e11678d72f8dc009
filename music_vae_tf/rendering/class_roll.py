"""Class rolls -> a picture of many of them: who plays which pitch when."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from music_vae_tf.rendering.piano_roll import DPI, INK, PALE, PAPER, PART_COLOURS

SILENT = 0
# Of silence and the classes after it.
COLOURS = (PAPER, *PART_COLOURS[:3])
MARGIN = 3  # pitches above and below those that sound


class Picture(NamedTuple):
    """A roll [T, 128] under a title."""

    title: str
    roll: np.ndarray


def write(pictures: list[list[Picture]], path, step_seconds: float, classes) -> None:
    """Draws rows of rolls side by side into a PNG file, all with the same pitches.

    Args:
        step_seconds: how long a step of the rolls lasts.
        classes: their names, that of silence first.
    """
    from matplotlib.colors import ListedColormap
    from matplotlib.figure import Figure
    from matplotlib.patches import Patch

    rows, columns = len(pictures), max(map(len, pictures))
    figure = Figure(figsize=(5.5 * columns, 1.9 * rows + 0.6), dpi=DPI)
    figure.set_layout_engine("constrained")
    axes = figure.subplots(rows, columns, squeeze=False, sharex=True, sharey=True)
    low, high = _range([picture.roll for row in pictures for picture in row])
    for place, picture in zip(axes.flat, [p for row in pictures for p in row]):
        place.imshow(
            picture.roll.T,
            cmap=ListedColormap(COLOURS),
            vmin=0,
            vmax=len(COLOURS) - 1,
            extent=(0, len(picture.roll) * step_seconds, -0.5, 127.5),
            **{"origin": "lower", "aspect": "auto", "interpolation": "nearest"},
        )
        place.set_title(picture.title, loc="left", fontsize=9, color=INK)
        place.set_ylim(low, high)
        place.tick_params(labelsize=8, color=PALE)
        place.spines[:].set_color(PALE)
    for place in axes[-1]:
        place.set_xlabel("seconds", fontsize=8)
    for place in axes[:, 0]:
        place.set_ylabel("MIDI pitch", fontsize=8)
    handles = [
        Patch(color=colour, label=name)
        for colour, name in list(zip(COLOURS, classes))[1:]
    ]
    figure.legend(
        handles=handles, loc="outside upper right", ncols=len(handles), frameon=False
    )
    figure.savefig(path, format="png")


def _range(rolls) -> tuple[int, int]:
    """The lowest and the highest pitch to be shown."""
    sounds = np.any([(roll != SILENT).any(axis=0) for roll in rolls], axis=0)
    pitches = np.flatnonzero(sounds)
    if not pitches.size:
        return 0, sounds.size
    return pitches[0] - MARGIN, pitches[-1] + MARGIN

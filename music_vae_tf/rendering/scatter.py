"""Points of a plane -> a picture of them, coloured by what is known of each."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np

from music_vae_tf.rendering.piano_roll import DPI, GRID, INK, PALE, PART_COLOURS

MOST_COLOURS = len(PART_COLOURS)
OTHERS = "others"
COLOUR_MAP = "viridis"


def write(points, path, title: str, axis_names, labels=None, label_name="") -> None:
    """Draws points [N, 2] into a PNG file; see `draw`."""
    draw(points, title, axis_names, labels, label_name).savefig(path, format="png")


def draw(points, title: str, axis_names, labels=None, label_name=""):
    """A matplotlib Figure of points [N, 2].

    Args:
        axis_names: of both axes.
        labels: one for each point, numbers or texts; of texts the most frequent have
            colours, all others share a pale one, and so do numbers that are none.
        label_name: what they say: `style`.
    """
    from matplotlib import colormaps
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 7), dpi=DPI, layout="constrained")
    axes = figure.subplots()
    if labels is None:
        _dots(axes, points, PART_COLOURS[0], "points")
    elif all(isinstance(label, (int, float)) for label in labels):
        colours = colormaps[COLOUR_MAP].with_extremes(bad=GRID)
        numbers = np.ma.masked_invalid(labels)
        dots = axes.scatter(
            *points.T, s=14, c=numbers, cmap=colours, linewidths=0, plotnonfinite=True
        )
        figure.colorbar(dots, label=label_name)
    else:
        _by_text(axes, points, list(map(str, labels)), label_name)
    axes.set_title(title, loc="left", color=INK, weight="bold")
    axes.set_xlabel(axis_names[0], color=PALE)
    axes.set_ylabel(axis_names[1], color=PALE)
    axes.tick_params(labelcolor=PALE, color=GRID)
    axes.spines[:].set_color(GRID)
    return figure


def _by_text(axes, points, labels: Sequence[str], label_name):
    counts = Counter(labels)
    named = sorted(counts, key=lambda label: (-counts[label], label))[:MOST_COLOURS]
    of_label = {label: np.array([one == label for one in labels]) for label in named}
    others = ~np.any(list(of_label.values()), axis=0)
    if others.any():  # first, below those that have a colour
        _dots(axes, points[others], GRID, f"{OTHERS} ({others.sum()})")
    for (label, mask), colour in zip(of_label.items(), PART_COLOURS):
        _dots(axes, points[mask], colour, f"{label or 'unknown'} ({mask.sum()})")
    axes.legend(
        title=label_name,
        loc="center left",
        bbox_to_anchor=(1.0, 0.5),
        frameon=False,
        labelcolor=INK,
        fontsize=9,
    )


def _dots(axes, points, colour, name):
    axes.scatter(*points.T, s=14, color=colour, linewidths=0, alpha=0.8, label=name)

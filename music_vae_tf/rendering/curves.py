"""Values over training steps -> a picture of their curves."""

from __future__ import annotations

from collections.abc import Mapping

from music_vae_tf.rendering.piano_roll import DPI, GRID, INK, PALE, PART_COLOURS


def write(curves: Mapping, path, title: str, value_name: str) -> None:
    """Draws curves into a PNG file; see `draw`."""
    draw(curves, title, value_name).savefig(path, format="png")


def draw(curves: Mapping, title: str, value_name: str):
    """A matplotlib Figure of `{name: (steps [N], values [N])}`."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 5), dpi=DPI, layout="constrained")
    axes = figure.subplots()
    for (name, (steps, values)), colour in zip(curves.items(), PART_COLOURS):
        axes.plot(steps, values, "o-", ms=3, color=colour, label=name)
    axes.set_title(title, loc="left", color=INK, weight="bold")
    axes.set_xlabel("step", color=PALE)
    axes.set_ylabel(value_name, color=PALE)
    axes.grid(color=GRID, linewidth=0.6)
    axes.tick_params(labelcolor=PALE, color=GRID)
    axes.spines[:].set_color(GRID)
    if len(curves) > 1:
        axes.legend(frameon=False, labelcolor=INK)
    return figure

"""All figures about the players of a task, as rows of a table."""

from __future__ import annotations

import logging
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from music_vae_tf.analysis import two_sample
from music_vae_tf.analysis.bootstrap import Estimate, estimates
from music_vae_tf.analysis.groove_metrics import (
    OF_DISTRIBUTIONS,
    OF_KITS,
    ON_HITS,
    HitsF1,
    Metric,
)
from music_vae_tf.analysis.groove_windows import TASKS, Playing, Windows

log = logging.getLogger("music_vae_tf")

ALL = "all"
DRUMMERS = "drummers"


class Row(NamedTuple):
    """One figure, with its 95 % bootstrap interval over performances."""

    task: str
    metric: str
    unit: str
    drum_class: str  # or "all"
    model: str  # or a baseline, or "drummers"
    value: float
    low: float
    high: float

    def as_json(self) -> dict:
        """NaN, where there is nothing to measure, as null."""
        fields = self._asdict()
        for name in Estimate._fields:
            fields[name] = None if math.isnan(fields[name]) else fields[name]
        return fields


def metrics_of(task: str) -> tuple[Metric, ...]:
    """Those that a task is measured by, all but the two-sample tests."""
    hits = () if TASKS[task].holds_hits else (HitsF1(),)
    return (*hits, *ON_HITS, *OF_DISTRIBUTIONS, *OF_KITS)


def rows(
    task: str,
    windows: Windows,
    players: Mapping[str, Playing],
    drum_names: Sequence[str],
    *,
    seed: int = 0,
    with_two_sample_tests: bool = True,
) -> Iterator[Row]:
    """Figures of each player beside the drummers, metric after metric.

    Metrics of hits and of distributions are of the drums that are asked for, the others
    of the whole kit.

    Args:
        players: what each of them made of the windows.
        drum_names: K names of drum classes.
        seed: of bootstrap, classifiers and their halves.
        with_two_sample_tests: needs scikit-learn.
    """
    for metric in metrics_of(task):
        figures = dict(players)
        if metric in OF_KITS:
            figures = {DRUMMERS: windows.drummers, **players}
        for model, played in figures.items():
            for drum_class, figure in _figures(
                metric, windows, played, drum_names, seed
            ):
                yield Row(task, metric.name, metric.unit, drum_class, model, *figure)
    for kind in two_sample.KINDS if with_two_sample_tests else ():
        for model, area in two_sample.areas(kind, windows, players, seed):
            yield Row(task, kind.name, two_sample.UNIT, ALL, model, *area)


def _figures(metric, windows, played, drum_names, seed):
    sums = metric.sums(windows, played)
    asked = np.flatnonzero(windows.asked)
    sums = sums if metric in OF_KITS else sums[:, asked]
    names = [ALL, *(drum_names[drum] for drum in asked)]
    return zip(names, estimates(sums, metric.figures, seed, metric.bounds))


def table(rows: Sequence[Row]) -> Iterator[str]:
    """Lines of a Markdown table: figures of all drum classes, a column for a player."""
    shown = [row for row in rows if row.drum_class == ALL]
    models = list(dict.fromkeys(row.model for row in shown))
    cells = {(row.metric, row.model): _cell(row) for row in shown}
    units = {row.metric: row.unit for row in shown}
    yield f"| | {' | '.join(models)} |"
    yield f"|---|{'--:|' * len(models)}"
    for metric, unit in units.items():
        line = " | ".join(cells.get((metric, model), "") for model in models)
        yield f"| {metric}, {unit} | {line} |"


def _cell(row):
    if math.isnan(row.value):
        return "-"
    if math.isnan(row.low):
        return f"{row.value:.3g}"
    return f"{row.value:.3g} [{row.low:.3g}, {row.high:.3g}]"

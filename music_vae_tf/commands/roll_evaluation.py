"""The tables and plots of piano_roll_vae_evaluate."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np

from music_vae_tf.analysis import rolls as measures
from music_vae_tf.analysis.latent_space import active_units
from music_vae_tf.data.converters.piano_roll import CLASSES
from music_vae_tf.generation.piano_roll import condition
from music_vae_tf.generation.roll_cleaning import Cleaning
from music_vae_tf.rendering import class_roll, scatter
from music_vae_tf.rendering.class_roll import Picture

CONDITIONS = (
    "piano",
    "guitar",
    "bass",
    "piano+guitar",
    "piano+bass",
    "guitar+bass",
    "piano+guitar+bass",
)
PICTURES_IN_A_ROW = 2


class Line(NamedTuple):
    """A line of a table: its name, and a number for each column, or a text."""

    name: str
    cells: tuple


def _table(columns, lines: list[Line]) -> str:
    rows = [Line("", columns), *lines]
    return "\n".join(
        f"{line.name:<34}" + "".join(f"{_shown(cell):>12}" for cell in line.cells)
        for line in rows
    )


def _shown(cell) -> str:
    return cell if isinstance(cell, str) else f"{cell:.4f}"


def _comparison(predictions_by: dict, targets) -> str:
    """The table of several predictors, compared on the same targets."""
    lines = [
        Line(name, tuple(metric(one, targets) for one in predictions_by.values()))
        for name, metric in (
            ("class accuracy", measures.class_accuracy),
            ("activity accuracy", measures.activity_accuracy),
        )
    ]
    for number, name in [(None, "all sounding cells"), *enumerate(CLASSES)]:
        if number == measures.SILENT:
            continue
        counts = [
            measures.count_cells(one, targets, number)
            for one in predictions_by.values()
        ]
        for metric in ("precision", "recall", "f1"):
            cells = tuple(getattr(one, metric) for one in counts)
            lines.append(Line(f"{name}: {metric}", cells))
    return _table(tuple(predictions_by), lines)


def _notes(rolls_by: dict) -> str:
    """The table of the notes of several rolls."""
    lengths = [measures.NoteLengths.from_rolls(rolls) for rolls in rolls_by.values()]
    names = ("notes a roll", "steps a note", "share of notes of one step")
    lines = [Line(name, cells) for name, cells in zip(names, zip(*lengths))]
    return f"Notes: runs of a class at a pitch\n{_table(tuple(rolls_by), lines)}"


class Evaluation(NamedTuple):
    """A model and the rolls to measure it on; each method yields a table."""

    model: object  # a TrainedRollVae
    converter: object  # of the rolls
    training: object  # `data.rolls.Rolls`
    held_out: object
    directory: Path  # of the plots

    def reconstructed(self) -> str:
        """Held-out rolls from their posterior means, beside the baselines."""
        targets, known = (some.classes(self._first) for some in self._both)
        has, known_has = _conditions(targets), _conditions(known)
        frequencies = measures.PitchFrequencies.from_rolls(known, known_has)
        reconstructions = self.model.reconstruct(targets)
        predictions_by = {
            "model": reconstructions,
            "cleaned": self.model.reconstruct(targets, Cleaning()),
            "frequencies": frequencies.predict(has, self.converter.roll_steps),
            "silence": targets * 0,
        }
        active = active_units(self.model.encode(targets)[0])
        self._draw_reconstructions(targets, reconstructions, has)
        return "\n".join(
            [
                f"Reconstructions of {len(targets):,} held-out rolls",
                _comparison(predictions_by, targets),
                f"{'active latent units':<34}{active:>9} of {self.model.cvae.z_size}",
                "",
                _notes({"target": targets, **predictions_by}),
            ]
        )

    def _draw_reconstructions(self, targets, reconstructions, has):
        """For each condition, the first roll that has it and its reconstruction."""
        rows = []
        for name in CONDITIONS:
            is_so = (has == (condition(name) > 0)).all(axis=1)
            if is_so.any():
                i = is_so.argmax()
                original = Picture(f"{name}, original", targets[i])
                rows.append([original, Picture("reconstruction", reconstructions[i])])
        self._draw(rows, "reconstructions.png")

    def sampled(self, count: int) -> str:
        """Samples for each condition, from two priors.

        One is fitted to the latent vectors of training rolls of the condition, the
        other is the standard normal prior.
        """
        known = self.training.classes(self._first)
        plane = measures.Plane.from_rolls(known)
        known_points = plane.project(known)

        def line(name, rolls, conditions):
            points = plane.project(rolls)
            cells = (
                measures.condition_accuracy(rolls, conditions),
                measures.uniqueness(rolls, known),
                measures.plane_uniqueness(points, known_points),
                float(np.mean(rolls != measures.SILENT) * rolls.shape[2]),
            )
            return Line(name, cells)

        samples, standard, lines = {}, [], []
        groups = list(_with_enough_rolls(known))
        if not groups:
            return "No samples: no condition has two training rolls to fit a prior to"
        for name, asked, is_its in groups:
            prior = self.model.prior_of(known[is_its], asked)
            samples[name] = self.model.decode(self.model.draw(count, prior), asked)
            standard.append(self.model.decode(self.model.draw(count), asked))
            lines.append(line(name, samples[name], np.tile(asked, [count, 1])))
        every = np.concatenate(list(samples.values()))
        conditions = np.repeat([condition(name) > 0 for name in samples], count, axis=0)
        lines.append(line("all", every, conditions))
        standard = np.concatenate(standard)
        lines.append(line("all, from the standard prior", standard, conditions))
        self._draw_plane(known_points, plane.project(every))
        self._draw(
            [
                [Picture(f"{name}, sample", one) for one in rolls[:PICTURES_IN_A_ROW]]
                for name, rolls in samples.items()
            ],
            "samples.png",
        )
        columns = ("condition", "uniqueness", "in a plane", "pitches")
        title = f"{count} samples for each condition (condition: accuracy, exact match)"
        return f"{title}\n{_table(columns, lines)}"

    def _draw_plane(self, known, samples):
        labels = ["training"] * len(known) + ["sample"] * len(samples)
        scatter.write(
            np.concatenate([known, samples]),
            self.directory / "plane.png",
            "Training rolls and samples",
            ("first principal component", "second"),
            labels,
        )

    def continued(self) -> str:
        """Continuations of held-out rolls, as long as their pieces last."""
        steps = self.converter.window_steps
        # Silence after the end of a piece is no continuation to learn from.
        whole = self.training.steps == steps
        rest = slice(self.converter.roll_steps, steps)
        first, known_first = (some.classes(self._first) for some in self._both)
        frequencies = measures.PitchFrequencies.from_rolls(
            self.training.classes(rest)[whole], _conditions(known_first[whole])
        )
        targets = self.held_out.classes(rest)
        is_music = np.arange(steps)[rest] < self.held_out.steps[:, None]
        predicted = frequencies.predict(_conditions(first), targets.shape[1])
        predictions_by = {
            "model": self.model.follow_rolls(first)[is_music],
            "frequencies": predicted[is_music],
            "silence": targets[is_music] * 0,
        }
        count = np.count_nonzero(is_music.any(axis=1))
        return (
            f"Continuations of {count:,} held-out rolls\n"
            f"{_comparison(predictions_by, targets[is_music])}"
        )

    @property
    def _both(self):
        return self.held_out, self.training

    @property
    def _first(self) -> slice:
        """The steps of a window that are encoded."""
        return slice(0, self.converter.roll_steps)

    def _draw(self, rows, name):
        step_seconds = self.converter.step_seconds
        class_roll.write(rows, self.directory / name, step_seconds, CLASSES)


def _with_enough_rolls(known):
    """Yields each condition of two rolls or more: name, bool [4], and its rolls."""
    has = _conditions(known)
    for name in CONDITIONS:
        asked = condition(name) > 0
        is_its = (has == asked).all(axis=1)
        if np.count_nonzero(is_its) > 1:
            yield name, asked, is_its


def _conditions(rolls):
    """bool [N, 4]; silence is always set."""
    has = measures.conditions(rolls, len(CLASSES))
    has[:, measures.SILENT] = True
    return has

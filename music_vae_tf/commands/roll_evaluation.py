"""The tables and plots of piano_roll_vae_evaluate."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np

from music_vae_tf.analysis import rolls as measures
from music_vae_tf.analysis.latent_space import active_units
from music_vae_tf.data.converters.piano_roll import CLASSES
from music_vae_tf.generation.piano_roll import condition
from music_vae_tf.rendering import class_roll, scatter
from music_vae_tf.rendering.class_roll import Picture

CONDITIONS = (
    *("piano", "guitar", "bass", "piano+guitar", "piano+bass", "guitar+bass"),
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


def _back_and_there(said_by: dict, there) -> str:
    """The table of what is said by several, in place of the same music."""
    lines = [
        Line(name, tuple(measure(said, there) for said in said_by.values()))
        for name, measure in (
            ("class accuracy", measures.class_accuracy),
            ("presence accuracy", measures.presence_accuracy),
        )
    ]
    for number, name in [(None, "all sounding cells"), *enumerate(CLASSES)]:
        if number == measures.SILENT:
            continue
        hits = [measures.hits(said, there, number) for said in said_by.values()]
        for measure in ("precision", "recall", "f1"):
            cells = tuple(getattr(one, measure) for one in hits)
            lines.append(Line(f"{name}: {measure}", cells))
    return _table(tuple(said_by), lines)


class Evaluation(NamedTuple):
    """What is measured, and on what; each method gives a table, and some draw."""

    model: object  # a TrainedRollVae
    converter: object  # of the rolls
    training: object  # `data.rolls.Rolls`
    held_out: object
    directory: Path  # of the plots

    def said_back(self) -> str:
        """Held-out rolls from their posterior means, beside the baselines."""
        there, known = (some.classes(self._first) for some in self._both)
        has, known_has = _conditions(there), _conditions(known)
        frequencies = measures.PitchFrequencies.of(known, known_has)
        said = self.model.reconstruct(there)
        said_by = {
            "model": said,
            "frequencies": frequencies.predict(has, self.converter.roll_steps),
            "silence": there * 0,
        }
        active = active_units(self.model.encode(there)[0])
        self._draw_said_back(there, said, has)
        return "\n".join(
            [
                f"{len(there):,} held-out rolls, said back",
                _back_and_there(said_by, there),
                f"{'active latent units':<34}{active:>9} of {self.model.cvae.z_size}",
            ]
        )

    def _draw_said_back(self, there, said, has):
        """For each condition, the first roll that has it and what is said back."""
        rows = []
        for name in CONDITIONS:
            is_so = (has == (condition(name) > 0)).all(axis=1)
            if is_so.any():
                i = is_so.argmax()
                as_it_is = Picture(f"{name}, as it is", there[i])
                rows.append([as_it_is, Picture("said back", said[i])])
        self._draw(rows, "said_back.png")

    def made_up(self, count: int) -> str:
        """So many rolls for each condition, of latent vectors like those of training
        rolls that have it; and as many from the standard prior."""
        known = self.training.classes(self._first)
        plane = measures.Plane.of(known)
        known_points = plane.project(known)

        def line(name, rolls, conditions):
            points = plane.project(rolls)
            cells = (
                measures.condition_obedience(rolls, conditions),
                measures.uniqueness(rolls, known),
                measures.plane_uniqueness(points, known_points),
                float(np.mean(rolls != measures.SILENT) * rolls.shape[2]),
            )
            return Line(name, cells)

        made, standard, lines = {}, [], []
        for name, asked, is_its in _with_enough_rolls(known):
            prior = self.model.prior_of(known[is_its], asked)
            made[name] = self.model.decode(self.model.draw(count, prior), asked)
            standard.append(self.model.decode(self.model.draw(count), asked))
            lines.append(line(name, made[name], np.tile(asked, [count, 1])))
        every = np.concatenate(list(made.values()))
        conditions = np.repeat([condition(name) > 0 for name in made], count, axis=0)
        lines.append(line("all", every, conditions))
        standard = np.concatenate(standard)
        lines.append(line("all, from the standard prior", standard, conditions))
        self._draw_plane(known_points, plane.project(every))
        self._draw(
            [
                [Picture(f"{name}, made up", one) for one in rolls[:PICTURES_IN_A_ROW]]
                for name, rolls in made.items()
            ],
            "made_up.png",
        )
        columns = ("obedience", "uniqueness", "in a plane", "pitches")
        return f"{count} rolls made up for each\n{_table(columns, lines)}"

    def _draw_plane(self, known, made):
        labels = ["training"] * len(known) + ["made up"] * len(made)
        scatter.write(
            np.concatenate([known, made]),
            self.directory / "plane.png",
            "Training rolls and rolls made up",
            ("first principal component", "second"),
            labels,
        )

    def continued(self) -> str:
        """What follows held-out rolls, as far as their pieces go on."""
        steps = self.converter.window_steps
        # What is silent only because a piece is over teaches nothing of how it goes on.
        whole = self.training.steps == steps
        rest = slice(self.converter.roll_steps, steps)
        first, known_first = (some.classes(self._first) for some in self._both)
        frequencies = measures.PitchFrequencies.of(
            self.training.classes(rest)[whole], _conditions(known_first[whole])
        )
        there = self.held_out.classes(rest)
        is_music = np.arange(steps)[rest] < self.held_out.steps[:, None]
        predicted = frequencies.predict(_conditions(first), there.shape[1])
        said_by = {
            "model": self.model.follow_rolls(first)[is_music],
            "frequencies": predicted[is_music],
            "silence": there[is_music] * 0,
        }
        go_on = np.count_nonzero(is_music.any(axis=1))
        return (
            f"{go_on:,} held-out rolls go on: what follows\n"
            f"{_back_and_there(said_by, there[is_music])}"
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
    """Yields each condition that two rolls at least have: its name, itself as bool [4],
    and which rolls have it."""
    has = _conditions(known)
    for name in CONDITIONS:
        asked = condition(name) > 0
        is_its = (has == asked).all(axis=1)
        if np.count_nonzero(is_its) > 1:
            yield name, asked, is_its


def _conditions(rolls):
    """bool [N, 4]; a roll without a silent cell counts as one that has some."""
    has = measures.conditions(rolls, len(CLASSES))
    has[:, measures.SILENT] = True
    return has

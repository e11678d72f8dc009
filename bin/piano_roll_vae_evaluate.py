"""Measure a trained VAE of class rolls on music it was not trained on.

    piano_roll_vae_evaluate --run_dir=cvae/ --clstm_run_dir=clstm/ \\
        --training_path=rolls/train.npz --examples_path=rolls/held_out.npz \\
        --output_dir=evaluation/

prints a table, and draws what the model says back, what it makes up for each condition,
and where that lies among the training rolls. Each measure is defined in
`music_vae_tf.analysis.rolls`.
"""

from __future__ import annotations

import os
import sys
from typing import NamedTuple

from music_vae_tf.bin.command import (
    LARGEST_SEED,
    Command,
    UserError,
    writable_directory,
)
from music_vae_tf.bin.progress import progress
from music_vae_tf.bin.roll_runs import add_model_flags, trained_roll_vae

CONDITIONS = (
    *("piano", "guitar", "bass", "piano+guitar", "piano+bass", "guitar+bass"),
    "piano+guitar+bass",
)
PICTURES_PER_CONDITION = 2

command = Command("piano_roll_vae_evaluate", __doc__)
add_model_flags(command)
command.string(
    "training_path", None, "File of the rolls that were trained on.", required=True
)
command.string("examples_path", None, "File of rolls to measure on.", required=True)
command.string("output_dir", None, "Where the plots go.", required=True)
command.integer("num_generated", 20, "Rolls to make up for each condition.", at_least=1)
command.integer("seed", 0, "Repeats what is made up.", at_least=0, at_most=LARGEST_SEED)


def main(flags):
    for name in ("training_path", "examples_path"):
        if not os.path.isfile(os.path.expanduser(flags[name].value)):
            raise UserError(
                f"--{name}={flags[name].value}: there is no such file; a file of class "
                "rolls is expected, which piano_roll_vae_prepare makes"
            )
    directory = writable_directory("output_dir", flags.output_dir)
    model, converter = trained_roll_vae(flags, flags.seed)

    from music_vae_tf.data import rolls

    training = rolls.read(flags.training_path, converter.window_steps)
    held_out = rolls.read(flags.examples_path, converter.window_steps)
    stages = [_reconstructed, _generated]
    if model.continuation is not None:
        stages.append(_continued)
    tables = []
    with progress(len(stages), "Measuring", unit="stages") as bar:
        for stage in stages:
            tables.append(stage(model, converter, training, held_out, directory, flags))
            bar.advance()
    print("\n\n".join(tables))
    print(f"\nPictures: {directory}")


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
    from music_vae_tf.analysis import rolls as measures
    from music_vae_tf.data.converters.piano_roll import CLASSES

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


def _reconstructed(model, converter, training, held_out, directory, flags) -> str:
    """What is said back from posterior means, beside the baselines."""
    from music_vae_tf.analysis import rolls as measures
    from music_vae_tf.data.converters.piano_roll import CLASSES

    part = slice(0, converter.roll_steps)
    there, known = held_out.classes(part), training.classes(part)
    has, known_has = (
        measures.conditions(some, len(CLASSES)) for some in (there, known)
    )
    frequencies = measures.PitchFrequencies.of(known, known_has)
    said = model.reconstruct(there)
    said_by = {
        "model": said,
        "frequencies": frequencies.predict(has, converter.roll_steps),
        "silence": there * 0,
    }
    means, _ = model.encode(there)
    active = measures.active_units(means)
    _draw_pairs(there, said, has, directory / "said_back.png", converter)
    return "\n".join(
        [
            f"{len(there):,} rolls of {flags.examples_path}, said back",
            _back_and_there(said_by, there),
            f"{'active latent units':<34}{active:>9} of {model.cvae.z_size}",
        ]
    )


def _draw_pairs(there, said, has, path, converter):
    """For each condition, the first roll that has it and what is said back."""
    from music_vae_tf.analysis.roll_plots import Picture, write_rolls
    from music_vae_tf.data.converters.piano_roll import CLASSES
    from music_vae_tf.generation.piano_roll import condition

    firsts = []
    for name in CONDITIONS:
        is_so = (has[:, 1:] == condition(name)[1:].astype(bool)).all(axis=1)
        firsts += [(name, int(is_so.argmax()))] if is_so.any() else []
    pictures = [
        [Picture(f"{name}, as it is", there[i]), Picture("said back", said[i])]
        for name, i in firsts
    ]
    write_rolls(pictures, path, converter.step_seconds, CLASSES)


def _generated(model, converter, training, held_out, directory, flags) -> str:
    """What is made up for each condition from the prior."""
    import numpy as np

    from music_vae_tf.analysis import roll_plots
    from music_vae_tf.analysis import rolls as measures
    from music_vae_tf.data.converters.piano_roll import CLASSES
    from music_vae_tf.generation.piano_roll import condition

    known = training.classes(slice(0, converter.roll_steps))
    plane = measures.Plane.of(known)
    known_points = plane.project(known)
    made = {
        name: model.decode(model.draw(flags.num_generated), condition(name))
        for name in CONDITIONS
    }
    points = {name: plane.project(some) for name, some in made.items()}
    lines = []
    for name, some in [*made.items(), ("all", np.concatenate(list(made.values())))]:
        asked = np.concatenate(
            [
                np.tile(condition(one) > 0, (flags.num_generated, 1))
                for one in (CONDITIONS if name == "all" else [name])
            ]
        )
        its = points.get(name, np.concatenate(list(points.values())))
        cells = (
            measures.condition_obedience(some, asked),
            measures.uniqueness(some, known),
            measures.plane_uniqueness(its, known_points),
            float(np.mean(some != measures.SILENT) * some.shape[2]),
        )
        lines.append(Line(name, cells))
    roll_plots.write_plane(known_points, points, directory / "plane.png")
    pictures = [
        [
            roll_plots.Picture(f"{name}, made up", roll)
            for roll in some[:PICTURES_PER_CONDITION]
        ]
        for name, some in made.items()
    ]
    path = directory / "made_up.png"
    roll_plots.write_rolls(pictures, path, converter.step_seconds, CLASSES)
    columns = ("obedience", "uniqueness", "in a plane", "pitches")
    return "\n".join(
        [f"{flags.num_generated} rolls made up for each", _table(columns, lines)]
    )


def _continued(model, converter, training, held_out, directory, flags) -> str:
    """What is said to follow held-out rolls, as far as they go on."""
    import numpy as np

    from music_vae_tf.analysis import rolls as measures
    from music_vae_tf.data.converters.piano_roll import CLASSES

    first = slice(0, converter.roll_steps)
    rest = slice(converter.roll_steps, converter.window_steps)
    # What is silent only because a piece is over teaches nothing of how music goes on.
    whole = training.steps == converter.window_steps
    has, known_has = (
        measures.conditions(some, len(CLASSES))
        for some in (held_out.classes(first), training.classes(first)[whole])
    )
    frequencies = measures.PitchFrequencies.of(training.classes(rest)[whole], known_has)
    there = held_out.classes(rest)
    is_music = (
        np.arange(converter.roll_steps, converter.window_steps)
        < (held_out.steps[:, None])
    )
    said_by = {
        "model": model.follow_rolls(held_out.classes(first)),
        "frequencies": frequencies.predict(has, converter.continuation_steps),
        "silence": there * 0,
    }
    said_by = {name: said[is_music] for name, said in said_by.items()}
    return "\n".join(
        [
            f"{is_music.any(axis=1).sum():,} of them go on: what follows",
            _back_and_there(said_by, there[is_music]),
        ]
    )


run = command.entry(main)

if __name__ == "__main__":
    sys.exit(run())

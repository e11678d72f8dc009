"""What a trained model's latent space is like, by a collection of music in it.

    music_vae_explore --run_dir=run --input=groove/ --output_dir=explored

Writes where each example of the collection lies: latent.csv, and the files that
TensorBoard's projector shows (tensorboard --logdir=explored/projector). It draws
pictures by principal components and by UMAP. It writes what the most active dimensions
do as MIDI. A folder's info.csv, as the Groove MIDI Dataset has one, describes each
file. Its columns colour the pictures, and make attributes:

    music_vae_explore --run_dir=run --input=groove/ --output_dir=explored \\
        --attributes="style=funk minus style=rock"
    music_vae_generate --run_dir=run \\
        --attribute_vector=explored/style=funk_minus_style=rock.json

Attributes that notes alone decide (density, syncopation, swing, ...) need no metadata:

    music_vae_explore --run_dir=run --input=train.tfrecord --measure \\
        --test_input=validation.tfrecord --output_dir=explored
    music_vae_generate --run_dir=run --attribute_file=explored/attributes.json \\
        --attribute="density=+1,swing=-0.5"
"""

from __future__ import annotations

import logging
import os
import re
import shlex
import sys

from music_vae_tf.commands.command import (
    LARGEST_SEED,
    Command,
    UserError,
)
from music_vae_tf.commands.outputs import Outputs, add_file_flags, loop
from music_vae_tf.commands.progress import progress
from music_vae_tf.commands.trained import add_model_flags, config_and_checkpoint
from music_vae_tf.quiet import import_tensorflow

log = logging.getLogger("music_vae_tf")

FURTHEST = 2.0  # standard deviations of the prior, on a way along a dimension

command = Command("music_vae_explore", __doc__)
add_model_flags(command)
command.string(
    "input",
    None,
    "Folder of music files, with all folders in it; or a TFRecord file of "
    "NoteSequences, or a pattern of several.",
    required=True,
)
command.string(
    "info_csv",
    None,
    "CSV file with a row for each music file, named in its column midi_filename; by "
    "default info.csv in the folder, if there is one.",
)
command.string("output_dir", None, "Where all is written.", required=True)
command.string(
    "color_by", None, "Column that colours the pictures; style, if there is one."
)
command.boolean("umap", True, "Draw a picture by UMAP.")
command.string(
    "attributes",
    "",
    "Vectors to save, with semicolons between: style=funk minus style=rock; "
    "beat_type=fill. Without minus, all other examples are subtracted.",
)
command.boolean(
    "measure",
    False,
    "Make vectors of density, syncopation, swing, and so on, which notes alone decide; "
    "report how well each moves what it names.",
)
command.string(
    "test_input",
    None,
    "Other music, like --input, on which the effects of these vectors are measured; by "
    "default on --input.",
)
command.string(
    "attribute_file",
    None,
    "Where --measure saves the vectors; by default attributes.json in output_dir.",
)
command.integer(
    "num_dimensions",
    5,
    "How many of the most active ones are gone along.",
    at_least=0,
    at_most=10_000,
)
command.integer("num_steps", 5, "Files along each of them.", at_least=2, at_most=1_000)
add_file_flags(command)
command.float("temperature", 0.5, "Randomness of these files; above 0.")
command.integer(
    "max_batch_size", 32, "At most so many at a time.", at_least=1, at_most=100_000
)
command.integer(
    "seed", 0, "The same seed gives the same files.", at_least=0, at_most=LARGEST_SEED
)


def main(flags):
    from music_vae_tf.analysis import latent_space

    if not flags.temperature > 0:
        raise UserError(f"--temperature={flags.temperature}: expected a number above 0")
    for name in ("test_input", "attribute_file"):
        if flags[name].value and not flags.measure:
            raise UserError(f"--{name} belongs to --measure")
    config, checkpoint = config_and_checkpoint(flags)
    known = _known(flags)
    source = _source(flags.input)
    test_source = _source(flags.test_input) if flags.test_input else None
    outputs = Outputs(flags)
    output_dir = outputs.check()
    import_tensorflow()
    if flags.umap:
        latent_space.require_umap()
    model = _model(flags, config, checkpoint)
    collection = _encode(model, source, known)
    attributes = _attributes(flags.attributes, collection)
    labels = _labels(flags.color_by, collection)  # says so before it takes long
    _write_places(collection, output_dir)
    _draw(flags, collection, labels, output_dir)
    for name, vector in attributes.items():
        _write_attribute(name, config, vector, output_dir)
    if flags.measure:
        test = _encode(model, test_source, {}) if test_source else collection
        _measure(flags, model, collection, test, output_dir)
    # At last: where sound is missing, all else is written.
    _go_along(flags, model, collection, output_dir / "dimensions", outputs)


# What is read.


def _known(flags) -> dict[str, dict[str, str]]:
    """`{name of a music file: {column: text}}`, by an info.csv."""
    from music_vae_tf.data import groove_dataset

    path = flags.info_csv or os.path.join(flags.input, "info.csv")
    path = os.path.expanduser(path)
    if not flags.info_csv and not os.path.isfile(path):
        return {}
    rows = groove_dataset.read_info(path)
    return {row.pop(groove_dataset.FILE): row for row in rows}


def _source(path):
    from music_vae_tf.data.source import Source

    path = os.path.expanduser(path)
    return Source.of_folder(path) if os.path.isdir(path) else Source.of_files(path)


def _model(flags, config, checkpoint):
    from music_vae_tf.generation import TrainedModel

    log.info("Loading %s", checkpoint)
    model = TrainedModel(config, flags.max_batch_size, checkpoint, seed=flags.seed)
    if not model.z_size:
        raise UserError(f"config {config.name} has no latent space")
    if model.model.control_depth and flags.num_dimensions:
        raise UserError(
            f"config {config.name} is conditioned, which ways along dimensions are "
            "not: give --num_dimensions=0"
        )
    if flags.measure:
        from music_vae_tf.generation.attribute_fitting import check_model

        check_model(model)
    return model


def _encode(model, source, known):
    from music_vae_tf.generation import collection as collections

    with progress(None, "Encoding", unit="NoteSequences") as bar:
        collection = collections.encode(model, bar.over(source.read()), known)
    collection.report.require(1)
    log.info("%s: %s", source.name, collection.report)
    of_file = [row[collections.FILE] for row in collection.rows]
    if known and known.keys().isdisjoint(of_file):
        raise UserError(
            f"info.csv knows none of the files: it has names like {next(iter(known))}, "
            f"and --input like {of_file[0]}"
        )
    return collection


# What is written.


def _write_places(collection, output_dir):
    from music_vae_tf.analysis.latent_space import active_units
    from music_vae_tf.generation import collection as collections

    collections.write_csv(collection, output_dir / "latent.csv")
    projector = output_dir / "projector"
    projector.mkdir(exist_ok=True)
    collections.write_projector(collection, projector)
    log.info(
        "%d examples in %d dimensions, %d of them active: %s",
        *collection.means.shape,
        active_units(collection.means),
        output_dir / "latent.csv",
    )
    watch = shlex.join(["tensorboard", f"--logdir={projector}"])
    log.info("Look at them with: %s", watch)


def _labels(column, collection):
    """The name of a column, and what it says of each example, up to a `/`: numbers
    where all are that are known; nothing without a column."""
    if not column and "style" not in collection.columns:
        return "", None
    name = column or "style"
    texts = [text.split("/")[0] for text in collection.column(name)]
    try:
        return name, [float(text or "nan") for text in texts]
    except ValueError:
        return name, texts


def _draw(flags, collection, labels, output_dir):
    from music_vae_tf.analysis import latent_space
    from music_vae_tf.rendering import scatter

    name, of_examples = labels
    title = f"{len(collection.rows):,} examples by their"
    plane = latent_space.principal(collection.means)
    axes = [
        f"component {number}: {share:.1%} of the variance"
        for number, share in enumerate(plane.shares, 1)
    ]
    scatter.write(
        plane.points,
        output_dir / "pca.png",
        f"{title} principal components",
        axes,
        of_examples,
        name,
    )
    if flags.umap:
        log.info("Drawing by UMAP, which takes a minute or so")
        points = latent_space.neighbourhoods(collection.means, flags.seed)
        scatter.write(
            points,
            output_dir / "umap.png",
            f"{title} neighbours (UMAP)",
            ("", ""),
            of_examples,
            name,
        )
    log.info("Drew: %s", output_dir / "*.png")


def _attributes(text, collection) -> dict:
    """`{name of an attribute: its vector [Z]}`."""
    from music_vae_tf.analysis.latent_space import attribute_vector

    vectors = {}
    for name in filter(None, (part.strip() for part in text.split(";"))):
        plus, minus, other = name.partition(" minus ")
        has = collection.having(plus)
        lacks = collection.having(other) if minus else ~has
        if (has & lacks).any() or not lacks.any():
            raise UserError(
                f"--attributes: {name!r}: {has.sum()} examples less "
                f"{(has & lacks).sum() or 'no'} of the same; expected two groups "
                "without an example in common"
            )
        log.info("%s: %d examples less %d others", name, has.sum(), lacks.sum())
        vectors[name] = attribute_vector(collection.means, has, lacks)
    return vectors


def _write_attribute(name, config, vector, output_dir):
    from music_vae_tf.generation import collection as collections

    path = output_dir / f"{re.sub('[^a-zA-Z0-9=]+', '_', name)}.json"
    collections.write_attribute(path, name, config, vector)
    log.info("Apply it with music_vae_generate --attribute_vector=%s", path)


def _measure(flags, model, collection, test, output_dir):
    """Vectors of attributes that notes alone decide, and a report on them."""
    from music_vae_tf.generation import attribute_fitting
    from music_vae_tf.generation.attributes import write_attributes

    log.info("Measuring attributes, which takes some minutes for a large model")
    fitted = attribute_fitting.fit(model, collection, test, flags.seed)
    playing = attribute_fitting.fit_playing(model, collection, test, flags.seed)
    path = os.path.expanduser(flags.attribute_file or output_dir / "attributes.json")
    of_playing = playing.vectors if playing else {}
    write_attributes(path, model, fitted.vectors, of_playing)
    effects = output_dir / "attribute_effects.json"
    attribute_fitting.write_effects(effects, fitted, playing)
    print(
        "Rows: what is moved. Columns: Spearman's correlation of the amount with the "
        f"change of what is measured\n({fitted.num_tested} examples, amounts -1 to 1). "
        "moved: by +1, in standard deviations. leak: mean correlation with the others."
    )
    _show_effects(fitted, "")
    if playing:
        print("The same where the hits are given, as --mode=transform does:")
        _show_effects(playing, " of given hits")
    log.info("%s: apply them with music_vae_generate --attribute", path)
    log.info("All figures: %s", effects)


def _show_effects(fitted, of_what):
    print("\n".join(fitted.lines()))
    missing = [name for name in fitted.names if name not in fitted.vectors]
    if missing:
        log.warning("This model does not move %s%s", ", ".join(missing), of_what)


def _go_along(flags, model, collection, folder, outputs):
    """Files of what the most active dimensions do, all others at 0."""
    import numpy as np

    from music_vae_tf.analysis.latent_space import most_active

    places = np.linspace(-FURTHEST, FURTHEST, flags.num_steps)
    units = most_active(collection.means, flags.num_dimensions)
    if not units:
        return
    folder.mkdir(exist_ok=True)
    z = np.zeros([len(units), len(places), model.z_size], np.float32)
    for of_unit, unit in zip(z, units):
        of_unit[:, unit] = places
    length = model.config.model.max_seq_len
    music = model.decode(z.reshape(-1, model.z_size), length, flags.temperature)
    log.info(
        "Units %s, those of the highest variance, from %g to %g:",
        ", ".join(map(str, units)),
        -FURTHEST,
        FURTHEST,
    )
    # Not `with_suffix` or the like: the names have points.
    names = [f"unit_{unit:03d}_at_{place:+.2f}" for unit in units for place in places]
    paths = [folder / name for name in names]
    outputs.write_to(dict(zip(paths, map(loop, music))), folder / "*")


run = command.entry(main)

if __name__ == "__main__":
    sys.exit(run())

"""`music_vae_evaluate --task=samples`: samples of models beside real examples."""

from __future__ import annotations

import logging
import math
import os

from music_vae_tf.commands import output_json, playing_flag
from music_vae_tf.commands.command import UserError
from music_vae_tf.commands.progress import progress

log = logging.getLogger("music_vae_tf")

NAME = "samples"
NOT_FOR_SAMPLES = ("decoding", "neighbours", "two_sample_test")
HALVES, EXAMPLES = "halves of the examples", "examples"


def evaluate(flags, models) -> None:
    """Prints the table, and writes its rows as JSON.

    models: `{head of a column: (config, path of a checkpoint)}`.
    """
    from music_vae_tf.analysis import sample_metrics  # NumPy, not for --help

    for name in NOT_FOR_SAMPLES:
        if flags[name].present:
            raise UserError(f"--{name} is not for --task={NAME}: leave it out")
    output_json.check(flags.output_json)
    converter = _converter(models)
    pieces = _pieces(converter, flags.examples_path)
    known = _pieces(converter, flags.training_path) if flags.training_path else []
    examples, known = ([x for piece in some for x in piece] for some in (pieces, known))
    columns = {
        name: _measured(flags, config, path, examples, known)
        for name, (config, path) in models.items()
    }
    halves = sample_metrics.compare_halves(pieces)
    splits = sample_metrics.SPLITS if halves else 0
    print("\n".join(_head(flags, columns, splits)))
    if halves:
        columns[HALVES] = halves
    columns[f"{EXAMPLES} ({len(examples):,})"] = list(sample_metrics.describe(examples))
    print("\n".join(_table(columns)))
    output_json.write(flags.output_json, _rows(columns))


def _converter(models):
    """That of all models.

    Raises:
        UserError: they have several, or samples of one need controls.
    """
    from music_vae_tf import build

    (first, (config, _)), *others = models.items()
    for name, (other, _) in others:
        if other.converter != config.converter:
            raise UserError(
                f"{name} reads music in another way than {first}, by another section "
                "`converter`: their examples differ. Evaluate it by itself"
            )
    converter = build.converter(config).for_inference()  # as a TrainedModel writes
    if converter.controls is not None:
        raise UserError(
            f"config {config.name} samples for given {converter.control_kind}, "
            f"and --task={NAME} gives none: use a config without controls"
        )
    return converter


def _measured(flags, config, path, examples, known) -> list:
    """The figures of the samples of a model.

    known: the examples that may be copied.
    """
    from music_vae_tf.quiet import import_tensorflow

    import_tensorflow()
    from music_vae_tf.analysis import sample_metrics
    from music_vae_tf.generation import TrainedModel

    given_hits = playing_flag.gives_hits(flags, config, path)
    model = TrainedModel(
        config, flags.batch_size, path, seed=flags.seed, given_hits=given_hits
    )
    samples = _samples(flags, model)
    figures = [
        *sample_metrics.describe(samples),
        *sample_metrics.compare(samples, examples),
    ]
    return [*figures, sample_metrics.copies(samples, known)] if known else figures


def _pieces(converter, path) -> list[list]:
    """The onsets of the examples of each piece that has some.

    Raises:
        UserError: there are none.
    """
    from music_vae_tf.data import pieces
    from music_vae_tf.data.pipeline import Report
    from music_vae_tf.data.source import Source
    from music_vae_tf.generation.examples import music_of

    source, found, report = Source.of_files(os.path.expanduser(path)), [], Report()
    with progress(None, "Reading", unit="NoteSequences") as bar:
        for index, sequence in enumerate(bar.over(source.read())):
            extraction = pieces.extract(converter, sequence, index)
            report = report.after(extraction)
            dense = [converter.unpack(example) for example in extraction.examples]
            if dense:
                found.append(
                    [
                        _onsets(converter, music_of(converter, one), len(one.targets))
                        for one in dense
                    ]
                )
    if not found:
        raise UserError(f"no example in {source.name}: {report}")
    log.info("%s: %s", source.name, report)
    return found


def _samples(flags, model) -> list:
    length = model.config.model.max_seq_len
    onsets = []
    with progress(flags.num_samples, "Sampling", unit="samples") as bar:
        while len(onsets) < flags.num_samples:
            count = min(flags.batch_size, flags.num_samples - len(onsets))
            music = model.sample(count, length, flags.temperature)
            onsets += [_onsets(model.converter, one, length) for one in music]
            bar.advance(count)
    return onsets


def _onsets(converter, sequence, steps):
    """steps: rows of the example, which say how long it is."""
    from music_vae_tf.analysis.attributes import QUARTERS_PER_BAR, onsets_of

    quarters = converter.quarters(steps) or converter.window_bars * QUARTERS_PER_BAR
    return onsets_of(sequence, quarters)


def _head(flags, names, splits):
    """splits: random ones into halves; 0 where the examples are one piece."""
    halves = (
        f' "{HALVES}" is the distance of one half of their pieces from the other, the '
        f"mean of {splits} random splits."
    )
    yield (
        f"{NAME}: {flags.num_samples:,} draws from the prior by {', '.join(names)}, at "
        f"temperature {flags.temperature:g}. Distances are from the examples."
        f"{halves if splits else ''}"
    )
    yield ""


def _table(columns):
    """Lines of a Markdown table."""
    cells = {
        (figure.metric, name): figure.value
        for name, figures in columns.items()
        for figure in figures
    }
    units = {f.metric: f.unit for figures in columns.values() for f in figures}
    yield f"| | {' | '.join(columns)} |"
    yield f"|---|{'--:|' * len(columns)}"
    for metric, unit in units.items():
        values = [cells.get((metric, name)) for name in columns]
        if not all(value is None or math.isnan(value) for value in values):
            yield f"| {metric}, {unit} | {' | '.join(map(_shown, values))} |"


def _shown(value) -> str:
    if value is None:
        return ""
    return "-" if math.isnan(value) else f"{value:.3g}"


def _rows(columns) -> list:
    from music_vae_tf.analysis.groove_report import ALL, Row

    no_interval = math.nan, math.nan
    return [
        Row(NAME, figure.metric, figure.unit, ALL, name, figure.value, *no_interval)
        for name, figures in columns.items()
        for figure in figures
    ]

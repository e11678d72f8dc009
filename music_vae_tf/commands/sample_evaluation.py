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
HALF, EXAMPLES = "half of the examples", "examples"


def evaluate(flags, models) -> None:
    """Prints the table, and writes its rows as JSON.

    models: `{head of a column: (config, path of a checkpoint)}`.
    """
    for name in NOT_FOR_SAMPLES:
        if flags[name].present:
            raise UserError(f"--{name} is not for --task={NAME}: leave it out")
    output_json.check(flags.output_json)
    columns = {}
    for name, (config, path) in models.items():
        columns |= _measured(flags, name, config, path)
    columns = {  # of the examples once, in the last columns
        **{name: columns[name] for name in columns if not _is_of_examples(name)},
        **{name: columns[name] for name in columns if _is_of_examples(name)},
    }
    print("\n".join(_head(flags, columns)))
    print("\n".join(_table(columns)))
    output_json.write(flags.output_json, _rows(columns))


def _is_of_examples(name):
    return name.startswith((HALF, EXAMPLES))


def _measured(flags, name, config, path) -> dict:
    """`{head of a column: figures}` of the samples of a model, and of the examples as
    it reads them."""
    from music_vae_tf.analysis import sample_metrics
    from music_vae_tf.quiet import import_tensorflow

    import_tensorflow()
    from music_vae_tf.generation import TrainedModel

    given_hits = playing_flag.gives_hits(flags, config, path)
    model = TrainedModel(
        config, flags.batch_size, path, seed=flags.seed, given_hits=given_hits
    )
    if model.converter.controls is not None:
        raise UserError(
            f"config {config.name} samples for given {model.converter.control_kind}, "
            f"and --task={NAME} gives none: use a config without controls"
        )
    pieces = _pieces(model.converter, flags.examples_path)
    examples = [onsets for piece in pieces for onsets in piece]
    samples = _samples(flags, model)
    figures = [
        *sample_metrics.describe(samples),
        *sample_metrics.compare(samples, examples),
    ]
    if flags.training_path:
        known = _pieces(model.converter, flags.training_path)
        every = [onsets for piece in known for onsets in piece]
        figures.append(sample_metrics.copies(samples, every))
    halves = [
        [onsets for piece in pieces[first::2] for onsets in piece] for first in (0, 1)
    ]
    return {
        name: figures,
        HALF: list(sample_metrics.compare(*halves)) if all(halves) else [],
        f"{EXAMPLES} ({len(examples):,})": list(sample_metrics.describe(examples)),
    }


def _pieces(converter, path) -> list[list]:
    """The onsets of the examples of each piece that has some.

    Raises:
        TooFewExamples: there are none.
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
    report.require(1)
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


def _head(flags, columns):
    names = [name for name in columns if not _is_of_examples(name)]
    yield (
        f"{NAME}: {flags.num_samples:,} draws from the prior by {', '.join(names)}, at "
        f"temperature {flags.temperature:g}. Distances are from the examples; "
        f'"{HALF}" is every other piece next to the rest, the distance that chance '
        "gives."
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

"""`music_vae_evaluate --task=...`: models and baselines beside the drummers."""

from __future__ import annotations

import logging
import os

from music_vae_tf.commands import output_json, playing_flag, sample_evaluation
from music_vae_tf.commands.command import Command, UserError
from music_vae_tf.commands.progress import progress

log = logging.getLogger("music_vae_tf")

TASK_NAMES = ("humanize", "tap2drum", "infill", "reconstruct")
NEEDS_TASK = (
    "num_samples",
    "training_path",
    "decoding",
    playing_flag.NAME,
    "neighbours",
    "two_sample_test",
    "output_json",
)
UNMAPPED = "notes of unmapped drum pitch "


def add_task_flags(command: Command) -> None:
    """The flags of a task, and those that make sense with one alone."""
    command.enum(
        "task",
        None,
        [*TASK_NAMES, sample_evaluation.NAME],
        "Measure a task on two-bar windows, with the drummers' own playing as "
        "reference: "
        "humanize (velocities and timing for given hits), tap2drum, infill, or "
        "reconstruct. samples compares draws from the prior with the examples, in any "
        "config without controls.",
    )
    command.integer(
        "num_samples",
        500,
        "With --task=samples: how many are drawn.",
        at_least=2,
        at_most=100_000,
    )
    command.string(
        "training_path",
        None,
        "With --task: TFRecord file of the training split, for baselines without a "
        "network: quantised, mean, a draw from histograms, nearest neighbours. With "
        "--task=samples: to count the samples that are copies.",
    )
    command.enum(
        "decoding",
        "both",
        ["mode", "sample", "both"],
        "With a task but samples: the mean of the latent vector and the more probable "
        "hits, or draws of both, or a column for each.",
    )
    playing_flag.add_playing(command, "With --task: ")
    command.integer(
        "neighbours",
        10,
        "With a task but samples: of the nearest-neighbour baseline.",
        at_least=1,
        at_most=10_000,
    )
    command.boolean(
        "two_sample_test",
        True,
        "With a task but samples: learn to tell each player from the drummers (needs "
        "scikit-learn).",
    )
    command.string(
        "output_json",
        None,
        "With --task: write all figures to this file too, those of each drum included.",
    )


def refuse_task_flags(flags) -> None:
    """Sees that without a task no flag of tasks is given."""
    for name in NEEDS_TASK:
        if flags[name].present:
            names = "|".join([*TASK_NAMES, sample_evaluation.NAME])
            raise UserError(f"--{name} is for tasks: give --task={names} as well")


def evaluate(flags, models) -> None:
    """Prints the table of a task, and writes its rows as JSON.

    models: `{head of a column: (config, checkpoint)}`; a checkpoint of None
    stands for baselines alone, and its config sets how the windows are read.
    """
    from music_vae_tf.analysis import groove_report

    if flags["num_samples"].present:
        raise UserError("--num_samples is for --task=samples: leave it out")
    _check(flags)
    converters = {
        name: _converter(flags, config) for name, (config, _) in models.items()
    }
    converter = next(iter(converters.values()))
    players, examples = _players(flags, models, converters)
    if flags.training_path:
        players |= _baselines(flags, converter, examples.windows)
    rows = _rows(flags, converter, examples.windows, players)
    config, _ = next(iter(models.values()))
    print("\n".join(_head(flags, config, examples)))
    print("\n".join(groove_report.table(rows)))
    output_json.write(flags.output_json, rows)


def _check(flags):
    """What would otherwise fail after all the work."""
    from music_vae_tf.analysis import two_sample

    if flags.two_sample_test:
        two_sample.require_library()
    output_json.check(flags.output_json)


def _rows(flags, converter, windows, players):
    from music_vae_tf.analysis import groove_report
    from music_vae_tf.generation.groove_tasks import drum_names

    rows = groove_report.rows(
        flags.task,
        windows,
        players,
        drum_names(converter),
        seed=flags.seed,
        with_two_sample_tests=flags.two_sample_test,
    )
    with progress(None, "Measuring", unit="figures") as bar:
        return list(bar.over(rows))


def models_without_weights(flags) -> dict:
    """The config whose windows baselines alone are measured on."""
    from music_vae_tf import config as configs

    if not (flags.config and flags.training_path):
        raise UserError(
            "give --run_dir, --checkpoint_file, or the --config of a pretrained model; "
            "or, to measure baselines alone, --config and --training_path"
        )
    config = configs.load(flags.config, "music_vae")
    return {config.name: (config, None)}


def _converter(flags, config):
    from music_vae_tf import build
    from music_vae_tf.generation.groove_tasks import check_task

    converter = build.converter(config)
    check_task(flags.task, converter, config.name, lambda: _fitting(flags.task))
    return converter


def _fitting(task):
    """Names of the configs that a task fits."""
    from music_vae_tf import build
    from music_vae_tf import config as configs
    from music_vae_tf.generation.groove_tasks import task_of

    loaded = (configs.load(name) for name in configs.names("music_vae"))
    return [
        config.name
        for config in loaded
        if config.converter.kind == "groove"
        and task_of(build.converter(config)) == task
    ]


def _players(flags, models, converters):
    """What each model makes of the windows, by the heads of columns; and the examples,
    which have to be the same for all."""
    from music_vae_tf.quiet import import_tensorflow

    import_tensorflow()
    players, examples = {}, None
    sequences = _sequences(flags.examples_path)
    for name, (config, checkpoint) in models.items():
        own = _examples(flags, converters[name], sequences)
        if examples is None:
            examples = own
            _say_what_is_left_out(examples)
        elif not _same_windows(examples.windows, own.windows):
            raise UserError(
                f"{name} reads other windows or drum classes than the models before "
                "it: evaluate it by itself"
            )
        if checkpoint is not None:
            players |= _played(flags, name, config, converters[name], checkpoint, own)
    return players, examples


def _sequences(path):
    from music_vae_tf.data.source import Source

    source = Source.of_files(os.path.expanduser(path))
    with progress(None, "Reading", unit="NoteSequences") as bar:
        return list(bar.over(source.read()))


def _examples(flags, converter, sequences):
    from music_vae_tf.generation.groove_tasks import task_examples

    return task_examples(flags.task, converter, sequences)


def _say_what_is_left_out(examples):
    lacking = {
        reason.removeprefix(UNMAPPED): count
        for reason, count in examples.left_out.items()
        if reason.startswith(UNMAPPED)
    }
    if lacking:
        log.warning(
            "%d notes are of drums that the config has no class for, and not measured: "
            "MIDI pitches %s",
            sum(lacking.values()),
            ", ".join(f"{pitch} ({count})" for pitch, count in lacking.items()),
        )
    for reason, count in examples.left_out.most_common():
        if not reason.startswith(UNMAPPED):
            log.info("left out: %d x %s", count, reason)


def _same_windows(one, other):
    import numpy as np

    arrays = [(*w.drummers, w.given, w.performances, w.asked) for w in (one, other)]
    return all(
        np.shape(x) == np.shape(y) and np.array_equal(x, y) for x, y in zip(*arrays)
    )


def _played(flags, name, config, converter, checkpoint, examples):
    from music_vae_tf.commands.trained import restored
    from music_vae_tf.generation.groove_tasks import play

    if flags.task == "humanize" and flags[playing_flag.NAME].present:
        raise UserError(
            f"--{playing_flag.NAME} is for hits that the model decides, and "
            f"--task={flags.task} gives all of them: leave it out"
        )
    model, step = restored(config, converter, checkpoint)
    log.info("%s: step %s", name, "unknown" if step < 0 else f"{step:,}")
    decodings = ("mode", "sample") if flags.decoding == "both" else (flags.decoding,)
    return {
        f"{name}, {decoding}": play(
            model,
            converter,
            examples,
            is_sample=decoding == "sample",
            given_hits=playing_flag.gives_hits(flags, config, checkpoint),
            temperature=flags.temperature,
            seed=flags.seed,
            batch_size=flags.batch_size,
        )
        for decoding in decodings
    }


def _baselines(flags, converter, windows):
    from music_vae_tf.analysis.groove_baselines import baselines
    from music_vae_tf.analysis.groove_windows import TASKS

    training = _examples(flags, converter, _sequences(flags.training_path)).windows
    holds_hits = TASKS[flags.task].holds_hits
    return baselines(training, windows, holds_hits, flags.seed, flags.neighbours)


def _head(flags, config, examples):
    from music_vae_tf.analysis.bootstrap import LEVEL, RESAMPLES
    from music_vae_tf.analysis.groove_windows import TASKS

    windows = examples.windows
    yield f"{flags.task}: {TASKS[flags.task].description}."
    yield (
        f"{len(windows.qpm):,} windows of two bars from {windows.num_performances:,} "
        f"performances, as {config.name} reads them. Brackets hold {LEVEL:.0%} "
        f"intervals of {RESAMPLES:,} bootstrap resamples of performances."
    )
    yield ""

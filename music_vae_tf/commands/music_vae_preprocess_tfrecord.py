"""Extract the examples of a corpus once, as NoteSequences, for many trainings.

Cuts the NoteSequences of TFRecord files into pieces that are one example each for the
converter of a config. Equal ones are written once; their id lists where they came from.

    music_vae_preprocess_tfrecord --config=cat-mel_2bar_small \\
        --input_tfrecord=train.tfrecord --output_tfrecord=train-cat-mel_2bar_small

writes train-cat-mel_2bar_small-00000-of-00032 and 31 more, for

    music_vae_train --config=cat-mel_2bar_small \\
        --examples_path='train-cat-mel_2bar_small-*' ...

It is an Apache Beam pipeline. On all cores of this machine:

    --pipeline_options=--direct_running_mode=multi_processing,--direct_num_workers=0

and on others with a runner's own options, as in

    --pipeline_options=--runner=DataflowRunner,--project=...,--region=...
"""

from __future__ import annotations

import csv
import logging
import os
import sys

from music_vae_tf.commands.command import Command, UserError
from music_vae_tf.commands.drums_flag import add_drums, with_drums
from music_vae_tf.quiet import import_tensorflow

MOST_SHARDS = 1_000  # each is written, closed and renamed on its own

command = Command("music_vae_preprocess_tfrecord", __doc__)
command.string(
    "input_tfrecord",
    None,
    "TFRecord file of NoteSequences, or a pattern of several.",
    required=True,
)
command.string(
    "output_tfrecord", None, "What names of output files begin with.", required=True
)
command.integer(
    "output_shards",
    32,
    f"Number of output files, at most {MOST_SHARDS:,}; 0: chosen by the runner.",
    at_least=0,
    at_most=MOST_SHARDS,
)
command.string("config", None, "Name of a config, or a YAML file.", required=True)
command.boolean("enable_filtering", True, "Whether the flags below are heeded.")
command.integer("max_total_time", 1800, "Skip pieces longer than this, in seconds.")
command.integer("max_num_notes", 10000, "Skip pieces of more notes.")
command.integer("min_velocities", 1, "Skip pieces of fewer different velocities.")
command.integer(
    "min_metric_positions",
    1,
    "Skip pieces whose notes start on fewer different sixteenths of a quarter note.",
)
command.boolean(
    "is_drum",
    None,
    "Which notes the two flags above count: drums, or others; all if not given.",
)
command.boolean("drums_only", False, "Skip pieces with other notes than drums.")
add_drums(command)
command.string(
    "pipeline_options",
    "--runner=DirectRunner",
    "Options of Apache Beam and of its runner, separated by commas.",
)


def main(flags):
    _require_beam()
    import_tensorflow()  # which `build` imports, less quietly
    from music_vae_tf import build, config
    from music_vae_tf.data import preprocess

    pipeline_options = next(csv.reader([flags.pipeline_options]))
    if not preprocess.runs_here(pipeline_options):
        logging.getLogger("apache_beam").setLevel(logging.INFO)  # tells where it runs
    chosen = with_drums(config.load(flags.config, "music_vae"), flags.drums)
    converter = build.converter(chosen).unrounded()
    counts, left_out = preprocess.run(
        pipeline_options,
        preprocess.matching_files(os.path.expanduser(flags.input_tfrecord)),
        os.path.expanduser(flags.output_tfrecord),
        flags.output_shards,
        converter,
        _filters(flags),
    )
    for line in _table(counts, left_out):
        print(line)
    if not counts["unique-examples"]:
        raise UserError(
            f"--input_tfrecord={flags.input_tfrecord}: no example of {flags.config}; "
            "the files written are empty"
        )


def _require_beam():
    """Imports Beam, and leaves it only words about options that it does not know."""
    logging.getLogger("apache_beam").setLevel(logging.CRITICAL)
    logging.getLogger("apache_beam.options").setLevel(logging.WARNING)
    logging.disable(logging.WARNING)  # it misses clients of BigQuery aloud
    try:
        import apache_beam  # noqa: F401
    except ImportError as error:
        raise UserError(
            'this needs Apache Beam: pip install "music_vae_tf[beam]"'
        ) from error
    finally:
        logging.disable(logging.NOTSET)


def _filters(flags):
    from music_vae_tf.data.single_examples import Filters

    if not flags.enable_filtering:
        return None
    return Filters(
        max_total_time=flags.max_total_time,
        max_num_notes=flags.max_num_notes,
        min_velocities=flags.min_velocities,
        min_metric_positions=flags.min_metric_positions,
        is_drum=flags.is_drum,
        drums_only=flags.drums_only,
    )


def _table(counts, left_out):
    """The counters that are not 0, and what the converter left out."""
    from music_vae_tf.data.single_examples import COUNTERS

    for name, meaning in COUNTERS.items():
        if counts[name]:
            yield f"{counts[name]:>9,}  {name}: {meaning}"
    if left_out:
        yield "Left out:"
    for reason, count in left_out.most_common():
        yield f"{count:>9,}  {reason}"


run = command.entry(main)

if __name__ == "__main__":
    sys.exit(run())

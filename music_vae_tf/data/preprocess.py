"""`single_examples` for a corpus: an Apache Beam pipeline, for one machine or many.

    files -> records -> examples -> equal examples united -> shards

What comes out is a function of what goes in, however many workers share the work; only
the order of records is not.
"""

from __future__ import annotations

import contextlib
import io
import logging
import os
import re
from collections import Counter
from collections.abc import Iterable, Iterator

import apache_beam as beam
from apache_beam.io.filesystems import FileSystems
from apache_beam.metrics import Metrics
from apache_beam.options.pipeline_options import PipelineOptions, StandardOptions
from note_seq.protobuf.music_pb2 import NoteSequence

from music_vae_tf.data import pieces, records
from music_vae_tf.data.converters.base import Converter, grouped
from music_vae_tf.data.shards import whole_shards
from music_vae_tf.data.single_examples import Filters, single_examples
from music_vae_tf.errors import UserFacingError

log = logging.getLogger("music_vae_tf")
COUNTS = "ExtractExamplesDoFn"  # Magenta's namespace, as dashboards show it
LEFT_OUT = "left-out"
NO_NOTE_SEQUENCE = "records that are not a NoteSequence"
# How Beam tells of an error of a worker, in the last line of its own error's text.
REPORT = re.compile(r"(?:.*\b(BadRecords|OSError): )?(.*?)(?: \[while running .*)?")

Place = tuple[str, int]  # a record: its file, its number there


class PipelineFailed(UserFacingError, ValueError):
    """A pipeline that cannot be built or did not come to its end."""


def run(
    pipeline_options: list[str],
    files: list[str],
    output_prefix: str,
    output_shards: int,
    converter: Converter,
    filters: Filters | None,
) -> tuple[Counter[str], Counter[str]]:
    """Writes `output_prefix-00000-of-NNNNN` ..., and waits until they are there.

    Args:
        pipeline_options: Beam's, as on a command line: `--runner=DataflowRunner`.
        output_shards: how many; 0 leaves it to the runner.

    Returns:
        `SingleExamples.counts` and `SingleExamples.left_out` of the whole corpus.

    Raises:
        PipelineFailed: options contradict each other, a file of the input is damaged or
            no NoteSequences, or one of the output cannot be written.
    """
    pipeline = _pipeline(pipeline_options)
    with _readable_errors(), _written_to(output_prefix, files) as prefix:
        result = _run(pipeline, files, prefix, output_shards, converter, filters)
    counters = result.metrics().query()["counters"]
    counts, left_out = _totals(counters, COUNTS), _totals(counters, LEFT_OUT)
    if set(left_out) == {NO_NOTE_SEQUENCE} and not counts:
        raise PipelineFailed(
            f"{files[0]}: none of {left_out[NO_NOTE_SEQUENCE]:,} records is a "
            f"NoteSequence; {records.MAKE_ANEW}"
        )
    return counts, left_out


def _run(pipeline, files, prefix, num_shards, converter, filters):
    """The result of the pipeline, which has come to its end."""
    _ = (
        pipeline
        | "files" >> beam.Create(files)
        | "spread files" >> beam.Reshuffle()
        | "read" >> beam.FlatMap(_read)
        # Otherwise whoever reads a file must convert all of it.
        | "spread records" >> beam.Reshuffle()
        | "extract" >> beam.ParDo(_Extract(converter, filters))
        | "group" >> beam.GroupByKey()
        | "unite" >> beam.MapTuple(_unite)
        | "shuffle" >> beam.Reshuffle()
        | "write" >> beam.io.WriteToTFRecord(prefix, num_shards=num_shards)
    )
    result = pipeline.run()
    result.wait_until_finish()
    return result


def matching_files(pattern: str) -> list[str]:
    """The files that a path or a pattern names, on any file system that Beam knows.

    Raises:
        BadRecords: there is none.
        PipelineFailed: Beam does not know the file system.
    """
    if "://" not in pattern:
        return [os.path.abspath(path) for path in records.matching_files(pattern)]
    try:
        (match,) = FileSystems.match([pattern])
    except ValueError as error:
        raise PipelineFailed(str(error)) from error
    if not match.metadata_list:
        raise records.BadRecords(f"no file matches {pattern}")
    return [metadata.path for metadata in match.metadata_list]


def runs_here(pipeline_options: list[str]) -> bool:
    """Whether the pipeline is left to Beam's DirectRunner.

    Raises:
        PipelineFailed: an option has a value that it cannot have.
    """
    said = io.StringIO()
    try:
        with contextlib.redirect_stderr(said):
            options = PipelineOptions(pipeline_options)
            options.get_all_options()
    except SystemExit as error:
        *_, complaint = said.getvalue().strip().partition("error: ")
        raise PipelineFailed(complaint) from error
    return options.view_as(StandardOptions).runner in (None, "DirectRunner")


def _pipeline(pipeline_options):
    here = []
    if runs_here(pipeline_options):
        # Without unsafe triggers (there are no triggers at all), the DirectRunner hands
        # over to a program that it downloads, and that knows no direct_running_mode.
        here = ["--allow_unsafe_triggers", "--default_sdk_harness_log_level=ERROR"]
    try:
        return beam.Pipeline(options=PipelineOptions([*here, *pipeline_options]))
    except ValueError as error:  # an unknown runner, options that it misses
        raise PipelineFailed(str(error)) from error


def _written_to(output_prefix, files):
    """Yields the prefix that Beam is given; on this machine another one at first."""
    if "://" in output_prefix:
        return contextlib.nullcontext(output_prefix)
    return whole_shards(output_prefix, keep=files)


@contextlib.contextmanager
def _readable_errors():
    try:
        yield
    except Exception as error:  # Beam's own, around the text of that of a worker
        kind, message = REPORT.fullmatch(str(error).strip().splitlines()[-1]).groups()
        if kind or isinstance(error, (records.BadRecords, OSError)):
            raise PipelineFailed(message) from error
        raise


def _read(path: str) -> Iterator[tuple[Place, bytes]]:
    with FileSystems.open(path) as file:
        for index, record in enumerate(records.records_in(file, path)):
            yield (path, index), record


@beam.typehints.with_output_types(tuple[bytes, tuple[Place, str]])
class _Extract(beam.DoFn):
    """A record -> its examples, each with its place and the id of its source."""

    def __init__(self, converter, filters):
        super().__init__()
        self._converter, self._filters = converter, filters

    def process(self, placed_record):
        (path, index), record = placed_record
        try:
            sequence = records.parse_note_sequence(record, f"{path}: record {index}")
        except records.BadRecords as error:
            log.warning("left out: %s", error)
            _count(LEFT_OUT, {NO_NOTE_SEQUENCE: 1})
            return
        found = single_examples(sequence, self._converter, self._filters)
        name = pieces.name_of(sequence, index)
        pieces.warn_of(found.left_out, f"{name} of {path}")
        _count(COUNTS, found.counts)
        _count(LEFT_OUT, grouped(found.left_out))
        for example in found.sequences:
            key = example.SerializeToString(deterministic=True)
            yield key, ((path, index), sequence.id)


def _unite(example: bytes, sources: Iterable[tuple[Place, str]]) -> bytes:
    """Equal examples as one that has the ids of all, in the order of the input."""
    _count(COUNTS, {"unique-examples": 1})
    sequence = NoteSequence.FromString(example)
    sequence.id = ",".join(id for _, id in sorted(sources))
    return sequence.SerializeToString()


def _count(namespace, counts):
    for name, count in counts.items():
        Metrics.counter(namespace, name).inc(count)


def _totals(counters, namespace) -> Counter[str]:
    totals = Counter()
    for counter in counters:
        if counter.key.metric.namespace == namespace:
            totals[counter.key.metric.name] += counter.result
    return +totals

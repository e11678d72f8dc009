"""A corpus through Apache Beam: what the original Magenta writes, by any number."""

import dataclasses
import hashlib
import pickle
from pathlib import Path

import note_seq
import pytest

from music_vae_tf import build, config
from music_vae_tf.data.converters.drums import DrumsConverter
from music_vae_tf.data.records import (
    BadRecords,
    read_note_sequences,
    read_records,
    records_writer,
)
from music_vae_tf.data.single_examples import Filters

TWO_PROCESSES = ["--direct_running_mode=multi_processing", "--direct_num_workers=2"]
TWO_THREADS = ["--direct_running_mode=multi_threading", "--direct_num_workers=2"]
ONE_BAR = DrumsConverter(slice_bars=1)


@pytest.fixture(scope="module")
def preprocess():
    reason = 'left out: this needs pip install "music_vae_tf[beam]"'
    pytest.importorskip("apache_beam", reason=reason)
    from music_vae_tf.data import preprocess

    return preprocess


@pytest.fixture
def run(preprocess, tmp_path):
    """Runs the pipeline; gives the sorted records, and the counts."""

    def run(*files, converter=ONE_BAR, options=(), shards=2):
        output = str(tmp_path / "out" / "examples")
        counts, _ = preprocess.run(
            list(options), list(map(str, files)), output, shards, converter, Filters()
        )
        written = sorted((tmp_path / "out").iterdir())
        assert len(written) == shards
        return sorted(r for path in written for r in read_records(path)), counts

    return run


def write(path, *sequences):
    with records_writer(path) as write_record:
        for sequence in sequences:
            write_record(sequence.SerializeToString())
    return path


def beats(id, *pitches):
    """Bars of one drum each, on every beat."""
    sequence = note_seq.NoteSequence(id=id, total_time=2.0 * len(pitches))
    for i in range(4 * len(pitches)):
        sequence.notes.add(
            pitch=pitches[i // 4],
            velocity=80,
            start_time=i / 2,
            end_time=i / 2 + 0.1,
            is_drum=True,
        )
    return sequence


def ids(records):
    return {note_seq.NoteSequence.FromString(record).id for record in records}


def all_examples_of(name):
    """The converter of a config without a limit of examples per sequence: which of too
    many survive in Magenta depends on its interpreter."""
    converter = build.converter(config.load(name))
    return dataclasses.replace(converter, max_tensors_per_notesequence=None)


@pytest.fixture(scope="module")
def pool(golden, tmp_path_factory):
    """Half of the golden NoteSequences, twice: each example has two sources."""
    sequences = []
    for take in (1, 2):
        for name, serialized in sorted(golden.notesequences.items())[::2]:
            sequence = note_seq.NoteSequence.FromString(serialized)
            sequence.id = f"{name}-take{take}"
            sequences.append(sequence)
    return write(tmp_path_factory.mktemp("pool") / "pool.tfrecord", *sequences)


@pytest.fixture
def magentas(golden):
    """The number of examples and their digest, by config."""
    if not Path(golden.path("preprocessed.json")).exists():
        pytest.skip("left out: these golden data hold no preprocessed examples")
    return golden.json("preprocessed.json")


def assert_are(magentas, records):
    assert len(records) == magentas["examples"]
    assert hashlib.sha256(b"".join(records)).hexdigest() == magentas["sha256"]


@pytest.mark.parametrize("name", ["nade-drums_2bar_full", "cat-mel_2bar_med_chords"])
def test_records_are_those_of_the_original(run, pool, magentas, name):
    records, counts = run(pool, converter=all_examples_of(name))
    assert_are(magentas[name], records)
    assert counts["unique-examples"] == len(records)


def test_grooves_are_those_of_the_original(run, golden, magentas):
    converter = dataclasses.replace(
        all_examples_of("groovae_4bar"), double_precision=True
    )
    grooves = golden.path("conversion", "groove.tfrecord")
    records, counts = run(grooves, converter=converter)
    assert_are(magentas["groovae_4bar"], records)
    assert counts["all-examples"] == counts["extracted-examples"] == len(records)


def test_equal_examples_are_united_in_the_order_of_the_input(run, tmp_path):
    one = write(tmp_path / "1", beats("z", 36, 38), beats("a", 38), beats("m", 36))
    two = write(tmp_path / "2", beats("b", 38, 42, 38))
    records, counts = run(two, one)
    # `b` has two bars of snares, of which a converter gives one.
    assert ids(records) == {"z,m", "z,a,b", "b"}
    assert counts["all-examples"] == 6
    assert counts["unique-examples"] == 3


def test_many_processes_write_what_one_does(run, tmp_path):
    sequences = [beats(str(i), 36, 36 + i % 3, 42 + i % 5) for i in range(30)]
    path = write(tmp_path / "in.tfrecord", *sequences)
    alone = run(path)
    assert run(path, options=TWO_PROCESSES) == alone


def test_training_reads_the_same_examples_from_what_is_written(run, tmp_path):
    sequence = beats("all", 36, 38, 42, 36, 38)
    converter = DrumsConverter(slice_bars=2)
    run(write(tmp_path / "in.tfrecord", sequence), converter=converter)
    read = read_note_sequences(str(tmp_path / "out" / "examples-*-of-00002"))
    examples = [e for single in read for e in converter.to_examples(single)]
    assert {e.targets.tobytes() for e in examples} == {
        e.targets.tobytes() for e in converter.to_examples(sequence)
    }


@pytest.mark.parametrize("shards", [1, 3])
def test_as_many_shards_are_written_as_asked_for(run, tmp_path, shards):
    run(write(tmp_path / "in.tfrecord", beats("one", 36)), shards=shards)
    names = {path.name for path in (tmp_path / "out").iterdir()}
    assert names == {f"examples-{i:05d}-of-{shards:05d}" for i in range(shards)}


@pytest.mark.parametrize("options", [[], TWO_THREADS])
def test_damaged_input_ends_it_with_a_message(run, preprocess, tmp_path, options):
    path = write(tmp_path / "in.tfrecord", beats("one", 36), beats("two", 38))
    path.write_bytes(path.read_bytes()[:-3])
    with pytest.raises(preprocess.PipelineFailed) as failure:
        run(path, options=options)
    assert str(failure.value).startswith(f"{path}: record 1 is cut off")
    assert "running" not in str(failure.value)


def test_other_records_than_note_sequences_end_it_with_a_message(
    run, preprocess, tmp_path
):
    with records_writer(tmp_path / "in.tfrecord") as write_record:
        write_record(b"\n\x05hello")
    with pytest.raises(preprocess.PipelineFailed, match="none of 1 records is a Note"):
        run(tmp_path / "in.tfrecord")


def test_an_output_that_cannot_be_written_ends_it_with_a_message(preprocess, tmp_path):
    path = write(tmp_path / "in.tfrecord", beats("one", 36))
    with pytest.raises(preprocess.PipelineFailed, match="in.tfrecord"):
        preprocess.run([], [str(path)], f"{path}/out", 1, ONE_BAR, None)


def test_a_converter_that_fails_costs_the_piece_alone(run, tmp_path, caplog):
    path = write(tmp_path / "in.tfrecord", beats("one", 36))
    assert run(path, converter="no converter")[0] == []
    assert f"of {path}: AttributeError in the converter" in caplog.text


def test_files_are_named_so_that_every_worker_finds_them(
    preprocess, tmp_path, monkeypatch
):
    for name in "b", "a":
        write(tmp_path / f"{name}.tfrecord", beats(name, 36))
    monkeypatch.chdir(tmp_path)
    assert preprocess.matching_files("*.tfrecord") == [
        str(tmp_path / "a.tfrecord"),
        str(tmp_path / "b.tfrecord"),
    ]
    with pytest.raises(BadRecords, match="no file matches"):
        preprocess.matching_files("*.nothing")


def test_a_file_system_that_beam_does_not_know_is_refused(preprocess):
    with pytest.raises(preprocess.PipelineFailed, match="nowhere://"):
        preprocess.matching_files("nowhere://bucket/train.tfrecord")


def test_files_of_other_file_systems_are_found_through_beam(preprocess, monkeypatch):
    from apache_beam.io.filesystem import FileMetadata, MatchResult

    def match(patterns):
        (pattern,) = patterns
        names = [] if "nothing" in pattern else [pattern.replace("*", "1")]
        return [MatchResult(pattern, [FileMetadata(name, 1) for name in names])]

    monkeypatch.setattr(preprocess.FileSystems, "match", match)
    assert preprocess.matching_files("gs://our/in-*") == ["gs://our/in-1"]
    with pytest.raises(BadRecords, match="no file matches gs://our/nothing"):
        preprocess.matching_files("gs://our/nothing")


@pytest.mark.parametrize(
    ("options", "here"),
    [
        ([], True),
        (["--runner=DirectRunner", *TWO_PROCESSES], True),
        (["--runner=DataflowRunner"], False),
        (["--runner=FlinkRunner"], False),
    ],
)
def test_only_the_direct_runner_runs_here(preprocess, options, here):
    assert preprocess.runs_here(options) == here


def test_an_option_of_an_impossible_value_is_refused_in_one_line(preprocess):
    with pytest.raises(preprocess.PipelineFailed) as refusal:
        preprocess.runs_here(["--direct_running_mode=by_hand"])
    assert str(refusal.value).startswith("argument --direct_running_mode: invalid")
    assert "\n" not in str(refusal.value)


def test_an_unknown_runner_is_refused(preprocess, run, tmp_path):
    path = write(tmp_path / "in.tfrecord", beats("one", 36))
    with pytest.raises(preprocess.PipelineFailed, match="SparkRunner"):
        run(path, options=["--runner=SparkleRunner"])


@pytest.mark.parametrize("name", config.names("music_vae"))
def test_converters_can_travel_to_workers(name):
    converter = build.converter(config.load(name))
    assert pickle.loads(pickle.dumps(converter)) == converter


@pytest.mark.parametrize("folder", ["p[1]", "p*", "what?", "a{b,c}"])
def test_wildcards_in_the_path_are_letters_and_other_files_stay(
    preprocess, tmp_path, folder
):
    path = write(tmp_path / "in.tfrecord", beats("one", 36))
    strangers = [tmp_path / "p1" / "x[a]-00000-of-00001", tmp_path / folder / "xa"]
    for stranger in strangers:
        stranger.parent.mkdir()
        stranger.write_text("precious")
    prefix = str(tmp_path / folder / "x[a]")
    for _ in range(2):
        preprocess.run([], [str(path)], prefix, 1, ONE_BAR, Filters())
        assert len(list(read_records(f"{prefix}-00000-of-00001"))) == 1
    assert [stranger.read_text() for stranger in strangers] == ["precious"] * 2
    written = sorted(file.name for file in (tmp_path / folder).iterdir())
    assert written == ["x[a]-00000-of-00001", "xa"]

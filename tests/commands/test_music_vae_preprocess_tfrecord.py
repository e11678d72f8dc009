"""A TFRecord of pieces becomes shards of examples as a user asks."""

import inspect
import sys

import pytest

from music_vae_tf.commands import music_vae_preprocess_tfrecord as command
from music_vae_tf.commands import music_vae_train
from music_vae_tf.data import grooves
from music_vae_tf.data.records import read_note_sequences, records_writer
from music_vae_tf.data.single_examples import Filters

FILTERS = inspect.signature(Filters).parameters


@pytest.fixture(scope="module", autouse=True)
def beam():
    reason = 'left out: this needs pip install "music_vae_tf[beam]"'
    return pytest.importorskip("apache_beam", reason=reason)


@pytest.fixture(scope="module")
def records(tmp_path_factory):
    """Four grooves of four bars."""
    path = tmp_path_factory.mktemp("records") / "in.tfrecord"
    with records_writer(path) as write:
        for index, (_, sequence) in enumerate(grooves.performances(4)):
            sequence.id = f"groove-{index}"
            write(sequence.SerializeToString())
    return path


@pytest.fixture
def preprocess(records, tmp_path):
    """Runs the command on the grooves; gives the exit status."""

    def run(*flags, config="groovae_2bar_humanize", source=records):
        return command.run(
            [
                f"--config={config}",
                f"--input_tfrecord={source}",
                f"--output_tfrecord={tmp_path / 'out'}",
                "--output_shards=2",
                *flags,
            ]
        )

    return run


def test_what_happened_is_shown_as_a_table(preprocess, tmp_path, capsys):
    assert preprocess() == 0
    written = list(read_note_sequences(str(tmp_path / "out-*-of-00002")))
    assert {sequence.id for sequence in written} == {f"groove-{i}" for i in range(4)}
    said = capsys.readouterr()
    assert said.out.splitlines() == [
        "        4  sequence-time-splits: pieces of one tempo and time signature",
        "        4  unfiltered-sequences: pieces that were converted",
        "        8  extracted-examples: examples",
        "        8  all-examples: examples written as notes",
        "        8  unique-examples: of these, different ones",
    ]
    assert said.err == ""


def test_what_is_written_can_be_trained_on(preprocess, tmp_path):
    assert preprocess() == 0
    status = music_vae_train.run(
        [
            "--config=groovae_2bar_humanize",
            f"--examples_path={tmp_path / 'out-*'}",
            f"--run_dir={tmp_path / 'run'}",
            "--hparams=batch_size=8,enc_rnn_size=[4],dec_rnn_size=[4],z_size=2",
            "--num_steps=1",
        ]
    )
    assert status == 0


def test_times_are_not_rounded(preprocess, tmp_path):
    """To float32, as those of examples in a training are."""
    assert preprocess() == 0
    for sequence in read_note_sequences(str(tmp_path / "out-*")):
        for note in sequence.notes:
            # A sixteenth at 120 BPM, as exactly as 64 bits have it.
            assert abs(note.end_time - note.start_time - 0.125) < 1e-15


def test_reasons_of_the_converter_are_shown(preprocess, capsys):
    assert preprocess(config="cat-mel_2bar_small") == 1
    said = capsys.readouterr()
    assert (
        "        4  empty-extractions: of these, pieces without an example" in said.out
    )
    assert "Left out:" in said.out
    assert "drum notes" in said.out
    assert "no example of cat-mel_2bar_small" in said.err


@pytest.mark.parametrize(
    ("flag", "counter"),
    [
        ("--max_total_time=1", "filtered-too-long"),
        ("--max_num_notes=3", "filtered-too-many-notes"),
        ("--min_velocities=127", "filtered-min-velocities"),
        ("--min_metric_positions=17", "filtered-min-metric-positions"),
        ("--nois_drum", "filtered-min-velocities"),
    ],
)
def test_filters_are_heeded(preprocess, capsys, flag, counter):
    assert preprocess(flag) == 1
    assert f"4  {counter}" in capsys.readouterr().out


def test_filters_can_be_switched_off(preprocess):
    assert preprocess("--noenable_filtering", "--max_num_notes=3") == 0


@pytest.mark.parametrize("name", FILTERS)
def test_what_is_filtered_by_default_is_the_same_here_and_there(name):
    flags = command.command.parse(
        ["--config=a", "--input_tfrecord=b", "--output_tfrecord=c"]
    )
    assert flags[name].value == FILTERS[name].default


def test_options_are_separated_by_commas(preprocess, records, capsys):
    options = "--runner=DirectRunner,--direct_running_mode=by_hand"
    assert preprocess(f"--pipeline_options={options}") == 1
    assert "argument --direct_running_mode: invalid choice" in capsys.readouterr().err


def test_a_misspelt_option_is_told(preprocess, capsys):
    assert preprocess("--pipeline_options=--direct_num_worker=2") == 0
    assert "Did you mean '--direct_num_workers'" in capsys.readouterr().err


def test_more_files_than_are_sensible_are_refused(preprocess, tmp_path, capsys):
    assert preprocess("--output_shards=100000") == 2
    assert "not an integer in the range [0, 1000]" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_a_missing_input_ends_with_a_message(preprocess, tmp_path, capsys):
    assert preprocess(source=tmp_path / "nothing") == 1
    error = capsys.readouterr().err
    assert f"no file matches {tmp_path / 'nothing'}" in error
    assert not list(tmp_path.iterdir())


def test_without_beam_the_extra_is_named(preprocess, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "apache_beam", None)
    assert preprocess() == 1
    assert 'pip install "music_vae_tf[beam]"' in capsys.readouterr().err

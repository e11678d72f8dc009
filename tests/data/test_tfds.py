"""Data sets of TFDS with MIDI in them, made here: nothing is downloaded."""

import socket
import sys
import time

import note_seq
import numpy as np
import pytest

from music_vae_tf.commands import music_vae_train
from music_vae_tf.data import grooves
from music_vae_tf.data.midi_writer import write_midi
from music_vae_tf.data.tfds import NoDataset, read_note_sequences, require

NAME = "drums_of_ours/4bar"
SPLITS = {"train": slice(0, 4), "validation": slice(4, 6)}


@pytest.fixture(scope="module")
def tfds():
    reason = 'left out: this needs pip install "music_vae_tf[tfds]"'
    return pytest.importorskip("tensorflow_datasets", reason=reason)


@pytest.fixture(scope="module")
def midi(tmp_path_factory):
    """Six grooves, as the contents of MIDI files."""
    path = tmp_path_factory.mktemp("midi") / "groove.mid"

    def contents(sequence):
        write_midi(sequence, path)
        return path.read_bytes()

    return [contents(sequence) for _, sequence in grooves.performances(6)]


@pytest.fixture(scope="module")
def store(tfds, tmp_path_factory):
    """Makes a prepared data set of splits of features; all are in one folder."""
    folder = tmp_path_factory.mktemp("tfds")

    def store(name, features, splits):
        name, _, config = name.partition("/")
        tfds.dataset_builders.store_as_tfds_dataset(
            name=name,
            config=config or None,
            version="1.0.0",
            data_dir=folder,
            features=tfds.features.FeaturesDict(features),
            split_datasets={key: list(enumerate(splits[key])) for key in splits},
            disable_shuffling=True,
        )

    store.folder = folder
    return store


@pytest.fixture(scope="module")
def prepared(store, tfds, midi):
    """A set like groove/4bar-midionly, with another feature that is not needed."""
    features = {"midi": np.object_, "bpm": tfds.features.Scalar(np.int32)}
    examples = [{"midi": data, "bpm": 120} for data in midi]
    store(NAME, features, {split: examples[part] for split, part in SPLITS.items()})


@pytest.fixture(autouse=True)
def data_dir(store, monkeypatch):
    monkeypatch.setenv("TFDS_DATA_DIR", str(store.folder))
    return store.folder


def why_not(name, split="train"):
    with pytest.raises(NoDataset) as refusal:
        list(read_note_sequences(name, split))
    return str(refusal.value)


@pytest.mark.parametrize("split", SPLITS)
def test_midi_becomes_magentas_note_sequences_without_ids(prepared, midi, split):
    sequences = list(read_note_sequences(NAME, split))
    expected = [note_seq.midi_to_note_sequence(data) for data in midi[SPLITS[split]]]
    assert sequences == expected
    assert {sequence.id for sequence in sequences} == {""}
    assert all(sequence.notes for sequence in sequences)


def test_the_order_is_the_same_each_time(prepared):
    first, second = (list(read_note_sequences(NAME, "train")) for _ in range(2))
    assert first == second


def test_midi_that_cannot_be_read_is_left_out(store, midi, caplog):
    examples = [{"midi": data} for data in (midi[0], b"MThd and nothing else")]
    store("broken", {"midi": np.object_}, {"train": examples})
    assert len(list(read_note_sequences("broken", "train"))) == 1
    assert "skipped example 1 of broken, split train" in caplog.text


def test_a_missing_split_is_told_with_those_there_are(store, midi):
    examples = {"train": [{"midi": midi[0]}], "test": [{"midi": midi[0]}]}
    store("halves", {"midi": np.object_}, examples)
    refusal = why_not("halves", "validation")
    assert refusal.startswith("halves has the splits train, test, and no validation:")


def test_a_set_without_midi_is_told_with_its_features(store):
    store("words", {"text": np.object_}, {"train": [{"text": b"la la"}]})
    refusal = why_not("words")
    assert refusal.startswith("words has the features text, and no midi:")
    assert "groove/4bar-midionly" in refusal


def test_an_unknown_name_is_told_with_the_nearest(data_dir):
    refusal = why_not("grooove/4bar-midionly")
    assert "TFDS has no data set grooove/4bar-midionly; did you mean groove" in refusal
    assert f"looked for in {data_dir}" in refusal


def test_an_unknown_configuration_is_told_with_those_there_are():
    refusal = why_not("groove/4bar")
    assert "2bar-midionly" in refusal
    assert "4bar-midionly" in refusal


def test_a_name_out_of_shape_is_refused():
    assert "groove/4bar/midionly" in why_not("groove/4bar/midionly")


def test_a_set_that_cannot_be_downloaded_is_told_at_once(monkeypatch, data_dir):
    def no_network(*_, **__):
        raise socket.gaierror(-2, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", no_network)
    started_s = time.monotonic()
    refusal = why_not("groove/4bar-midionly")
    assert time.monotonic() - started_s < 30
    assert "preparing it failed: ConnectionError" in refusal
    assert str(data_dir) in refusal
    assert "TFDS_DATA_DIR=FOLDER" in refusal


def test_without_the_library_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorflow_datasets", None)
    with pytest.raises(NoDataset, match=r'pip install "music_vae_tf\[tfds\]"'):
        require()


def test_training_reads_a_data_set(prepared, tmp_path):
    status = music_vae_train.run(
        [
            "--config=groovae_4bar",
            f"--tfds_name={NAME}",
            f"--run_dir={tmp_path}",
            "--hparams=batch_size=2,enc_rnn_size=[4],dec_rnn_size=[4],z_size=2",
            "--num_steps=1",
        ]
    )
    assert status == 0
    assert (tmp_path / "train" / "model.ckpt-1.index").exists()


def test_training_without_the_split_ends_with_a_message(store, midi, tmp_path, capsys):
    store("only_tests", {"midi": np.object_}, {"test": [{"midi": midi[0]}]})
    flags = ["--config=groovae_4bar", "--tfds_name=only_tests", f"--run_dir={tmp_path}"]
    assert music_vae_train.run(flags) == 1
    error = capsys.readouterr().err
    assert "only_tests has the splits test, and no train" in error
    assert "Traceback" not in error

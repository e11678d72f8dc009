"""music_vae_prepare_groove: records of each split; what it reads stays as it is."""

import os

import pytest

from music_vae_tf.commands import music_vae_prepare_groove as command
from music_vae_tf.data import grooves
from music_vae_tf.data.midi_writer import write_midi
from music_vae_tf.data.records import read_note_sequences

SPLITS = {"train": 3, "validation": 2, "test": 1}


@pytest.fixture
def data_set(tmp_path):
    """A folder as the data set's, whose files of different sessions have one name."""
    root = tmp_path / "groove"
    ((_, groove),) = grooves.performances(1)
    lines = ["drummer,midi_filename,split"]
    for split, count in SPLITS.items():
        for number in range(count):
            name = f"{split}/session{number}/1_rock.mid"
            (root / name).parent.mkdir(parents=True)
            write_midi(groove, root / name)
            lines.append(f"drummer1,{name},{split}")
    (root / "info.csv").write_text("\n".join(lines) + "\n")
    return root


@pytest.fixture
def prepare(data_set, tmp_path):
    """Calls the command; gives its exit status."""

    def run(*flags):
        return command.run(
            [
                f"--input_dir={data_set}",
                f"--output_dir={tmp_path / 'records'}",
                "--num_workers=1",
                *flags,
            ]
        )

    return run


def names_in(path):
    return [sequence.filename for sequence in read_note_sequences(str(path))]


def files_below(folder):
    return sorted(os.path.join(d, f) for d, _, files in os.walk(folder) for f in files)


def test_each_split_is_a_file_and_files_of_one_name_are_all_there(
    prepare, data_set, tmp_path, capsys
):
    before = files_below(data_set)
    assert prepare() == 0
    for split, count in SPLITS.items():
        names = names_in(tmp_path / "records" / f"{split}.tfrecord")
        assert names == [f"{split}/session{i}/1_rock.mid" for i in range(count)]
    assert files_below(data_set) == before
    said = capsys.readouterr().err
    assert "train: 3 performances, where the Groove MIDI Dataset 1.0.0 has 897" in said


def test_the_whole_data_set_is_recognised(prepare, capsys, monkeypatch):
    from music_vae_tf.data import groove_dataset

    monkeypatch.setattr(groove_dataset, "OFFICIAL_COUNTS", SPLITS)
    assert prepare() == 0
    assert "all performances of the Groove MIDI Dataset" in capsys.readouterr().out


def test_some_splits_only(prepare, tmp_path, capsys):
    assert prepare("--splits=validation, test") == 0
    names = sorted(path.name for path in (tmp_path / "records").iterdir())
    assert names == ["test.tfrecord", "validation.tfrecord"]
    assert "train" not in capsys.readouterr().err


def test_a_split_that_info_csv_does_not_have_is_left_out_and_told(
    prepare, data_set, tmp_path, capsys
):
    rows = (data_set / "info.csv").read_text().splitlines()
    (data_set / "info.csv").write_text("\n".join(rows[:-1]))
    assert prepare() == 0
    assert not (tmp_path / "records" / "test.tfrecord").exists()
    said = capsys.readouterr().err
    assert "test: info.csv names no performance of this split" in said
    assert prepare("--splits=test") == 1
    said = capsys.readouterr().err
    assert "names no performance of the split test; it has train, validation" in said


def test_files_that_are_not_there_are_counted_and_named(
    prepare, data_set, tmp_path, capsys
):
    gone = "train/session1/1_rock.mid"
    (data_set / gone).unlink()
    assert prepare() == 1
    said = capsys.readouterr().err
    assert f"1 of the 6 files that info.csv names are not in {data_set}:\n  {gone}" in (
        said
    )
    assert "--skip_missing leaves them out" in said
    assert not (tmp_path / "records").exists()
    assert prepare("--skip_missing") == 0
    assert len(names_in(tmp_path / "records" / "train.tfrecord")) == 2
    assert f"left out: 1 of the 6 files that info.csv names are not in {data_set}" in (
        capsys.readouterr().err
    )


def test_a_split_of_which_nothing_is_there_is_an_error(prepare, data_set, capsys):
    (data_set / "test" / "session0" / "1_rock.mid").unlink()
    assert prepare("--skip_missing") == 1
    said = capsys.readouterr().err
    assert "nothing is left of the split test: not one of its 1 files is there" in said


def test_a_split_of_which_nothing_can_be_read_is_an_error(
    prepare, data_set, tmp_path, capsys
):
    (data_set / "test" / "session0" / "1_rock.mid").write_bytes(b"GIF89a")
    assert prepare() == 1
    said = capsys.readouterr().err
    assert "no file could be read, nothing is written: 1 no MIDI file" in said
    assert not (tmp_path / "records" / "test.tfrecord").exists()


@pytest.mark.parametrize(
    "flag, words",
    [
        ("--splits=dev", "'dev' is none of train, validation, test"),
        ("--input_dir=/nowhere", "--input_dir=/nowhere: there is no such folder"),
    ],
)
def test_what_makes_no_sense_is_told(prepare, capsys, flag, words):
    assert prepare(flag) == 1
    assert words in capsys.readouterr().err


def test_a_folder_without_info_csv_is_told(prepare, data_set, capsys):
    (data_set / "info.csv").unlink()
    assert prepare() == 1
    assert "there is no" in capsys.readouterr().err

"""info.csv of the Groove MIDI Dataset: what it must say, and what it names."""

import pytest

from music_vae_tf.data import groove_dataset
from music_vae_tf.data.groove_dataset import BadGrooveDataset

HEAD = "drummer,style,midi_filename,split\n"


@pytest.fixture
def info(tmp_path):
    """Writes an info.csv; gives its path."""

    def write(text, encoding="utf-8"):
        path = tmp_path / "info.csv"
        path.write_bytes(text.encode(encoding))
        return path

    return write


def test_rows_are_what_the_columns_say(info):
    (row,) = groove_dataset.read_info(info(HEAD + '1,"funk, slow",a.mid,train\n'))
    assert row == {
        "drummer": "1",
        "style": "funk, slow",
        "midi_filename": "a.mid",
        "split": "train",
    }


def test_a_byte_order_mark_as_spreadsheets_write_it_is_not_a_part_of_a_name(info):
    rows = groove_dataset.read_info(info("midi_filename\na.mid\n", "utf-8-sig"))
    assert rows == [{"midi_filename": "a.mid"}]


@pytest.mark.parametrize(
    "text, words",
    [
        ("", "has no column midi_filename; it has none"),
        ("file,split\na.mid,train\n", "no column midi_filename; it has file, split"),
        (HEAD, "names no performance"),
        (HEAD + "1,rock,a.mid,train\n1,rock,,train\n", "row 3: nothing under midi_fil"),
        (HEAD + "1,rock\n", "row 2: nothing under midi_filename"),
        (HEAD + "1,rock, slow,a.mid,train\n", r"row 2: more cells .*: \['train'\]"),
    ],
)
def test_what_does_not_say_what_it_must_is_refused(info, text, words):
    with pytest.raises(BadGrooveDataset, match=words):
        groove_dataset.read_info(info(text), ("midi_filename", "split"))


def test_what_is_not_text_is_refused(info):
    with pytest.raises(BadGrooveDataset, match="not a CSV file in UTF-8"):
        groove_dataset.read_info(info(HEAD + "é", "latin-1"))


def test_a_folder_without_one_is_told_what_is_expected(tmp_path):
    with pytest.raises(BadGrooveDataset, match="there is no .*info.csv: the folder of"):
        groove_dataset.read_info(tmp_path / "info.csv")


def row(name, split):
    return {"midi_filename": name, "split": split}


def test_files_are_those_of_each_split_in_the_official_order():
    rows = [row("c", "test"), row("b", "train"), row("a", "train")]
    files = groove_dataset.files_of_splits(rows)
    assert list(files.items()) == [("train", ["b", "a"]), ("test", ["c"])]


@pytest.mark.parametrize(
    "rows, words",
    [
        ([row("a", "dev")], "a is of the split 'dev'; expected train, validation"),
        ([row("a", "train"), row("a", "test")], "a comes 2 times"),
    ],
)
def test_splits_that_are_unclear_are_refused(rows, words):
    with pytest.raises(BadGrooveDataset, match=words):
        groove_dataset.files_of_splits(rows)


def test_a_long_list_is_cut_short():
    assert groove_dataset.listed(["a", "b"]) == "\n  a\n  b"
    assert groove_dataset.listed(["a"] * 12).endswith("a\n  and 2 more")


def test_the_shared_part_of_the_data_set_has_the_official_counts(shared):
    root = shared / "data" / "groove"
    rows = groove_dataset.read_info(root / "info.csv", ("midi_filename", "split"))
    files = groove_dataset.files_of_splits(rows)
    official = groove_dataset.OFFICIAL_COUNTS
    assert {s: len(f) for s, f in files.items()} == {s: official[s] for s in files}
    assert not groove_dataset.missing_files(root, files["validation"])

"""TFRecord files without TensorFlow: byte for byte, and never half or foreign ones."""

import gzip

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from note_seq.protobuf import music_pb2

from music_vae_tf.data import records
from music_vae_tf.data.records import BadRecords


def write(path, *serialized):
    with records.records_writer(path) as write_record:
        for data in serialized:
            write_record(data)


def sequence(name):
    return music_pb2.NoteSequence(filename=name, ticks_per_quarter=220)


def names_in(pattern):
    return [found.filename for found in records.read_note_sequences(str(pattern))]


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    return tmp_path_factory.mktemp("records") / "notes.tfrecord"


@pytest.mark.parametrize("collection", ["groove", "piano"])
def test_records_of_magenta_are_read_and_written_byte_for_byte(
    golden, path, collection
):
    original = golden.path("conversion", f"{collection}.tfrecord")
    write(path, *records.read_records(original))
    with open(original, "rb") as file:
        assert path.read_bytes() == file.read()
    assert len(names_in(path)) == len(golden.conversions(collection))


def test_tensorflow_reads_what_is_written(path):
    import tensorflow as tf

    data = [b"", b"x", bytes(range(256)) * 5]
    write(path, *data)
    assert list(tf.data.TFRecordDataset(str(path)).as_numpy_iterator()) == data


def test_a_pattern_names_the_shards_of_a_corpus_in_order(tmp_path):
    for shard in (2, 0, 1):
        name = f"notes.tfrecord-{shard:05d}-of-00003"
        write(tmp_path / name, sequence(str(shard)).SerializeToString())
    (tmp_path / "notes.tfrecord-folder").mkdir()
    assert names_in(tmp_path / "notes.tfrecord-*") == ["0", "1", "2"]
    assert names_in(tmp_path / "notes.tfrecord-0000[12]-*") == ["1", "2"]


def test_a_name_is_taken_as_it_is_before_it_is_a_pattern(tmp_path):
    write(tmp_path / "notes[1].tfrecord", sequence("a").SerializeToString())
    assert names_in(tmp_path / "notes[1].tfrecord") == ["a"]


def test_a_shard_may_be_empty_but_not_all_of_them(tmp_path):
    write(tmp_path / "a")
    with pytest.raises(BadRecords, match="empty, where NoteSequences are expected"):
        names_in(tmp_path / "*")
    write(tmp_path / "b", sequence("b").SerializeToString())
    assert names_in(tmp_path / "*") == ["b"]


def test_the_home_folder_is_known(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    write(tmp_path / "a", sequence("a").SerializeToString())
    assert names_in("~/a") == ["a"]


def test_what_is_not_there_is_said(tmp_path):
    with pytest.raises(BadRecords, match="no file matches .*nothing"):
        names_in(tmp_path / "nothing*")
    with pytest.raises(BadRecords, match="is a folder, where TFRecord files"):
        names_in(tmp_path)


OTHER_RECORDS = [
    b"\x0a\x03\xff\xfe\xfd",  # text of NoteSequence's first field that is no Unicode
    b"\x0a\x00",  # an empty tf.train.Example: its first field, without length
    b"\x0a\x0f\x0a\x0d\x0a\x01x\x12\x08\x1a\x06\x0a\x04\x01\x02\x03\x04",
]


@pytest.mark.parametrize("data", OTHER_RECORDS)
def test_records_of_other_things_are_left_out_and_named(path, data, caplog):
    write(path, data, sequence("a").SerializeToString(), data)
    assert names_in(path) == ["a"]
    for number in (0, 2):
        assert f"left out: {path}: record {number} is not a NoteSequence" in caplog.text


@pytest.mark.parametrize("data", OTHER_RECORDS)
def test_a_file_of_other_things_is_refused(path, data):
    write(path, data, data)
    with pytest.raises(BadRecords, match="record 0 is not a NoteSequence"):
        names_in(path)


def test_a_record_of_a_gigantic_length_is_damaged(path):
    length = records.LENGTH.pack(2**63)
    write(path, sequence("a").SerializeToString())
    start = path.stat().st_size
    with open(path, "ab") as file:
        file.write(length + records._checksum(length) + b"abc")
    with pytest.raises(BadRecords, match=rf"record 1 is damaged at byte {start}: it"):
        names_in(path)


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"MThd" + bytes(100), "no TFRecord file, it starts with b'MThd'"),
        (b"MThd", "record 0 is cut off"),
        (gzip.compress(b"x" * 100, mtime=0), "unpack it with gunzip"),
    ],
)
def test_other_files_are_refused(path, data, said):
    path.write_bytes(data)
    with pytest.raises(BadRecords, match=said):
        names_in(path)


TWO = [sequence("a").SerializeToString(), sequence("b").SerializeToString()]


@pytest.fixture(scope="module")
def two(path):
    """The bytes of a file of two records, and where the first ends."""
    write(path, TWO[0])
    end = path.stat().st_size
    write(path, *TWO)
    return path.read_bytes(), end


@given(data=st.data())
@settings(deadline=None)
def test_a_file_cut_off_is_never_half_read(path, two, data):
    whole, first_end = two
    length = data.draw(st.integers(1, len(whole) - 1).filter(first_end.__ne__))
    path.write_bytes(whole[:length])
    said = f"record {int(length > first_end)} is cut off"
    with pytest.raises(BadRecords, match=said):
        list(records.read_records(path))


@given(data=st.data())
@settings(deadline=None)
def test_a_wrong_byte_is_noticed(path, two, data):
    whole = bytearray(two[0])
    place = data.draw(st.integers(0, len(whole) - 1))
    whole[place] ^= data.draw(st.integers(1, 255))
    path.write_bytes(whole)
    with pytest.raises(BadRecords, match="damaged|no TFRecord file"):
        list(records.read_records(path))


def test_nothing_is_left_of_a_file_that_was_not_finished(tmp_path):
    with pytest.raises(KeyboardInterrupt), records.records_writer(tmp_path / "a") as w:
        w(b"x")
        raise KeyboardInterrupt
    assert not list(tmp_path.iterdir())

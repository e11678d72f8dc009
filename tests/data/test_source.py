"""NoteSequences are read anew each time, and errors keep their words."""

import pytest
import tensorflow as tf
from note_seq.protobuf import music_pb2

from music_vae_tf.data import grooves
from music_vae_tf.data.midi_writer import write_midi
from music_vae_tf.data.records import BadRecords, records_writer
from music_vae_tf.data.source import NoMusic, Source


def test_files_are_read_from_the_first_each_time(tmp_path):
    for name in "ab":
        with records_writer(tmp_path / f"{name}.tfrecord") as write:
            write(music_pb2.NoteSequence(filename=name).SerializeToString())
    source = Source.of_files(str(tmp_path / "*.tfrecord"))
    for _ in range(2):
        assert [sequence.filename for sequence in source.read()] == ["a", "b"]


def test_files_that_are_not_there_are_missed_at_once(tmp_path):
    with pytest.raises(BadRecords, match="no file matches"):
        Source.of_files(str(tmp_path / "*.tfrecord"))


def breaking():
    yield 1
    raise BadRecords("record 1 is cut off")


def test_an_error_inside_a_tensorflow_data_set_keeps_its_class_and_words():
    source = Source("somewhere", breaking)
    numbers = tf.data.Dataset.from_generator(
        source.read, output_signature=tf.TensorSpec([], tf.int32)
    )
    with (
        pytest.raises(BadRecords, match="^record 1 is cut off$"),
        source.reraise_source_error(),
    ):
        list(numbers)


def test_other_errors_are_left_as_they_are():
    source = Source("somewhere", lambda: [1])
    assert list(source.read()) == [1]
    with pytest.raises(KeyError), source.reraise_source_error():
        raise KeyError


def test_a_folder_is_read_in_order_and_bad_files_are_named(tmp_path, caplog):
    ((_, groove),) = grooves.performances(1)
    for name in ("b.mid", "a.mid", "sub/c.mid"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        write_midi(groove, tmp_path / name)
    (tmp_path / "broken.mid").write_bytes(b"GIF89a")
    source = Source.of_folder(str(tmp_path))
    for _ in range(2):
        names = [sequence.filename for sequence in source.read()]
        assert names == ["a.mid", "b.mid", "sub/c.mid"]
    assert "broken.mid: no MIDI file: it starts with" in caplog.text


def test_a_folder_without_music_is_told(tmp_path):
    with pytest.raises(NoMusic, match="no music file"):
        Source.of_folder(str(tmp_path))

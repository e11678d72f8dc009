"""NoteSequences are read anew each time, and errors keep their words."""

import subprocess
import sys

import pytest
import tensorflow as tf
from midi_bytes import midi, track
from note_seq.protobuf import music_pb2

from music_vae_tf.data import grooves
from music_vae_tf.data import source as source_module
from music_vae_tf.data.midi_writer import write_midi
from music_vae_tf.data.records import BadRecords, records_writer
from music_vae_tf.data.source import NoMusic, Source

DRUMS_MIDI = midi(track((0, b"\x99\x24\x64"), (240, b"\x89\x24\0")))


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


def test_a_file_beyond_a_limit_is_left_out_of_a_folder(tmp_path, caplog, monkeypatch):
    limits = source_module.LIMITS._replace(seconds=0.5)
    monkeypatch.setattr(source_module, "LIMITS", limits)
    for name in ("a.mid", "c.mid"):
        (tmp_path / name).write_bytes(DRUMS_MIDI)
    bars = "CDEF GABc|" * 20_000
    (tmp_path / "b.abc").write_text(f"X:1\nT:long\nM:4/4\nL:1/8\nK:C\n{bars}\n")
    names = [s.filename for s in Source.of_folder(str(tmp_path)).read()]
    assert names == ["a.mid", "c.mid"]
    assert "left out b.abc: beyond a limit: more than 0.5 s" in caplog.text
    assert "(convert_dir_to_note_sequences --max_seconds_per_file" in caplog.text


SCRIPT = """
import sys
from music_vae_tf.data.source import Source
print("begins")
print(len(list(Source.from_data(sys.argv[1]).read())))
"""


def test_a_script_without_a_guard_reads_a_folder(tmp_path):
    for name in ("a.mid", "b.mid"):
        (tmp_path / name).write_bytes(DRUMS_MIDI)
    (tmp_path / "script.py").write_text(SCRIPT)
    done = subprocess.run(
        [sys.executable, tmp_path / "script.py", tmp_path],
        capture_output=True,
        text=True,
    )
    assert done.stdout.split() == ["begins", "2"], done.stderr

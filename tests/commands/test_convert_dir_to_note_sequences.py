"""A folder becomes a TFRecord file as a user asks, and bad files stop nothing."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import mido
import pytest
from midi_bytes import HEAD, groove, key, midi, note, tempo, track
from note_seq.protobuf import music_pb2

from music_vae_tf.commands import convert_dir_to_note_sequences as command
from music_vae_tf.data.midi import Conversion
from music_vae_tf.data.records import read_note_sequences

PROGRAM = [sys.executable, "-m", "music_vae_tf.commands.convert_dir_to_note_sequences"]


def make_midi(path, pitch=60):
    file = mido.MidiFile()
    track = file.add_track()
    track.append(mido.Message("note_on", note=pitch, velocity=64))
    track.append(mido.Message("note_on", note=pitch, velocity=0, time=480))
    path.parent.mkdir(parents=True, exist_ok=True)
    file.save(path)


@pytest.fixture
def folder(tmp_path):
    """Three good files, one below, and three bad ones."""
    root = tmp_path / "in"
    for pitch, name in enumerate(["c.mid", "A.MIDI", "b.mid", "sub/d.mid"], 60):
        make_midi(root / name, pitch)
    (root / "empty.mid").touch()
    (root / "photo.mid").write_bytes(b"GIF89a")
    (root / "song.abc").write_bytes(b"X:1\nK:C\nCDE|\n\nX:2\nT:Lost\nK:C\n[CE|\n")
    (root / "README").write_text("words")
    return root


@pytest.fixture
def convert(tmp_path):
    """Converts a folder to `out.tfrecord`; gives the exit status."""

    def run(folder, *flags):
        output = tmp_path / "out.tfrecord"
        return command.run([f"--input_dir={folder}", f"--output_file={output}", *flags])

    return run


def names_in(path):
    return [sequence.filename for sequence in read_note_sequences(str(path))]


def test_a_folder_is_converted_in_order_and_bad_files_are_named(
    folder, convert, tmp_path, capsys
):
    assert convert(folder, "--num_workers=2") == 0
    output = tmp_path / "out.tfrecord"
    assert names_in(output) == ["A.MIDI", "b.mid", "c.mid", "song.abc"]
    said = capsys.readouterr()
    assert said.out.splitlines() == [
        f"Converted 4 of 6 files into 4 NoteSequences: {output}",
        "Skipped 2: 1 empty file, 1 no MIDI file",
        "Not read of the converted: 1 tune that cannot be read",
        "Left alone: 1 without suffix",
    ]
    assert "warning: skipped empty.mid: empty file" in said.err
    assert "warning: skipped photo.mid: no MIDI file: it starts with" in said.err
    assert 'song.abc: tune that cannot be read: X:2 "Lost", [ is not closed' in said.err
    assert "Converting: 6/6 files" in said.err


def test_subfolders_are_converted_when_asked(folder, convert, tmp_path):
    assert convert(folder, "--recursive") == 0
    sequences = list(read_note_sequences(str(tmp_path / "out.tfrecord")))
    assert sequences[-1].filename == "sub/d.mid"
    assert {sequence.collection_name for sequence in sequences} == {"in"}


@pytest.mark.parametrize("collection", ["groove", "piano"])
def test_the_records_are_those_of_magenta(golden, convert, tmp_path, collection):
    assert convert(golden.path("midi", collection), "--recursive") == 0
    ours = list(read_note_sequences(str(tmp_path / "out.tfrecord")))
    theirs = read_note_sequences(golden.path("conversion", f"{collection}.tfrecord"))
    # Magenta also keeps a piece without notes.
    theirs = [sequence for sequence in theirs if sequence.notes]
    assert ours == sorted(theirs, key=lambda sequence: sequence.filename)


def test_a_user_runs_it_from_the_shell(folder, tmp_path):
    (tmp_path / "home").mkdir()
    done = subprocess.run(
        [*PROGRAM, "--input_dir", "in", "-output_file", "~/new/out", "--recursive"],
        cwd=tmp_path,
        env={**os.environ, "HOME": str(tmp_path / "home")},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert "Converted 5 of 7 files" in done.stdout
    assert len(names_in(tmp_path / "home" / "new" / "out")) == 5


def test_each_file_is_counted_once_and_what_is_lost_once_a_command(
    tmp_path, convert, capsys
):
    root = tmp_path / "in"
    root.mkdir()
    silent = track(*groove(length=0))
    files = {
        "band.mid": midi(HEAD, track(*groove())),
        "hats.mid": midi(HEAD, silent, track(*note(0, 60))),
        "more.mid": midi(HEAD, silent, track(tempo(0, 400_000), *note(0, 60))),
        "key.mid": midi(track(key(0, 9)), track(*groove())),
        "silent.mid": midi(HEAD, silent),
        "nothing.mid": midi(HEAD),
        "other.xml": b"<drumkit_info/>",
    }
    for name, data in files.items():
        (root / name).write_bytes(data)
    (root / "loop.mid").symlink_to("loop.mid")
    assert convert(root) == 0
    said = capsys.readouterr()
    converted, skipped, lost, mended = said.out.splitlines()
    assert converted.startswith("Converted 4 of 8 files into 4 NoteSequences")
    assert skipped.startswith(
        "Skipped 4: 2 no notes, 1 cannot be opened, 1 not MusicXML"
    )
    assert lost == (
        "Lost by Magenta's way of reading MIDI: 144 notes of no length (3 files), "
        "1 tempo outside the first track (1 file). --midi_reader=daw reads them"
    )
    assert mended == (
        "Broken MIDI, read as a DAW does: 1 impossible key signature (1 file)"
    )
    assert convert(root, "--midi_reader=daw") == 0
    said = capsys.readouterr()
    assert "Converted 5 of 8 files" in said.out and "Lost" not in said.out
    sequences = read_note_sequences(str(tmp_path / "out.tfrecord"))
    assert {s.filename: len(s.notes) for s in sequences} == {
        "band.mid": 48,
        "hats.mid": 49,
        "key.mid": 48,
        "more.mid": 49,
        "silent.mid": 48,
    }


def killer(root, midi_reader, scores, name):
    """In place of reading a file: `b.mid` takes its process down with it."""
    if name == "b.mid":
        os.kill(os.getpid(), signal.SIGKILL)
    return Conversion([music_pb2.NoteSequence(filename=name).SerializeToString()], [])


def test_a_file_that_kills_its_process_is_skipped(
    folder, convert, tmp_path, capsys, monkeypatch
):
    monkeypatch.setattr(command, "_convert_one", killer)
    assert convert(folder, "--num_workers=2") == 0
    assert "b.mid" not in names_in(tmp_path / "out.tfrecord")
    said = capsys.readouterr()
    assert "Converted 5 of 6 files" in said.out
    assert "Skipped 1: 1 crash" in said.out
    assert "skipped b.mid: crash: the process that read it ended by SIGKILL" in said.err


@pytest.mark.parametrize(
    ("what", "said"),
    [
        ("missing", "--input_dir={}: No such file or directory; a folder of music"),
        (
            "empty",
            "--input_dir={}: no music file (.mid, .midi, .kar, .smf, .rmi, .musicxml, ",
        ),
        ("nested", "there; --recursive looks into its 1 folders as well"),
        ("file.mid", "--input_dir={}: Not a directory; a folder of music files"),
        ("broken", "no file could be read, nothing is written: 1 empty file"),
    ],
)
def test_without_music_there_is_an_error_and_no_file(
    convert, tmp_path, capsys, what, said
):
    (tmp_path / "empty").mkdir()
    make_midi(tmp_path / "nested" / "sub" / "a.mid")
    make_midi(tmp_path / "file.mid")
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "a.mid").touch()
    assert convert(tmp_path / what) == 1
    message = capsys.readouterr().err
    assert said.format(tmp_path / what) in message
    assert "Traceback" not in message
    assert not list(tmp_path.glob("out.tfrecord*"))


def test_an_earlier_file_is_replaced_only_by_a_whole_one(folder, convert, tmp_path):
    output = tmp_path / "out.tfrecord"
    output.write_bytes(b"earlier")
    for good in ("c.mid", "A.MIDI", "b.mid", "song.abc"):
        (folder / good).write_bytes(b"")
    assert convert(folder) == 1
    assert output.read_bytes() == b"earlier"
    make_midi(folder / "c.mid")
    assert convert(folder) == 0
    assert names_in(output) == ["c.mid"]


def test_a_place_where_nothing_can_be_written_is_told(folder, tmp_path, capsys):
    (tmp_path / "file").touch()
    for place in (tmp_path, tmp_path / "file" / "out"):
        status = command.run([f"--input_dir={folder}", f"--output_file={place}"])
        assert status == 1
        assert f"convert_dir_to_note_sequences: {tmp_path}" in capsys.readouterr().err


def test_ctrl_c_leaves_no_half_file(tmp_path):
    for number in range(3000):
        make_midi(tmp_path / "in" / f"{number}.mid")
    running = subprocess.Popen(
        [*PROGRAM, "--input_dir=in", "--output_file=out/notes", "--num_workers=2"],
        cwd=tmp_path,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    wait_until(lambda: any(size_of(path) for path in tmp_path.glob("out/*")))
    os.killpg(running.pid, signal.SIGINT)  # as a terminal does: to all of them
    _, said = running.communicate(timeout=30)
    assert running.returncode == 130
    assert "interrupted" in said
    assert "Traceback" not in said
    assert not list(tmp_path.glob("out/*"))


def wait_until(condition, at_most_s=60):
    until = time.monotonic() + at_most_s
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.01)


def size_of(path: Path):
    return path.stat().st_size

"""A folder of piano music is prepared as a user asks, and goes on where it stopped."""

import json

import pytest
from piano_files import two_hands, write_piano

from music_vae_tf.commands import clef_lstm_prepare as command
from music_vae_tf.data.clefs import prepared

pytest.importorskip("music21")


@pytest.fixture
def folder(tmp_path):
    """Five pieces, one of them in a subfolder, and three files that give none."""
    root = tmp_path / "in"
    for shift, name in enumerate(["a.mid", "b.mid", "c.mid", "d.mid", "sub/e.midi"]):
        write_piano(root / name, *two_hands(shift=shift))
    write_piano(root / "drums.mid", two_hands()[0], channel=9)
    write_piano(root / "melody.mid", two_hands()[0])
    (root / "photo.mid").write_bytes(b"GIF89a")
    return root


@pytest.fixture
def prepare(tmp_path):
    """Prepares into the folder `out`; gives the exit status."""

    def run(*flags):
        return command.run([f"--output_dir={tmp_path / 'out'}", *map(str, flags)])

    return run


def test_a_folder_becomes_frames_of_both_staves_and_a_split(
    folder, prepare, tmp_path, capsys
):
    assert prepare(f"--input_dir={folder}", "--num_workers=2") == 0
    said = capsys.readouterr()
    assert "Prepared 5 pieces (5 major)" in said.out
    assert "skipped drums.mid: drums only" in said.err
    assert "skipped melody.mid: one staff only, all of it above middle C" in said.err
    assert "skipped photo.mid: no MIDI file" in said.err
    split = prepared.Prepared(tmp_path / "out").split
    assert sorted(sum(split.values(), [])) == [
        *("a.mid", "b.mid", "c.mid", "d.mid", "sub/e.midi")
    ]
    assert [len(split[part]) for part in prepared.SPLITS] == [3, 1, 1]
    for part in ("validation", "test"):
        assert f"Kept for {part}: {split[part][0]}" in said.out
    piece = tmp_path / "out" / "pieces" / "sub" / "e.midi"
    assert (piece / "treble.csv").read_text().startswith("part,offset,element,")
    assert json.loads((piece / "piece.json").read_text())["key"] == "E major"


def test_what_was_prepared_is_not_prepared_again(folder, prepare, tmp_path):
    for name in ("c.mid", "d.mid", "drums.mid", "melody.mid", "photo.mid"):
        (folder / name).unlink()
    assert prepare(f"--input_dir={folder}", "--num_workers=1") == 0
    frame = tmp_path / "out" / "pieces" / "a.mid" / "treble.csv"
    (tmp_path / "out" / "pieces" / "b.mid" / "piece.json").unlink()  # was interrupted
    frame.write_text(marked := frame.read_text() + "\n")
    assert prepare(f"--input_dir={folder}", "--num_workers=1") == 0
    assert frame.read_text() == marked
    assert (tmp_path / "out" / "pieces" / "b.mid" / "piece.json").exists()


def test_pieces_for_the_test_may_be_chosen(folder, prepare, tmp_path, capsys):
    flags = [f"--input_dir={folder}", "--num_workers=1"]
    assert prepare(*flags, "--test_files=a*,sub/*", "--validation_files=b.mid") == 0
    split = prepared.Prepared(tmp_path / "out").split
    assert split["test"] == ["a.mid", "sub/e.midi"]
    assert split["validation"] == ["b.mid"]
    assert prepare(*flags, "--test_files=nocturne*") == 1
    assert "no piece is called nocturne*" in capsys.readouterr().err


def test_a_sample_of_the_files_is_enough(folder, prepare, tmp_path):
    for name in ("drums.mid", "melody.mid", "photo.mid"):
        (folder / name).unlink()
    flags = (f"--input_dir={folder}", "--num_files=3", "--num_workers=1")
    assert prepare(*flags) == 0
    split = prepared.Prepared(tmp_path / "out").split
    assert len(sum(split.values(), [])) == 3


def test_bach_comes_with_music21(prepare, tmp_path):
    assert prepare("--corpus=bach", "--num_files=3", "--num_workers=2") == 0
    split = prepared.Prepared(tmp_path / "out").split
    assert len(sum(split.values(), [])) == 3


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        ([], "give either --input_dir"),
        (["--corpus=nobody"], "music21 brings no corpus 'nobody'"),
        (["--input_dir=/nowhere"], "a folder of music files is expected"),
    ],
)
def test_what_cannot_be_prepared_is_told(prepare, capsys, flags, words):
    assert prepare(*flags) == 1
    assert words in capsys.readouterr().err


def test_a_folder_that_gives_nothing_is_told(prepare, tmp_path, capsys):
    write_piano(tmp_path / "in" / "drums.mid", two_hands()[0], channel=9)
    assert prepare(f"--input_dir={tmp_path / 'in'}", "--num_workers=1") == 1
    assert "no file could be used" in capsys.readouterr().err


def test_without_music21_the_line_that_installs_it_is_told(
    prepare, folder, capsys, monkeypatch
):
    import importlib.util

    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    assert prepare(f"--input_dir={folder}") == 1
    assert "pip install 'music_vae_tf[score]'" in capsys.readouterr().err


def test_each_file_is_counted_once(folder, prepare, capsys):
    assert prepare(f"--input_dir={folder}", "--num_workers=1") == 0
    said = capsys.readouterr().out
    assert "Prepared 5 pieces" in said
    reasons = said.partition("Skipped 3: ")[2].splitlines()[0].split(", ")
    assert sum(int(reason.split()[0]) for reason in reasons if reason[0].isdigit()) == 3


def test_the_originals_grid_is_an_option(prepare, tmp_path):
    run = [(i / 8, 1 / 8, [72 + i % 5]) for i in range(32)]
    write_piano(tmp_path / "in" / "a.mid", run, two_hands(1)[1])
    frame = tmp_path / "out" / "pieces" / "a.mid" / "treble.csv"
    rows = {}
    for quantization in ("fine", "original"):
        flags = (f"--input_dir={tmp_path / 'in'}", "--num_workers=1")
        assert prepare(*flags, f"--quantization={quantization}") == 0
        rows[quantization] = len(frame.read_text().splitlines()) - 1
    assert rows == {"fine": 32, "original": 16}

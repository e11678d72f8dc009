"""The music files of a folder are found by the ends of their names, in order."""

import os

import pytest

from music_vae_tf.data.folder import kind_of, list_folder


def make(root, *names):
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("a.mid", "midi"),
        ("a.MIDI", "midi"),
        ("a/b.Xml", "musicxml"),
        ("a.mxl", "musicxml"),
        ("a.b.abc", "abc"),
        (".mid", "midi"),
        ("amid", None),
        ("a.mid.gz", None),
        ("a.musicxml", "musicxml"),
        ("a.KAR", "midi"),
        ("a.smf", "midi"),
        ("a.Rmi", "midi"),
        ("a.mscx", None),
    ],
)
def test_the_end_of_a_name_decides(name, kind):
    assert kind_of(name) == kind


def test_files_are_sorted_by_name(tmp_path):
    make(tmp_path, "b.mid", "B.mid", "a.abc", "c/a.mid", "a b.xml", "x.txt", "README")
    listing = list_folder(str(tmp_path), recursive=True)
    assert listing.music == ["B.mid", "a b.xml", "a.abc", "b.mid", "c/a.mid"]
    assert listing.others == {".txt": 1, "": 1}
    assert listing.closed == []


def test_subfolders_are_looked_into_only_when_asked(tmp_path):
    make(tmp_path, "a.mid", "sub/b.mid")
    listing = list_folder(str(tmp_path), recursive=False)
    assert listing.music == ["a.mid"]
    assert listing.closed == ["sub"]


def test_a_folder_called_like_a_file_is_a_folder(tmp_path):
    make(tmp_path, "songs.mid/a.mid")
    assert list_folder(str(tmp_path), recursive=True).music == ["songs.mid/a.mid"]


def test_links_are_followed_but_not_round_and_round(tmp_path):
    make(tmp_path, "in/a.mid", "elsewhere/b.mid")
    (tmp_path / "in" / "more").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "in" / "again").symlink_to(tmp_path / "in")
    listing = list_folder(str(tmp_path / "in"), recursive=True)
    assert listing.music == ["a.mid", "more/b.mid"]
    assert listing.closed == ["again"]


@pytest.mark.skipif(os.geteuid() == 0, reason="nothing is closed to root")
def test_a_closed_subfolder_is_told(tmp_path):
    make(tmp_path, "a.mid", "sub/b.mid")
    (tmp_path / "sub").chmod(0)
    listing = list_folder(str(tmp_path), recursive=True)
    assert (listing.music, listing.closed) == (["a.mid"], ["sub"])


def test_a_folder_that_is_none_raises(tmp_path):
    make(tmp_path, "a.mid")
    with pytest.raises(NotADirectoryError):
        list_folder(str(tmp_path / "a.mid"), recursive=True)
    with pytest.raises(FileNotFoundError):
        list_folder(str(tmp_path / "b"), recursive=True)


def test_a_link_to_itself_costs_only_itself(tmp_path):
    make(tmp_path, "a.mid", "sub/b.mid")
    (tmp_path / "loop.mid").symlink_to("loop.mid")
    (tmp_path / "sub" / "loop").symlink_to("loop")
    listing = list_folder(str(tmp_path), recursive=True)
    assert listing.music == ["a.mid", "loop.mid", "sub/b.mid"]
    assert listing.others == {"": 1}
    assert listing.closed == []

"""Shards replace the earlier ones only when all of them are whole."""

import os

import pytest

from music_vae_tf.data import whole_file
from music_vae_tf.data.shards import NoPlainFolder, whole_shards

GONE = 2**22 + 1  # the number of no process


def write(prefix, number, text="new", keep=()):
    with whole_shards(str(prefix), keep) as unfinished:
        for i in range(number):
            with open(f"{unfinished}-{i:05d}-of-{number:05d}", "w") as file:
                file.write(text)


def names(folder):
    return sorted(os.listdir(folder))


def test_earlier_shards_stay_until_the_new_ones_are_whole(tmp_path):
    write(tmp_path / "x", 2, "old")
    with pytest.raises(ZeroDivisionError), whole_shards(str(tmp_path / "x")) as prefix:
        with open(f"{prefix}-00000-of-00002", "w") as file:
            file.write("half")
        raise ZeroDivisionError
    assert names(tmp_path) == ["x-00000-of-00002", "x-00001-of-00002"]
    assert (tmp_path / "x-00000-of-00002").read_text() == "old"


def test_surplus_shards_of_the_same_prefix_alone_are_removed(tmp_path):
    write(tmp_path / "x", 3, "old")
    others = ["x-00000-of-00003.bak", "x-valid-00000-of-00003", "xy-00000-of-00003"]
    for other in others:
        (tmp_path / other).touch()
    write(tmp_path / "x", 1)
    assert names(tmp_path) == sorted(["x-00000-of-00001", *others])


def test_files_of_the_input_are_not_removed(tmp_path):
    write(tmp_path / "x", 2, "input")
    shards = [str(tmp_path / f"x-0000{i}-of-00002") for i in range(2)]
    write(tmp_path / "x", 1, keep=shards)
    assert names(tmp_path) == ["x-00000-of-00001", *map(os.path.basename, shards)]


def test_the_folder_of_a_killed_process_is_removed_and_that_of_a_living_one_stays(
    tmp_path,
):
    dead = f"beam-temp-a.{whole_file._host()}-{GONE}.partial"
    living = f"beam-temp-a.{whole_file._host()}-{os.getppid()}.partial"
    of_others = [f"beam-temp-x-valid-{'0' * 32}", living, "beam-temp-x-mine"]
    for name in (dead, f"beam-temp-x-{'0' * 32}", *of_others):
        (tmp_path / name).mkdir()
        (tmp_path / name / "shard").touch()
    write(tmp_path / "x", 1)
    assert names(tmp_path) == sorted([*of_others, "x-00000-of-00001"])


@pytest.mark.parametrize("ending", ["", "x"])
def test_a_missing_folder_is_made(tmp_path, ending):
    write(f"{tmp_path}/new/{ending}", 1)
    assert names(tmp_path / "new") == [f"{ending}-00000-of-00001"]


def test_without_a_folder_of_a_plain_name_nothing_is_written(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "t*"))
    with pytest.raises(NoPlainFolder, match="TMPDIR"):
        write(tmp_path / "p[1]" / "x", 1)
    assert names(tmp_path / "p[1]") == []

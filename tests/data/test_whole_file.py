"""A file is replaced by a whole one or not at all."""

import os
import stat

import pytest

from music_vae_tf.data.whole_file import sync_folder, whole_file


def write(path, data=b"new"):
    with whole_file(path) as file:
        file.write(data)


def test_the_name_is_taken_when_the_file_is_whole(tmp_path):
    path = tmp_path / "a"
    path.write_bytes(b"old")
    with whole_file(path) as file:
        file.write(b"new")
        file.flush()
        assert path.read_bytes() == b"old"
    assert path.read_bytes() == b"new"
    assert os.listdir(tmp_path) == ["a"]


def test_an_error_leaves_the_old_file_and_nothing_else(tmp_path):
    path = tmp_path / "a"
    path.write_bytes(b"old")
    with pytest.raises(ZeroDivisionError), whole_file(path) as file:
        file.write(b"new")
        raise ZeroDivisionError
    assert path.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["a"]


def test_the_file_has_the_rights_of_any_new_file(tmp_path):
    write(tmp_path / "a")
    (tmp_path / "b").write_bytes(b"")
    modes = [stat.S_IMODE((tmp_path / name).stat().st_mode) for name in "ab"]
    assert modes[0] == modes[1]


def test_a_link_stays_a_link(tmp_path):
    (tmp_path / "link").symlink_to("target")
    write(tmp_path / "link")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "target").read_bytes() == b"new"


def test_folders_and_devices_are_not_replaced(tmp_path):
    with pytest.raises(IsADirectoryError, match="a folder"):
        write(tmp_path)
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(OSError, match="no ordinary file"):
        write(tmp_path / "pipe")
    assert stat.S_ISFIFO((tmp_path / "pipe").stat().st_mode)


@pytest.fixture
def calls(monkeypatch):
    """What is synced and renamed, in order: names of files."""
    made = []

    def sync(descriptor, fsync=os.fsync):
        is_folder = stat.S_ISDIR(os.fstat(descriptor).st_mode)
        made.append("sync folder" if is_folder else "sync")
        fsync(descriptor)

    def replace(source, target, replace=os.replace):
        made.append(f"replace {os.path.basename(target)}")
        replace(source, target)

    monkeypatch.setattr(os, "fsync", sync)
    monkeypatch.setattr(os, "replace", replace)
    return made


def test_what_lasts_is_on_the_disk_before_and_after_it_takes_its_name(tmp_path, calls):
    with whole_file(tmp_path / "a", durable=True) as file:
        file.write(b"new")
    assert calls == ["sync", "replace a", "sync folder"]


def test_what_is_quickly_made_again_waits_for_no_disk(tmp_path, calls):
    write(tmp_path / "a.mid")
    assert calls == ["replace a.mid"]


def test_a_folder_that_cannot_be_synced_is_not_an_error(tmp_path):
    sync_folder(tmp_path / "absent")


def test_all_that_a_training_or_a_conversion_keeps_lasts(tmp_path, calls):
    from music_vae_tf import config
    from music_vae_tf.checkpoint import compact
    from music_vae_tf.data.clefs import prepared
    from music_vae_tf.data.records import records_writer
    from music_vae_tf.run_directory import RunDirectory
    from music_vae_tf.training import validation

    directory = RunDirectory(tmp_path)
    directory.train_dir.mkdir()
    directory.write_record(config.load("groovae_4bar"), 1)
    directory.write_flags({})
    directory.write_state("training", 1)
    validation._write_losses(directory.train_dir, [])
    with records_writer(tmp_path / "a.tfrecord") as add:
        add(b"x")
    compact.write(tmp_path / "a.safetensors", {}, compact.Metadata("", 1))
    prepared.write_split(tmp_path, {})
    names = (
        *("config.yaml", "flags.json", "state.json", "validation.json"),
        *("a.tfrecord", "a.safetensors", "split.json"),
    )
    expected = [["sync", f"replace {name}", "sync folder"] for name in names]
    assert calls == sum(expected, [])


def test_a_checkpoint_is_on_the_disk_part_by_part(tmp_path, calls):
    from music_vae_tf import checkpoint

    checkpoint.save(tmp_path, 1, {})
    data, index = "model.ckpt-1.data-00000-of-00001", "model.ckpt-1.index"
    expected = [
        ["sync", f"replace {name}", "sync folder"]
        for name in (data, index, "checkpoint")
    ]
    assert calls == sum(expected, [])

"""Checkpoints as arrays, whole and damaged, plain and out of archives."""

import io
import os
import tarfile

import numpy as np
import pytest

from music_vae_tf.checkpoint import CheckpointError, find, read, save

DATA = "model.ckpt-3.data-00000-of-00001"


def archive(path, files, mode="w"):
    """A tar of `{name: bytes, or a TarInfo}`."""
    with tarfile.open(path, mode) as tar:
        for name, content in files.items():
            if isinstance(content, bytes):
                info = tarfile.TarInfo(name)
                info.size = len(content)
                tar.addfile(info, io.BytesIO(content))
            else:
                content.name = name
                tar.addfile(content)
    return path


@pytest.fixture
def files(run_dir):
    train = run_dir / "train"
    return {n: (train / n).read_bytes() for n in ("model.ckpt-3.index", DATA)}


def test_what_was_written_is_read_under_magentas_names(run_dir, values):
    tensors = read(run_dir)
    assert sorted(tensors) == [
        "beta1_power",
        "beta2_power",
        "decoder/multi_rnn_cell/cell_0/lstm_cell/bias",
        "decoder/multi_rnn_cell/cell_0/lstm_cell/bias/Adam",
        "decoder/multi_rnn_cell/cell_0/lstm_cell/bias/Adam_1",
        "encoder/mu/kernel",
        "encoder/mu/kernel/Adam",
        "encoder/mu/kernel/Adam_1",
        "global_step",
    ]
    np.testing.assert_array_equal(tensors["encoder/mu/kernel"], values["mu/kernel"])
    assert tensors["global_step"] == 3


def test_only_what_is_named_is_read(run_dir):
    assert list(read(run_dir, ["global_step"])) == ["global_step"]


@pytest.mark.parametrize("part", ["model.ckpt-3.index", DATA])
@pytest.mark.parametrize("length", [0, 1, 50, -1])
def test_a_truncated_file_is_an_error(run_dir, files, part, length):
    (run_dir / "train" / part).write_bytes(files[part][:length])
    with pytest.raises(CheckpointError, match=r"train/model.ckpt-3 cannot be read"):
        read(run_dir)


@pytest.mark.parametrize("part", ["model.ckpt-3.index", DATA])
def test_a_flipped_bit_is_an_error(run_dir, files, part):
    damaged = bytearray(files[part])
    damaged[10] ^= 4
    (run_dir / "train" / part).write_bytes(damaged)
    with pytest.raises(CheckpointError, match="cannot be read"):
        read(run_dir)


@pytest.mark.parametrize(
    ("suffix", "mode"),
    [("tar", "w"), ("tar.gz", "w:gz"), ("tgz", "w:gz"), ("x", "w:xz")],
)
@pytest.mark.parametrize("folder", ["", "./", "some/folder/"])
def test_an_archive_is_read_like_what_it_holds(
    tmp_path, run_dir, files, suffix, mode, folder
):
    members = {"README": b"a trained model"}
    members |= {folder + name: content for name, content in files.items()}
    path = archive(tmp_path / f"model.{suffix}", members, mode)
    assert find(path) == str(path)
    tensors = read(path)
    for name, tensor in read(run_dir).items():
        np.testing.assert_array_equal(tensors[name], tensor)


def test_an_archive_may_be_made_of_a_whole_run(tmp_path, run_dir):
    path = tmp_path / "run.tar"
    with tarfile.open(path, "w") as tar:
        tar.add(run_dir, "run")
    assert read(path)["global_step"] == 3


def test_the_first_index_of_an_archive_counts(tmp_path, run_dir, values, files):
    save(run_dir / "train", 9, values)
    later = {
        name: (run_dir / "train" / name).read_bytes()
        for name in os.listdir(run_dir / "train")
        if "-9" in name
    }
    assert read(archive(tmp_path / "a.tar", {**files, **later}))["global_step"] == 3
    assert read(archive(tmp_path / "b.tar", {**later, **files}))["global_step"] == 9


def link(kind):
    info = tarfile.TarInfo()
    info.type = kind
    info.linkname = "/etc/passwd"
    return info


@pytest.mark.parametrize(
    ("name", "content", "fault"),
    [
        ("../outside", b"", "points outside the folder"),
        ("folder/../../outside", b"", "points outside the folder"),
        ("/tmp/outside", b"", "points outside the folder"),
        ("link", link(tarfile.SYMTYPE), "is a link or a device"),
        ("link", link(tarfile.LNKTYPE), "is a link or a device"),
        ("device", link(tarfile.CHRTYPE), "is a link or a device"),
        ("pipe", link(tarfile.FIFOTYPE), "is a link or a device"),
    ],
)
def test_an_unsafe_archive_is_refused(tmp_path, files, name, content, fault):
    path = archive(tmp_path / "model.tar", {**files, name: content})
    with pytest.raises(CheckpointError, match=f"{name!r} {fault}"):
        read(path)
    assert not (tmp_path / "outside").exists()


def test_an_archive_without_a_checkpoint_is_described(tmp_path):
    path = archive(tmp_path / "model.tar", {"groove.mid": b"MThd"})
    with pytest.raises(CheckpointError, match="ends in .index. It holds groove.mid"):
        read(path)


def test_an_archive_with_half_a_checkpoint_is_an_error(tmp_path, files):
    del files[DATA]
    path = archive(tmp_path / "model.tar", files)
    with pytest.raises(CheckpointError, match=r"model.tar holds only half"):
        read(path)


@pytest.mark.parametrize("mode", ["w", "w:gz", "w:bz2", "w:xz"])
def test_an_archive_cut_short_is_an_error(tmp_path, files, mode):
    files[DATA] += np.random.RandomState(0).bytes(10_000)
    path = archive(tmp_path / "model.tar", files, mode)
    path.write_bytes(path.read_bytes()[:5000])
    with pytest.raises(CheckpointError, match="damaged or was cut short|half|neither"):
        read(path)

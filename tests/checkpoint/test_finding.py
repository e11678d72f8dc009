"""What a user's path means."""

import os
import shutil
import subprocess
import sys

import pytest

from music_vae_tf.checkpoint import CheckpointError, find, latest, save
from music_vae_tf.errors import UserFacingError


@pytest.mark.parametrize(
    "path",
    [
        "",
        "train",
        "train/",
        "train/checkpoint",
        "train/model.ckpt-3",
        "train/model.ckpt-3.index",
        "train/model.ckpt-3.data-00000-of-00001",
        "train/model.ckpt-3.meta",
    ],
)
def test_every_path_into_a_run_means_its_checkpoint(run_dir, path):
    assert find(run_dir / path) == str(run_dir / "train" / "model.ckpt-3")
    assert find(f"{run_dir}/{path}") == f"{run_dir}/train/model.ckpt-3"


def test_a_tilde_is_the_home_directory(run_dir, monkeypatch):
    monkeypatch.setenv("HOME", str(run_dir))
    assert find("~/train/model.ckpt-3") == str(run_dir / "train" / "model.ckpt-3")


def test_a_relative_path_to_the_state_file_is_understood(run_dir, monkeypatch):
    monkeypatch.chdir(run_dir / "train")
    assert os.path.samefile(find("checkpoint") + ".index", "model.ckpt-3.index")


def test_the_state_file_says_which_checkpoint_is_the_latest(run_dir, values):
    save(run_dir / "train", 7, values)
    state = run_dir / "train" / "checkpoint"
    state.write_text('model_checkpoint_path: "model.ckpt-3"\n')
    assert find(run_dir).endswith("model.ckpt-3")


def test_a_run_that_magenta_wrote_may_be_moved(run_dir, tmp_path):
    state = run_dir / "train" / "checkpoint"
    state.write_text(f'model_checkpoint_path: "{run_dir}/train/model.ckpt-3"\n')
    moved = shutil.move(run_dir, tmp_path / "moved")
    assert find(moved) == f"{moved}/train/model.ckpt-3"


def test_of_a_run_and_its_copy_the_copy_is_read(run_dir, tmp_path):
    state = run_dir / "train" / "checkpoint"
    state.write_text(f'model_checkpoint_path: "{run_dir}/train/model.ckpt-3"\n')
    copy = shutil.copytree(run_dir, tmp_path / "copy")
    assert find(copy) == f"{copy}/train/model.ckpt-3"


def test_a_state_file_may_point_elsewhere(run_dir, tmp_path):
    (tmp_path / "checkpoint").write_text(
        f'model_checkpoint_path: "{run_dir}/train/model.ckpt-3"\n'
    )
    assert find(tmp_path) == f"{run_dir}/train/model.ckpt-3"


@pytest.mark.parametrize("state", [None, b"", b'model_checkpoint_path: "mod', b"\xff"])
def test_without_a_state_file_the_most_steps_count(run_dir, values, state):
    for step in (10, 9):
        save(run_dir / "train", step, values)
    (run_dir / "train" / "checkpoint").unlink()
    if state is not None:
        (run_dir / "train" / "checkpoint").write_bytes(state)
    assert find(run_dir).endswith("model.ckpt-10")
    assert latest(run_dir / "train").endswith("model.ckpt-10")


def test_a_half_one_is_passed_over_where_whole_ones_lie(run_dir, values):
    save(run_dir / "train", 10, values)
    (run_dir / "train" / "checkpoint").unlink()
    (run_dir / "train" / "model.ckpt-10.data-00000-of-00001").unlink()
    assert find(run_dir).endswith("model.ckpt-3")


@pytest.mark.parametrize("lost", [".index", ".data-00000-of-00001"])
def test_half_a_checkpoint_is_said_to_be_half_one(run_dir, lost):
    os.remove(f"{run_dir}/train/model.ckpt-3{lost}")
    with pytest.raises(CheckpointError, match=f"half .* model.ckpt-3{lost} is not"):
        find(run_dir / "train" / "model.ckpt-3")


@pytest.mark.parametrize("with_state", [True, False])
def test_in_a_run_an_index_without_data_is_an_error(run_dir, with_state):
    (run_dir / "train" / "model.ckpt-3.data-00000-of-00001").unlink()
    if not with_state:
        (run_dir / "train" / "checkpoint").unlink()
    with pytest.raises(CheckpointError, match="only half a checkpoint"):
        find(run_dir)


def test_in_a_run_data_without_an_index_are_not_checkpoint(run_dir):
    (run_dir / "train" / "model.ckpt-3.index").unlink()
    assert latest(run_dir / "train") is None
    with pytest.raises(CheckpointError, match="no checkpoint in .*lie: train"):
        find(run_dir)


def test_one_of_two_data_files_is_half_a_checkpoint(run_dir):
    prefix = f"{run_dir}/train/model.ckpt-3"
    os.rename(prefix + ".data-00000-of-00001", prefix + ".data-00000-of-00002")
    with pytest.raises(CheckpointError, match="half a checkpoint"):
        find(prefix)


def test_a_directory_without_one_is_described(tmp_path):
    with pytest.raises(CheckpointError, match=r"model\.ckpt-\*.*is empty") as error:
        find(tmp_path)
    assert isinstance(error.value, UserFacingError)
    (tmp_path / "groove.mid").touch()
    with pytest.raises(CheckpointError, match="lie: groove.mid"):
        find(tmp_path)
    assert latest(tmp_path) is None
    assert latest(tmp_path / "train") is None


def test_a_wrong_step_is_answered_with_those_there_are(run_dir):
    with pytest.raises(CheckpointError, match="lie: checkpoint, model.ckpt-3"):
        find(run_dir / "train" / "model.ckpt-4")


def test_a_path_to_nowhere_is_an_error(tmp_path):
    with pytest.raises(CheckpointError, match="no directory"):
        find(tmp_path / "not" / "there")


def test_another_file_is_not_a_checkpoint(tmp_path):
    (tmp_path / "model.h5").write_bytes(b"HDF")
    with pytest.raises(CheckpointError, match="neither a checkpoint nor a tar"):
        find(tmp_path / "model.h5")


@pytest.mark.parametrize("function", ["latest", "read"])
def test_the_first_use_of_tensorflow_is_quiet(run_dir, function):
    called = f"checkpoint.{function}({str(run_dir / 'train')!r})"
    program = f"from music_vae_tf import checkpoint; {called}"
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stderr == ""

"""Checkpoints as Magenta's Saver writes and keeps them; whole or not there."""

import errno
import os
import time

import numpy as np
import pytest
import tensorflow as tf

from music_vae_tf import checkpoint
from music_vae_tf.checkpoint import CheckpointError, latest, our_names, read, save


@pytest.fixture
def clock(monkeypatch):
    """A clock that stands at 1000 minutes until it is set."""

    def set_to(minutes):
        monkeypatch.setattr(time, "time", lambda: 60.0 * minutes)

    set_to(1000)
    return set_to


def steps_in(directory):
    names = [name for name in os.listdir(directory) if name.endswith(".index")]
    assert all(
        (directory / name.replace(".index", ".data-00000-of-00001")).exists()
        for name in names
    )
    return sorted(int(name.split("-")[1].split(".")[0]) for name in names)


def test_golden_checkpoints_are_rewritten_to_the_bit(golden, tmp_path):
    for config in golden.models():
        for kind in ("ckpt", "train_ckpt"):
            path = golden.path("models", config, kind)
            if not os.path.isdir(path):
                continue
            tensors = read(path)
            ours = our_names(tensors)
            values = {ours[name]: tensor for name, tensor in tensors.items()}
            step = int(values.pop("step"))
            prefix = save(tmp_path / config / kind, step, values)
            # As the original reads it.
            again = tf.train.load_checkpoint(prefix)
            assert again.get_variable_to_shape_map().keys() == tensors.keys()
            for name, tensor in tensors.items():
                copy = again.get_tensor(name)
                assert copy.dtype == tensor.dtype
                assert copy.shape == tensor.shape
                assert copy.tobytes() == tensor.tobytes()


def test_tensors_have_the_types_that_magenta_demands(tmp_path):
    values = {
        "mu/bias": np.array([0.5, 1.5]),
        "decoder/initial_state/kernel": np.zeros([0, 16]),  # where z_size is 0
        "first_moment_decay_power": 0.9,
        "sigma/bias": tf.Variable([1.0]),
    }
    tensors = read(save(tmp_path, np.int32(7), values))
    assert {name: (t.dtype.name, t.shape) for name, t in tensors.items()} == {
        "encoder/mu/bias": ("float32", (2,)),
        "decoder/z_to_initial_state/kernel": ("float32", (0, 16)),
        "beta1_power": ("float32", ()),
        "encoder/sigma/bias": ("float32", (1,)),
        "global_step": ("int64", ()),
    }
    assert tensors["global_step"] == 7


def test_the_state_file_has_relative_names(tmp_path, values, clock):
    save(tmp_path, 3, values, to_keep=5)
    clock(1001)
    prefix = save(tmp_path, 4, values, to_keep=5)
    assert prefix == str(tmp_path / "model.ckpt-4")
    assert (tmp_path / "checkpoint").read_text() == (
        'model_checkpoint_path: "model.ckpt-4"\n'
        'all_model_checkpoint_paths: "model.ckpt-3"\n'
        'all_model_checkpoint_paths: "model.ckpt-4"\n'
        "all_model_checkpoint_timestamps: 60000.0\n"
        "all_model_checkpoint_timestamps: 60060.0\n"
        "last_preserved_timestamp: 60000.0\n"
    )
    assert sorted(os.listdir(tmp_path)) == [
        "checkpoint",
        "model.ckpt-3.data-00000-of-00001",
        "model.ckpt-3.index",
        "model.ckpt-4.data-00000-of-00001",
        "model.ckpt-4.index",
    ]


@pytest.mark.parametrize(
    ("to_keep", "every_n_hours", "minutes", "kept"),
    [
        # What tf.train.Saver of TensorFlow 2.9 left behind.
        (2, 1, range(0, 241, 10), [70, 130, 190, 230, 240]),
        (3, 0.5, range(0, 121, 7), [35, 63, 91, 105, 112, 119]),
        (0, 1, range(0, 50, 10), [0, 10, 20, 30, 40]),
        (2, 0, range(0, 50, 10), [10, 20, 30, 40]),
    ],
)
def test_checkpoints_are_kept_as_saver_keeps_them(
    tmp_path, clock, to_keep, every_n_hours, minutes, kept
):
    for minute in minutes:
        clock(1000 + minute)
        save(tmp_path, minute, {}, to_keep, every_n_hours)
    assert steps_in(tmp_path) == kept


def test_a_pause_does_not_make_a_row_of_checkpoints_worth_keeping(tmp_path, clock):
    for minute in [*range(0, 30, 5), *range(1000, 1070, 5)]:
        clock(1000 + minute)
        save(tmp_path, minute, {}, to_keep=1, every_n_hours=1)
    assert steps_in(tmp_path) == [1000, 1025, 1065]


def test_a_smaller_number_to_keep_applies_to_those_there_are(tmp_path):
    for step in range(6):
        save(tmp_path, step, {}, to_keep=6)
    save(tmp_path, 6, {}, to_keep=2)
    assert steps_in(tmp_path) == [5, 6]


def test_checkpoints_of_magenta_count_and_go_with_their_graphs(tmp_path, clock):
    for step in (1, 2):
        save(tmp_path, step, {})
        (tmp_path / f"model.ckpt-{step}.meta").touch()
    os.utime(tmp_path / "model.ckpt-1.index", (60_000, 60_000))
    os.utime(tmp_path / "model.ckpt-2.index", (60_060, 60_060))
    lines = [f'all_model_checkpoint_paths: "/gone/model.ckpt-{n}"\n' for n in (0, 1, 2)]
    (tmp_path / "checkpoint").write_text(
        'model_checkpoint_path: "/gone/model.ckpt-2"\n' + "".join(lines)
    )
    save(tmp_path, 3, {}, to_keep=2, every_n_hours=1)
    assert steps_in(tmp_path) == [2, 3]
    assert not (tmp_path / "model.ckpt-1.meta").exists()
    assert (tmp_path / "model.ckpt-2.meta").exists()


def test_a_step_saved_again_is_the_latest(tmp_path):
    for step in (1, 2, 1):
        save(tmp_path, step, {"mu/bias": np.full(2, step)}, to_keep=3)
    assert latest(tmp_path).endswith("model.ckpt-1")
    assert steps_in(tmp_path) == [1, 2]


class Killed(BaseException):
    """Stands for the end of the process."""


@pytest.mark.parametrize("step", [1, 2])
@pytest.mark.parametrize("survived", range(8))
def test_killed_at_any_moment_a_whole_checkpoint_is_there(
    tmp_path, monkeypatch, survived, step
):
    for number in (0, 1):
        save(tmp_path, number, {"mu/bias": np.full(100, number)}, to_keep=2)
    calls = iter([None] * survived)

    def mortal(function):
        def call(*args):
            if next(calls, Killed) is Killed:
                raise Killed
            return function(*args)

        return call

    with monkeypatch.context() as patch:
        for function in ("replace", "remove", "fsync"):
            patch.setattr(os, function, mortal(getattr(os, function)))
        with pytest.raises(Killed):
            save(tmp_path, step, {"mu/bias": np.full(100, 5)}, to_keep=2)
    tensors = read(tmp_path)
    expected = {0: [0], 1: [1, 5] if step == 1 else [1], 2: [5]}
    assert tensors["encoder/mu/bias"][0] in expected[int(tensors["global_step"])]
    save(tmp_path, 3, {"mu/bias": np.full(100, 3)}, to_keep=2)
    assert read(tmp_path)["global_step"] == 3
    steps_in(tmp_path)


def test_what_a_killed_process_left_is_cleared_away(tmp_path):
    (tmp_path / ".unfinished").mkdir()
    (tmp_path / ".unfinished" / "model.ckpt-1.data-00000-of-00001").write_bytes(b"half")
    save(tmp_path, 1, {})
    assert not (tmp_path / ".unfinished").exists()


def test_a_full_disk_is_an_error_and_leaves_the_last_checkpoint(tmp_path, monkeypatch):
    def full(**_):
        message = (
            "{{function_node __wrapped__SaveV2}} a.data; No space left [Op:SaveV2]"
        )
        raise tf.errors.ResourceExhaustedError(None, None, message)

    save(tmp_path, 1, {})
    monkeypatch.setattr(tf.raw_ops, "SaveV2", full)
    with pytest.raises(CheckpointError, match=r"model.ckpt-2: a.data; No space left$"):
        save(tmp_path, 2, {})
    assert steps_in(tmp_path) == [1]
    assert checkpoint.find(tmp_path).endswith("model.ckpt-1")


def test_a_disk_that_is_full_at_the_last_moment_is_told_too(
    tmp_path, values, monkeypatch
):
    def full(source, target):
        raise OSError(errno.ENOSPC, "No space left on device")

    save(tmp_path, 3, values)
    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(CheckpointError, match="ckpt-4: No space left on device$"):
        save(tmp_path, 4, values)
    assert latest(tmp_path).endswith("model.ckpt-3")

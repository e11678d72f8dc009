"""Full disks and killed processes: the file is named, and what is left is removed."""

import contextlib
import os
import resource
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from music_vae_tf import checkpoint
from music_vae_tf.data import whole_file as whole
from music_vae_tf.data.whole_file import whole_file

VALUES = {"mu/kernel": np.zeros([100, 100], np.float32)}
WRITE = """
import os, sys, time
from music_vae_tf.data.whole_file import whole_file
with whole_file(sys.argv[1]) as file:
    file.write(b"half")
    print("writing", flush=True)
    time.sleep(60)
"""


@contextlib.contextmanager
def small_disk():
    """As if each file could have but a kilobyte.

    The limit also holds for a file that pytest prints to, so no fixture sets it.
    """
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    signal_before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1024, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, signal_before)


def test_a_full_disk_names_the_file_and_leaves_the_earlier_one(tmp_path):
    path = tmp_path / "a"
    path.write_bytes(b"before")
    with small_disk(), pytest.raises(OSError) as error, whole_file(path) as file:
        file.write(bytes(100_000))
    assert error.value.filename == str(path)
    assert path.read_bytes() == b"before"
    assert os.listdir(tmp_path) == ["a"]


def test_a_full_disk_leaves_the_last_checkpoint(tmp_path):
    checkpoint.save(tmp_path, 1, VALUES)
    with (
        small_disk(),
        pytest.raises(checkpoint.CheckpointError, match=r"write .*model\.ckpt-2"),
    ):
        checkpoint.save(tmp_path, 2, VALUES)
    assert checkpoint.read(tmp_path)["global_step"] == 1
    assert not (tmp_path / ".unfinished").exists()


def test_what_a_killed_process_left_is_removed_by_the_next(tmp_path):
    path = tmp_path / "a"
    process = subprocess.Popen(
        [sys.executable, "-c", WRITE, path], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout.readline() == "writing\n"
    (name,) = os.listdir(tmp_path)
    with whole_file(path) as file:  # beside a process that lives
        file.write(b"whole")
    assert sorted(os.listdir(tmp_path)) == sorted(["a", name])
    process.kill()
    process.wait()
    process.stdout.close()
    with whole_file(tmp_path / "b") as file:
        file.write(b"whole")
    assert sorted(os.listdir(tmp_path)) == ["a", "b"]


def test_parts_of_other_files_and_machines_stay(tmp_path):
    others = [
        f"a.elsewhere-{2**22 + 1}.partial",
        f"b{whole._own_suffix()}",
        "a.partial",
    ]
    for name in others:
        (tmp_path / name).touch()
    with whole_file(tmp_path / "a") as file:
        file.write(b"whole")
    assert sorted(os.listdir(tmp_path)) == sorted(["a", *others])


def test_data_without_an_index_are_removed_and_whole_checkpoints_stay(tmp_path):
    for step in (1, 2):
        checkpoint.save(tmp_path, step, VALUES)
    (tmp_path / "model.ckpt-2.index").unlink()
    (tmp_path / ".unfinished").mkdir()
    (tmp_path / ".unfinished" / "model.ckpt-3.index").touch()
    (tmp_path / "state.unfinished").touch()
    (tmp_path / "my own.data").touch()
    checkpoint.remove_leftovers(tmp_path)
    assert sorted(os.listdir(tmp_path)) == [
        "checkpoint",
        "model.ckpt-1.data-00000-of-00001",
        "model.ckpt-1.index",
        "my own.data",
    ]


def test_sigterm_leaves_no_half_file(tmp_path):
    music = tmp_path / "music"
    music.mkdir()
    for number in range(30):
        (music / f"{number}.abc").write_text(
            "X:1\nT:long\nM:4/4\nL:1/8\nK:C\n" + "CDEF GABc|" * 2000 + "\n"
        )
    output = tmp_path / "out"
    output.mkdir()
    command = [
        *(sys.executable, "-m", "music_vae_tf.commands.convert_dir_to_note_sequences"),
        *(f"--input_dir={music}", f"--output_file={output / 'a.tfrecord'}"),
        "--num_workers=1",
    ]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 60
    while not os.listdir(output) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert os.listdir(output)
    process.send_signal(signal.SIGTERM)
    _, printed = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "interrupted" in printed and "Traceback" not in printed
    assert os.listdir(output) == []

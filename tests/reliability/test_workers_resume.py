"""Two workers that stop and go on end as two that did not stop."""

import subprocess
import sys

import numpy as np
import pytest
import scene
import worker_processes

from music_vae_tf import checkpoint
from music_vae_tf.run_directory import RunDirectory

LONGEST_S = 300


def train(line, run_dir, num_steps):
    """Both workers of a training, to their end."""
    flags = line.flags_for(run_dir, f"--num_steps={num_steps}")
    workers = [
        subprocess.Popen(
            [sys.executable, "-m", f"music_vae_tf.commands.{line.command}", *flags],
            env=environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        for environment in worker_processes.environments()
    ]
    try:
        texts = [worker.communicate(timeout=LONGEST_S)[1] for worker in workers]
    finally:
        for worker in workers:
            worker.kill()
    assert [worker.returncode for worker in workers] == [0, 0], texts


def state_after(line, run_dir, *stops):
    for stop in stops:
        train(line, run_dir, stop)
    return checkpoint.read(RunDirectory(run_dir).checkpoint())


def run(line, folder, *more):
    """One command to its end."""
    flags = line.flags_for(folder, *more)
    module = f"music_vae_tf.commands.{line.command}"
    subprocess.run([sys.executable, "-m", module, *flags], check=True)


@pytest.fixture(scope="module")
def lines(tmp_path_factory):
    """Trainings of all kinds of models."""
    folder = tmp_path_factory.mktemp("scene")
    scene.music(folder)
    for name in ("clef_prepare", "roll_prepare"):
        run(scene.preparations(folder)[name], folder / name)
    made = scene.trainings(folder, folder / "clef_prepare", folder / "roll_prepare")
    run(made["conv_cvae"], folder / "cvae", "--num_steps=1")
    return made


@pytest.mark.long
@pytest.mark.parametrize(
    "name",
    [
        "music_vae",
        "hierarchical",
        "clef_lstm",
        "conv_cvae",
        "clstm_decoder",
    ],
)
def test_two_workers_resume_bit_for_bit(tmp_path, lines, figure, name):
    whole = state_after(lines[name], tmp_path / "whole", 4)
    parts = state_after(lines[name], tmp_path / "parts", 2, 4)
    assert whole.keys() == parts.keys()
    for key, value in whole.items():
        np.testing.assert_array_equal(value, parts[key], err_msg=key)
    figure(
        "A training that is resumed is bit for bit one that was not interrupted",
        f"{name}, two workers: {len(whole)} tensors",
    )

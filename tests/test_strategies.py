"""Several devices take the steps of one: logical devices, and processes on loopback."""

import json
import os
import re
import signal
import subprocess
import sys

import numpy as np
import pytest
import worker_processes

from music_vae_tf import checkpoint, strategies
from music_vae_tf.commands import music_vae_train

TINY = "enc_rnn_size=[2],dec_rnn_size=[2],z_size=2,batch_size=4"
CONFIG = "groovae_4bar"  # with dropout
CLUSTER = {"chief": ["a:1"], "worker": ["b:1", "c:1"]}
ON_TWO_CPUS = """
import sys
import tensorflow as tf

tf.config.set_logical_device_configuration(
    tf.config.list_physical_devices("CPU")[0],
    2 * [tf.config.LogicalDeviceConfiguration()],
)
from music_vae_tf.commands.music_vae_train import run

sys.exit(run())
"""


class Trainings:
    """Trainings of the same seed and examples, each a process of its own."""

    def __init__(self, folder, examples):
        self.folder, self.examples = folder, examples
        self.processes = []

    def flags(self, name, *options):
        return [
            f"--config={CONFIG}",
            f"--hparams={TINY}",
            f"--run_dir={self.folder / name}",
            f"--examples_path={self.examples}",
            "--seed=1",
            *options,
        ]

    def start(
        self, flags, program=("-m", "music_vae_tf.commands.music_vae_train"), **env
    ):
        process = subprocess.Popen(
            [sys.executable, *program, *flags],
            env={**os.environ, "CUDA_VISIBLE_DEVICES": "-1", **env},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.processes.append(process)
        return process

    def start_workers(self, name, *options, number=2):
        return [
            self.start(self.flags(name, *options), **environment)
            for environment in worker_processes.environments(number)
        ]

    def state(self, name):
        """All that the newest checkpoint holds."""
        return checkpoint.read(self.folder / name / "train")


def said(process, timeout=120):
    """What a process that ends says; it must end."""
    _, text = process.communicate(timeout=timeout)
    return text


@pytest.fixture(scope="module")
def trainings(tmp_path_factory, groove_records):
    scene = Trainings(tmp_path_factory.mktemp("trainings"), groove_records)
    yield scene
    for process in scene.processes:
        process.kill()
        process.communicate()


@pytest.fixture(scope="module")
def alone(trainings):
    flags = trainings.flags("alone", "--num_steps=3", "--strategy=single")
    assert music_vae_train.run(flags) == 0
    return trainings.state("alone")


def assert_same(state, expected):
    assert state.keys() == expected.keys()
    for name, value in expected.items():
        np.testing.assert_allclose(state[name], value, atol=2e-6, err_msg=name)


def test_two_devices_take_the_steps_of_one(trainings, alone):
    flags = trainings.flags("mirrored", "--num_steps=3", "--strategy=mirrored")
    process = trainings.start(flags, ("-c", ON_TWO_CPUS))
    assert "Training on 2 replicas" in said(process)
    assert process.returncode == 0
    assert_same(trainings.state("mirrored"), alone)


def test_two_processes_take_the_steps_of_one(trainings, alone):
    workers = trainings.start_workers("workers", "--num_steps=3")
    texts = [said(worker) for worker in workers]
    assert [worker.returncode for worker in workers] == [0, 0], texts
    assert "this process is the chief" in texts[0]
    assert "another process is the chief" in texts[1]
    assert_same(trainings.state("workers"), alone)
    events = list((trainings.folder / "workers" / "train").glob("events*"))
    assert len(events) == 1


@pytest.mark.slow
def test_two_processes_stop_early_at_the_same_step(trainings):
    options = ("--holdout=0.25", "--early_stop", "--patience=1", "--num_steps=40")
    rate = f"--hparams={TINY},learning_rate=1"  # so that the loss soon rises
    workers = trainings.start_workers(
        "early", *options, rate, "--validation_interval=1"
    )
    texts = [said(worker) for worker in workers]
    assert [worker.returncode for worker in workers] == [0, 0], texts
    assert "stopped falling" in texts[0]
    stopped = checkpoint.step_of(checkpoint.latest(trainings.folder / "early/train"))
    assert stopped < 40
    assert f"Training: {stopped}/40 steps" in texts[1]


def test_a_worker_that_is_killed_stops_the_others_and_all_can_go_on(trainings, figure):
    chief, other = trainings.start_workers("killed", "--num_steps=0")
    wait_for_steps(chief)
    other.send_signal(signal.SIGKILL)
    text = said(chief)
    assert chief.returncode == 1, text
    assert "another worker of TF_CONFIG is gone" in text
    assert "Traceback" not in text
    before = checkpoint.step_of(checkpoint.latest(trainings.folder / "killed/train"))
    flags = trainings.flags("killed", f"--num_steps={before + 2}")
    assert music_vae_train.run(flags) == 0
    after = checkpoint.latest(trainings.folder / "killed/train")
    assert checkpoint.step_of(after) == before + 2
    figure(
        "A worker that is killed is noticed by the others, and the training goes on",
        "two workers, one killed: exit status 1, then two steps more",
    )


def wait_for_steps(process):
    """Until a training has taken a step or two."""
    for line in process.stderr:
        if re.search(r"loss [0-9]", line):
            return
    raise AssertionError("it ended before its first step")


def test_many_machines_without_tf_config_read_what_it_is(trainings, capsys):
    flags = trainings.flags("refused", "--strategy=multiworker")
    assert music_vae_train.run(flags) == 1
    assert "needs TF_CONFIG" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("index", "job", "rows"),
    [
        (0, "chief", slice(0, 4)),
        (0, "worker", slice(4, 8)),
        (1, "worker", slice(8, 12)),
    ],
)
def test_each_worker_makes_its_own_rows(monkeypatch, index, job, rows):
    class Strategy:
        num_replicas_in_sync = 6

        class cluster_resolver:
            task_id, task_type = index, job

            @staticmethod
            def cluster_spec():
                return strategies.tf.train.ClusterSpec(CLUSTER)

    monkeypatch.setenv("TF_CONFIG", json.dumps({"cluster": CLUSTER}))
    monkeypatch.setattr(strategies, "is_multiworker", lambda _: True)
    assert strategies.rows_of_worker(Strategy, 12) == rows
    assert strategies.is_chief(Strategy) == (job == "chief")
    with pytest.raises(strategies.StrategyError, match="--hparams=batch_size=12"):
        strategies.rows_of_worker(Strategy, 13)

"""A TF_CONFIG that makes no sense, and workers that never come, are named in words."""

import json
import os
import signal
import socket
import subprocess
import sys
import time

import pytest

from music_vae_tf import cluster
from music_vae_tf.cluster import StrategyError

TWO = {"worker": ["a:1", "b:2"]}


@pytest.fixture
def told(monkeypatch):
    return lambda config: monkeypatch.setenv(
        "TF_CONFIG", config if isinstance(config, str) else json.dumps(config)
    )


@pytest.mark.parametrize(
    ("config", "fault"),
    [
        ("{", "not JSON"),
        ("[" * 100_000, "not JSON"),
        ("[]", "it is a list"),
        ({"cluster": 5}, "lists of addresses"),
        ({"cluster": {"worker": "a:1"}}, "should be a list"),
        ({"cluster": {"worker": [5]}}, "5 is not an address"),
        ({"cluster": {"worker": ["a"]}}, "'a' is not an address"),
        ({"cluster": {"worker": ["a:0"]}}, "'a:0' is not an address"),
        ({"cluster": {"worker": ["a:99999"]}}, "is not an address"),
        ({"cluster": {"worker": ["a:1", "a:1"]}}, "duplicate address"),
        ({"cluster": {"chief": ["a:1", "b:1"]}}, "more than one chief"),
        ({"cluster": {**TWO, "ps": 5}}, "cluster > ps should be a list"),
        ({"cluster": {**TWO, "ps": "xy"}}, "cluster > ps should be a list"),
        ({"cluster": {**TWO, "ps": [["q"]]}}, "is not an address"),
        ({"cluster": {**TWO, "ps": ["a:1"]}}, "duplicate address"),
        (
            {"cluster": {**TWO, "boss": ["c:1"]}},
            "'boss' is not a kind of task; known",
        ),
        (
            {"cluster": {**TWO, "ps": ["c:1"]}, "task": {"type": "ps", "index": 0}},
            "task > type should",
        ),
        ({"cluster": TWO, "task": {"type": ["worker"], "index": 0}}, "type should be"),
        ({"cluster": TWO, "task": {"type": {}, "index": 0}}, "task > type should be"),
        ({"cluster": TWO, "task": {"type": "worker", "index": [0]}}, "index is"),
        ({"cluster": TWO, "task": {"type": "worker", "index": True}}, "index is True"),
        ({"cluster": TWO}, "task > type should be worker"),
        ({"cluster": TWO, "task": {"type": "boss"}}, "task > type should be worker"),
        ({"cluster": TWO, "task": {"type": "worker"}}, "index is None"),
        ({"cluster": TWO, "task": {"type": "worker", "index": 2}}, "there are 2"),
        ({"cluster": TWO, "task": {"type": "worker", "index": -1}}, "index is -1"),
        ({"cluster": TWO, "task": {"type": "worker", "index": 0.5}}, "index is 0.5"),
    ],
)
def test_what_makes_no_sense_is_an_error_in_words(told, config, fault):
    told(config)
    with pytest.raises(StrategyError, match=fault) as error:
        cluster.workers()
        cluster.peers()
    assert "TF_CONFIG cannot be understood" in str(error.value)


ONE = {"worker": ["b:1"]}


@pytest.mark.parametrize(
    "config",
    [
        {"cluster": {"ps": ["a:1"], **ONE}, "task": {"type": "ps", "index": 0}},
        {"cluster": {"ps": ["a:1"]}, "task": {"type": "ps", "index": 0}},
        {"cluster": ONE, "task": {"type": "evaluator", "index": 0}},
        {"cluster": ONE, "task": {"type": "worker", "index": 1}},
        {"cluster": ONE},
    ],
)
def test_a_process_of_another_task_does_not_train_alone(told, config):
    from music_vae_tf import strategies

    told(config)
    with pytest.raises(StrategyError, match="TF_CONFIG cannot be .* task > (type|ind)"):
        strategies.named("auto")


def test_a_worker_that_is_alone_trains(told):
    from music_vae_tf import strategies

    for config in (
        {"cluster": ONE, "task": {"type": "worker", "index": 0}},
        *("", {}, {"cluster": {}}, {"cluster": {"worker": []}}),
    ):
        told(config)
        assert not strategies.is_multiworker(strategies.named("auto"))


@pytest.mark.parametrize(
    ("cluster_of", "fault"),
    [
        ({"ps": 5}, "ps should be a list"),
        ({}, "task > type should be"),
        (5, "lists of"),
    ],
)
def test_the_cluster_is_checked_before_the_task(told, cluster_of, fault):
    told({"cluster": cluster_of, "task": {"type": "ps", "index": 0}})
    with pytest.raises(StrategyError, match=fault):
        cluster.peers()


def test_the_others_are_all_but_this_one(told):
    told({"cluster": {"chief": ["c:3"], **TWO}, "task": {"type": "worker", "index": 1}})
    assert cluster.workers() == ["c:3", "a:1", "b:2"]
    assert cluster.peers() == ["c:3", "a:1"]


def test_a_worker_that_never_comes_is_named(tmp_path, figure):
    with socket.socket() as listening, socket.socket() as silent:
        for each in (listening, silent):
            each.bind(("localhost", 0))
        listening.listen()
        present, absent = (s.getsockname()[1] for s in (listening, silent))
        code = (
            "import sys; from music_vae_tf import cluster; "
            "cluster.FIRST_WARNING_S = 0.1; "
            "cluster._watch(int(sys.argv[1]), sys.argv[2:])"
        )
        addresses = [f"localhost:{present}", f"localhost:{absent}"]
        command = [sys.executable, "-c", code, str(os.getpid()), *addresses]
        watch = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
        line = watch.stderr.readline()
        watch.kill()
        watch.wait()
        watch.stderr.close()
    assert f"still waiting for localhost:{absent}: no answer" in line
    assert str(present) not in line
    assert cluster.FIRST_WARNING_S < 60
    figure(
        "A worker that never comes is named within a minute",
        f"its address, {cluster.FIRST_WARNING_S:g} s after the start",
    )


@pytest.mark.long
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_worker_that_waits_for_its_peers_ends_when_it_is_asked_to(
    tmp_path, groove_records, number
):
    with socket.socket() as silent, socket.socket() as own:
        for each in (silent, own):
            each.bind(("localhost", 0))
        ports = [each.getsockname()[1] for each in (own, silent)]
        own.close()
        workers = [f"localhost:{port}" for port in ports]
        task = {"type": "worker", "index": 0}
        config = json.dumps({"cluster": {"worker": workers}, "task": task})
        process = subprocess.Popen(
            [
                *(sys.executable, "-m", "music_vae_tf.commands.music_vae_train"),
                *("--config=groovae_4bar", f"--run_dir={tmp_path}", "--seed=1"),
                f"--examples_path={groove_records}",
            ],
            env={**os.environ, "TF_CONFIG": config},
            stderr=subprocess.PIPE,
            text=True,
        )
        assert "Devices: " in process.stderr.readline()
        time.sleep(5)  # it waits now, and would for an hour
        assert process.poll() is None
        process.send_signal(number)
        process.wait(timeout=60)
        process.stderr.close()
        assert process.returncode

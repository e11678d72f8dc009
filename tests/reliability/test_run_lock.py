"""One training at a time in a run directory; what a crash leaves does not block."""

import json
import os
import signal
import subprocess
import sys
import threading
import time

import pytest

from music_vae_tf import run_lock

HOLD = """
import sys, time
from pathlib import Path
from music_vae_tf import run_lock
with run_lock.held(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(60)
"""


@pytest.fixture
def directory(tmp_path):
    path = tmp_path / "run" / "train"
    path.mkdir(parents=True)
    return path


@pytest.fixture
def holder(directory):
    """Another process that trains there."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, directory], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout.readline() == "held\n"
    yield process
    process.kill()
    process.wait()
    process.stdout.close()


def write(directory, **changes):
    owner = {**run_lock._own(), **changes}
    (directory / run_lock.NAME).write_text(json.dumps(owner))


def hold(directory):
    with run_lock.held(directory):
        return json.loads((directory / run_lock.NAME).read_text())


def test_a_second_training_is_refused_naming_the_first(directory, holder):
    with pytest.raises(run_lock.RunInUse) as refusal:
        hold(directory)
    message = str(refusal.value)
    assert f"{directory.parent} is in use by another training" in message
    assert f"process {holder.pid} on " in message and "since 20" in message


def test_a_killed_process_does_not_block(directory, holder):
    holder.send_signal(signal.SIGKILL)
    holder.wait()
    assert (directory / run_lock.NAME).exists()
    assert hold(directory)["process"] == os.getpid()


def test_a_lock_is_gone_after_its_training_and_after_an_error(directory):
    hold(directory)
    assert os.listdir(directory) == []
    with pytest.raises(ZeroDivisionError), run_lock.held(directory):
        _ = 1 / 0
    assert os.listdir(directory) == []


def test_a_later_process_of_the_same_number_does_not_block(directory):
    write(directory, started="1")
    hold(directory)


@pytest.mark.parametrize("text", ["", "{", "[]", "null"])
def test_half_a_lock_does_not_block(directory, text):
    (directory / run_lock.NAME).write_text(text)
    hold(directory)


def test_another_machine_holds_it_by_its_heartbeat(directory):
    write(directory, machine="another", host="elsewhere", process=1)
    with pytest.raises(run_lock.RunInUse, match="process 1 on elsewhere"):
        hold(directory)
    past = time.time() - run_lock.STALE_AFTER_S - 10
    os.utime(directory / run_lock.NAME, (past, past))
    hold(directory)


def test_the_heartbeat_beats(directory, monkeypatch):
    monkeypatch.setattr(run_lock, "HEARTBEAT_S", 0.05)
    with run_lock.held(directory):
        path = directory / run_lock.NAME
        os.utime(path, (1, 1))
        deadline = time.monotonic() + 10
        while path.stat().st_mtime < 2 and time.monotonic() < deadline:
            time.sleep(0.05)
        assert path.stat().st_mtime > 2


def test_of_many_that_start_at_once_over_a_stale_lock_one_holds(directory, figure):
    write(directory, started="1")
    inside, refused, most = [], [], []

    def run():
        try:
            with run_lock.held(directory):
                inside.append(1)
                most.append(len(inside))
                time.sleep(0.3)
                inside.pop()
        except run_lock.RunInUse:
            refused.append(1)

    threads = [threading.Thread(target=run) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert max(most) == 1
    assert len(refused) + len(most) == 8
    figure(
        "One training at a time is in a run_dir; a crash's lock does not block",
        f"8 at once over a stale lock: never more than {max(most)} inside",
    )

"""One training at a time in a run directory; what a crash leaves does not block."""

import importlib
import json
import os
import resource
import signal
import subprocess
import sys
import threading
import time

import pytest
import scene

from music_vae_tf import run_lock
from music_vae_tf.run_directory import RunDirectory, RunDirectoryError
from music_vae_tf.training import train

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


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "null", "[" * 100_000, '{"a":' * 100_000, "1" * 20_000]
)
def test_half_a_lock_does_not_block(directory, text):
    path = directory / run_lock.NAME
    path.write_text(text)
    os.utime(path, (1, 1))
    hold(directory)


@pytest.mark.parametrize("process", [10**300, 2**64, -1, 0, True, 1.5, "1", [1], None])
def test_an_impossible_process_does_not_block(directory, process):
    write(directory, process=process)
    hold(directory)


def test_a_lock_of_bytes_or_a_link_to_nowhere_does_not_block(directory):
    path = directory / run_lock.NAME
    path.write_bytes(b"\xff\xfe{")
    os.utime(path, (1, 1))
    hold(directory)
    path.symlink_to("/nonexistent/x")
    hold(directory)
    assert os.listdir(directory) == []


def test_a_folder_in_place_of_the_lock_is_named(directory):
    (directory / run_lock.NAME).mkdir()
    with pytest.raises(IsADirectoryError) as error:
        hold(directory)
    assert str(error.value.filename).endswith("lock.json")


def test_a_strange_owner_is_shown_briefly_and_without_control_characters(directory):
    write(directory, machine="x", host="\33[2J" + "h" * 5000, since=[["s"] * 500])
    with pytest.raises(run_lock.RunInUse) as refusal:
        hold(directory)
    assert len(str(refusal.value)) < 600 and "\33" not in str(refusal.value)


def test_a_full_disk_names_the_lock_and_leaves_none(directory):
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, before[1]))
    try:
        with pytest.raises(OSError) as error:
            hold(directory)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, ignored)
    assert error.value.filename == str(directory / run_lock.NAME)
    assert os.listdir(directory) == []


def test_a_lock_that_is_anothers_by_now_is_neither_renewed_nor_removed(
    directory, monkeypatch
):
    monkeypatch.setattr(run_lock, "HEARTBEAT_S", 0.05)
    path = directory / run_lock.NAME
    with run_lock.held(directory):
        run_lock.check_held(directory, now=True)
        write(directory, id="another", process=12, host="elsewhere")
        with pytest.raises(run_lock.RunInUse, match="process 12 on elsewhere"):
            run_lock.check_held(directory, now=True)
        os.utime(path, (1, 1))
        time.sleep(0.3)
        assert path.stat().st_mtime == 1
        with pytest.raises(run_lock.RunInUse, match="another one has begun"):
            run_lock.check_held(directory)
    assert json.loads(path.read_text())["id"] == "another"
    run_lock.check_held(directory, now=True)  # nothing is held now


def test_a_lock_that_someone_removed_is_written_again(directory):
    path = directory / run_lock.NAME
    with run_lock.held(directory):
        path.unlink()
        run_lock.check_held(directory, now=True)
        assert json.loads(path.read_text())["process"] == os.getpid()
    assert not path.exists()


@pytest.fixture(scope="module")
def lines(tmp_path_factory):
    """Command lines of a training of each kind, over music that is prepared."""
    from music_vae_tf.commands import clef_lstm_prepare, piano_roll_vae_prepare

    pytest.importorskip("music21")
    folder = tmp_path_factory.mktemp("scene")
    scene.music(folder)
    clefs, rolls = folder / "clefs", folder / "prepared"
    prepare = scene.preparations(folder)
    assert clef_lstm_prepare.run(prepare["clef_prepare"].flags_for(clefs)) == 0
    assert piano_roll_vae_prepare.run(prepare["roll_prepare"].flags_for(rolls)) == 0
    return scene.trainings(folder, clefs, rolls)


@pytest.mark.parametrize("kind", ["music_vae", "clef_lstm", "conv_cvae"])
def test_every_command_that_trains_is_refused_beside_another(
    lines, kind, holder, directory, capsys, figure
):
    line = lines[kind]
    module = importlib.import_module(f"music_vae_tf.commands.{line.command}")
    assert module.run(line.flags_for(directory.parent, "--num_steps=1")) == 1
    said = capsys.readouterr().err
    assert f"is in use by another training: process {holder.pid} on" in said
    assert "Traceback" not in said
    assert os.listdir(directory) == [run_lock.NAME]
    figure(
        "A second training in a run_dir is refused, naming the first",
        f"{line.command}: exit status 1, nothing written",
    )


def options_of(groove_records):
    sizes = {"enc_rnn_size": [2], "dec_rnn_size": [2], "z_size": 2, "batch_size": 4}
    return {"data": groove_records, "hparams": sizes, "seed": 1}


def test_a_training_that_loses_its_lock_stops_and_writes_nothing_more(
    directory, groove_records
):
    """A laptop sleeps; another machine takes over; the laptop wakes up."""

    def sleep(step, loss):
        if step == 2:
            write(directory, id="another", process=12, host="elsewhere")

    with pytest.raises(run_lock.RunInUse, match="process 12 on elsewhere"):
        train(
            *("groovae_4bar",),
            run_dir=directory.parent,
            num_steps=3,
            on_step=sleep,
            **options_of(groove_records),
        )
    assert json.loads((directory / "state.json").read_text())["state"] == "training"
    assert not list(directory.glob("model.ckpt-3*"))
    assert json.loads((directory / run_lock.NAME).read_text())["id"] == "another"


def test_a_training_that_began_in_the_meantime_is_not_overwritten(
    directory, groove_records, monkeypatch
):
    run = importlib.import_module("music_vae_tf.training.run")
    wait = run._strategy

    def another_trains(asked):
        """While this one imports TensorFlow, another starts, takes a step and ends."""
        RunDirectory(directory.parent).write_record(asked.config, 2)
        return wait(asked)

    monkeypatch.setattr(run, "_strategy", another_trains)
    with pytest.raises(RunDirectoryError, match="another one was in it"):
        train(
            *("groovae_4bar",),
            run_dir=directory.parent,
            num_steps=2,
            **options_of(groove_records),
        )
    assert RunDirectory(directory.parent).record().seed == 2
    assert not (directory / run_lock.NAME).exists()


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

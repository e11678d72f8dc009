"""Commands that are killed at any moment: no half file, and the next start goes on."""

import os
import re
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest
import scene

from music_vae_tf import checkpoint
from music_vae_tf.data.records import read_records
from music_vae_tf.run_directory import RunDirectory

PROGRAM = Path(__file__).with_name("forked.py")
STAMP = re.compile(r"\d{4}-\d\d-\d\d_\d{6}")
# Unfinished files, which the next start removes, and what TensorBoard appends to.
LEFTOVER = re.compile(r"\.partial$|beam-temp-|unfinished|lock\.json|events\.out")
LONGEST_S = 300
PROMISE = (
    "A kill leaves no half file and loses no checkpoint; the next start goes on and "
    "leaves no rest"
)


class Forked:
    """The process that copies itself for each command."""

    def __init__(self):
        self.process = subprocess.Popen(
            [sys.executable, "-W", "ignore", PROGRAM],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def run(self, line, folder, kill="never", *more):
        """(exit code, seconds, calls that finish files) of one start."""
        fields = [kill, line.command, *line.flags_for(folder, *more)]
        watch = threading.Timer(LONGEST_S, self.process.kill)
        watch.start()
        print("\t".join(fields), file=self.process.stdin, flush=True)
        answer = self.process.stdout.readline()
        watch.cancel()
        assert answer, f"no end after {LONGEST_S} s: {fields}"
        code, seconds, calls = answer.split()
        return int(code), float(seconds), int(calls)


@pytest.fixture(scope="module")
def forked():
    one = Forked()
    yield one
    one.process.stdin.close()
    one.process.wait()
    one.process.stdout.close()


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    made = tmp_path_factory.mktemp("scene")
    scene.music(made)
    return made


def content(path):
    """The bytes of a file; of a shard, over which Beam spreads records at random, that
    it is whole."""
    if "-of-" in path.name and not path.suffix:
        return bool(list(read_records(str(path))))
    return path.read_bytes()


def records_of(folder):
    """The records of all shards."""
    shards = [path for path in folder.glob("*-of-*") if not path.suffix]
    return sorted(record for path in shards for record in read_records(str(path)))


def files_of(folder):
    """{name without its time: content} of what is finished below a folder."""
    found = {
        STAMP.sub("STAMP", path.relative_to(folder).as_posix()): content(path)
        for path in sorted(folder.rglob("*"))
        if path.is_file() and not LEFTOVER.search(path.relative_to(folder).as_posix())
    }
    return {name: data for name, data in found.items() if name != "report.json"}


def leftovers(folder):
    names = (path.relative_to(folder).as_posix() for path in folder.rglob("*"))
    return [n for n in names if LEFTOVER.search(n) and "events.out" not in n]


def kills_of(rng, number, seconds, calls):
    """Two in the middle of finishing files, and one at any moment."""
    for index in range(number):
        if index % 3 == 2:
            yield f"after {rng.uniform(0.05, 0.8) * seconds:.3f}"
        else:
            yield f"at {rng.integers(1, calls + 1)}"


def kill_while_making(forked, line, base, number, rng):
    """How often a command was killed that makes files once."""
    code, seconds, calls = forked.run(line, scene.emptied(base / "whole"))
    assert code == 0, line
    expected, killed = files_of(base / "whole"), 0
    output = scene.emptied(base / "killed")
    for kill in kills_of(rng, number, seconds, calls):
        if not line.command.endswith("convert_dir_to_note_sequences"):
            scene.emptied(output)
        code, *_ = forked.run(line, output, kill)
        killed += code == -9
        for name, data in files_of(output).items():
            assert data == expected.get(name), (line.command, kill, name)
    code, *_ = forked.run(line, output)
    assert code == 0, line
    assert files_of(output) == expected
    assert records_of(output) == records_of(base / "whole")
    assert not leftovers(output), leftovers(output)
    return killed


def kill_while_training(forked, line, base, number, rng):
    """How often a training was killed, and went on bit for bit."""
    killed_dir = scene.emptied(base / "killed")
    code, seconds, calls = forked.run(
        line, scene.emptied(base / "time"), "never", "--num_steps=3"
    )
    assert code == 0, line
    step, killed = 0, 0
    for kill in kills_of(rng, number, seconds, calls):
        code, *_ = forked.run(line, killed_dir, kill, "--num_steps=10000")
        killed += code == -9
        newest = RunDirectory(killed_dir).checkpoint()
        if newest is None:
            assert not step
            continue
        assert checkpoint.read(newest)["global_step"] == checkpoint.step_of(newest)
        assert checkpoint.step_of(newest) >= step, kill
        step = checkpoint.step_of(newest)
    steps = f"--num_steps={step + 2}"
    assert forked.run(line, killed_dir, "never", steps)[0] == 0
    assert not leftovers(killed_dir), leftovers(killed_dir)
    assert forked.run(line, scene.emptied(base / "whole"), "never", steps)[0] == 0
    states = [
        checkpoint.read(RunDirectory(base / name).checkpoint())
        for name in ("killed", "whole")
    ]
    assert states[0].keys() == states[1].keys()
    for name, value in states[0].items():
        np.testing.assert_array_equal(value, states[1][name], err_msg=name)
    return killed


@pytest.mark.skipif(not hasattr(os, "fork"), reason="without fork")
@pytest.mark.parametrize(
    ("name", "numbers"),
    [
        ("convert", (3, 14)),
        *[
            pytest.param(name, (0, 12), marks=pytest.mark.long)
            for name in ("preprocess", "prepare_groove", "clef_prepare", "roll_prepare")
        ],
    ],
)
def test_a_killed_preparation_leaves_no_half_file(
    tmp_path, forked, folder, amount, figure, name, numbers
):
    rng, line = np.random.default_rng(9), scene.preparations(folder)[name]
    number, started = amount(*numbers), time.monotonic()
    killed = kill_while_making(forked, line, tmp_path, number, rng)
    assert killed or number < 3
    figure(
        PROMISE,
        f"{line.command}: {number} starts, {killed} killed, "
        f"{time.monotonic() - started:.0f} s",
    )


@pytest.fixture(scope="module")
def prepared(forked, folder):
    """The folders of clefs and of rolls."""
    lines = scene.preparations(folder)
    for name in ("clef_prepare", "roll_prepare"):
        assert forked.run(lines[name], scene.emptied(folder / name))[0] == 0
    return folder / "clef_prepare", folder / "roll_prepare"


@pytest.mark.long
@pytest.mark.parametrize("name", ["music_vae", "clef_lstm", "conv_cvae"])
def test_a_killed_training_goes_on_bit_for_bit(
    tmp_path, forked, folder, prepared, amount, figure, name
):
    rng, line = np.random.default_rng(10), scene.trainings(folder, *prepared)[name]
    number, started = amount(0, 14), time.monotonic()
    killed = kill_while_training(forked, line, tmp_path, number, rng)
    assert killed or number < 3
    figure(
        PROMISE,
        f"{line.command}: {number} starts, {killed} killed, then as an uninterrupted "
        f"training bit for bit, {time.monotonic() - started:.0f} s",
    )


@pytest.mark.long
@pytest.mark.parametrize("name", scene.MODEL_OF)
def test_a_killed_use_of_a_model_leaves_no_half_file(
    tmp_path, forked, folder, prepared, amount, figure, name
):
    rng, run_dir = np.random.default_rng(11), tmp_path / "run"
    training = scene.trainings(folder, *prepared)[scene.MODEL_OF[name]]
    assert forked.run(training, run_dir, "never", "--num_steps=1")[0] == 0
    line, number = scene.uses(folder, *prepared, run_dir)[name], amount(0, 10)
    killed = kill_while_making(forked, line, tmp_path, number, rng)
    assert killed or number < 3
    figure(PROMISE, f"{line.command}: {number} starts, {killed} killed")

"""The demo strings the three commands together, on whatever MIDI it is given."""

import os
import signal
import subprocess
import sys

import pytest

from music_vae_tf.commands import demo
from music_vae_tf.data import grooves
from music_vae_tf.data.midi_writer import write_midi


class Calls:
    """Stands in for the commands; loops are written, and MIDI converted if so asked."""

    def __init__(self, monkeypatch, converts=False, fails=None):
        self.made = []
        self._fails = fails
        self._convert = demo._call if converts else None
        monkeypatch.setattr(demo, "_call", self)
        if not converts:
            monkeypatch.setattr(demo, "_batch_size", lambda examples: 32)

    def __call__(self, name, **flags):
        self.made.append((name, flags))
        if name == self._fails:
            raise demo.Stopped
        if name == "convert_dir_to_note_sequences" and self._convert:
            self._convert(name, **flags)
        if name == "music_vae_generate":
            for number in range(flags["num_outputs"]):
                write_loop(flags["output_dir"] / f"{len(self.made)}-{number}.mid")


def write_loop(path, seed=0):
    path.parent.mkdir(parents=True, exist_ok=True)
    write_midi(next(grooves.performances(1, seed))[1], path)


@pytest.fixture(autouse=True)
def few_grooves(monkeypatch):
    monkeypatch.setattr(demo, "NUM_GROOVES", 40)


def test_it_converts_trains_generates_and_draws(tmp_path, monkeypatch, capsys):
    calls = Calls(monkeypatch, converts=True)
    assert demo.run([f"--output_dir={tmp_path}"]) == 0
    convert, train, generate = calls.made
    assert len(list((tmp_path / "grooves").glob("*.mid"))) == 40
    assert convert[1]["input_dir"] == tmp_path / "grooves"
    assert train[1]["examples_path"] == convert[1]["output_file"]
    assert train[1]["config"] == generate[1]["config"] == "groovae_4bar"
    assert train[1]["hparams"] == f"batch_size={demo.BATCH_SIZE},{demo.HURRIED}"
    assert generate[1]["run_dir"] == train[1]["run_dir"]
    loops = sorted(tmp_path.glob("*.mid"))
    assert len(loops) == 5
    assert all(loop.with_suffix(".png").exists() for loop in loops)
    assert all(loop.with_suffix(".wav").exists() for loop in loops)
    said = capsys.readouterr().out
    assert all(loop.name in said for loop in loops)
    assert "--mode=interpolate" in said


def test_own_midi_takes_the_place_of_the_grooves(tmp_path, monkeypatch):
    own = tmp_path / "own" / "below"
    for seed in range(3):
        write_loop(own / f"{seed}.mid", seed)
    calls = Calls(monkeypatch, converts=True)
    arguments = [f"--input_dir={tmp_path / 'own'}", f"--output_dir={tmp_path / 'out'}"]
    assert demo.run(arguments) == 0
    assert calls.made[0][1]["input_dir"] == str(tmp_path / "own")
    assert calls.made[1][1]["hparams"] == f"batch_size=3,{demo.HURRIED}"
    assert not (tmp_path / "out" / "grooves").exists()


def test_a_second_run_leaves_the_first_alone(tmp_path, monkeypatch):
    calls = Calls(monkeypatch)
    names = iter(["run-1", "run-2"])
    monkeypatch.setattr(demo.time, "strftime", lambda _: next(names))
    old = tmp_path / "mine.mid"
    write_loop(old)
    content = old.read_bytes()
    demo.run([f"--output_dir={tmp_path}"])
    demo.run([f"--output_dir={tmp_path}"])
    run_dirs = [
        flags["run_dir"] for name, flags in calls.made if name.endswith("train")
    ]
    assert [run_dir.name for run_dir in run_dirs] == ["run-1", "run-2"]
    assert old.read_bytes() == content
    assert not old.with_suffix(".png").exists()


@pytest.mark.parametrize("name", ["convert_dir_to_note_sequences", "music_vae_train"])
def test_it_stops_where_a_command_fails(name, tmp_path, monkeypatch):
    calls = Calls(monkeypatch, fails=name)
    assert demo.run([f"--output_dir={tmp_path}"]) == 1
    assert calls.made[-1][0] == name


def test_a_command_is_shown_as_one_would_type_it(tmp_path, capfd):
    with pytest.raises(demo.Stopped):
        demo._call("convert_dir_to_note_sequences", input_dir=tmp_path / "no midi")
    out, err = capfd.readouterr()
    assert out.startswith("\n$ convert_dir_to_note_sequences \\\n    '--input_dir=")
    assert "--output_file is required" in err


# The demo itself, at a size that takes seconds.
TINY = """
import sys
from music_vae_tf.commands import demo

demo.NUM_GROOVES, demo.NUM_STEPS = 10, int(sys.argv[1])
demo.HURRIED += ",enc_rnn_size=[4],dec_rnn_size=[4],z_size=2"
sys.exit(demo.run(sys.argv[2:]))
"""


def start(num_steps, output_dir):
    return subprocess.Popen(
        [sys.executable, "-c", TINY, str(num_steps), f"--output_dir={output_dir}"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        env={**os.environ, "CUDA_VISIBLE_DEVICES": "-1"},
    )


def wait_for(text, stream):
    lines = []
    for line in stream:
        lines.append(line)
        if text in line:
            return
    pytest.fail("".join(lines))


def test_an_interrupted_demo_continues_and_then_starts_anew(tmp_path):
    first = start(1_000_000, tmp_path)
    wait_for("Training groovae_4bar", first.stderr)
    wait_for("loss", first.stderr)
    os.killpg(first.pid, signal.SIGINT)  # as a terminal does
    first.communicate(timeout=60)
    assert first.returncode == 130
    (run_dir,) = tmp_path.glob("run-*")
    (index,) = (run_dir / "train").glob("*.index")
    records = (run_dir / "notesequences.tfrecord").stat().st_mtime_ns

    second = start(1, tmp_path)
    out, err = second.communicate(timeout=120)
    assert second.returncode == 0, err
    assert "Continuing the unfinished run" in out
    assert list(tmp_path.glob("run-*")) == [run_dir]
    assert (run_dir / "notesequences.tfrecord").stat().st_mtime_ns == records
    assert index.exists()
    for suffix in (".mid", ".png", ".wav"):
        assert len(list(tmp_path.glob(f"*{suffix}"))) == 5, suffix


def test_only_an_unfinished_run_on_the_same_music_is_continued(tmp_path, monkeypatch):
    names = iter(["run-1", "run-2", "run-3"])
    monkeypatch.setattr(demo.time, "strftime", lambda _: next(names))
    assert demo._run_dir(tmp_path, "/mine").name == "run-1"
    assert demo._run_dir(tmp_path, "/mine").name == "run-1"
    assert demo._run_dir(tmp_path, None).name == "run-2"
    demo._remember(tmp_path / "run-1", "/mine", finished=True)
    assert demo._run_dir(tmp_path, "/mine").name == "run-3"

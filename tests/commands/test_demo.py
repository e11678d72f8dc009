"""The demo strings the three commands together, on whatever MIDI it is given."""

import itertools
import os
import re
import signal
import subprocess
import sys
import wave

import numpy as np
import pytest

from music_vae_tf import pretrained
from music_vae_tf.commands import demo
from music_vae_tf.data import grooves
from music_vae_tf.data.midi_writer import write_midi
from music_vae_tf.rendering import audio


class Calls:
    """Stands in for the commands; loops are written, and MIDI converted if so asked."""

    def __init__(self, monkeypatch, converts=False, fails=None):
        self.made, self.of_pretrained = [], []
        self._fails = fails
        self._convert = demo._call if converts else None
        monkeypatch.setattr(demo, "_call", self)
        if not converts:
            monkeypatch.setattr(demo, "_batch_size", lambda examples: 32)

    def __call__(self, name, **flags):
        is_of_pretrained = name == "music_vae_generate" and "run_dir" not in flags
        made = self.of_pretrained if is_of_pretrained else self.made
        made.append((name, flags))
        if name == self._fails:
            raise demo.Stopped
        if name == "convert_dir_to_note_sequences" and self._convert:
            self._convert(name, **flags)
        if name == "music_vae_generate":
            for number in range(flags["num_outputs"]):
                write_loop(flags["output_dir"] / f"{len(made)}-{number}.mid")


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


def test_loops_of_the_pretrained_model_come_first_and_once(
    tmp_path, monkeypatch, capsys
):
    calls = Calls(monkeypatch)
    arguments = [f"--output_dir={tmp_path}", "--notrain"]
    assert demo.run(arguments) == demo.run(arguments) == 0
    assert calls.made == []
    ((_, flags),) = calls.of_pretrained
    assert flags["config"] in pretrained.names()
    assert flags["format"] == "mid,png,wav"
    out = capsys.readouterr().out
    assert all(loop.name in out for loop in flags["output_dir"].glob("*.mid"))


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

demo.NUM_GROOVES, demo.NUM_STEPS, demo.NUM_LOOPS = 10, int(sys.argv[1]), 2
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


def test_an_interrupted_demo_continues(tmp_path):
    first = start(1_000_000, tmp_path)
    wait_for("Training groovae_4bar", first.stderr)
    wait_for("loss", first.stderr)
    os.killpg(first.pid, signal.SIGINT)  # as a terminal does
    _, err = first.communicate(timeout=60)
    assert first.returncode == 130
    assert "The same command continues from here" in err
    assert not list(tmp_path.glob("*.mid"))
    (run_dir,) = tmp_path.glob("run-*")
    (index,) = (run_dir / "train").glob("*.index")
    done = int(re.search(r"ckpt-(\d+)", index.name)[1])
    records = (run_dir / "notesequences.tfrecord").stat().st_mtime_ns

    second = start(done + 2, tmp_path)
    out, err = second.communicate(timeout=300)
    assert second.returncode == 0, err
    assert "Continuing the unfinished run" in out
    assert list(tmp_path.glob("run-*")) == [run_dir]
    assert (run_dir / "notesequences.tfrecord").stat().st_mtime_ns == records
    assert re.search(rf"ckpt-{done}\b.*\bstep {done}\b", err)
    assert list((run_dir / "train").glob(f"*ckpt-{done + 2}.index"))
    assert (run_dir / "loss.png").stat().st_size > 5000
    for suffix in (".mid", ".png", ".wav"):
        assert len(list((tmp_path / "pretrained").glob(f"*{suffix}"))) == 2, suffix
        assert len(list(tmp_path.glob(f"*{suffix}"))) == 2, suffix
    for file in tmp_path.glob("*.wav"):
        assert_sounds(file)


def assert_sounds(file):
    with wave.open(str(file)) as sound:
        frames = sound.readframes(sound.getnframes())
    peak = np.abs(np.frombuffer(frames, "<i2").astype(int)).max()
    assert peak == pytest.approx(audio.PEAK * 32767, abs=1)


def run_name(output_dir, input_dir=None):
    with demo._run_folder(output_dir, demo._music(input_dir, output_dir)) as run_dir:
        return run_dir.name


@pytest.fixture
def numbered_runs(monkeypatch):
    names = (f"run-{number}" for number in itertools.count(1))
    monkeypatch.setattr(demo.time, "strftime", lambda _: next(names))


@pytest.fixture
def own_music(tmp_path):
    folder = tmp_path / "own"
    write_loop(folder / "a.mid")
    return str(folder)


def test_only_an_unfinished_run_on_the_same_music_is_continued(
    tmp_path, own_music, numbered_runs
):
    out = tmp_path / "out"
    assert run_name(out, own_music) == "run-1"
    assert run_name(out, own_music) == "run-1"
    assert run_name(out) == "run-2"
    assert run_name(out) == "run-2"
    demo._remember(out / "run-1", demo._music(own_music, out), finished=True)
    assert run_name(out, own_music) == "run-3"


def test_a_run_on_files_that_have_changed_since_is_not_continued(
    tmp_path, own_music, numbered_runs
):
    out = tmp_path / "out"
    assert run_name(out, own_music) == "run-1"
    write_loop(tmp_path / "own" / "b.mid", seed=1)
    assert run_name(out, own_music) == "run-2"
    os.utime(tmp_path / "own" / "a.mid", (0, 0))
    assert run_name(out, own_music) == "run-3"


def test_what_the_demo_writes_into_the_folder_of_the_music_is_not_a_change(
    tmp_path, own_music, numbered_runs
):
    out = tmp_path / "own" / "out"
    assert run_name(out, own_music) == "run-1"
    write_loop(out / "grooves" / "new.mid")
    assert run_name(out, own_music) == "run-1"


def test_a_run_that_another_demo_is_busy_with_is_left_to_it(tmp_path, numbered_runs):
    with demo._run_folder(tmp_path, demo._music(None, tmp_path)) as busy:
        assert busy.name == "run-1"
        assert run_name(tmp_path) == "run-2"
    assert run_name(tmp_path) == "run-2"  # the newer one
    demo._remember(tmp_path / "run-2", demo._music(None, tmp_path), finished=True)
    assert run_name(tmp_path) == "run-1"


def test_a_complete_conversion_is_kept(tmp_path, monkeypatch, numbered_runs):
    calls = Calls(monkeypatch, converts=True, fails="music_vae_train")
    assert demo.run([f"--output_dir={tmp_path}"]) == 1
    assert demo.run([f"--output_dir={tmp_path}"]) == 1
    names = [name for name, _ in calls.made]
    assert names == ["convert_dir_to_note_sequences", *2 * ["music_vae_train"]]


def test_without_sound_all_else_is_written(tmp_path, monkeypatch, capsys):
    Calls(monkeypatch)
    monkeypatch.setitem(sys.modules, "midirenderer", None)
    assert demo.run([f"--output_dir={tmp_path}"]) == 1
    assert len(list(tmp_path.glob("*.png"))) == 5
    assert not list(tmp_path.glob("*.wav*"))
    out, err = capsys.readouterr()
    assert "5 new drum loops" in out
    assert "except the sound was written: midirenderer cannot be imported" in err


# A command that saves when it gets a SIGTERM, and takes no notice of Ctrl-C.
STUBBORN = """
import pathlib, signal, sys, time

def save(*_):
    time.sleep(0.3)
    pathlib.Path(sys.argv[1]).touch()
    sys.exit(1)

signal.signal(signal.SIGINT, signal.SIG_IGN)
signal.signal(signal.SIGTERM, save)
print("ready", flush=True)
time.sleep(60)
"""
CALLER = """
import sys
from music_vae_tf.commands import demo

demo.PATIENCE_S = 0.2
demo._exit_status([sys.executable, "-c", *sys.argv[1:]])
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_to_the_demo_alone_ends_its_command_well(number, tmp_path):
    saved = tmp_path / "saved"
    caller = subprocess.Popen(
        [sys.executable, "-c", CALLER, STUBBORN, saved],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    wait_for("ready", caller.stdout)
    caller.send_signal(number)
    _, err = caller.communicate(timeout=30)
    assert "KeyboardInterrupt" in err
    assert saved.exists()

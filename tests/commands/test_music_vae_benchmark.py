"""The benchmark's own arithmetic, and its workers; no timing decides a test."""

import contextlib
import io
import json
import sys
from types import SimpleNamespace

import pytest

from music_vae_tf.commands import (
    benchmark_ours,
    benchmark_page,
    benchmark_worker,
    music_vae_benchmark,
)
from music_vae_tf.commands.music_vae_benchmark import run

TINY = {
    "config": "cat-mel_2bar_small",
    "hparams": "batch_size=2,enc_rnn_size=[2],dec_rnn_size=[2],z_size=2",
    "shape": [2, 32, 90],
}


@pytest.fixture
def magenta(tmp_path):
    """A folder that looks like an environment with Magenta."""
    (tmp_path / "env" / "bin").mkdir(parents=True)
    (tmp_path / "env" / "bin" / "music_vae_train").touch()
    return tmp_path / "env"


class FakeWorker:
    """Takes so many seconds for a unit, and uses so many bytes."""

    turns: list = []

    def __init__(self, side, workload):
        self.says = 75 if workload == "before_training" else "ready"
        self.side, self.seconds_per_unit = side, {"ours": 0.5, "magenta": 2.0}[side]
        self.peak_memory_bytes = {"ours": 100, "magenta": 150}[side]

    def answer(self):
        return self.says

    def seconds(self, number):
        self.turns.append((self.side, number))
        return number * self.seconds_per_unit


@pytest.fixture
def fake(monkeypatch):
    FakeWorker.turns = []
    monkeypatch.setattr(
        music_vae_benchmark._Bench,
        "_worker",
        lambda self, *names, **_: contextlib.nullcontext(FakeWorker(*names)),
    )
    monkeypatch.setattr(music_vae_benchmark._Bench, "_examples", "examples")
    monkeypatch.setattr(music_vae_benchmark._Bench, "_peak", lambda *_: 8e9)
    monkeypatch.setattr(
        music_vae_benchmark._Bench,
        "_products",
        lambda *_: {"training": 2e9, "encoding": 1e9},
    )


def test_both_take_turns_and_ratios_say_how_much_better(
    fake, magenta, tmp_path, capsys
):
    output = tmp_path / "rows.json"
    flags = [f"--magenta={magenta}", f"--output_json={output}", "--seconds=4"]
    assert run([*flags, "--repeats=2", "--rows=train,memory"]) == 0
    train, memory = json.loads(output.read_text())
    assert train == {
        **{"row": "train", "ours": 2.0, "magenta": 0.5, "ratio": 4.0, "goal": 2.0},
        **{"limit": 8.0, "unit": "steps/s", "share_of_peak": 0.5},
    }
    assert (memory["ratio"], memory["limit"]) == (1.5, 2.0)
    measured = FakeWorker.turns[2:]  # after one unit of each, to know how long it takes
    assert measured == 2 * [("ours", 8), ("magenta", 2)]
    table = capsys.readouterr().out.splitlines()
    assert table[-2].split() == [
        *("train", "2", "steps/s", "0.5", "steps/s", "4.00", "2.0", "8.00", "50%")
    ]


def test_without_magenta_only_this_project_is_measured(fake, tmp_path):
    output = tmp_path / "rows.json"
    assert run([f"--output_json={output}", "--rows=train", "--repeats=1"]) == 0
    (row,) = json.loads(output.read_text())
    assert row["ours"] == 2.0
    assert row["magenta"] is row["ratio"] is row["limit"] is None


def test_a_worker_takes_steps_when_it_is_told_to(tmp_path):
    options = json.dumps({**TINY, "examples_path": None})
    arguments = [sys.executable, benchmark_ours.__file__, "train", options]
    worker = benchmark_worker.Worker(arguments, tmp_path / "log")
    with worker:
        assert worker.answer() == "ready"
        assert 0 < worker.seconds(2) < 600
    assert worker.peak_memory_bytes > 2**20


def test_a_worker_that_fails_is_shown(tmp_path):
    arguments = [sys.executable, "-c", "raise SystemExit('no such thing')"]
    with (
        benchmark_worker.Worker(arguments, tmp_path / "log") as worker,
        pytest.raises(music_vae_benchmark.UserError, match="no such thing"),
    ):
        worker.answer()


def test_the_products_of_a_step_are_counted(capsys):
    benchmark_ours.products(**TINY)
    encoder = 2 * (90 + 2) * 8  # both directions, [x, h] to four gates of two units
    decoder = (90 + 2) * 8  # z is projected once
    assert json.loads(capsys.readouterr().out) == {
        "training": 6 * 2 * 32 * (encoder + decoder),
        "encoding": 2 * 2 * 32 * encoder,
    }


def test_the_bytes_before_a_training_are_measured(capsys):
    benchmark_ours.before_training(**TINY, examples_path=None)
    assert json.loads(capsys.readouterr().out) > 2**28  # TensorFlow alone has more


@pytest.mark.parametrize(
    ("flag", "words"),
    [("--rows=trian", "none of train, "), ("--magenta=/nowhere", "Magenta 2.1.4")],
)
def test_what_cannot_be_measured_is_said(flag, words, capsys):
    assert run([flag]) == 1
    assert words in capsys.readouterr().err


def test_without_a_folder_the_projects_own_grooves_are_read(tmp_path, monkeypatch):
    monkeypatch.setattr(music_vae_benchmark, "NUM_GROOVES", 3)
    flags = music_vae_benchmark.command.parse([])
    bench = music_vae_benchmark._Bench(flags, tmp_path)
    assert bench._midi.parent == tmp_path
    assert len(list(bench._midi.glob("*.mid"))) == 3


def test_a_whole_song_is_transformed_and_rendered(tmp_path, monkeypatch):
    monkeypatch.setattr(music_vae_benchmark, "SONG_BARS", 8)
    output = tmp_path / "rows.json"
    flags = ["--rows=transform,render", "--repeats=1", f"--output_json={output}"]
    assert run(flags) == 0
    transform, render = json.loads(output.read_text())
    assert transform["ours"] > 0 and transform["unit"] == "s/s"
    assert render["ours"] > 0 and render["magenta"] is None


def test_the_latency_of_the_page_is_until_the_sound(monkeypatch):
    """What the server takes, and what the page's player adds by itself."""
    monkeypatch.setattr(benchmark_page, "_seconds", lambda *arguments: 0.1)
    content = io.BytesIO(b'{"default": "box"}')
    connection = SimpleNamespace(
        request=lambda *arguments: None,
        getresponse=lambda: content,
        close=lambda: None,
    )
    monkeypatch.setattr(
        benchmark_page.http.client, "HTTPConnection", lambda *_, **__: connection
    )
    ahead_s = benchmark_page.scheduled_ahead_s()
    assert 0.005 <= ahead_s <= 0.1
    latency = benchmark_page._latency("localhost:1", 20)
    assert latency.median == pytest.approx(0.1 + ahead_s)
    assert latency.p95 == pytest.approx(0.1 + ahead_s)

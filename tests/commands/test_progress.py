"""Progress is shown sparsely in a pipe and as a bar on a terminal."""

import io
import sys

import pytest

from music_vae_tf.commands import progress as module
from music_vae_tf.commands.progress import duration, progress


@pytest.fixture
def clock(monkeypatch):
    """A clock that the test sets."""

    class Clock:
        now_s = 0.0

        def monotonic(self):
            return self.now_s

    clock = Clock()
    monkeypatch.setattr(module, "time", clock)
    return clock


def test_figures_tell_pace_time_left_and_note(clock):
    with progress(100, "Training", unit="steps") as bar:
        clock.now_s = 30  # before the first step: the model is compiled
        bar.advance()
        assert bar.figures() == "1/100 steps"
        clock.now_s = 40
        bar.advance(20, note="loss 12.3")
        assert bar.figures() == "21/100 steps, 2 steps/s, 40 s left, loss 12.3"


def test_items_are_counted_as_they_are_done():
    with progress(None, "Reading", unit="files") as bar:
        counts = [bar.done for _ in bar.over("abc")]
    assert counts == [0, 1, 2]
    assert bar.done == 3


@pytest.mark.parametrize(
    ("units", "pace"), [(1, "0.1"), (123, "12.3"), (12345, "1,234")]
)
def test_a_pace_is_told_in_digits(clock, units, pace):
    with progress(None, "Reading", unit="files") as bar:
        bar.advance(0)
        clock.now_s = 10
        bar.advance(units)
        assert bar.figures() == f"{units} files, {pace} files/s"


def test_the_pace_is_that_of_the_last_minute(clock):
    with progress(10_000, "Training", unit="steps") as bar:
        for second in range(200):
            clock.now_s = second
            bar.advance(10 if second < 100 else 1)
        assert bar.units_per_s == 1


def test_what_was_done_before_counts_for_no_pace(clock):
    with progress(100, "Training", unit="steps", done=50) as bar:
        for second in (1, 2):
            clock.now_s = second
            bar.advance(5)
        assert bar.figures() == "60/100 steps, 5 steps/s, 8 s left"


def test_without_a_total_neither_it_nor_the_time_left_is_told(clock, capsys):
    with progress(None, "Reading", unit="files", note="the first one") as bar:
        assert bar.figures() == "0 files, the first one"
        for second in (1, 2, 3):
            clock.now_s = second
            bar.advance(5, note="")
        assert bar.figures() == "15 files, 5 files/s"
    assert capsys.readouterr().err.splitlines() == [
        "Reading: 10 files, 5 files/s",
        "Reading: 15 files, 5 files/s, after 3 s",
    ]


def test_lines_come_less_and_less_often(clock, capsys):
    with progress(1000, "Converting", unit="files") as bar:
        for second in range(1, 1001):
            clock.now_s = second
            bar.advance()
    lines = capsys.readouterr().err.splitlines()
    assert lines[:3] == [
        "Converting: 2/1000 files, 1 files/s, 16 min 38 s left",
        "Converting: 6/1000 files, 1 files/s, 16 min 34 s left",
        "Converting: 14/1000 files, 1 files/s, 16 min 26 s left",
    ]
    assert lines[-1] == "Converting: 1000/1000 files, 1 files/s, after 16 min 40 s"
    assert 15 < len(lines) < 25


def test_work_that_fails_is_not_said_to_be_done(clock, capsys):
    with pytest.raises(ZeroDivisionError), progress(9, "Trying", unit="times"):
        raise ZeroDivisionError
    assert capsys.readouterr().err == ""


def test_a_terminal_gets_a_bar(monkeypatch):
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    monkeypatch.setattr(sys, "stderr", terminal := Terminal())
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "100")
    with progress(3, "Converting", unit="files") as bar:
        print("meanwhile", file=sys.stderr)
        bar.advance(3, note="[not markup]")
    shown = terminal.getvalue()
    assert "meanwhile" in shown
    assert "3/3 files, [not markup]" in shown
    assert "━" in shown


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0.4, "0 s"),
        (59.6, "1 min 0 s"),
        (200, "3 min 20 s"),
        (7500, "2 h 5 min"),
    ],
)
def test_durations_are_in_words(seconds, words):
    assert duration(seconds) == words

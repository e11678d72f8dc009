"""How far along the work is: a bar on a terminal, a line now and then elsewhere.

with progress(len(files), "Converting", unit="files") as bar:
    for file in files:
        bar.advance()

with progress(num_steps, "Training", unit="steps", done=restored_step) as bar:
    bar.advance(20, note="loss 12.3")
"""

from __future__ import annotations

import abc
import collections
import contextlib
import os
import sys
import time

PACE_WINDOW_S = 60
FIRST_LINE_AFTER_S = 2
LONGEST_SILENCE_S = 60


@contextlib.contextmanager
def progress(
    total: int | None, title: str, *, unit: str, done: int = 0, note: str = ""
):
    """Shows work on `total` units, `done` of them before; yields a `Progress`.

    total: None if nobody knows, or if there is no end.
    note: shown beside them until the first advance that brings another.
    """
    on_terminal = sys.stderr.isatty() and os.environ.get("TERM") != "dumb"
    bar = (_Bar if on_terminal else _Lines)(total, title, unit, done, note)
    with bar.shown():
        yield bar


class Progress(abc.ABC):
    """Counts units, and knows their pace and the time left at that pace."""

    def __init__(self, total: int | None, title: str, unit: str, done: int, note: str):
        self.total, self.title, self.unit, self.done = total, title, unit, done
        self.note = note
        self._started_s = time.monotonic()
        self._marks = collections.deque()

    def advance(self, units: int = 1, note: str | None = None) -> None:
        """So many units more are done; `note` is shown beside them until the next."""
        now_s = time.monotonic()
        self.done += units
        self.note = self.note if note is None else note
        self._marks.append((now_s, self.done))
        while len(self._marks) > 2 and now_s - self._marks[1][0] > PACE_WINDOW_S:
            self._marks.popleft()
        self._show()

    def over(self, items):
        """The items, each a unit that is done when the next one is asked for."""
        for item in items:
            yield item
            self.advance()

    @property
    def units_per_s(self) -> float:
        """The pace of the last minute, without what came before the first advance
        (imports, a first step that compiles); 0 while it is unknown."""
        if len(self._marks) < 2:
            return 0.0
        (first_s, first), (last_s, last) = self._marks[0], self._marks[-1]
        return (last - first) / max(last_s - first_s, 1e-9)

    @property
    def elapsed_s(self) -> float:
        return time.monotonic() - self._started_s

    def figures(self) -> str:
        """`120/1021 files, 85.3 files/s, 11 s left, loss 12.3`."""
        of_total = "" if self.total is None else f"/{self.total}"
        parts = [f"{self.done}{of_total} {self.unit}"]
        if pace := self.units_per_s:
            digits = ".3g" if pace < 100 else ",.0f"
            parts.append(f"{pace:{digits}} {self.unit}/s")
            if left := (self.total or self.done) - self.done:
                parts.append(f"{duration(left / pace)} left")
        return ", ".join([*parts, *filter(None, [self.note])])

    @abc.abstractmethod
    def shown(self):
        """Context in which the progress is to be seen."""

    @abc.abstractmethod
    def _show(self):
        """Bring what is seen up to date."""


class _Bar(Progress):
    """One line of a terminal, redrawn."""

    def shown(self):
        from rich import progress as rich_progress
        from rich.console import Console

        self._rich = rich_progress.Progress(
            rich_progress.TextColumn("{task.description}"),
            rich_progress.BarColumn(bar_width=None),
            rich_progress.TextColumn("{task.fields[figures]}", markup=False),
            console=Console(stderr=True),
            expand=True,
        )
        self._task = self._rich.add_task(
            self.title, total=self.total, completed=self.done, figures=self.figures()
        )
        return self._rich

    def _show(self):
        self._rich.update(self._task, completed=self.done, figures=self.figures())


class _Lines(Progress):
    """Lines that come less and less often, for pipes and logs."""

    @contextlib.contextmanager
    def shown(self):
        self._next_s, self._silence_s = FIRST_LINE_AFTER_S, FIRST_LINE_AFTER_S
        yield
        self._write(f"{self.figures()}, after {duration(self.elapsed_s)}")

    def _show(self):
        if self.elapsed_s >= self._next_s and self.done != self.total:
            self._write(self.figures())
            self._silence_s = min(2 * self._silence_s, LONGEST_SILENCE_S)
            self._next_s = self.elapsed_s + self._silence_s

    def _write(self, text):
        print(f"{self.title}: {text}", file=sys.stderr, flush=True)


def duration(seconds: float) -> str:
    """`45 s`, `3 min 20 s`, `2 h 5 min`."""
    whole = round(seconds)
    hours, minutes = whole // 3600, whole // 60 % 60
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {whole % 60} s" if minutes else f"{whole} s"

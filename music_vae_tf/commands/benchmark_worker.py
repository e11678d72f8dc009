"""Processes that the benchmark measures: they wait, and work when they are asked."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess

from music_vae_tf.commands.command import UserError


class Worker:
    """A process that does so many units of work when it is sent a number."""

    def __init__(self, arguments, log):
        self._arguments, self._log = arguments, log
        self.peak_memory_bytes = None

    def __enter__(self):
        self._errors = self._log.open("wb")
        self._process = subprocess.Popen(
            self._arguments,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            text=True,
            env=environment(),
        )
        return self

    def __exit__(self, *exception):
        self._process.stdin.close()
        _, _, usage = os.wait4(self._process.pid, 0)
        self.peak_memory_bytes = usage.ru_maxrss * 1024
        self._process.returncode = 0
        self._process.stdout.close()
        self._errors.close()

    def answer(self):
        """Its next line."""
        for line in self._process.stdout:
            with contextlib.suppress(ValueError):  # libraries, too, print
                return json.loads(line)
        raise UserError(f"{' '.join(self._arguments)} failed:\n{end_of(self._log)}")

    def seconds(self, number: int) -> float:
        """How long so many units take."""
        self._process.stdin.write(f"{number}\n")
        self._process.stdin.flush()
        return self.answer()


def environment() -> dict[str, str]:
    """Variables of the measured processes: libraries print less."""
    return {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", "PYTHONWARNINGS": "ignore"}


def end_of(log) -> str:
    """The last lines of a log."""
    return "\n".join(log.read_text(errors="replace").splitlines()[-15:])

"""Runs commands in copies of a process that has imported all they need, and kills them.

Each line of stdin is `KILL\\tCOMMAND\\tFLAG...`; KILL is `never`, `after SECONDS`, or
`at N`: at the N-th time that a file is renamed, removed or flushed. For each line a
line is printed: how the copy ended, after how many seconds, and how many such calls it
made, if it was not killed.
"""

from __future__ import annotations

import contextlib
import importlib
import os
import signal
import sys
import time

SAVING = ("replace", "rename", "remove", "unlink", "fsync", "rmdir", "link")


def kill_at(number: int) -> list[int]:
    """Kills this process at a certain call of those that finish files; with 0 at none.

    Returns:
        What holds how many there were.
    """
    calls = [0]

    def counted(function):
        def call(*arguments, **options):
            calls[0] += 1
            if calls[0] == number:
                os.kill(os.getpid(), signal.SIGKILL)
            return function(*arguments, **options)

        return call

    for name in SAVING:
        setattr(os, name, counted(getattr(os, name)))
    return calls


def run(kill: str, name: str, flags: list[str], answer: int) -> None:
    """The copy's work; does not return."""
    os.setpgid(0, 0)
    when, _, number = kill.partition(" ")
    calls = kill_at(int(number) if when == "at" else 0)
    quiet = os.open(os.devnull, os.O_WRONLY)
    os.dup2(quiet, 1)
    module = importlib.import_module(f"music_vae_tf.commands.{name}")
    from music_vae_tf.training import loop

    loop.SAVE_EVERY_S = 0
    code = module.run(flags)
    sys.stderr.flush()
    os.write(answer, str(calls[0]).encode())
    os._exit(code)


def main() -> None:
    import music_vae_tf.training.loop  # noqa: F401  TensorFlow, and starts no thread

    for line in sys.stdin:
        kill, name, *flags = line.rstrip("\n").split("\t")
        answer, far_end = os.pipe()
        started, process = time.monotonic(), os.fork()
        if not process:
            run(kill, name, flags, far_end)
        os.close(far_end)
        if kill.startswith("after"):
            time.sleep(float(kill.split()[1]))
            os.kill(process, signal.SIGKILL)
        _, status = os.waitpid(process, 0)
        with contextlib.suppress(ProcessLookupError):  # what shares the copy's work
            os.killpg(process, signal.SIGKILL)
        ended = os.waitstatus_to_exitcode(status)
        calls = os.read(answer, 20).decode() or "0"
        os.close(answer)
        print(f"{ended}\t{time.monotonic() - started:.2f}\t{calls}", flush=True)


if __name__ == "__main__":
    main()

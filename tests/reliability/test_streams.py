"""Messages and tables that cannot be written: never the end of hours of work."""

import logging
import subprocess
import sys
from pathlib import Path

import pytest

from music_vae_tf.commands.command import Command, UserError

FULL = Path("/dev/full")  # each write finds the disk full
with_full = pytest.mark.skipif(not FULL.exists(), reason="this system has none")

COMMAND = """
import logging, sys
from music_vae_tf.commands.command import Command
from music_vae_tf.commands.progress import progress
command = Command("a_command", "Works for long.")
command.string("made", None, "File that is there when all is done.")
def main(flags):
    logging.getLogger("music_vae_tf").warning("a message " + "x" * 20_000)
    with progress(3, "Working", unit="steps") as bar:
        for step in range(3):
            bar.advance()
            print("a step", file=sys.stderr, flush=True)
            print("a row of a table", *("x" * 20_000 if flags.made is None else ""))
    if flags.made:
        open(flags.made, "w").close()
sys.exit(command.entry(main)())
"""


def run(*flags, **streams):
    command = [sys.executable, "-c", COMMAND, *flags]
    with FULL.open("w") as full:
        files = {name: full if to == "full" else to for name, to in streams.items()}
        return subprocess.run(command, text=True, check=False, **files)


@with_full
def test_work_goes_on_where_messages_cannot_be_written(tmp_path):
    ended = run(f"--made={tmp_path / 'made'}", stderr="full", stdout=subprocess.PIPE)
    assert (tmp_path / "made").exists() and ended.returncode == 0
    assert ended.stdout == "a row of a table\n" * 3


@with_full
@pytest.mark.parametrize("flags", [["--made=made"], [], ["--help"]])
def test_a_table_that_cannot_be_written_is_an_error_in_words(
    tmp_path, flags, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    ended = run(*flags, stdout="full", stderr=subprocess.PIPE)
    assert ended.returncode == 1
    assert "a_command: standard output cannot be written to: No space" in ended.stderr
    assert "Traceback" not in ended.stderr and "Exception" not in ended.stderr


@with_full
def test_an_error_has_its_exit_status_where_it_cannot_be_told():
    assert run("--nonsense", stderr="full", stdout="full").returncode == 2


def test_names_of_strangers_give_no_orders_to_the_terminal(capsys):
    def main(flags):
        logging.getLogger("music_vae_tf").warning("left out a\x1b[2Jb\r\x9b31m\nand")
        raise UserError("it holds \x1b]0;title\x07, " + "y" * 10**6 + " in all")

    assert Command("a_command", "Fails.").entry(main)([]) == 1
    told = capsys.readouterr().err
    assert "left out a\\x1b[2Jb\\x0d\\x9b31m\nand" in told
    assert "it holds \\x1b]0;title\\x07, yyy" in told and " in all" in told
    assert told.replace("\n", "").isprintable() and len(told) < 11_000

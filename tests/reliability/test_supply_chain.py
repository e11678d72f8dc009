"""What is installed and released: licences, equal wheels, and no network unasked."""

import os
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
SOURCES = ("music_vae_tf", "configs", "setup.py", "pyproject.toml", "README.md")
TINY = "enc_rnn_size=[2],dec_rnn_size=[2],z_size=2,batch_size=4"
OFFLINE = """
    import importlib, socket, sys

    def refuse(kind):
        def call(*arguments, **_):
            raise SystemExit(f"network: {kind} {arguments[-1]}")
        return call

    class Socket(socket.socket):
        def connect(self, address):
            if self.family != socket.AF_UNIX:
                refuse("connect")(address)
            super().connect(address)

        connect_ex = connect

    socket.socket = Socket
    socket.create_connection = refuse("connect")
    socket.getaddrinfo = socket.gethostbyname = refuse("look-up")
    for line in sys.stdin.read().splitlines():
        name, *flags = line.split("\\t")
        module = importlib.import_module(f"music_vae_tf.commands.{name}")
        code = module.run(flags)
        print(name, code, flush=True)
"""


def wheel(source, folder):
    """The bytes of a wheel that is built from a copy of the sources."""
    copy = folder / "source"
    copy.mkdir(parents=True)
    for name in (*SOURCES, "LICENSE", "MANIFEST.in"):
        if (source / name).is_dir():
            ignore = shutil.ignore_patterns("__pycache__")
            shutil.copytree(source / name, copy / name, ignore=ignore)
        else:
            shutil.copyfile(source / name, copy / name)
    command = [sys.executable, "-m", "pip", "wheel", "--no-deps", "-q", "-w", folder]
    subprocess.run(
        [*command, "--no-build-isolation", copy],
        env={**os.environ, "SOURCE_DATE_EPOCH": "1700000000"},
        check=True,
    )
    (built,) = folder.glob("*.whl")
    return built.read_bytes()


def test_two_builds_of_the_wheel_are_equal(tmp_path, figure):
    one, other = (wheel(REPOSITORY, tmp_path / name) for name in ("a", "another"))
    assert one == other
    figure(
        "Releases are reproducible",
        f"two wheels of {len(one) / 1e6:.1f} MB, built in two folders, are equal",
    )


def test_every_dependency_declares_a_licence(figure):
    done = subprocess.run(
        [sys.executable, REPOSITORY / "bin" / "licences.py"],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout
    lines = done.stdout.splitlines()
    assert any(line.startswith("tensorflow ") and "Apache" in line for line in lines)
    figure(
        "The licences of all dependencies are listed (`python bin/licences.py`)",
        f"{len(lines)} packages, each with a licence",
    )


def lines_of(tmp_path, records):
    """Command lines, one after another, that need no network."""
    music, run = tmp_path / "music", f"--run_dir={tmp_path / 'run'}"
    out = f"--output_dir={tmp_path / 'out'}"
    model = ["--config=groovae_4bar", run]
    return [
        ("convert_dir_to_note_sequences", f"--input_dir={music}")
        + (f"--output_file={tmp_path / 'a.tfrecord'}", "--num_workers=1"),
        ("music_vae_inspect", f"--input={music}"),
        ("music_vae_train", *model, f"--hparams={TINY}", "--seed=1")
        + (f"--examples_path={records}", "--num_steps=1"),
        ("music_vae_generate", *model, out, "--num_outputs=1", "--format=mid,wav,png"),
        ("music_vae_evaluate", *model, f"--examples_path={records}"),
        ("music_vae_export", *model, "--format=safetensors")
        + (f"--output_dir={tmp_path / 'export'}",),
    ]


@pytest.mark.long
def test_commands_use_no_network(tmp_path, groove_records, figure):
    from song_files import band

    (tmp_path / "music").mkdir()
    band().save(tmp_path / "music" / "a.mid")
    lines = lines_of(tmp_path, groove_records)
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(OFFLINE)],
        input="\n".join("\t".join(line) for line in lines),
        capture_output=True,
        text=True,
        timeout=900,
    )
    assert done.stdout.split("\n")[:-1][-1:], done.stderr[-2000:]
    codes = dict(
        line.rsplit(" ", 1)
        for line in done.stdout.splitlines()
        if line.startswith(("music_vae", "convert")) and line[-1].isdigit()
    )
    assert "network:" not in done.stderr
    assert {line[0] for line in lines} <= codes.keys(), done.stderr[-2000:]
    wrong = {name: code for name, code in codes.items() if code != "0"}
    assert not wrong, done.stderr[-3000:]
    figure(
        "No command uses the network unasked",
        f"{len(lines)} commands with all sockets and look-ups refused",
    )

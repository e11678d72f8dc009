"""What is installed and released: licences, equal wheels, and no network unasked."""

import os
import shutil
import socket
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
import scene

REPOSITORY = Path(__file__).resolve().parents[2]
SOURCES = ("music_vae_tf", "configs", "setup.py", "pyproject.toml", "README.md")
# Runs command lines with Python's sockets closed, but for this machine's own.
OFFLINE = """
    import importlib, os, signal, socket, sys, threading, time

    HERE = ("127.0.0.1", "::1", "localhost")

    def refuse(kind):
        def call(*arguments, **_):
            raise SystemExit(f"network: {kind} {arguments[-1]}")
        return call

    class Socket(socket.socket):
        def connect(self, address):
            if self.family != socket.AF_UNIX and address[0] not in HERE:
                refuse("connect")(address)
            super().connect(address)

        connect_ex = connect

    look_up = socket.getaddrinfo

    def of_here(host, *arguments, **named):
        if host not in (None, *HERE):
            refuse("look-up")(host)
        return look_up(host, *arguments, **named)

    socket.socket = Socket
    socket.getaddrinfo = of_here
    socket.gethostbyname = refuse("look-up")

    def stop_when_it_answers(port):
        for _ in range(1200):
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
                break
            except OSError:
                time.sleep(0.1)
        print("answered", flush=True)
        os.kill(os.getpid(), signal.SIGINT)

    if __name__ == "__main__":
        signal.signal(signal.SIGINT, signal.default_int_handler)
        for line in open(sys.argv[1]).read().splitlines():
            name, *flags = line.split("\\t")
            module = importlib.import_module(f"music_vae_tf.commands.{name}")
            if name == "music_vae_serve":
                port = int(flags[-1].partition("=")[2])
                threading.Thread(target=stop_when_it_answers, args=[port]).start()
            code = module.run(flags)
            print("ended", name, code, flush=True)
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


def lines_of(folder):
    """Command lines, one after another, that need no network."""
    clefs, rolls = folder / "out-clef_prepare", folder / "out-roll_prepare"
    trainings = scene.trainings(folder, clefs, rolls)
    lines = dict(scene.preparations(folder))
    lines |= {kind: trainings[kind] for kind in ("music_vae", "clef_lstm", "conv_cvae")}
    for name, kind in scene.MODEL_OF.items():
        run_dir = folder / f"out-{kind}"
        lines[name] = scene.uses(folder, clefs, rolls, run_dir)[name]
    made = [
        (line.command, *line.flags_for(folder / f"out-{name}"))
        + (("--num_steps=1",) if name in trainings else ())
        for name, line in lines.items()
    ]
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    run_dir = folder / "out-music_vae"
    serve = ("music_vae_serve", f"--run_dir={run_dir}", f"--port={port}")
    return [*made, ("music_vae_inspect", f"--input={folder / 'midi'}"), serve]


def without_network():
    """What a command begins with so that its process, C++ too, has no network."""
    namespace = ["unshare", "-rn", "sh", "-c", 'ip link set lo up && exec "$@"', "sh"]
    if not (shutil.which("unshare") and shutil.which("ip")):
        return []
    allowed = not subprocess.run([*namespace, "true"], capture_output=True).returncode
    return namespace if allowed else []


@pytest.mark.long
@pytest.mark.parametrize("cut", ["sockets", "namespace"])
def test_commands_use_no_network(tmp_path, cut, figure):
    pytest.importorskip("music21", reason="left out: music21 is not installed")
    pytest.importorskip("uvicorn", reason="left out: uvicorn is not installed")
    prefix = without_network() if cut == "namespace" else []
    if cut == "namespace" and not prefix:
        pytest.skip("left out: this machine allows no namespace without a network")
    scene.music(tmp_path)
    lines = lines_of(tmp_path)
    for name in scene.MODEL_OF:
        scene.emptied(tmp_path / f"out-{name}")
    (tmp_path / "lines").write_text("\n".join("\t".join(line) for line in lines))
    program = tmp_path / "offline.py"  # a file, which spawned workers import
    program.write_text(textwrap.dedent(OFFLINE))
    done = subprocess.run(
        [*prefix, sys.executable, program, tmp_path / "lines"],
        env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
        capture_output=True,
        text=True,
        timeout=1500,
    )
    ended = [line.split()[1:] for line in done.stdout.splitlines() if "ended " in line]
    assert "network:" not in done.stderr
    assert [name for name, _ in ended] == [line[0] for line in lines], done.stderr[
        -3000:
    ]
    wrong = [line for line in ended[:-1] if line[1] != "0"]
    assert not wrong, done.stderr[-3000:]
    assert "answered" in done.stdout, done.stderr[-3000:]
    how = {
        "sockets": "with all sockets and look-ups of Python refused",
        "namespace": "in a namespace without a network, C++ included",
    }
    figure("No command uses the network unasked", f"{len(lines)} commands {how[cut]}")

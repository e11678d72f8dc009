"""Each way to install gives the same program, inside the checkout and elsewhere."""

import json
import os
import shutil
import socket
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

from music_vae_tf.data import grooves
from music_vae_tf.data.midi_writer import write_midi
from music_vae_tf.data.records import read_note_sequences

REPOSITORY = Path(__file__).resolve().parent.parent
CLONED = ("bin", "configs", "music_vae_tf", "tests", "docs")
WAYS = ("wheel", "sdist", "folder", "editable")
TINY = "enc_rnn_size=[2],dec_rnn_size=[2],z_size=2,batch_size=2"
# What a command needs to explain itself is written in Python alone, so that one
# environment's copy serves every Python.
PURE = "import absl, os, yaml; print(os.path.dirname(os.path.dirname(yaml.__file__)))"


def run(*command, cwd, **environment):
    kept = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    return subprocess.run(
        [str(part) for part in command],
        cwd=cwd,
        env={**kept, "CUDA_VISIBLE_DEVICES": "-1", **environment},
        capture_output=True,
        text=True,
        timeout=300,
    )


def succeed(*command, cwd, **environment):
    result = run(*command, cwd=cwd, **environment)
    assert result.returncode == 0, result.stdout + result.stderr
    return result


def pip(environment, *arguments):
    succeed(
        *(sys.executable, "-m", "pip", "--python", environment / "bin" / "python"),
        *("--disable-pip-version-check", "-q", "install", "--no-deps", "--no-index"),
        *("--no-build-isolation", *arguments),
        cwd=environment,
    )


def bare_environment(folder):
    """A virtual environment with all that we depend on, and without us."""
    succeed(
        sys.executable, "-m", "venv", "--without-pip", folder, cwd=REPOSITORY.parent
    )
    (site_packages,) = folder.glob("lib/python*/site-packages")
    dependencies = {sysconfig.get_path(name) for name in ("purelib", "platlib")}
    # Lines of a .pth file are searched for modules, not for further .pth files: an
    # editable installation of ours in that environment is not found.
    (site_packages / "dependencies.pth").write_text("\n".join(sorted(dependencies)))
    return folder


@pytest.fixture(scope="module")
def clone(tmp_path_factory):
    """A copy of the folders and files of the checkout, without what it made."""
    folder = tmp_path_factory.mktemp("checkout") / "clone"
    folder.mkdir()
    for path in REPOSITORY.iterdir():
        if path.name in CLONED:
            made = shutil.ignore_patterns("__pycache__")
            shutil.copytree(path, folder / path.name, ignore=made)
        elif path.is_file() and path.name != ".git":
            shutil.copy(path, folder)
    return folder


@pytest.fixture(scope="module")
def distributions(clone, tmp_path_factory):
    """`{"wheel": path, "sdist": path}`, built from a copy of the clone."""
    source = tmp_path_factory.mktemp("source") / "clone"
    shutil.copytree(clone, source)
    out = tmp_path_factory.mktemp("distributions")
    built = {}
    for kind in ("wheel", "sdist"):
        program = (
            "from setuptools import build_meta\n"
            f"print(build_meta.build_{kind}({str(out)!r}))"
        )
        text = succeed(sys.executable, "-c", program, cwd=source).stdout
        built[kind] = out / text.splitlines()[-1]
    return built


@pytest.fixture(scope="module", params=WAYS)
def environment(request, clone, distributions, tmp_path_factory):
    if request.param == "wheel":
        return request.getfixturevalue("wheel_environment")
    folder = bare_environment(tmp_path_factory.mktemp(request.param) / "env")
    if request.param == "editable":
        pip(folder, "--editable", clone)
    else:
        pip(folder, distributions.get(request.param, clone))
        shutil.rmtree(clone / "build", ignore_errors=True)
    return folder


@pytest.fixture(scope="module")
def wheel_environment(distributions, tmp_path_factory):
    folder = bare_environment(tmp_path_factory.mktemp("wheel") / "env")
    pip(folder, distributions["wheel"])
    return folder


@pytest.fixture(params=["inside the clone", "elsewhere"])
def place(request, clone, tmp_path):
    return clone if request.param == "inside the clone" else tmp_path


@pytest.fixture(scope="module")
def loops(tmp_path_factory):
    folder = tmp_path_factory.mktemp("loops")
    for number, (_, sequence) in enumerate(grooves.performances(4)):
        write_midi(sequence, folder / f"{number}.mid")
    return folder


def convert(environment, loops, records, cwd):
    return succeed(
        environment / "bin" / "convert_dir_to_note_sequences",
        *(f"--input_dir={loops}", f"--output_file={records}"),
        cwd=cwd,
    )


def test_a_folder_of_midi_is_converted(environment, place, loops, tmp_path):
    records = tmp_path / "loops.tfrecord"
    result = convert(environment, loops, records, place)
    assert "Converted 4 of 4" in result.stdout + result.stderr
    assert len(list(read_note_sequences(str(records)))) == 4


def test_a_module_is_a_command_and_lists_the_configs(environment, place):
    module = "music_vae_tf.commands.music_vae_generate"
    python = environment / "bin" / "python"
    listed = succeed(python, "-m", module, "--list_configs", cwd=place).stdout
    names = {file.stem for file in (REPOSITORY / "configs").glob("*.yaml")}
    assert "groovae_4bar" in names
    assert all(name in listed for name in names)


def test_python_loads_a_config(environment, place):
    program = "from music_vae_tf import config; print(config.load('groovae_4bar'))"
    python = environment / "bin" / "python"
    assert "name='groovae_4bar'" in succeed(python, "-c", program, cwd=place).stdout


def test_spawned_workers_find_the_package(wheel_environment, clone):
    """As where there is no fork server."""
    program = (
        "import multiprocessing\n"
        "from music_vae_tf.data import workers\n"
        "if __name__ == '__main__':\n"
        "    multiprocessing.get_all_start_methods = lambda: ['spawn']\n"
        "    from music_vae_tf.config import load\n"
        "    names = ['groovae_4bar', 'cat-mel_2bar_small']\n"
        "    configs = workers.map_in_processes(load, names, 2, [])\n"
        "    print([config.name for config in configs])\n"
    )
    script = clone / "spawned.py"
    script.write_text(program)
    result = succeed(wheel_environment / "bin" / "python", script, cwd=clone)
    assert "['groovae_4bar', 'cat-mel_2bar_small']" in result.stdout


def test_beam_processes_find_the_package(wheel_environment, clone, loops, tmp_path):
    records = tmp_path / "loops.tfrecord"
    convert(wheel_environment, loops, records, clone)
    options = "--direct_running_mode=multi_processing,--direct_num_workers=2"
    succeed(
        wheel_environment / "bin" / "music_vae_preprocess_tfrecord",
        *(f"--input_tfrecord={records}", f"--output_tfrecord={tmp_path / 'out'}"),
        *("--config=groovae_4bar", "--output_shards=1"),
        f"--pipeline_options=--runner=DirectRunner,{options}",
        cwd=clone,
    )
    (written,) = tmp_path.glob("out*")
    assert written.stat().st_size > 0


def test_two_workers_train_inside_the_clone(wheel_environment, clone, loops, tmp_path):
    records = tmp_path / "loops.tfrecord"
    convert(wheel_environment, loops, records, clone)
    with socket.socket() as one, socket.socket() as other:
        for each in (one, other):
            each.bind(("127.0.0.1", 0))
        peers = [f"127.0.0.1:{each.getsockname()[1]}" for each in (one, other)]
    workers = [
        subprocess.Popen(
            [
                wheel_environment / "bin" / "music_vae_train",
                *("--config=groovae_4bar", f"--hparams={TINY}", "--num_steps=1"),
                *(f"--run_dir={tmp_path}", f"--examples_path={records}", "--seed=1"),
                "--strategy=multiworker",
            ],
            cwd=clone,
            env={
                **{k: v for k, v in os.environ.items() if k != "PYTHONPATH"},
                "CUDA_VISIBLE_DEVICES": "-1",
                "TF_CONFIG": json.dumps(
                    {
                        "cluster": {"worker": peers},
                        "task": {"type": "worker", "index": index},
                    }
                ),
            },
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        for index in (0, 1)
    ]
    texts = [worker.communicate(timeout=300)[1] for worker in workers]
    assert [worker.returncode for worker in workers] == [0, 0], texts
    assert (tmp_path / "train" / "model.ckpt-1.index").exists()


def test_the_source_distribution_holds_what_a_checkout_holds(distributions, tmp_path):
    shutil.unpack_archive(distributions["sdist"], tmp_path)
    (unpacked,) = tmp_path.iterdir()
    for folder in ("bin", "configs", "music_vae_tf", "tests"):
        expected = {
            path.relative_to(REPOSITORY)
            for path in (REPOSITORY / folder).rglob("*")
            if path.is_file() and "__pycache__" not in path.parts
        }
        held = {p.relative_to(unpacked) for p in (unpacked / folder).rglob("*")}
        assert expected <= held


def other_pythons():
    """Interpreters of the other versions that we support: on the path, or pyenv's."""
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    for minor in range(10, 14):
        candidates = [
            shutil.which(f"python3.{minor}"),
            *sorted(pyenv.glob(f"3.{minor}.*/bin/python")),
        ]
        works = [path for path in candidates if path and _runs(path)]
        if works and minor != sys.version_info.minor:
            yield pytest.param(works[0], id=f"python3.{minor}")


def _runs(python):
    return subprocess.run([python, "-c", ""], capture_output=True).returncode == 0


@pytest.mark.parametrize(
    "python",
    list(other_pythons())
    or [pytest.param("", marks=pytest.mark.skip("left out: no other Python here"))],
)
def test_commands_explain_themselves_on_other_pythons(
    python, wheel_environment, tmp_path
):
    """Without their dependencies, which the running Python alone has."""
    (site_packages,) = wheel_environment.glob("lib/python*/site-packages")
    shutil.copytree(site_packages / "music_vae_tf", tmp_path / "music_vae_tf")
    pure = Path(succeed(sys.executable, "-c", PURE, cwd=tmp_path).stdout.strip())
    for package in ("absl", "yaml"):
        shutil.copytree(
            pure / package, tmp_path / package, ignore=shutil.ignore_patterns("*.so")
        )
    program = (
        "import importlib, pathlib, music_vae_tf.commands as commands\n"
        "from music_vae_tf import config\n"
        "assert len([config.load(name) for name in config.names()]) >= 32\n"
        "for file in pathlib.Path(commands.__path__[0]).glob('*.py'):\n"
        "    if '\\nrun = command.entry(' in file.read_text():\n"
        "        module = f'music_vae_tf.commands.{file.stem}'\n"
        "        assert importlib.import_module(module).run(['--help']) == 0\n"
    )
    succeed(python, "-c", program, cwd=tmp_path, PYTHONPATH=str(tmp_path))
    succeed(python, "-m", "compileall", "-q", "-f", "music_vae_tf", cwd=tmp_path)

"""What is declared in setup.py is there, and is found when it is installed."""

import ast
import importlib
import importlib.metadata
import importlib.resources
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import music_vae_tf
from music_vae_tf import config

REPOSITORY = Path(__file__).resolve().parent.parent
SETUP = (REPOSITORY / "setup.py").read_text(encoding="utf-8")
COMMANDS = ast.literal_eval(re.search(r"COMMANDS = (\[.*?\])", SETUP, re.S)[1])


# Where the name of an import is not that of the package.
PACKAGES = {
    "resvg_py": "resvg-py",
    "sklearn": "scikit-learn",
    "absl": "absl-py",
    "apache_beam": "apache-beam",
    "google": "protobuf",
    "google_crc32c": "google-crc32c",
    "tensorflow_datasets": "tensorflow-datasets",
    "tensorflow_probability": "tensorflow-probability",
    "umap": "umap-learn",
    "yaml": "PyYAML",
}
BROUGHT_BY_TFDS = {"requests"}
BROUGHT_BY_A_NOTEBOOK = {"IPython"}


def run_sh(script, *arguments, **environment):
    return subprocess.run(
        ["sh", REPOSITORY / "bin" / script, *arguments],
        env={"PATH": os.environ["PATH"], **environment},
        capture_output=True,
        text=True,
    )


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_can_be_imported_and_explains_itself(name, capsys):
    module = importlib.import_module(f"music_vae_tf.commands.{name}")
    assert module.run(["--help"]) == 0
    assert capsys.readouterr().out.startswith(name)


def test_every_command_explains_itself_at_once():
    """Nothing heavy is imported for it, nor for the package itself."""
    program = (
        "import importlib, sys\n"
        "import music_vae_tf\n"
        f"for name in {COMMANDS}:\n"
        "    module = importlib.import_module(f'music_vae_tf.commands.{name}')\n"
        "    assert module.run(['--help']) == 0\n"
        "heavy = {'tensorflow', 'keras', 'note_seq', 'numpy', 'matplotlib', 'rich'}\n"
        "assert not heavy & set(sys.modules), heavy & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", program], check=True, capture_output=True)


def test_every_command_is_a_console_script():
    """Modules that define flags; the demo is started by its shell script."""
    with_flags = {
        file.stem
        for file in (REPOSITORY / "music_vae_tf" / "commands").glob("*.py")
        if "\nrun = command.entry(" in file.read_text()
    }
    assert with_flags == {*COMMANDS, "demo"}


def test_several_commands_can_be_imported_in_one_process():
    modules = [
        importlib.import_module(f"music_vae_tf.commands.{name}") for name in COMMANDS
    ]
    assert len({id(module.run) for module in modules}) == len(COMMANDS)


def test_configs_and_grooves_are_found_as_resources():
    names = {file.name for file in config.configs_folder().iterdir()}
    assert "groovae_4bar.yaml" in names
    assert {f.name for f in (REPOSITORY / "configs").glob("*.yaml")} <= names
    assert (
        importlib.resources.files("music_vae_tf.data")
        .joinpath("grooves.yaml")
        .is_file()
    )


def test_what_is_imported_is_declared():
    imported = set()
    for file in (REPOSITORY / "music_vae_tf").rglob("*.py"):
        if file.name == "benchmark_magenta.py":
            continue  # the Python of Magenta's own environment runs it
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                imported |= {alias.name.split(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                imported.add(node.module.split(".")[0])
    imported -= sys.stdlib_module_names | {"music_vae_tf"} | BROUGHT_BY_TFDS
    imported -= BROUGHT_BY_A_NOTEBOOK
    declared = set(re.findall(r'"([\w-]+)(?:\[[\w-]+\])?>=', SETUP))
    assert {PACKAGES.get(name, name) for name in imported} <= declared


def test_the_installed_version_is_that_of_the_code():
    try:
        installed = importlib.metadata.version("music_vae_tf")
    except importlib.metadata.PackageNotFoundError:
        pytest.skip("left out: music_vae_tf is not installed, only on the path")
    assert installed == music_vae_tf.__version__


def test_the_changelog_and_the_licence_are_there():
    changelog = (REPOSITORY / "CHANGELOG.md").read_text(encoding="utf-8")
    assert (
        "## [Unreleased]" in changelog or f"[{music_vae_tf.__version__}]" in changelog
    )
    assert "Apache License" in (REPOSITORY / "LICENSE").read_text(encoding="utf-8")


@pytest.mark.parametrize("script", ["demo", "test"])
def test_a_script_refuses_a_python_that_tensorflow_does_not_support(script, tmp_path):
    old = tmp_path / "python3.9"
    old.write_text('#!/bin/sh\ncase "$2" in *exit*) exit 1 ;; esac\necho 3.9\n')
    old.chmod(0o755)
    result = run_sh(script, PYTHON=str(old))
    assert result.returncode == 1
    assert "is Python 3.9; music_vae_tf needs 3.10" in result.stderr


@pytest.mark.parametrize("script", ["demo", "test"])
def test_a_script_says_when_there_is_no_such_python(script):
    result = run_sh(script, PYTHON="/nowhere/python3")
    assert result.returncode == 1
    assert "There is no /nowhere/python3 here" in result.stderr
    assert "PYTHON=/path/to/python3.12" in result.stderr


def test_a_script_says_what_to_install_when_there_is_no_venv(tmp_path):
    """As on Debian, where Python comes without ensurepip."""
    project = tmp_path / "a path with spaces"
    (project / "bin").mkdir(parents=True)
    for name in ("test", "venv.sh"):
        (project / "bin" / name).write_text((REPOSITORY / "bin" / name).read_text())
    bare = tmp_path / "python3"
    bare.write_text(
        f'#!/bin/sh\n[ "$1" = -m ] && {{ mkdir "$3"; exit 1; }}\n'
        f'exec "{sys.executable}" "$@"\n'
    )
    bare.chmod(0o755)
    result = subprocess.run(
        ["sh", project / "bin" / "test"],
        env={"PATH": os.environ["PATH"], "PYTHON": str(bare)},
        capture_output=True,
        text=True,
    )
    assert result.returncode == 1
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    assert f"sudo apt install python{version}-venv" in result.stderr
    assert not (project / ".venv").exists()

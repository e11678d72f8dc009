"""The recipes of docs/build/adding.md, followed literally in a copy of the package."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parent.parent
PAGE = (REPOSITORY / "docs" / "build" / "adding.md").read_text(encoding="utf-8")
# A fenced block, and the file that the line before it names.
BLOCK = re.compile(r"(?:^`([\w./]+)`:\n\n)?^```(\w+)\n(.*?)^```$", re.M | re.S)
INTRODUCTION, *SECTIONS = re.split(r"^## ", PAGE, flags=re.MULTILINE)
RECIPES = {text.split("\n", 1)[0]: text for text in SECTIONS}
NEW_CONFIGS = re.findall(r"^`configs/(\w+)\.yaml`:", PAGE, re.MULTILINE)
COPIED = ("music_vae_tf", "configs", "setup.py", "pyproject.toml")
# Runs in the copy; writes {recipe: error, or None} to a file.
DRIVER = """
import importlib, json, os, shlex, sys, traceback
from music_vae_tf import build, config as configs
from music_vae_tf.commands import config_list

def command(line):
    name, *arguments = shlex.split(line, comments=True)
    module = importlib.import_module(f"music_vae_tf.commands.{name}")
    try:
        status = module.run(arguments)
    except SystemExit as ending:
        status = ending.code
    assert not status, f"{line} ended with status {status}"

def follow(blocks, names):
    for language, text in blocks:
        if language == "python":
            exec(text, names)
        else:
            for line in text.splitlines():
                command(line)

blocks, outcomes, names = json.load(open("blocks.json")), {}, {}
follow(blocks.pop("introduction"), names)
for recipe, steps in blocks.items():
    try:
        follow(steps, names)
        outcomes[recipe] = None
    except Exception:
        outcomes[recipe] = traceback.format_exc()
sizes = {}
for name in json.load(open("configs.json")):
    config = configs.load(name)
    model = build.uninitialized_model(config, build.converter(config))
    head = (configs.configs_folder() / f"{name}.yaml").read_text()
    sizes[name] = config_list.SIZE.search(head)[1], f"{model.count_params():,}"
json.dump({**outcomes, "sizes": sizes}, open("outcomes.json", "w"))
"""


def changed(text, diff):
    """A text with a diff applied, whose context is in it once."""
    old, new = (
        "".join(line[1:] for line in diff.splitlines(True) if line[:1] in kept)
        for kept in (" -", " +")
    )
    assert text.count(old) == 1, f"not once in the file:\n{old}"
    return text.replace(old, new)


def follow_files(recipe, folder):
    """Writes the files that a recipe names. Returns its other blocks: what to run."""
    steps = []
    for name, language, block in BLOCK.findall(recipe):
        path = folder / name
        if not name:
            steps.append((language, block))
        elif language == "diff":
            path.write_text(changed(path.read_text("utf-8"), block), "utf-8")
        else:
            assert not path.exists(), f"{name} exists"
            path.write_text(block, "utf-8")
    return steps


@pytest.fixture(scope="module")
def copy(tmp_path_factory):
    """The package with all recipes in it, and a file of what they run."""
    folder = tmp_path_factory.mktemp("recipes")
    for name in COPIED:
        source = REPOSITORY / name
        if source.is_dir():
            # Other workers may be writing bytecode, in files that soon are gone.
            made = shutil.ignore_patterns("__pycache__")
            shutil.copytree(source, folder / name, ignore=made)
        else:
            shutil.copy(source, folder)
    (folder / "tests").mkdir()
    shutil.copy(REPOSITORY / "tests" / "test_architecture.py", folder / "tests")
    steps = {name: follow_files(text, folder) for name, text in RECIPES.items()}
    python = [b for b in follow_files(INTRODUCTION, folder) if b[0] == "python"]
    blocks = {"introduction": python, **steps}
    (folder / "blocks.json").write_text(json.dumps(blocks))
    (folder / "configs.json").write_text(json.dumps(NEW_CONFIGS))
    return folder


def run_in(folder, *arguments):
    environment = {**os.environ, "PYTHONPATH": str(folder)}
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
    )


@pytest.fixture(scope="module")
def outcomes(copy):
    done = run_in(copy, "-c", DRIVER)
    assert done.returncode == 0, done.stderr
    return json.loads((copy / "outcomes.json").read_text())


@pytest.mark.parametrize("recipe", RECIPES)
def test_a_recipe_works_as_it_is_written(recipe, outcomes):
    assert outcomes[recipe] is None, outcomes[recipe]


@pytest.mark.parametrize("name", NEW_CONFIGS)
def test_the_head_of_a_new_config_has_its_true_size(name, outcomes):
    written, true = outcomes["sizes"][name]
    assert written == true


def test_every_recipe_runs_something():
    assert len(RECIPES) == 5
    for text in RECIPES.values():
        assert any(not name for name, _, _ in BLOCK.findall(text))


def test_what_the_recipes_add_has_the_projects_style(copy):
    for check in (["check"], ["format", "--check"]):
        done = run_in(copy, "-m", "ruff", *check, "music_vae_tf", "setup.py")
        assert done.returncode == 0, done.stdout


def test_what_the_recipes_add_keeps_to_the_architecture(copy):
    done = run_in(copy, "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests")
    assert done.returncode == 0, done.stdout[-2000:]

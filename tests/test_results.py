"""Pages of results are made by commands that anyone can run again."""

import subprocess
import sys
from pathlib import Path

import pytest
import yaml

REPOSITORY = Path(__file__).resolve().parent.parent
PAGES = REPOSITORY / "docs" / "research" / "results"
RECIPES = yaml.safe_load((PAGES / "recipes.yaml").read_text(encoding="utf-8"))
SMALL = """
small:
  title: "Results: small"
  about: What a page looks like.
  commands: ["music_vae_train --list_configs=groovae_4bar"]
broken:
  title: "Results: broken"
  about: A command that fails.
  commands: ["music_vae_train --config=none --run_dir=run"]
"""


def make(name, folder):
    (folder / "recipes.yaml").write_text(SMALL)
    script = [sys.executable, REPOSITORY / "bin" / "results.py"]
    return subprocess.run(
        [*script, name, f"--recipes={folder / 'recipes.yaml'}"],
        capture_output=True,
        text=True,
        cwd=folder,
        env={"PYTHONPATH": str(REPOSITORY), "PATH": "/usr/bin:/bin"},
    )


def test_a_page_has_its_commands_and_what_they_print(tmp_path):
    result = make("small", tmp_path)
    assert result.returncode == 0, result.stderr
    page = (tmp_path / "small.md").read_text()
    assert page.startswith("# Results: small\n\nWhat a page looks like.\n\n```bash\n")
    assert "music_vae_train --list_configs=groovae_4bar\n```\n\n```text\nDrums" in page
    assert "`bin/results small`" in page


def test_a_command_that_fails_leaves_no_page(tmp_path):
    result = make("broken", tmp_path)
    assert result.returncode != 0
    assert "none" in result.stderr
    assert not (tmp_path / "broken.md").exists()


def test_an_unknown_page_is_refused_with_those_there_are(tmp_path):
    result = make("other", tmp_path)
    assert result.returncode == 2
    assert "small, broken" in result.stderr


@pytest.mark.parametrize("name", RECIPES)
def test_the_page_of_a_recipe_shows_its_commands(name):
    page = (PAGES / f"{name}.md").read_text(encoding="utf-8")
    shown = page.replace(" \\\n    ", " ")
    assert all(command in shown for command in RECIPES[name]["commands"])
    assert f"`bin/results {name}`" in page

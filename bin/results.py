"""Runs the commands of a page of results, and writes the page with what they print."""

from __future__ import annotations

import argparse
import datetime
import os
import shlex
import subprocess
import sys
import textwrap
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parent.parent
RECIPES = ROOT / "docs" / "research" / "results" / "recipes.yaml"
WIDTH = 92
MAKER = (
    "Made by `bin/results {name}` from commit {commit}, {date}, on {cores} CPU cores."
)


def main(arguments: list[str]) -> int:
    """Writes NAME.md beside the recipes, once all commands have succeeded."""
    parser = argparse.ArgumentParser(prog="bin/results", description=__doc__)
    parser.add_argument("name", help="of a page in the file of recipes")
    parser.add_argument("--recipes", type=Path, default=RECIPES)
    flags = parser.parse_args(arguments)
    recipes = yaml.safe_load(flags.recipes.read_text(encoding="utf-8"))
    if flags.name not in recipes:
        parser.error(f"no page {flags.name!r}; there are {', '.join(recipes)}")
    recipe = recipes[flags.name]
    parts = [f"# {recipe['title']}", textwrap.fill(recipe["about"], WIDTH)]
    for command in recipe["commands"]:
        parts += [f"```bash\n{_shown(command)}\n```", _output_of(command)]
    parts.append(
        MAKER.format(
            name=flags.name,
            commit=_commit(),
            date=datetime.date.today(),
            cores=os.cpu_count(),
        )
    )
    page = flags.recipes.with_name(f"{flags.name}.md")
    page.write_text("\n\n".join(parts) + "\n", encoding="utf-8")
    print(f"Wrote {page}")
    return 0


def _shown(command: str) -> str:
    """A command with a line for each flag or two."""
    lines = textwrap.wrap(
        command,
        WIDTH - 6,
        subsequent_indent="    ",
        break_long_words=False,
        break_on_hyphens=False,
    )
    return " \\\n".join(lines)


def _output_of(command: str) -> str:
    """What a command of the package prints; plain text as a block of code.

    Raises:
        SystemExit: it failed; its own message stands above.
    """
    name, *arguments = shlex.split(command)
    module = f"music_vae_tf.commands.{name}"
    program = [sys.executable, "-m", module, *arguments]
    result = subprocess.run(program, stdout=subprocess.PIPE, text=True)
    if result.returncode:
        sys.exit(result.returncode)
    printed = result.stdout.strip("\n")  # a table may begin with spaces
    return printed if "\n|" in f"\n{printed}" else f"```text\n{printed}\n```"


def _commit() -> str:
    """Of the checkout, with a mark if files in it but pages of results are changed."""
    git = lambda *arguments: subprocess.run(
        ["git", "-C", ROOT, *arguments], capture_output=True, text=True
    ).stdout.strip()
    pages = f":!{RECIPES.parent.relative_to(ROOT)}/*.md"
    changed = git("status", "--porcelain", "--untracked-files=no", "--", ".", pages)
    return git("rev-parse", "--short=10", "HEAD") + ("-dirty" if changed else "")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

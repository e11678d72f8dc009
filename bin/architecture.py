"""Writes the two tables of docs/build/architecture.md: all modules, and their imports.

    python bin/architecture.py

A module is described by the first line of its docstring. Who may import whom is what
tests/test_architecture.py allows.
"""

import ast
import re
import runpy
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parent.parent
PAGE = REPOSITORY / "docs" / "build" / "architecture.md"
PACKAGE = REPOSITORY / "music_vae_tf"
# In the order in which data pass through them; the others follow.
FIRST = ("batch", "config", "kinds", "build", "data", "models", "losses", "schedules")
FIRST += ("training", "run_directory", "checkpoint", "generation", "analysis")
BEFORE = {
    "configs/": "one named config per file, complete in itself",
    "bin/": "demo, test, benchmark: what a person runs in a checkout",
    "tests/": "the same packages",
}
WIDTH = 30


def first_line(path: Path) -> str:
    """What the docstring of a module begins with."""
    return (ast.get_docstring(ast.parse(path.read_text("utf-8"))) or "").split("\n")[0]


def described(folder: Path, depth: int) -> list[str]:
    """A line for each module and package of a folder, those of packages indented."""
    lines = []
    for path in sorted(folder.iterdir(), key=_place):
        package = path / "__init__.py"
        if package.is_file():
            lines.append(_line(f"{path.name}/", first_line(package), depth))
            lines += described(path, depth + 1)
        elif path.suffix == ".py" and path.stem != "__init__":
            lines.append(_line(path.name, first_line(path), depth))
    return lines


def _place(path: Path):
    rank = FIRST.index(path.stem) if path.stem in FIRST else len(FIRST)
    return (rank if path.parent == PACKAGE else 0), path.name


def _line(name: str, description: str, depth: int) -> str:
    return f"{'  ' * depth}{name}".ljust(WIDTH) + f" {description}"


def tree() -> str:
    """All modules, as the page shows them."""
    around = [_line(name, text, 0) for name, text in BEFORE.items()]
    whole = _line("music_vae_tf/", first_line(PACKAGE / "__init__.py"), 0)
    return "\n".join([*around, whole, *described(PACKAGE, 1)])


def imports() -> str:
    """Who may import whom, as the page shows it."""
    rules = runpy.run_path(str(REPOSITORY / "tests" / "test_architecture.py"))
    allowed = {
        name: ", ".join(sorted(others)) or "nothing of ours"
        for name, others in sorted(rules["MAY_IMPORT"].items())
    }
    allowed |= dict.fromkeys(sorted(rules["ANYTHING"]), "anything")
    allowed["all"] = ", ".join(sorted(rules["FOR_ALL"]))
    return "\n".join(f"{name:14} -> {others}" for name, others in allowed.items())


def page(text: str) -> str:
    """The page with both tables as they are now."""
    for heading, table in {"Modules": tree(), "Who may import whom": imports()}.items():
        pattern = rf"## {heading}\n.*?```text\n(.*?)\n```"
        match = re.search(pattern, text, flags=re.DOTALL)
        if match is None:
            raise SystemExit(f"{PAGE.name} has no section {heading} with a table")
        text = text[: match.start(1)] + table + text[match.end(1) :]
    return text


if __name__ == "__main__":
    PAGE.write_text(page(PAGE.read_text("utf-8")), "utf-8")

"""The page of reliability: what is promised, the test of it, and what it last found.

    python tests/reliability/page.py FIGURES.json PAGE.md

Tests keep what they count in the JSON file with the option --figures=FILE.
"""

from __future__ import annotations

import datetime
import json
import sys
from pathlib import Path

HEAD = """\
# Reliability

What is promised about hours of training, files of strangers and lost power, with the
test of each promise and what it found. `bin/test --long` runs these tests in full and
writes this page; the ordinary tests run them with smaller numbers.

| Promise | Found | Test | Date |
|---|---|---|---|
"""


def keep(path: str, promise: str, test: str, found: str) -> None:
    """Adds what a test found to a file, in place of what it found before.

    Args:
        path: the file; made if it is not there.
        test: the test's id, as pytest names it.
    """
    file = Path(path)
    figures = json.loads(file.read_text()) if file.exists() else {}
    figures[test] = {
        "promise": promise,
        "found": found,
        "date": datetime.date.today().isoformat(),
    }
    file.write_text(json.dumps(figures, indent=1, sort_keys=True) + "\n")


def page(figures: dict[str, dict[str, str]]) -> str:
    """The page, as Markdown; promises in the order of their words."""
    rows = [
        f"| {one['promise']} | {one['found']} | `{test.removeprefix('tests/')}` "
        f"| {one['date']} |"
        for test, one in sorted(
            figures.items(), key=lambda item: (item[1]["promise"], item[0])
        )
    ]
    return HEAD + "\n".join(rows) + "\n"


if __name__ == "__main__":
    source, target = map(Path, sys.argv[1:])
    target.write_text(page(json.loads(source.read_text())))

"""The page of reliability is what page.py makes of the figures that tests have kept."""

import json
from pathlib import Path

import page

FOLDER = Path(__file__).parent
PAGE = FOLDER.parents[1] / "docs" / "research" / "reliability.md"


def test_the_page_is_made_of_the_figures():
    figures = json.loads((FOLDER / "figures.json").read_text())
    assert PAGE.read_text() == page.page(figures)


def test_a_figure_replaces_that_of_the_same_test(tmp_path):
    path = tmp_path / "figures.json"
    test = "tests/reliability/test_a.py::test_b[c]"
    for found in ("1 of 2", "2 of 2"):
        page.keep(path, "Nothing is lost", test, found)
    (row,) = page.page(json.loads(path.read_text())).splitlines()[-1:]
    assert row.startswith(
        "| Nothing is lost | 2 of 2 | `reliability/test_a.py::test_b[c]` | 20"
    )

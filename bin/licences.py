"""The licences of all that music_vae_tf needs, as its installed packages declare them.

    python bin/licences.py                 what `pip install music_vae_tf` brings
    python bin/licences.py --extra=score   and what an extra brings; may be repeated

Ends with status 1 if a package is not installed, or declares no licence.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import re
import sys

from packaging.requirements import Requirement

ROOT = "music_vae_tf"
# Licences that are declared by a classifier alone begin so.
CLASSIFIER = "License :: OSI Approved :: "
LONGEST = 60  # a licence's name; some packages give its whole text
# Packages that declare none, by the licence file of their repositories.
BY_HAND = {"namex": "Apache-2.0", "resvg-py": "MIT"}


def needed(root: str, extras: list[str]) -> list[str]:
    """The names of all packages that one needs here, itself left out."""
    waiting, found = [(root, tuple(extras))], set()
    while waiting:
        name, chosen = waiting.pop()
        if (name, chosen) in found:
            continue
        found.add((name, chosen))
        waiting += _requirements(name, chosen)
    return sorted({name for name, _ in found} - {_normal(root), root})


def _requirements(name, extras):
    try:
        declared = importlib.metadata.requires(name) or []
    except importlib.metadata.PackageNotFoundError:
        return []
    return [
        (_normal(needed.name), tuple(sorted(needed.extras)))
        for needed in map(Requirement, declared)
        if needed.marker is None
        or any(needed.marker.evaluate({"extra": extra}) for extra in (*extras, ""))
    ]


def _normal(name):
    return re.sub(r"[-_.]+", "-", name).lower()


def licence(name: str) -> tuple[str, str]:
    """(version, licence) of an installed package; empty where there is none."""
    try:
        about = importlib.metadata.metadata(name)
    except importlib.metadata.PackageNotFoundError:
        return "", ""
    classifiers = [
        line.removeprefix(CLASSIFIER)
        for line in about.get_all("Classifier", [])
        if line.startswith(CLASSIFIER)
    ]
    free_text = (about.get("License") or "").strip().partition("\n")[0]
    short = free_text if len(free_text) <= LONGEST else ""
    declared = about.get("License-Expression") or "; ".join(classifiers) or short
    return about["Version"], declared or free_text[:LONGEST] or BY_HAND.get(name, "")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--extra", action="append", default=[])
    rows = [(name, *licence(name)) for name in needed(ROOT, parser.parse_args().extra)]
    for name, version, declared in rows:
        print(
            f"{name:32} {version or 'not installed':16} {declared or 'none declared'}"
        )
    return int(any(not declared for *_, declared in rows))


if __name__ == "__main__":
    sys.exit(main())

"""MusicXML without what differs from run to run, so that the same music is the same."""

from __future__ import annotations

import re

DATE = re.compile(rb"\s*<encoding-date>[^<]*</encoding-date>")
RANDOM_ID = re.compile(rb"\b[PI][0-9a-f]{32}\b")


def reproducible(xml: bytes) -> bytes:
    """The document without its date, its random ids numbered as they appear."""
    numbers: dict[bytes, bytes] = {}

    def numbered(match: re.Match) -> bytes:
        name = match[0]
        return numbers.setdefault(name, name[:1] + str(len(numbers) + 1).encode())

    return RANDOM_ID.sub(numbered, DATE.sub(b"", xml))

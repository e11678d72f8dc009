"""An ABC book -> its tunes as lines of text."""

from __future__ import annotations

import re
from typing import NamedTuple

from music_vae_tf.data.scores.score import UnreadableScore

MAX_BYTES = 64 * 2**20
MAX_TUNE = 2**20  # characters; the longest of 14,000 public tunes has 2,400
FIELD = re.compile(r"([A-Za-z+]):(?![|:\]])\s*(.*)")
_TUNE = re.compile(r"X:\s*(.*)")
_COMMENT = re.compile(r"(?<!\\)%.*")
# Of a book's header, what holds for all its tunes.
_BOOK_FIELDS = "CKLMQU"


class RawTune(NamedTuple):
    """A tune as it is written."""

    number: str
    title: str
    lines: list[tuple[int, str]]  # number of the line, from 1, and its text


def split_book(source: bytes | str) -> list[RawTune]:
    """The tunes of a book. A tune goes from its X: to a blank line after its music, or
    to the next X:. Without any X:, a text with K: is one tune, number 1.

    Raises:
        UnreadableScore: it is larger than MAX_BYTES.
    """
    if len(source) > MAX_BYTES:
        raise UnreadableScore(f"{len(source)} bytes of ABC; {MAX_BYTES} are the limit")
    lines = list(enumerate(re.split("\r\n|\r|\n", _decoded(source)), 1))
    starts = [i for i, (_, line) in enumerate(lines) if _TUNE.match(line)]
    if not starts:
        has_key = any(line.startswith("K:") for _, line in lines)
        return [_tune([], lines)] if has_key else []
    header = [
        (number, line)
        for number, line in lines[: starts[0]]
        if line[:1] in _BOOK_FIELDS and line[1:2] == ":" or line.startswith("%%")
    ]
    ends = [*starts[1:], len(lines)]
    return [_tune(header, lines[start:end]) for start, end in zip(starts, ends)]


def _decoded(source):
    if isinstance(source, str):
        return source.removeprefix("\ufeff")
    if source.startswith((b"\xff\xfe", b"\xfe\xff")):
        return source.decode("utf-16", errors="replace")
    try:
        return source.decode("utf-8-sig")
    except UnicodeDecodeError:
        return source.decode("latin-1")  # as before ABC 2.1


def _tune(header, lines):
    number = _TUNE.match(lines[0][1])
    title = next((line[2:] for _, line in lines if line.startswith("T:")), "")
    return RawTune(
        _COMMENT.sub("", number[1]).strip() if number else "1",
        " ".join(_COMMENT.sub("", title).split()),
        header + _until_blank(lines),
    )


def _until_blank(lines):
    """The lines of a tune up to a blank line after its first line of music."""
    in_body = has_music = False
    for index, (_, line) in enumerate(lines):
        if not line.strip():
            if has_music:
                return lines[:index]
        elif line.startswith("K:"):
            in_body = True
        elif in_body and not line.startswith("%") and not FIELD.match(line):
            has_music = True
    return lines


def check_size(tune: RawTune):
    """Refuses what takes minutes to read.

    Raises:
        UnreadableScore: it is longer than MAX_TUNE.
    """
    size = sum(len(line) for _, line in tune.lines)
    if size > MAX_TUNE:
        raise UnreadableScore(f"{size:,} characters; {MAX_TUNE:,} are the limit")


def without_comment(line: str) -> str:
    """A line up to its comment, if it has one."""
    return _COMMENT.sub("", line)

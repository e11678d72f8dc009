"""JSON of files that others may have made, read with limits on its size and type."""

from __future__ import annotations

import json
import os
from typing import Any

from music_vae_tf.errors import UserFacingError

MAX_BYTES = 10_000_000
TYPES = {dict: "an object", list: "a list"}


class BadJson(UserFacingError, ValueError):
    """A file or a text that is not the JSON which is expected."""


def read_json(
    path: str | os.PathLike, kind: type = dict, limit: int = MAX_BYTES
) -> Any:
    """What a JSON file holds: a dict, or a list where that is the `kind`.

    Args:
        limit: bytes that the file may have.

    Raises:
        BadJson: it is larger, is not JSON, or holds something else; names the file.
        OSError: it cannot be read; names the file.
    """
    return parse_json(_start_of(path, limit + 1), path, kind, limit)


def read_text(path: str | os.PathLike, limit: int = MAX_BYTES) -> str:
    """The text of a small file.

    Raises:
        BadJson: it is larger, or is not UTF-8; names the file.
        OSError: it cannot be read; names the file.
    """
    data = _start_of(path, limit + 1)
    _check_size(data, path, limit)
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise BadJson(f"{path} is damaged: {error}") from error


def _start_of(path, size) -> bytes:
    try:
        with open(path, "rb") as file:
            return file.read(size)
    except OSError as error:
        if error.filename is None:
            raise type(error)(error.errno, error.strerror, os.fspath(path)) from error
        raise


def _check_size(text, name, limit):
    if len(text) > limit:
        raise BadJson(f"{name} is too large: it has more than {limit:,} bytes")


def parse_json(
    text: str | bytes, name: Any, kind: type = dict, limit: int = MAX_BYTES
) -> Any:
    """What a JSON text holds, as in `read_json`; errors begin with `name`."""
    _check_size(text, name, limit)
    try:
        content = json.loads(text)
    except RecursionError:
        raise BadJson(f"{name} is not JSON: it is nested too deeply") from None
    except ValueError as error:  # not Unicode, or a number of thousands of digits
        raise BadJson(f"{name} is not JSON: {error}") from error
    if type(content) is not kind:
        raise BadJson(
            f"{name} holds a {type(content).__name__}, where {TYPES[kind]} is expected"
        )
    return content

"""YAML texts of strangers: refused before they take time, memory or recursion."""

from __future__ import annotations

import collections
import os
from collections.abc import Iterator
from typing import Any

import yaml

MAX_CHARACTERS = 1_000_000
MAX_DEPTH = 40
MAX_SCALAR = 1000  # characters of one value
MAX_VALUES = 10_000  # the longest config that comes with the package has some 100


class UnsafeYaml(yaml.YAMLError):
    """A text that no config needs, and that would cost far more than its length."""


def read_text(path: str | os.PathLike) -> str:
    """The text of a file, of which no more is read than may be in it.

    Raises:
        yaml.YAMLError: it is too long, or not UTF-8.
        OSError: it cannot be read.
    """
    with open(path, "rb") as file:
        data = file.read(MAX_CHARACTERS + 1)
    if len(data) > MAX_CHARACTERS:
        raise UnsafeYaml(f"more than {MAX_CHARACTERS:,} bytes")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UnsafeYaml(str(error)) from error


def load(text: str, loader: Any = yaml.SafeLoader) -> Any:
    """What a text holds.

    Raises:
        yaml.YAMLError: it is not YAML, is nested too deeply, has anchors, or values
            that cannot be read, or too many.
    """
    if len(text) > MAX_CHARACTERS:
        raise UnsafeYaml(f"{len(text):,} characters, {MAX_CHARACTERS:,} at most")
    reader = _of_events(loader, collections.deque(_checked(text, loader)))
    try:
        return reader.get_single_data()
    except (ValueError, TypeError, OverflowError, RecursionError) as error:
        raise UnsafeYaml(f"a value that cannot be read: {error}") from error
    finally:
        reader.dispose()


def _of_events(loader: Any, events: collections.deque) -> Any:
    """A loader that reads these events: a text is not parsed twice."""
    reader = loader("")
    reader.peek_event = lambda: events[0] if events else None
    reader.get_event = events.popleft
    reader.check_event = lambda *choices: (
        bool(events) and (not choices or isinstance(events[0], choices))
    )
    return reader


def _checked(text: str, loader: Any) -> Iterator[Any]:
    depth, values = 0, 0
    for event in yaml.parse(text, Loader=loader):
        if getattr(event, "anchor", None) is not None:
            raise UnsafeYaml(f"anchors and aliases (&, *) are not read{_at(event)}")
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        elif isinstance(event, yaml.ScalarEvent) and len(event.value) > MAX_SCALAR:
            raise UnsafeYaml(
                f"a value of {len(event.value):,} characters{_at(event)}; "
                f"{MAX_SCALAR:,} are the limit"
            )
        if depth > MAX_DEPTH:
            raise UnsafeYaml(f"nested more than {MAX_DEPTH} levels deep{_at(event)}")
        values += isinstance(event, yaml.NodeEvent)
        if values > MAX_VALUES:
            raise UnsafeYaml(f"more than {MAX_VALUES:,} keys and values{_at(event)}")
        yield event


def _at(event: Any) -> str:
    return f" (line {event.start_mark.line + 1})"

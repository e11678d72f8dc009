"""YAML texts of strangers: refused before they take time, memory or recursion."""

from __future__ import annotations

from typing import Any

import yaml

MAX_CHARACTERS = 1_000_000
MAX_DEPTH = 40
MAX_SCALAR = 1000  # characters of one value


class UnsafeYaml(yaml.YAMLError):
    """A text that no config needs, and that would cost far more than its length."""


def load(text: str, loader: Any) -> Any:
    """What a text holds.

    Raises:
        yaml.YAMLError: it is not YAML, is nested too deeply, has anchors, or values
            that cannot be read.
    """
    if len(text) > MAX_CHARACTERS:
        raise UnsafeYaml(f"{len(text):,} characters, {MAX_CHARACTERS:,} at most")
    _check(text, loader)
    try:
        return yaml.load(text, Loader=loader)
    except (ValueError, OverflowError, RecursionError) as error:
        raise UnsafeYaml(f"a value that cannot be read: {error}") from error


def _check(text: str, loader: Any) -> None:
    depth = 0
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


def _at(event: Any) -> str:
    return f" (line {event.start_mark.line + 1})"

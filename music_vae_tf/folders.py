"""Folders that files are written to: made, tried out, and removed if nothing came."""

from __future__ import annotations

import contextlib
import contextvars
import tempfile
from collections.abc import Iterator
from pathlib import Path

_made: contextvars.ContextVar[list[Path] | None] = contextvars.ContextVar(
    "folders made", default=None
)


def make_writable(directory: Path) -> None:
    """Makes a folder with its parents, and checks at once that files can be written.

    Raises:
        OSError: they cannot.
    """
    missing = [path for path in (directory, *directory.parents) if not path.exists()]
    directory.mkdir(parents=True, exist_ok=True)
    made = _made.get()
    if made is not None:
        made += reversed(missing)
    with tempfile.TemporaryFile(dir=directory):
        pass


@contextlib.contextmanager
def empty_ones_removed() -> Iterator[None]:
    """If the block fails, the folders that `make_writable` made in it and that are
    still empty are removed. A call that is refused so leaves nothing."""
    token = _made.set([])
    try:
        yield
    except BaseException:
        for directory in reversed(_made.get()):
            with contextlib.suppress(OSError):  # it is not empty
                directory.rmdir()
        raise
    finally:
        _made.reset(token)

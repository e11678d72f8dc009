"""A file that appears under its name only when it is whole."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path


@contextlib.contextmanager
def whole_file(path):
    """Yields a binary file that takes the name `path` if the block ends well.

    Until then it lies beside it under a name ending in `.partial`, and a file that was
    there before stays as it was. If the block raises, nothing remains.
    """
    # Through a link, its target is replaced; a pipe or a device is not to be replaced.
    target = Path(os.path.realpath(path))
    if target.is_dir():
        raise IsADirectoryError(None, "a folder, where a file shall be written", path)
    if target.exists() and not target.is_file():
        raise OSError(None, "no ordinary file: it cannot be replaced when whole", path)
    partial = target.with_name(f"{target.name}.{os.getpid()}.partial")
    try:
        with open(partial, "wb") as file:
            yield file
        os.replace(partial, target)
    finally:
        partial.unlink(missing_ok=True)

"""A training has its run directory for itself, and finds it tidy."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from music_vae_tf import run_lock


@contextlib.contextmanager
def alone_in(train_dir: Path, strategy: Any) -> Iterator[None]:
    """Keeps other trainings out of a directory, and removes what a killed one left.

    Of several workers, the chief does so, which alone writes there.

    Raises:
        RunInUse: another training is in it.
    """
    from music_vae_tf import checkpoint, strategies

    if not strategies.is_chief(strategy):
        yield
        return
    with run_lock.held(train_dir):
        checkpoint.remove_leftovers(train_dir)
        yield

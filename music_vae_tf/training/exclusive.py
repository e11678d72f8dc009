"""Exclusive access of one training to its run directory."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

from music_vae_tf import run_lock
from music_vae_tf.training.request import Request


@contextlib.contextmanager
def exclusive_access(asked: Request, strategy: Any) -> Iterator[None]:
    """Keeps other trainings out of a run directory; removes what a killed one left.

    Of several workers, the chief does so, which alone writes there.

    Raises:
        RunInUse: another training is in it.
        RunDirectoryError: another one was in it since the request was made.
    """
    from music_vae_tf import checkpoint, strategies

    if not strategies.is_chief(strategy):
        yield
        return
    train_dir = asked.directory.train_dir
    with run_lock.held(train_dir):
        asked.check_unchanged()
        checkpoint.remove_leftovers(train_dir)
        yield

"""How far along reading and training are, for whoever shows it."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from music_vae_tf.training.options import Options


class Progress(Protocol):
    """Counts units of work."""

    def advance(self, units: int = 1, note: str | None = None) -> None:
        """So many units more are done; `note` is shown beside them."""

    def over(self, items: Iterable) -> Iterator:
        """The items, each a unit that is done when the next one is asked for."""
        ...


class _Silent:
    """Progress that nobody sees."""

    def advance(self, units=1, note=None):
        pass

    def over(self, items):
        return iter(items)


@contextlib.contextmanager
def silent(
    total: int | None, title: str, *, unit: str, done: int = 0, note: str = ""
) -> Iterator[Progress]:
    """Shows nothing.

    Args:
        total: units of work in all; None if nobody knows.
        done: units that were done before.
        note: shown beside them until the first advance that brings another.
    """
    yield _Silent()


def progress_of(options: Options) -> Callable[..., AbstractContextManager[Progress]]:
    """What shows progress by these options: called as `silent` is."""
    return options.progress or silent

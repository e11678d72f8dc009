"""The optional libraries of sheet music."""

from __future__ import annotations

import importlib.util

from music_vae_tf.errors import UserFacingError


class LibraryMissing(UserFacingError, ValueError):
    """A library of the extra `score` is not installed."""


def require(*libraries: str) -> None:
    """
    Raises:
        LibraryMissing: one of the modules is not installed; the message has the
            command.
    """
    for name in libraries:
        if importlib.util.find_spec(name) is None:
            raise LibraryMissing(
                f"{name} is not installed, and sheet music needs it: "
                "pip install 'music_vae_tf[score]'"
            )

"""One music file, read in a process that ends at limits of time and memory."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

from music_vae_tf.data.midi import UnreadableMusic
from music_vae_tf.data.workers import Died, Limits, map_in_processes
from music_vae_tf.errors import UserFacingError

PRELOADED = ["music_vae_tf.data.midi", "music_vae_tf.data.midi_song"]


class _Failure(NamedTuple):
    """What reading raised, for the user of the other process."""

    error: Exception


def read(function: Callable[[str], Any], path: str, limits: Limits) -> Any:
    """`function(path)`, such as of `midi.read_midi`; function and result travel between
    processes, so they can be pickled.

    Raises:
        UnreadableMusic: it takes more time or memory than the limits.
        UserFacingError, OSError: as the function.
    """
    guarded = functools.partial(_outcome, function)
    (outcome,) = map_in_processes(guarded, [path], 1, PRELOADED, limits)
    if isinstance(outcome, Died):
        raise UnreadableMusic(f"{path}: {outcome.problem}")
    if isinstance(outcome, _Failure):
        raise outcome.error
    return outcome


def _outcome(function, path):
    try:
        return function(path)
    except (UserFacingError, OSError) as error:
        return _Failure(error)

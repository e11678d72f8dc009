"""The state of a training, which its run directory keeps for evaluations."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Protocol

from music_vae_tf.run_directory import FAILED, FINISHED, INTERRUPTED, STOPPED_EARLY
from music_vae_tf.run_lock import RunInUse, check_held

if TYPE_CHECKING:
    from music_vae_tf.models.trainable import Trainable
    from music_vae_tf.training.request import Request


class Started(Protocol):
    """A training that has its model."""

    @property
    def request(self) -> Request: ...

    @property
    def model(self) -> Trainable: ...

    @property
    def is_chief(self) -> bool: ...


@contextlib.contextmanager
def state_kept(training: Started, validation: Any) -> Iterator[None]:
    """Records that the training runs, and then how it ended.

    validation: what may end it early, or None.
    """
    directory, model = training.request.directory, training.model

    def write(state):
        if training.is_chief:
            directory.write_state(state, model.steps_taken)

    write("training")
    try:
        yield
    except BaseException as error:
        interrupted = isinstance(error, KeyboardInterrupt)
        with contextlib.suppress(OSError, RunInUse):
            check_held(directory.train_dir, now=True)
            write(INTERRUPTED if interrupted else FAILED)
        raise
    early = validation and not training.request.is_complete(model.steps_taken)
    write(STOPPED_EARLY if early else FINISHED)

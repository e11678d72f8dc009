"""The devices that take part, and how a call uses them."""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import threading
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from music_vae_tf.training.options import OptionError

if TYPE_CHECKING:
    import tensorflow

log = logging.getLogger("music_vae_tf")


def use_devices(tf: Any) -> None:
    """Logs which there are. Where a CPU is all, each operation gets one core."""
    gpus = tf.config.list_physical_devices("GPU")
    names = [
        tf.config.experimental.get_device_details(gpu).get("device_name", gpu.name)
        for gpu in gpus
    ]
    log.info("Devices: %s", ", ".join(names) or f"CPU, {os.cpu_count()} cores")
    if not gpus:
        from music_vae_tf.models import shards

        shards.one_core_each()
        shards.limit_malloc_arenas()


def strategy_of(
    named: str | tensorflow.distribute.Strategy,
) -> tensorflow.distribute.Strategy:
    """The `tf.distribute.Strategy` of a name, or that strategy itself; logs it.

    Raises:
        OptionError: there is no strategy of that name.
        StrategyError: it needs what is missing.
    """
    from music_vae_tf import strategies

    if not isinstance(named, str):
        strategy = named
    elif named in strategies.NAMES:
        strategy = strategies.named(named)
    else:
        known = ", ".join(strategies.NAMES)
        raise OptionError(f"{{strategy}}={named}: expected one of {known}")
    if strategy.num_replicas_in_sync > 1:
        log.info(
            "Training on %d replicas; %s",
            strategy.num_replicas_in_sync,
            "this process is the chief"
            if strategies.is_chief(strategy)
            else "another process is the chief",
        )
    return strategy


@contextlib.contextmanager
def sigterm_interrupts() -> Iterator[None]:
    """While it lasts, SIGTERM ends the process as Ctrl-C does: with a checkpoint.

    Only the main thread can arrange that; in another one, nothing changes.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def interrupt(*_):
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)

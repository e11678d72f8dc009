"""SIGTERM interrupts a training, where that can be arranged."""

import signal
import threading

import pytest

from music_vae_tf.training.devices import sigterm_interrupts


def test_sigterm_interrupts_while_it_lasts():
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(KeyboardInterrupt), sigterm_interrupts():
        signal.raise_signal(signal.SIGTERM)
    assert signal.getsignal(signal.SIGTERM) == before


def test_a_training_in_another_thread_leaves_signals_alone():
    handlers = []

    def work():
        with sigterm_interrupts():
            handlers.append(signal.getsignal(signal.SIGTERM))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert handlers == [signal.getsignal(signal.SIGTERM)]

"""Memory that a training does not keep."""

import threading
import time

import pytest

from music_vae_tf.models import allocator


@pytest.fixture
def c_library(monkeypatch):
    """Stands for the C library: a list of what was called."""
    calls = []
    monkeypatch.setattr(
        allocator, "_function", lambda name: lambda *given: calls.append((name, *given))
    )
    return calls


def test_free_memory_goes_back_while_it_lasts_and_at_its_end(c_library):
    threads = threading.active_count()
    with allocator.giving_back():
        deadline = time.monotonic() + 10
        while not c_library and time.monotonic() < deadline:
            time.sleep(0.01)
        during = len(c_library)
    assert during and len(c_library) > during
    assert set(c_library) == {("malloc_trim", 0)}
    assert threading.active_count() == threads


def test_it_ends_with_an_error_as_well(c_library):
    threads = threading.active_count()
    with pytest.raises(ZeroDivisionError), allocator.giving_back():
        1 / 0  # noqa: B018
    assert threading.active_count() == threads


def test_arenas_are_as_many_as_said_unless_the_user_has_said_it(c_library, monkeypatch):
    monkeypatch.delenv("MALLOC_ARENA_MAX", raising=False)
    allocator.share_arenas(2)
    monkeypatch.setenv("MALLOC_ARENA_MAX", "5")
    allocator.share_arenas(2)
    assert c_library == [("mallopt", allocator.M_ARENA_MAX, 2)]


def test_other_c_libraries_are_left_as_they_are(monkeypatch):
    monkeypatch.setattr(allocator.sys, "platform", "darwin")
    allocator.share_arenas(2)
    with allocator.giving_back():
        pass
    monkeypatch.undo()
    assert allocator._function("no_such_function") is None

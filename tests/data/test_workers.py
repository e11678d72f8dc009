"""Work spread over processes comes back in order, but for what a dead one held."""

import functools
import os
import signal
import time

import pytest

from music_vae_tf.data.workers import CannotWork, Died, map_in_processes


def double(number):
    return 2 * number


def double_or_die(number):
    if number in (3, 4, 7):
        os.kill(os.getpid(), signal.SIGKILL)
    if number == 5:
        os._exit(3)
    return 2 * number


def last_first(number):
    time.sleep(0.2 if number == 0 else 0)
    return number, os.getpid()


@pytest.mark.parametrize("num_workers", [1, 3, 20])
def test_results_come_in_the_order_of_the_items(num_workers):
    assert list(map_in_processes(double, range(7), num_workers, [])) == [
        0, 2, 4, 6, 8, 10, 12
    ]  # fmt: skip


def test_no_item_needs_no_process():
    assert list(map_in_processes(double, [], 2, [])) == []


def test_a_slow_item_holds_up_only_its_own_process():
    numbers, processes = zip(*map_in_processes(last_first, range(20), 2, []))
    assert numbers == tuple(range(20))
    assert processes.count(processes[0]) < 20


@pytest.mark.parametrize("num_workers", [1, 2, 9])
def test_the_death_of_a_process_costs_only_its_item(num_workers):
    results = list(map_in_processes(double_or_die, range(9), num_workers, []))
    killed = Died("ended by SIGKILL (perhaps for want of memory)")
    exited = Died("ended with exit status 3")
    assert results == [0, 2, 4, killed, killed, exited, 12, killed, 16]


def test_processes_end_when_nobody_wants_more():
    results = map_in_processes(last_first, range(1, 100), 1, [])
    _, process = next(results)
    os.kill(process, 0)
    results.close()
    with pytest.raises(ProcessLookupError):
        os.kill(process, 0)


def import_what_is_not_there(number):
    import no_such_package

    return no_such_package, number


def no_function_at_all(number):
    raise AssertionError("never called")


class EndsItsProcess:
    """Ends the process that unpickles it, before that has begun to work."""

    def __reduce__(self):
        return os._exit, (3,)


@pytest.mark.parametrize(
    ("function", "preload"),
    [(import_what_is_not_there, []), (no_function_at_all, ["no_such_package"])],
)
def test_a_failed_import_is_one_error_of_the_installation(function, preload):
    with pytest.raises(CannotWork, match=r"'no_such_package'.*not the files"):
        list(map_in_processes(function, range(5), 2, preload))


def test_a_process_that_ends_before_it_begins_is_not_a_fault_of_an_item():
    function = functools.partial(double, EndsItsProcess())
    with pytest.raises(CannotWork, match="ended with exit status 3 before its first"):
        list(map_in_processes(function, range(5), 2, []))

"""Files that take too long or too much memory are given up, and the others go on."""

import errno
import time

import pytest
from midi_bytes import midi, track

from music_vae_tf.commands.convert_dir_to_note_sequences import run as convert
from music_vae_tf.data.records import read_note_sequences
from music_vae_tf.data.workers import Died, Limits, map_in_processes

DRUMS_MIDI = midi(track((0, b"\x99\x24\x64"), (240, b"\x89\x24\0")))
LIMITS = Limits(seconds=1, megabytes=200)


def hostile(kind):
    if kind == "sleeps":
        time.sleep(100)
    if kind == "counts":
        while True:
            pass
    if kind == "allocates":
        return len(bytearray(2 * 10**9))
    if kind == "raises":
        raise RecursionError("too deep")
    if kind == "multiplies":
        return 10 ** (10**9)  # in C, without a chance for Python's signals
    return kind


@pytest.mark.parametrize("num_workers", [1, 3])
def test_hostile_items_are_given_up_and_the_others_come_in_order(num_workers):
    kinds = ["a", "sleeps", "b", "counts", "multiplies", "c", "raises", "d"]
    started = time.monotonic()
    results = list(map_in_processes(hostile, kinds, num_workers, [], LIMITS))
    assert time.monotonic() - started < 30
    slow = LIMITS.too_slow
    raised = Died("raised RecursionError: too deep")
    assert results == ["a", slow, "b", slow, slow, "c", raised, "d"]
    assert slow.problem == (
        "beyond a limit: more than 1 s (--max_seconds_per_file allows more)"
    )


def test_memory_is_limited():
    pytest.importorskip("resource")
    results = list(map_in_processes(hostile, ["allocates", "a"], 1, [], LIMITS))
    assert results == [LIMITS.too_large, "a"]


def test_a_file_beyond_its_limits_is_skipped_by_name(tmp_path, capsys):
    folder = tmp_path / "music"
    folder.mkdir()
    (folder / "a.mid").write_bytes(DRUMS_MIDI)
    (folder / "b.abc").write_text(
        "X:1\nT:long\nM:4/4\nL:1/8\nK:C\n" + "CDEF GABc|" * 20_000 + "\n"
    )
    (folder / "c.mid").write_bytes(DRUMS_MIDI)
    output = tmp_path / "out.tfrecord"
    status = convert(
        [
            f"--input_dir={folder}",
            f"--output_file={output}",
            "--num_workers=1",
            "--max_seconds_per_file=0.5",
        ]
    )
    assert status == 0
    names = [sequence.filename for sequence in read_note_sequences(str(output))]
    assert names == ["a.mid", "c.mid"]
    printed = capsys.readouterr()
    assert "skipped b.abc: beyond a limit: more than 0.5 s" in printed.err
    assert "Skipped 1: 1 beyond a limit" in printed.out


class Unsendable:
    """A result that does not fit into the memory a second time."""

    def __reduce__(self):
        raise MemoryError


def unsendable(item):
    return Unsendable() if item == "large" else item


def test_a_result_too_large_to_send_is_beyond_a_limit():
    results = list(map_in_processes(unsendable, ["large", "a"], 1, [], LIMITS))
    assert results == [LIMITS.too_large, "a"]


@pytest.mark.parametrize("limits", [Limits(1e300, 1e15), Limits(1e9, 1e300)])
def test_limits_beyond_what_there_is_are_none(limits):
    assert list(map_in_processes(hostile, ["a", "b"], 1, [], limits)) == ["a", "b"]


@pytest.mark.parametrize("flag", ["max_seconds_per_file=1e300", "max_mb_per_file=1e15"])
def test_absurd_limits_are_refused(tmp_path, capsys, flag):
    arguments = [f"--input_dir={tmp_path}", f"--output_file={tmp_path / 'o'}"]
    assert convert([*arguments, f"--{flag}"]) in (1, 2)
    assert flag.split("=")[0] in capsys.readouterr().err


@pytest.mark.parametrize("value", ["nan", "inf", "-1"])
def test_a_limit_that_is_not_a_number_is_refused(tmp_path, capsys, value):
    (tmp_path / "a.mid").write_bytes(DRUMS_MIDI)
    arguments = [f"--input_dir={tmp_path}", f"--output_file={tmp_path / 'o'}"]
    assert convert([*arguments, f"--max_seconds_per_file={value}"]) in (1, 2)
    assert "max_seconds_per_file" in capsys.readouterr().err
    assert not (tmp_path / "o").exists()


def finds_the_disk_full(item):
    if item == "a":
        raise OSError(errno.EACCES, "Permission denied", "a.mid")
    raise OSError(errno.ENOSPC, "No space left on device", "out/b.csv")


def test_a_full_disk_is_the_fault_of_no_item():
    results = map_in_processes(finds_the_disk_full, ["a", "b", "c"], 1, [])
    assert next(results).problem.startswith("crash: ")  # of this item alone
    with pytest.raises(OSError, match="No space") as error:
        next(results)
    assert error.value.filename == "out/b.csv" and error.value.errno == errno.ENOSPC

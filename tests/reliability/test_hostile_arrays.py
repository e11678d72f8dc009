"""Files of latent vectors, attributes and rolls of absurd shape, nesting or values."""

import io
import struct
import tracemalloc
import zipfile

import numpy as np
import pytest

from music_vae_tf import config
from music_vae_tf.data import rolls
from music_vae_tf.generation.collection import BadAttribute, read_attribute
from music_vae_tf.generation.latent_files import MAX_VECTORS, BadLatents, read_z

CONFIG = config.load("groovae_2bar_humanize")


def header_only(shape, dtype="<f4"):
    """A NumPy file that claims a shape, and ends there."""
    file = io.BytesIO()
    header = {"descr": dtype, "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(file, header)
    return file.getvalue()


REST = "'fortran_order': False, 'shape': (1, 4), }"


def written_header(text):
    """A .npy file with this header, and 16 bytes of numbers."""
    data = text.encode().ljust(54) + b"\n"
    return b"\x93NUMPY\1\0" + struct.pack("<H", len(data)) + data + bytes(16)


def saved(array):
    file = io.BytesIO()
    np.save(file, np.array(array), allow_pickle=True)
    return file.getvalue()


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x93NUMPY",
        b"text",
        header_only((10**12, 4)),
        header_only((2**62, 2**62)),
        header_only((-1, 4)),
        saved(np.zeros([MAX_VECTORS + 1, 4], np.float32)),
        saved(np.zeros([2, 3], np.float32)),
        saved(np.zeros([1, 1, 1, 4], np.float32)),
        saved(np.zeros([0, 4], np.float32)),
        saved([[1, 2, 3, np.nan]]),
        saved([[1, 2, 3, np.inf]]),
        saved([[1, 2, 3, 1e300]]),
        saved([["a", "b", "c", "d"]]),
        saved([[1j, 2, 3, 4]]),
        saved(np.array([[None, 1, 2, 3]], object)),
        saved(5),
        b"PK\x03\x04" + b"x" * 100,
        b"PK\x05\x06" + bytes(18),
        b"\x80\x04K\x01.",
        written_header("{'descr': '<f4', 'shape': (" + "-" * 8000 + "1,), }"),
        written_header("{'descr': " + "[" * 4000 + "]" * 4000 + "}"),
        written_header("{'descr': " + "(" * 150 + ")" * 150 + "}"),
        written_header("{'descr': [('a', '<f4', (" + "1," * 60 + "))], " + REST),
        written_header("{'descr': '<f4', 'shape': 5, 'fortran_order': 3}"),
        written_header("{'descr': '<f4\0', " + REST),
        written_header("{'descr': 'M8[99999999999s]', " + REST),
        written_header("{'descr': '<f4'"),
        written_header("1" * 5000),
        written_header("{1: 2} \x01 if ( [ '"),
        written_header("{'descr': [('" + "a" * 5000 + "', '<f4')], " + REST),
    ],
)
def test_a_strange_file_of_latents_is_refused(tmp_path, data):
    path = tmp_path / "z.npy"
    path.write_bytes(data)
    with pytest.raises(BadLatents, match=r"z\.npy") as refusal:
        read_z(path, 4)
    assert len(str(refusal.value)) < 500


def test_several_arrays_are_not_latents(tmp_path):
    np.savez(tmp_path / "z.npz", a=np.zeros([2, 4]))
    with pytest.raises(BadLatents, match="several arrays"):
        read_z(tmp_path / "z.npz", 4)


def test_latents_are_read(tmp_path):
    (tmp_path / "z.npy").write_bytes(saved([1, 2, 3, 4]))
    np.testing.assert_array_equal(read_z(tmp_path / "z.npy", 4), [[1, 2, 3, 4]])


@pytest.mark.parametrize(
    "text",
    [
        "[" * 100_000,
        "5",
        "[]",
        "{}",
        '{"config": "groovae_2bar_humanize", "vector": [1]}',
        '{"config": "groovae_2bar_humanize", "vector": [[[[1]]]]}',
        '{"config": "groovae_2bar_humanize", "vector": {"a": 1}}',
        '{"config": "groovae_2bar_humanize", "vector": [[1], [1, 2]]}',
        '{"config": "groovae_2bar_humanize", "vector": [' + "9" * 5000 + "]}",
        '{"config": "groovae_2bar_humanize", "vector": ' + str([1e300] * 256) + "}",
        '{"config": ["x"], "vector": []}',
    ],
)
@pytest.mark.filterwarnings("ignore:overflow:RuntimeWarning")
def test_a_strange_attribute_is_refused(tmp_path, text):
    path = tmp_path / "attribute.json"
    path.write_text(text)
    with pytest.raises(BadAttribute, match=r"attribute\.json"):
        read_attribute(path, CONFIG)


def rolls_file(path, **changes):
    arrays = {
        "cells": np.zeros([2, 5, rolls.LAYOUT.width], np.uint8),
        "steps": np.array([5, 3], np.int32),
        "names": np.array(["a", "b"]),
    }
    np.savez_compressed(path, **{**arrays, **changes})


@pytest.mark.parametrize(
    "changes",
    [
        {"steps": np.array([5, -3])},
        {"steps": np.array([5, 10**9])},
        {"steps": np.array([5.0, np.nan])},
        {"steps": np.array([5])},
        {"cells": np.zeros([2, 5])},
        {"names": np.array("a")},
        {"names": np.array([], str)},
    ],
)
def test_strange_rolls_are_refused(tmp_path, changes):
    rolls_file(tmp_path / "r.npz", **changes)
    with pytest.raises(rolls.BadRolls, match=r"r\.npz"):
        rolls.read(tmp_path / "r.npz", 5)


def test_rolls_that_claim_more_than_they_have_are_refused(tmp_path):
    with zipfile.ZipFile(tmp_path / "r.npz", "w") as archive:
        for name in ("cells", "steps", "names"):
            archive.writestr(f"{name}.npy", header_only((2**40, 5, 32), "|u1"))
    with pytest.raises(rolls.BadRolls, match=r"r\.npz"):
        rolls.read(tmp_path / "r.npz", 5)


def test_a_single_array_is_not_a_file_of_rolls(tmp_path):
    (tmp_path / "r.npz").write_bytes(saved([1, 2]))
    with pytest.raises(rolls.BadRolls, match=r"r\.npz"):
        rolls.read(tmp_path / "r.npz", 5)


def bomb(path, member, shape, dtype, number):
    """A file of rolls whose member has so many zeros, in 1,000 times fewer bytes."""
    rolls_file(path)
    with (
        zipfile.ZipFile(path, "a", zipfile.ZIP_DEFLATED) as archive,
        archive.open(member, "w", force_zip64=True) as file,
    ):
        file.write(header_only(shape, dtype))
        for _ in range(number):
            file.write(bytes(10**6))


@pytest.mark.parametrize(
    ("member", "shape", "dtype"),
    [
        ("cells.npy", (10**8,), "|u1"),
        ("cells.npy", (10**8 // 160, 5, 32), "|u1"),
        ("steps.npy", (25 * 10**6,), "<i4"),
        ("names.npy", (1,), "<U25000000"),
    ],
)
@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_rolls_that_unpack_to_a_thousand_times_their_size_are_refused(
    tmp_path, member, shape, dtype
):
    bomb(tmp_path / "r.npz", member, shape, dtype, 100)
    tracemalloc.start()
    try:
        with pytest.raises(rolls.BadRolls, match="would take 100 MB of memory, "):
            rolls.read(tmp_path / "r.npz", 5)
        assert tracemalloc.get_traced_memory()[1] < 10**7
    finally:
        tracemalloc.stop()


def test_rolls_beyond_a_share_of_the_memory_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(rolls, "memory_bytes", lambda: 2000)
    rolls_file(tmp_path / "r.npz")
    with pytest.raises(rolls.BadRolls, match="are the limits"):
        rolls.read(tmp_path / "r.npz", 5)


def test_an_array_of_another_member_is_not_read(tmp_path):
    rolls_file(tmp_path / "r.npz")
    with zipfile.ZipFile(tmp_path / "r.npz", "a") as archive:
        archive.writestr("cells", saved(np.ones([2, 5, 32], np.uint8)))
    assert not rolls.read(tmp_path / "r.npz", 5).cells.any()


@pytest.mark.parametrize("depth", [60, 3000])
def test_rolls_of_nested_types_are_refused(tmp_path, depth):
    descr = f"[('a','<f4',({'1,' * depth}))]"
    header = f"{{'descr': {descr}, 'fortran_order': False, 'shape': (1,), }}".encode()
    data = b"\x93NUMPY\2\0" + len(header).to_bytes(4, "little") + header
    with zipfile.ZipFile(tmp_path / "r.npz", "w") as archive:
        for name in rolls.Rolls._fields:
            archive.writestr(f"{name}.npy", data)
    with pytest.raises(rolls.BadRolls, match=r"r\.npz"):
        rolls.read(tmp_path / "r.npz", 5)

"""Files of latent vectors, attributes and rolls of absurd shape, nesting or values."""

import io
import struct
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


def test_several_arrays_are_no_latents(tmp_path):
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


def test_a_single_array_is_no_file_of_rolls(tmp_path):
    (tmp_path / "r.npz").write_bytes(saved([1, 2]))
    with pytest.raises(rolls.BadRolls, match=r"r\.npz"):
        rolls.read(tmp_path / "r.npz", 5)

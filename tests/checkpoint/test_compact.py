"""Compact weights: what is written comes back, and damage is noticed."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from music_vae_tf import checkpoint
from music_vae_tf.checkpoint import compact

METADATA = compact.Metadata("a: config\n", 7, {"labels.json": "[1]"})
MATRICES = arrays.arrays(
    np.float32,
    arrays.array_shapes(min_dims=2, max_dims=3, max_side=5),
    elements=st.floats(-100, 100, width=32),
)


@pytest.fixture
def weights():
    rng = np.random.default_rng(0)
    kernel = rng.normal(size=[3, 4]).astype(np.float32)
    return {"a/kernel": kernel, "a/bias": np.float32([0.1, 0.2, 0.3, 0.4])}


@pytest.mark.parametrize(("bits", "tolerance"), [(16, 5e-4), (8, 4e-3)])
def test_weights_come_back(tmp_path, weights, bits, tolerance):
    path = tmp_path / "m.safetensors"
    compact.write(path, weights, METADATA, bits)
    back = checkpoint.read(path)
    assert set(back) == set(weights)
    largest = np.abs(weights["a/kernel"]).max()
    np.testing.assert_allclose(
        back["a/kernel"], weights["a/kernel"], atol=tolerance * largest
    )
    np.testing.assert_array_equal(back["a/bias"], weights["a/bias"])
    assert compact.metadata(path) == METADATA


@given(MATRICES)
def test_eight_bits_are_off_by_half_a_step_at_most(matrix):
    packed = compact._packed("m", matrix, 8)
    restored = packed["m"].astype(np.float32) * packed["m:scale"]
    step = np.abs(matrix).max(axis=tuple(range(matrix.ndim - 1))) / 127
    assert np.all(np.abs(restored - matrix) <= step / 2 + 1e-4 * step + 1e-30)


def test_the_same_weights_are_the_same_bytes(tmp_path, weights):
    for name in ("a", "b"):
        compact.write(tmp_path / f"{name}.safetensors", weights, METADATA)
    files = [(tmp_path / f"{name}.safetensors").read_bytes() for name in "ab"]
    assert files[0] == files[1]


@pytest.mark.parametrize("place", [0.1, 0.5, 0.9, 0.999])
def test_a_changed_byte_is_an_error(tmp_path, weights, place):
    path = tmp_path / "m.safetensors"
    compact.write(path, weights, METADATA)
    content = bytearray(path.read_bytes())
    content[int(place * len(content))] ^= 0x55
    path.write_bytes(content)
    with pytest.raises(checkpoint.CheckpointError, match="m.safetensors"):
        checkpoint.read(path)


def test_a_file_that_is_cut_short_is_an_error(tmp_path, weights):
    path = tmp_path / "m.safetensors"
    compact.write(path, weights, METADATA)
    path.write_bytes(path.read_bytes()[:-5])
    with pytest.raises(checkpoint.CheckpointError, match="not a readable safetensors"):
        checkpoint.read(path)


def test_safetensors_of_another_program_are_refused(tmp_path, weights):
    from safetensors.numpy import save_file

    save_file(weights, tmp_path / "m.safetensors")
    with pytest.raises(checkpoint.CheckpointError, match="does not hold compact"):
        checkpoint.read(tmp_path / "m.safetensors")


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_weights_that_are_not_numbers_are_not_written(tmp_path, weights, value):
    weights["a/kernel"][0, 0] = value
    with pytest.raises(ValueError, match="a/kernel has weights that are not finite"):
        compact.write(tmp_path / "m.safetensors", weights, METADATA)
    assert list(tmp_path.iterdir()) == []


def test_weights_too_large_for_sixteen_bits_are_not_written(tmp_path):
    with pytest.raises(ValueError, match="too large for 16 bits"):
        compact.write(tmp_path / "m", {"k": np.full([1, 1], 1e6)}, METADATA)

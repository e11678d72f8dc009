import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from music_vae_tf.data.example_store import SparseRows

ROWS = np.array([[0, 2, 0], [0, 0, 0], [-0.0, 0, np.nan]], np.float32)

mostly_zeros = hnp.arrays(
    np.float32,
    hnp.array_shapes(min_dims=2, max_dims=2, min_side=0, max_side=6),
    elements=st.sampled_from([0, 0, 0, -0.0, 1, 0.5, np.inf]),
)


def bits(array):
    """What tells a negative zero from zero, and NaN from nothing."""
    return np.asarray(array).view(np.int32)


def test_sparse_rows_hold_what_is_not_zero_and_where():
    sparse = SparseRows.of(ROWS)
    np.testing.assert_array_equal(sparse.starts, [0, 1, 1, 3])
    np.testing.assert_array_equal(sparse.columns, [1, 0, 2])
    np.testing.assert_array_equal(sparse.numbers, [2, 0, np.nan])


@given(mostly_zeros)
def test_sparse_rows_give_every_bit_back(dense):
    np.testing.assert_array_equal(bits(SparseRows.of(dense)[:]), bits(dense))


@given(st.lists(mostly_zeros, min_size=1, max_size=4), st.integers(0, 8))
def test_sparse_rows_end_to_end_are_those_of_their_parts(parts, begin):
    width = parts[0].shape[1]
    parts = [part for part in parts if part.shape[1] == width]
    joined = SparseRows.end_to_end([SparseRows.of(part) for part in parts])
    rows = slice(begin, begin + 3)
    np.testing.assert_array_equal(bits(joined[rows]), bits(np.concatenate(parts)[rows]))


@pytest.mark.parametrize("graph", [False, True])
@pytest.mark.parametrize("numbers", [[[2, 0], [1, 2]], [[1, 1]], [[]]])
def test_sparse_rows_are_read_by_their_numbers(numbers, graph):
    read = SparseRows.of(ROWS).reader()
    numbers = np.array(numbers, np.int64)
    rows = (tf.function(read, autograph=False) if graph else read)(numbers)
    np.testing.assert_array_equal(rows, ROWS[numbers])


def test_what_is_read_is_as_wide_as_the_rows_where_their_number_is_unknown():
    kind = tf.TensorSpec([None, 2], tf.int64)
    read = tf.function(SparseRows.of(ROWS).reader(), autograph=False)
    graph = read.get_concrete_function(kind)
    assert graph.structured_outputs.shape.as_list() == [None, 2, 3]


def test_grooves_take_a_quarter_of_the_bytes_of_dense_rows():
    dense = np.zeros([8000, 27], np.float32)
    dense.reshape(-1)[::8] = 0.5
    assert 4 * SparseRows.of(dense).nbytes < 1.1 * dense.nbytes

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from music_vae_tf.batch import Bits, Grammar, OneHot, Reals, TwoBit

LAYOUTS = [
    OneHot(3),
    OneHot(4, 2, 5),
    Bits(3),
    Bits(8),
    Bits(61),
    TwoBit(8),
    Reals(2),
]
IDS = [repr(layout) for layout in LAYOUTS]


def dense_rows(layout, shape, seed=0):
    """Random dense rows that the layout can hold, all-zero rows among them."""
    rng = np.random.default_rng(seed)
    if isinstance(layout, OneHot):
        parts = [
            np.eye(d + 1, d)[rng.integers(d + 1, size=shape)] for d in layout.depths
        ]
        return np.concatenate(parts, axis=-1).astype(np.float32)
    if isinstance(layout, Bits):
        return rng.integers(2, size=(*shape, layout.depth)).astype(np.float32)
    if isinstance(layout, TwoBit):
        return rng.integers(4, size=(*shape, layout.depth)).astype(np.float32)
    return rng.normal(size=(*shape, layout.depth)).astype(np.float32)


def test_one_hot_rows_are_kept_as_class_numbers():
    dense = [[1, 0, 0, 0, 1], [0, 0, 1, 0, 0], [0, 0, 0, 0, 0]]
    compact = OneHot(3, 2).pack(dense)
    np.testing.assert_array_equal(compact, [[0, 1], [2, -1], [-1, -1]])
    np.testing.assert_array_equal(OneHot(3, 2).unpack(compact), dense)


def test_bits_are_kept_eight_to_a_byte():
    dense = [[1, 0, 0, 0, 0, 0, 0, 1, 0, 1]]
    compact = Bits(10).pack(dense)
    np.testing.assert_array_equal(compact, [[0b10000001, 0b10]])
    np.testing.assert_array_equal(Bits(10).unpack(compact), dense)


def test_quarters_are_kept_four_to_a_byte():
    compact = TwoBit(4).pack([[3, 0, 1, 2]])
    np.testing.assert_array_equal(compact, [[0b10010011]])


def test_reals_may_be_doubles_until_they_are_tensors():
    layout = Reals(2, np.dtype(np.float64))
    dense = np.array([[0.1, -0.3]])
    compact = layout.pack(dense)
    np.testing.assert_array_equal(layout.unpack(compact), dense)
    unfolded = layout.unpack_tensor(compact)
    np.testing.assert_array_equal(unfolded, dense.astype(np.float32))


@pytest.mark.parametrize("layout", LAYOUTS, ids=IDS)
@pytest.mark.parametrize("shape", [(), (7,), (3, 4), (2, 0)])
def test_packed_rows_unfold_to_what_they_were(layout, shape):
    dense = dense_rows(layout, shape)
    compact = layout.pack(dense)
    assert (compact.shape, compact.dtype) == ((*shape, layout.width), layout.dtype)
    unfolded = layout.unpack(compact)
    assert unfolded.dtype == np.float32
    np.testing.assert_array_equal(unfolded, dense)


@pytest.mark.parametrize("layout", LAYOUTS, ids=IDS)
def test_tensors_unfold_as_arrays_do_whatever_is_known_of_their_shape(layout):
    compact = layout.pack(dense_rows(layout, (3, 4)))
    for known in ([3, 4], [3, None], [None, None]):
        spec = tf.TensorSpec([*known, layout.width], layout.dtype)
        unfold = tf.function(layout.unpack_tensor, input_signature=[spec])
        assert unfold.get_concrete_function().output_shapes == [*known, layout.depth]
        unfolded = unfold(compact)
        assert unfolded.dtype == tf.float32
        np.testing.assert_array_equal(unfolded, layout.unpack(compact))


@pytest.mark.parametrize("layout", LAYOUTS, ids=IDS)
def test_padding_unfolds_to_zeros(layout):
    padding = np.full([2, layout.width], layout.padding, layout.dtype)
    np.testing.assert_array_equal(layout.unpack(padding), np.zeros([2, layout.depth]))
    np.testing.assert_array_equal(layout.unpack_tensor(padding), layout.unpack(padding))


@settings(deadline=None)
@given(hnp.arrays(np.bool_, hnp.array_shapes(min_dims=2, max_dims=3, max_side=20)))
def test_any_bits_survive(dense):
    layout = Bits(dense.shape[-1])
    compact = layout.pack(dense)
    np.testing.assert_array_equal(layout.unpack(compact), dense)
    np.testing.assert_array_equal(layout.unpack_tensor(compact), dense)


@settings(deadline=None)
@given(st.lists(st.integers(1, 600), min_size=1, max_size=3), st.data())
def test_any_classes_survive(depths, data):
    layout = OneHot(*depths)
    row = [data.draw(st.integers(-1, depth - 1)) for depth in depths]
    compact = np.array([row], np.int16)
    dense = layout.unpack(compact)
    assert dense.sum() == sum(number >= 0 for number in row)
    np.testing.assert_array_equal(layout.pack(dense), compact)
    np.testing.assert_array_equal(layout.unpack_tensor(compact), dense)


def test_a_grammar_knows_how_soon_a_sequence_can_be_over():
    """1 and 2 take turns, after a 1 a 2 must come, and 0 ends it."""
    grammar = Grammar(np.array([[0, 1, -1], [-1, -1, 2], [0, 1, -1]]))
    never = grammar.steps_needed.max()
    np.testing.assert_array_equal(
        grammar.steps_needed, [[1, 3, never], [never, never, 2], [1, 3, never]]
    )
    states = tf.constant([0, 1, 2])
    allowed = lambda remaining: grammar.allowed(states, remaining).numpy().tolist()
    assert allowed(3) == allowed(100)
    assert allowed(3) == [
        [True, True, False],
        [False, False, True],
        [True, True, False],
    ]
    assert allowed(2) == [
        [True, False, False],
        [False, False, True],
        [True, False, False],
    ]
    rows = tf.one_hot([1, 2, 0], 3)
    assert grammar.after(states, rows).numpy().tolist() == [1, 2, 0]

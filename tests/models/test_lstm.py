"""The recurrent core against its arithmetic in NumPy, and against autodiff."""

import numpy as np
import pytest
import tensorflow as tf

from music_vae_tf.models.bidirectional import BidirectionalStack
from music_vae_tf.models.cell import State
from music_vae_tf.models.lstm import MIXED_BFLOAT16, LSTMStack
from music_vae_tf.models.prng import PRNGKey
from music_vae_tf.models.recurrence import lstm_sequence

T, B, D, U = 5, 3, 4, 2


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def lstm_in_numpy(x, kernel, bias, c, h, lengths):
    """Outputs [T, B, U] and final state, one example and step after the other."""
    outputs = np.zeros([*x.shape[:2], c.shape[-1]])
    c, h = c.copy(), h.copy()
    for b, length in enumerate(lengths):
        for t in range(length):
            gates = np.concatenate([x[t, b], h[b]]) @ kernel + bias
            i, g, f, o = np.split(gates, 4)
            c[b] = sigmoid(f + 1) * c[b] + sigmoid(i) * np.tanh(g)
            h[b] = sigmoid(o) * np.tanh(c[b])
            outputs[t, b] = h[b]
    return outputs, c, h


def random(*shape):
    return np.random.default_rng(sum(shape)).normal(size=shape).astype(np.float32)


def built(stack, *sizes):
    """The stack with random weights, biases too."""
    stack.build(*sizes)
    for i, weight in enumerate(stack.weights):
        weight.assign(0.5 * np.random.default_rng(i).normal(size=weight.shape))
    return stack


@pytest.mark.parametrize("graph", [False, True])
def test_a_stack_computes_what_the_equations_say(graph):
    stack = built(LSTMStack([U, 3]), D)
    x = random(T, B, D)
    run = lambda x: stack.sequence([x], stack.zero_state(B))
    outputs, states = (tf.function(run, autograph=False) if graph else run)(x)

    expected = x
    for layer, state in zip(stack.layers, states):
        zeros = np.zeros([B, layer.units])
        expected, c, h = lstm_in_numpy(
            expected, layer.kernel.numpy(), layer.bias.numpy(), zeros, zeros, [T] * B
        )
        np.testing.assert_allclose(state.c, c, atol=1e-6)
        np.testing.assert_allclose(state.h, h, atol=1e-6)
    np.testing.assert_allclose(outputs, expected, atol=1e-6)


def test_steps_one_by_one_are_the_sequence():
    stack = built(LSTMStack([U, 3]), D)
    x = random(T, B, D)
    whole, _ = stack.sequence([x], stack.zero_state(B))
    states = stack.zero_state(B)
    for t in range(T):
        output, steps = stack.step(x[t], states)
        states = [step.state for step in steps]
        np.testing.assert_allclose(output, whole[t], atol=1e-6)


def test_an_input_without_time_is_the_same_as_one_repeated():
    stack = built(LSTMStack([U]), D + 6)
    x, z = random(T, B, D), random(B, 6)
    once, _ = stack.sequence([x, z], stack.zero_state(B))
    repeated = np.concatenate([x, np.tile(z, [T, 1, 1])], axis=-1)
    at_each_step, _ = stack.sequence([repeated], stack.zero_state(B))
    np.testing.assert_allclose(once, at_each_step, atol=1e-6)


def gradients_of(function, arguments, weights):
    """Of the sum of its results, weighted."""
    with tf.GradientTape() as tape:
        tape.watch(arguments)
        results = function(*arguments)
        loss = sum(tf.reduce_sum(w * r) for w, r in zip(weights, results))
    return tape.gradient(loss, arguments)


@pytest.mark.parametrize("steps", [T, 1])
@pytest.mark.parametrize("constant_gates", [(B, 4 * U), (4 * U,)])
def test_the_written_out_gradient_is_that_of_autodiff(steps, constant_gates):
    arguments = [
        random(steps, B, D),
        random(*constant_gates),
        random(B, U),
        random(B, U) * 0.5,
        random(D + U, 4 * U),
    ]
    arguments = [tf.constant(a) for a in arguments]
    weights = random(steps, B, U), random(B, U), random(B, U)

    def plain(inputs, constant, c, h, kernel):
        outputs = []
        for t in range(steps):
            gates = tf.concat([inputs[t], h], axis=-1) @ kernel + constant
            i, g, f, o = tf.split(gates, 4, axis=-1)
            c = tf.sigmoid(f) * c + tf.sigmoid(i) * tf.tanh(g)
            h = tf.sigmoid(o) * tf.tanh(c)
            outputs.append(h)
        return tf.stack(outputs), c, h

    def ours(inputs, constant, c, h, kernel):
        outputs, state = lstm_sequence(inputs, constant, State(c, h), kernel)
        return outputs, *state

    expected = gradients_of(plain, arguments, weights)
    for function in (ours, tf.function(ours, autograph=False)):
        for gradient, right in zip(
            gradients_of(function, arguments, weights), expected
        ):
            np.testing.assert_allclose(gradient, right, atol=1e-5)


def test_no_gradient_comes_out_of_padding():
    stack = built(BidirectionalStack([U]), D)
    x, lengths = tf.constant(random(T, B, D)), tf.constant([5, 2, 0])
    weights = random(T, B, 2 * U), random(B, 2 * U)
    run = lambda x: (stack.sequence(x, lengths), stack.ends(x, lengths))
    (gradient,) = gradients_of(run, [x], weights)
    for b, length in enumerate(lengths):
        assert np.all(gradient[length:, b] == 0)
        assert np.all(gradient[:length, b] != 0)


def test_xla_gives_the_same_numbers():
    """A GPU runs through it."""
    stack = built(LSTMStack([U, 3]), D)
    x, weights = tf.constant(random(T, B, D)), [random(T, B, 3)]

    def run(x):
        return gradients_of(
            lambda x: stack.sequence([x], stack.zero_state(B))[:1], [x], weights
        )

    (plain,), (compiled,) = (
        tf.function(run, autograph=False, jit_compile=jit)(x) for jit in (False, True)
    )
    np.testing.assert_allclose(compiled, plain, atol=1e-6)


def test_products_of_bfloat16_are_near_those_of_float32():
    exact_stack = built(LSTMStack([U, 3]), D)
    x = random(T, B, D)
    exact, _ = exact_stack.sequence([x], exact_stack.zero_state(B))
    stack = built(LSTMStack([U, 3], cell_dtype=MIXED_BFLOAT16), D)
    for weight, of_exact in zip(stack.weights, exact_stack.weights):
        weight.assign(of_exact)
    near, states = stack.sequence([x], stack.zero_state(B))
    assert near.dtype == states[0].c.dtype == tf.float32
    assert all(weight.dtype == "float32" for weight in stack.weights)
    assert np.abs(near - exact).max() > 0
    np.testing.assert_allclose(near, exact, atol=0.05)


def adds_in_float32():
    """Whether sums within a product of bfloat16 matrices are float32 here.

    TensorFlow's kernels for CPUs without instructions for it round each partial sum.
    """
    rows, columns = (tf.cast(random(64, 64), tf.bfloat16) for _ in range(2))
    exact = tf.matmul(tf.cast(rows, tf.float32), tf.cast(columns, tf.float32))
    rounded = tf.cast(exact, tf.bfloat16)
    return bool(np.mean(tf.matmul(rows, columns) == rounded) > 0.99)


@pytest.mark.skipif(
    not adds_in_float32(), reason="left out: this CPU adds bfloat16 in bfloat16"
)
def test_products_of_bfloat16_see_of_a_bias_more_than_their_8_bits():
    bias = tf.repeat([1.003, 20.0, 0.0, 0.0], U)  # g is 1, so c is sigmoid(i)
    kernel = random(D + U, 4 * U) * np.repeat(np.float32([1, 0, 0, 0]), U)
    x, zeros = random(1, 4000, D), tf.zeros([4000, U])
    cells = [
        lstm_sequence(x, bias, State(zeros, zeros), kernel, dtype)[1].c
        for dtype in (tf.float32, tf.bfloat16)
    ]
    exact, near = (np.mean(c) for c in cells)
    np.testing.assert_allclose(near, exact, atol=1e-4)  # in 8 bits: 5e-4


def test_a_bidirectional_stack_reads_each_example_to_its_own_end():
    stack = built(BidirectionalStack([U, 3]), D)
    x, lengths = random(T, B, D), [5, 3, 0]
    outputs, final = (
        reading(tf.constant(x), tf.constant(lengths))
        for reading in (stack.sequence, stack.ends)
    )
    below = x
    for pair in stack.pairs:
        zeros = np.zeros([B, pair.forward.units])
        flipped = np.zeros_like(below)
        for b, n in enumerate(lengths):
            flipped[:n, b] = below[:n, b][::-1]
        along, _, last_along = lstm_in_numpy(
            below,
            pair.forward.kernel.numpy(),
            pair.forward.bias.numpy(),
            zeros,
            zeros,
            lengths,
        )
        against, _, last_against = lstm_in_numpy(
            flipped,
            pair.backward.kernel.numpy(),
            pair.backward.bias.numpy(),
            zeros,
            zeros,
            lengths,
        )
        for b, n in enumerate(lengths):
            against[:n, b] = against[:n, b][::-1]
        below = np.concatenate([along, against], axis=-1).astype(np.float32)
    np.testing.assert_allclose(outputs, below, atol=1e-6)
    np.testing.assert_allclose(
        final, np.concatenate([last_along, last_against], axis=-1), atol=1e-6
    )
    assert not final[2].numpy().any(), "an empty example has no embedding but zeros"


def test_a_residual_stack_adds_what_each_layer_read():
    stack = built(LSTMStack([U, U], residual=True), D)
    assert stack.layers[0].input_projection is not None
    assert stack.layers[1].input_projection is None
    x = random(T, B, D)
    projection = stack.layers[0].input_projection
    carried = x @ projection.kernel.numpy() + projection.bias.numpy()
    for layer in stack.layers:
        zeros = np.zeros([B, U])
        outputs, _, _ = lstm_in_numpy(
            carried, layer.kernel.numpy(), layer.bias.numpy(), zeros, zeros, [T] * B
        )
        carried = (carried + outputs).astype(np.float32)
    got, _ = stack.sequence([x], stack.zero_state(B))
    np.testing.assert_allclose(got, carried, atol=1e-5)


def test_dropout_keeps_the_mean_and_depends_on_the_noise_alone():
    stack = built(LSTMStack([U], keep_probability=0.3), 50)
    (factors,) = stack.dropout_factors(20, 30, PRNGKey(1))
    assert set(np.unique(factors)) == {np.float32(0), np.float32(1) / np.float32(0.3)}
    assert abs(float(tf.reduce_mean(factors)) - 1) < 0.05
    again, other = (stack.dropout_factors(20, 30, PRNGKey(n))[0] for n in (1, 2))
    np.testing.assert_array_equal(factors, again)
    assert not np.array_equal(factors, other)
    assert stack.dropout_factors(20, 30, None) == [None]


def test_streams_of_noise_are_independent_and_repeatable():
    rng = PRNGKey(7)
    a, b = rng.fold_in("encoder").normal([1000]), rng.fold_in("decoder").normal([1000])
    assert abs(np.corrcoef(a, b)[0, 1]) < 0.1
    np.testing.assert_array_equal(a, PRNGKey(7).fold_in("encoder").normal([1000]))
    assert not np.array_equal(rng.fold_in(0).normal([3]), rng.fold_in(1).normal([3]))


def test_parts_of_a_batch_draw_what_the_whole_draws():
    whole, parts = PRNGKey(7), [PRNGKey(7).shard(i, 2) for i in range(2)]
    logits = random(6, 5)
    for draw in (
        lambda rng, rows: rng.uniform([rows, 5]),
        lambda rng, rows: tf.transpose(rng.uniform([5, rows], batch_axis=1)),
        lambda rng, rows: rng.fold_in("z").normal([rows, 5]),
        lambda rng, rows: tf.transpose(rng.keep_mask([5, rows], 0.5, batch_axis=1)),
    ):
        drawn = np.concatenate([draw(part, 3) for part in parts])
        np.testing.assert_array_equal(drawn, draw(whole, 6))
    classes = [part.classes(logits[3 * i : 3 * i + 3]) for i, part in enumerate(parts)]
    np.testing.assert_array_equal(np.concatenate(classes), whole.classes(logits))
    quarter = parts[1].shard(0, 3)
    np.testing.assert_array_equal(quarter.normal([1, 5]), whole.normal([6, 5])[3:4])


def test_as_many_are_kept_as_are_to_be():
    for probability, shape in ((0.3, [300, 333]), (0.0, [7]), (0.9999, [3, 3])):
        kept = PRNGKey(3).keep_mask(shape, probability).numpy()
        assert kept.shape == tuple(shape)
        assert set(np.unique(kept)) <= {0.0, 1.0}
        assert abs(kept.mean() - probability) < 0.01


def test_classes_are_drawn_as_a_softmax_has_them():
    logits = np.log([0.5, 0.3, 0.2], dtype=np.float32)
    drawn = PRNGKey(3).classes(np.tile(logits, [20000, 1]))
    shares = np.bincount(drawn, minlength=3) / 20000
    np.testing.assert_allclose(shares, [0.5, 0.3, 0.2], atol=0.015)

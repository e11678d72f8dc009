"""The recurrent core: one LSTM step, and its gradient over a sequence.

Sequences are time-major, [T, B, D]. Weights lie as Magenta keeps them: one kernel for
`[x, h]`, gates in the order i, g, f, o (g is the candidate, which others call c or j).
"""

from __future__ import annotations

from typing import NamedTuple

import tensorflow as tf


class State(NamedTuple):
    """What one LSTM layer remembers: cell and output, [B, U] each."""

    c: tf.Tensor
    h: tf.Tensor


class Step(NamedTuple):
    """One step of an LSTM layer: activated gates, the state after it; [B, U] each."""

    i: tf.Tensor
    g: tf.Tensor
    f: tf.Tensor
    o: tf.Tensor
    state: State


def lstm_step(gates, state: State) -> Step:
    """One step of an LSTM (Hochreiter and Schmidhuber 1997; Gers et al. 2000).

        [i, g, f, o] = x W + b + h U
        c' = sigmoid(f) * c + sigmoid(i) * tanh(g)
        h' = sigmoid(o) * tanh(c')

    gates: x W + b + h U with the forget bias in it, as four tensors [B, U].
    """
    i, g, f, o = gates
    return _step(tf.sigmoid(i), tf.tanh(g), tf.sigmoid(f), tf.sigmoid(o), state)


def _step(i, g, f, o, state):
    """With gates that are activated."""
    c = f * state.c + i * g
    return Step(i, g, f, o, State(c, o * tf.tanh(c)))


class WayBack(NamedTuple):
    """What the way back through time needs of all steps of a layer.

    Handles of TensorFlow's lists: T tensors [B, U], of cells T + 1, the first of them
    before the first step. On the way back each is taken off its list when it is needed,
    and its memory is free again.
    """

    i: tf.Tensor
    g: tf.Tensor
    f: tf.Tensor
    o: tf.Tensor
    cells: tf.Tensor

    @classmethod
    def starting(cls, num_steps, c) -> WayBack:
        """An empty one of a layer that starts from a cell."""
        gates = (_empty(num_steps, c) for _ in range(4))
        return cls(*gates, cells=_pushed(_empty(num_steps + 1, c), c))

    def with_step(self, step: Step) -> WayBack:
        return WayBack(
            _pushed(self.i, step.i),
            _pushed(self.g, step.g),
            _pushed(self.f, step.f),
            _pushed(self.o, step.o),
            _pushed(self.cells, step.state.c),
        )


class Recording(NamedTuple):
    """All steps of a layer: the way back, and a list of the outputs."""

    way_back: WayBack
    outputs: tf.Tensor

    @classmethod
    def starting(cls, num_steps, initial: State) -> Recording:
        """An empty one of a layer that starts from a state."""
        way_back = WayBack.starting(num_steps, initial.c)
        return cls(way_back, _empty(num_steps, initial.h))

    def with_step(self, step: Step) -> Recording:
        """The recording with one more step."""
        outputs = _pushed(self.outputs, step.state.h)
        return Recording(self.way_back.with_step(step), outputs)


def lstm_sequence(
    inputs,
    constant_gates,
    initial: State,
    kernel,
    dtype=tf.float32,
    recording: Recording | None = None,
):
    """All steps of an LSTM over inputs [T, B, D].

    constant_gates: [4 U] or [B, 4 U], what every step adds to its gates: bias, forget
    bias, and the product of inputs that do not change over time. kernel: [D + U, 4 U].
    dtype: of the matrix products; all else is float32. recording: of these same steps,
    where they have been taken already. Returns the outputs [T, B, U] and the final
    state.

    The gradient is written out (see `_gradients`).
    """

    @tf.custom_gradient
    def run(inputs, constant_gates, c, h, kernel):
        gates = _Gates(inputs, constant_gates, kernel, dtype)
        if recording is None:
            keep = lambda t, h, outputs: _pushed(outputs, h)
            way_back, reads, outputs = _forward(
                gates, State(c, h), _empty(gates.num_steps, h), keep
            )
            outputs = _stacked(outputs, h)
        else:
            way_back, outputs = recording.way_back, _stacked(recording.outputs, h)
            reads = gates.all_read(tf.concat([h[None], outputs[:-1]], axis=0))

        def gradient(d_outputs, d_c, d_h):
            arriving = lambda t: d_outputs[t]
            inputs, constant_gates, initial, kernel = _gradients(
                gates, way_back, reads, arriving, State(d_c, d_h)
            )
            return inputs, constant_gates, *initial, kernel

        return (outputs, _at(way_back.cells, gates.num_steps, c), outputs[-1]), gradient

    outputs, c, h = run(inputs, constant_gates, *initial, kernel)
    return outputs, State(c, h)


def last_output(
    inputs, lengths, constant_gates, kernel, dtype=tf.float32, differentiable=True
):
    """The output of an LSTM's last step, [B, U], of inputs [T, B, D] of the given
    lengths [B]; zeros for an example of length 0. It starts from zeros.

    Quicker where it need not be differentiable; the rest is as in `lstm_sequence`.
    """

    is_last = lambda t: tf.equal(t, lengths - 1)

    def run(inputs, constant_gates, kernel):
        gates = _Gates(inputs, constant_gates, kernel, dtype)
        zeros = tf.zeros([tf.shape(inputs)[1], gates.recurrent_kernel.shape[0]])
        keep = lambda t, h, last: _chosen(is_last(t), h, last)
        way_back, reads, last = _forward(
            gates, State(zeros, zeros), zeros, keep, recorded=differentiable
        )

        def gradient(d_last):
            arriving = lambda t: d_last * tf.cast(is_last(t), tf.float32)[:, None]
            inputs, constant_gates, _, kernel = _gradients(
                gates, way_back, reads, arriving, State(zeros, zeros)
            )
            return inputs, constant_gates, kernel

        return last, gradient

    arguments = inputs, constant_gates, tf.convert_to_tensor(kernel)
    return tf.custom_gradient(run)(*arguments) if differentiable else run(*arguments)[0]


class _Gates:
    """The gates of a layer at all its steps.

    A step reads `[x, 1, h]`: constant gates that all examples have in common are the
    kernel's row for the 1 (see `_as_rows`). Where each example has its own, it reads
    `[x, h]`, and they are added.
    """

    def __init__(self, inputs, constant_gates, kernel, dtype):
        self._inputs, kernel = tf.cast(inputs, dtype), tf.cast(kernel, dtype)
        self._dtype = dtype
        self._size = kernel.shape[1] // 4
        self._input_kernel, self.recurrent_kernel = tf.split(
            kernel, [inputs.shape[-1], self._size]
        )
        rows, self._added = [], None
        if constant_gates.shape.rank == 1:
            rows = _as_rows(constant_gates, dtype)
        else:
            self._added = _sorted(constant_gates)
        self._ones = tf.ones([tf.shape(inputs)[1], len(rows)], dtype)
        self._kernel = _sorted(
            tf.concat([self._input_kernel, *rows, self.recurrent_kernel], axis=0)
        )

    @property
    def num_steps(self):
        return tf.shape(self._inputs)[0]

    @property
    def reads(self):
        """The kind of what a step reads."""
        return tf.TensorSpec(
            [self._inputs.shape[1], self._kernel[1].shape[0]], self._dtype
        )

    def read(self, t, h):
        """What step t reads, [B, D + 1 + U], after a step with the output h."""
        h = tf.cast(h, self._dtype)
        return tf.concat([self._inputs[t], self._ones, h], axis=-1)

    def all_read(self, before):
        """What all steps read, [T, B, D + 1 + U]; before: the outputs before each."""
        before = tf.cast(before, self._dtype)
        ones = tf.repeat(self._ones[None], self.num_steps, axis=0)
        return tf.concat([self._inputs, ones, before], axis=-1)

    def step(self, read, state):
        """The step that reads this."""
        # i, f, o one after the other, [3, B, U]: they are activated where they lie, and
        # each is there without being copied.
        products = (
            tf.matmul(read[None], self._kernel[0]),
            tf.matmul(read, self._kernel[1]),
        )
        gates = [tf.cast(product, tf.float32) for product in products]
        # Never a sum of three: TensorFlow adds those up in the order in which they are
        # ready, and the last bit would be another every time.
        if self._added is not None:
            gates = [gate + added for gate, added in zip(gates, self._added)]
        i, f, o = tf.unstack(tf.sigmoid(gates[0]))
        return _step(i, tf.tanh(gates[1]), f, o, state)

    def gradients(self, reads, d_gates) -> _Gradients:
        """Those of some steps; d_gates: in the products' type, [T, B, 4 U]."""
        flat = _flat(d_gates)
        if self._dtype == tf.float32:
            d_rows = tf.matmul(_flat(reads), flat, transpose_a=True)
        else:  # in bfloat16 this way round is quicker, in float32 slower
            d_rows = tf.transpose(tf.matmul(flat, _flat(reads), transpose_a=True))
        d_inputs = tf.matmul(flat, self._input_kernel, transpose_b=True)
        steps, batch_size = tf.unstack(tf.shape(d_gates)[:2])
        d_inputs = tf.reshape(d_inputs, [steps, batch_size, self._inputs.shape[-1]])
        of_inputs, of_ones, of_state = tf.split(
            tf.cast(d_rows, tf.float32),
            [self._inputs.shape[-1], self._ones.shape[-1], self._size],
        )
        return _Gradients(
            tf.cast(d_inputs, tf.float32),
            of_ones[0]
            if self._added is None
            else tf.reduce_sum(tf.cast(d_gates, tf.float32), axis=0),
            tf.concat([of_inputs, of_state], axis=0),
        )


class _Gradients(NamedTuple):
    """Of what `lstm_sequence` is given, by some of its steps."""

    inputs: tf.Tensor  # of these steps alone
    constant_gates: tf.Tensor
    kernel: tf.Tensor


def _forward(gates: _Gates, initial: State, kept, keep, recorded=True):
    """All steps: the way back, what they read, [T, B, D + 1 + U], and what was kept.

    keep: (t, h, kept) -> kept, after each step. Without being recorded, neither of the
    first two is there.
    """

    def step(t, state, kept, *record):
        read = gates.read(t, state.h)
        taken = gates.step(read, state)
        if record:
            way_back, reads = record
            record = way_back.with_step(taken), _pushed(reads, read)
        return t + 1, taken.state, keep(t, taken.state.h, kept), *record

    steps, record = gates.num_steps, ()
    if recorded:
        record = WayBack.starting(steps, initial.c), _empty(steps, gates.reads)
    _, _, kept, *record = tf.while_loop(
        lambda t, *_: t < steps, step, (tf.constant(0), initial, kept, *record)
    )
    if not recorded:
        return None, None, kept
    way_back, reads = record
    return way_back, _stacked(reads, gates.reads), kept


def _gradients(gates: _Gates, way_back: WayBack, reads, arriving, d_final: State):
    """Those of the inputs, of the constant gates, of the initial state and of the
    kernel.

    arriving: t -> gradient of the output of step t; d_final: of the final state.

    The loop back through time yields only the gradients of the gates, and that of the
    kernel, a sum over all steps, is one matrix product after each half of it. (While
    one core is at that of the later half, the loop goes on; and only half of the gates'
    gradients are there at once.)
    """
    steps = gates.num_steps
    middle, halves = steps // 2, []
    cells, c = _popped(way_back.cells, d_final.c)
    way_back = way_back._replace(cells=cells)
    for begin, end in ((middle, steps), (0, middle)):
        d_gates, d_final, c, way_back = _backward(
            begin, end, arriving, d_final, c, way_back, gates.recurrent_kernel
        )
        halves.append(gates.gradients(reads[begin:end], d_gates))
    later, earlier = halves
    return (
        tf.concat([earlier.inputs, later.inputs], axis=0),
        earlier.constant_gates + later.constant_gates,
        d_final,
        earlier.kernel + later.kernel,
    )


def _backward(begin, end, arriving, d_final, c, way_back, recurrent_kernel):
    """From step `end - 1` back to step `begin`, the last that the way back has.

    c: the cell after them, [B, U], which is off the way back. Returns gradients of the
    gates before activation [T, B, 4 U], in the kernel's type; of the state before these
    steps; the cell before them; and the way back without both.
    """
    dtype = recurrent_kernel.dtype
    # Transposed once: a product that is asked to do it does it anew at every step. And
    # not before it is needed, as TensorFlow would: it lies there all the way.
    with tf.control_dependencies([arriving(end - 1)]):
        transposed = tf.transpose(recurrent_kernel)
    sigmoid_gradient, tanh_gradient = tf.raw_ops.SigmoidGrad, tf.raw_ops.TanhGrad

    def step(t, d_c, d_h, c, way_back, d_gates_array):
        way_back, (i, g, f, o, before) = zip(*(_popped(each, c) for each in way_back))
        tanh_c = tf.tanh(c)
        d_h += arriving(t)
        d_c += tanh_gradient(y=tanh_c, dy=d_h * o)
        d_gates = [
            sigmoid_gradient(y=i, dy=d_c * g),
            tanh_gradient(y=g, dy=d_c * i),
            sigmoid_gradient(y=f, dy=d_c * before),
            sigmoid_gradient(y=o, dy=d_h * tanh_c),
        ]
        d_gates = tf.concat([tf.cast(gate, dtype) for gate in d_gates], axis=-1)
        d_h = tf.cast(tf.matmul(d_gates, transposed), tf.float32)
        d_gates_array = d_gates_array.write(t - begin, d_gates)
        return t - 1, d_c * f, d_h, before, WayBack(*way_back), d_gates_array

    d_gates_array = tf.TensorArray(
        dtype, end - begin, element_shape=[d_final.c.shape[0], transposed.shape[0]]
    )
    _, d_c, d_h, c, way_back, d_gates_array = tf.while_loop(
        lambda t, *_: t >= begin,
        step,
        (end - 1, *d_final, c, way_back, d_gates_array),
    )
    return d_gates_array.stack(), State(d_c, d_h), c, way_back


def _as_rows(values, dtype):
    """Values [D] as rows [1, D] of a type, of which they are the sum.

    A bfloat16 has 8 bits: of a forget gate's 1 and what training adds to it, nothing
    but the 1 would be left. So a second row holds the rest.
    """
    row = tf.cast(values[None], dtype)
    if dtype == tf.float32:
        return [row]
    return [row, tf.cast(values - tf.cast(row, tf.float32), dtype)]


def _chosen(condition, these, others):
    """Rows [B, D] of one or the other, by a condition [B].

    It copies whole rows, and takes two thirds of the time of `tf.where`.
    """
    return tf.raw_ops.Select(condition=condition, x=these, y=others)


def _sorted(columns):
    """[D, 4 U] -> those of i, f, o [3, D, U], and of g [D, U]."""
    i, g, f, o = tf.split(columns, 4, axis=1)
    return tf.stack([i, f, o]), g


def _flat(sequence):
    """[T, B, D] -> [T * B, D]."""
    return tf.reshape(sequence, [-1, sequence.shape[-1]])


# TensorFlow's lists of tensors that are like each other. (A TensorArray is one, but
# keeps what was read until the loop is over.)


def _kind(like):
    shape = [-1 if size is None else size for size in like.shape]
    return {"element_shape": shape, "element_dtype": like.dtype}


def _empty(most, like):
    return tf.raw_ops.EmptyTensorList(max_num_elements=most, **_kind(like))


def _pushed(handle, tensor):
    return tf.raw_ops.TensorListPushBack(input_handle=handle, tensor=tensor)


def _popped(handle, like):
    """The list without its last tensor, and this."""
    handle, tensor = tf.raw_ops.TensorListPopBack(input_handle=handle, **_kind(like))
    tensor.set_shape(like.shape)
    return handle, tensor


def _at(handle, index, like):
    return tf.raw_ops.TensorListGetItem(input_handle=handle, index=index, **_kind(like))


def _stacked(handle, like):
    stacked = tf.raw_ops.TensorListStack(input_handle=handle, **_kind(like))
    stacked.set_shape([None, *like.shape])
    return stacked

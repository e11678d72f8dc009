"""TensorFlow's raw operations: the whole package calls them only through these.

They are public, but not promised to stay. The check below names what is missing at
import, instead of a failure in the middle of a training step.
"""

from __future__ import annotations

from typing import Any, TypeAlias

from music_vae_tf import quiet

quiet.import_quietly()

import tensorflow as tf  # noqa: E402

# A handle of a list of tensors of one shape and type, itself a scalar tensor. (A
# TensorArray is such a list, but keeps each element that was read until the loop ends.)
TensorList: TypeAlias = Any

_NEEDED = (
    "Empty",
    "EmptyTensorList",
    "RaggedRange",
    "RandomIndexShuffle",
    "ResourceApplyAdam",
    "SaveV2",
    "Select",
    "SigmoidGrad",
    "StatelessRandomUniformFullIntV2",
    "TanhGrad",
    "TensorListGetItem",
    "TensorListPopBack",
    "TensorListPushBack",
    "TensorListStack",
)
if _missing := [name for name in _NEEDED if not hasattr(tf.raw_ops, name)]:
    raise ImportError(
        f"TensorFlow {tf.__version__} lacks the operations {', '.join(_missing)}; "
        "music_vae_tf needs a version that its setup.py allows"
    )


def sigmoid_gradient(y: tf.Tensor, dy: tf.Tensor) -> tf.Tensor:
    """dy * y * (1 - y), for y = sigmoid(x)."""
    return tf.raw_ops.SigmoidGrad(y=y, dy=dy)


def tanh_gradient(y: tf.Tensor, dy: tf.Tensor) -> tf.Tensor:
    """dy * (1 - y^2), for y = tanh(x)."""
    return tf.raw_ops.TanhGrad(y=y, dy=dy)


def select_rows(condition: tf.Tensor, x: tf.Tensor, y: tf.Tensor) -> tf.Tensor:
    """Rows [B, D] of x where the condition [B] holds, of y elsewhere.

    It copies whole rows, and takes two thirds of the time of `tf.where`.
    """
    return tf.raw_ops.Select(condition=condition, x=x, y=y)


def uninitialized(shape: tf.TensorShape, dtype: tf.DType) -> tf.Tensor:
    """A tensor whose values are whatever the memory holds."""
    return tf.raw_ops.Empty(shape=shape, dtype=dtype)


def philox_uint32(shape: Any, key: tf.Tensor, counter: tf.Tensor) -> tf.Tensor:
    """Random uint32 by Philox; key: uint64 [1], counter: uint64 [2]."""
    return tf.raw_ops.StatelessRandomUniformFullIntV2(
        shape=shape,
        key=key,
        counter=counter,
        dtype=tf.uint32,
        alg=tf.random.Algorithm.PHILOX.value,
    )


def apply_adam(
    variable: Any,
    first_moment: Any,
    second_moment: Any,
    gradient: tf.Tensor,
    **constants: tf.Tensor,
) -> None:
    """One step of TensorFlow 1's Adam on a variable, which is Magenta's.

    constants: lr, beta1, beta2, beta1_power, beta2_power, epsilon; scalars.
    """
    tf.raw_ops.ResourceApplyAdam(
        var=variable.handle,
        m=first_moment.handle,
        v=second_moment.handle,
        grad=gradient,
        **constants,
    )


# Lists of tensors. `like`: a tensor or TensorSpec of the elements' shape and type.


def empty_list(capacity: Any, like: Any) -> TensorList:
    """A list for at most `capacity` elements."""
    return tf.raw_ops.EmptyTensorList(max_num_elements=capacity, **_element(like))


def push(handle: TensorList, tensor: tf.Tensor) -> TensorList:
    """The list with one more element at its end."""
    return tf.raw_ops.TensorListPushBack(input_handle=handle, tensor=tensor)


def pop(handle: TensorList, like: Any) -> tuple[TensorList, tf.Tensor]:
    """The list without its last element, and this element."""
    handle, tensor = tf.raw_ops.TensorListPopBack(input_handle=handle, **_element(like))
    tensor.set_shape(like.shape)
    return handle, tensor


def get_item(handle: TensorList, index: Any, like: Any) -> tf.Tensor:
    """The element at an index."""
    return tf.raw_ops.TensorListGetItem(
        input_handle=handle, index=index, **_element(like)
    )


def stack(handle: TensorList, like: Any) -> tf.Tensor:
    """All T elements as one tensor, [T, ...]."""
    stacked = tf.raw_ops.TensorListStack(input_handle=handle, **_element(like))
    stacked.set_shape([None, *like.shape])
    return stacked


def _element(like):
    shape = [-1 if size is None else size for size in like.shape]
    return {"element_shape": shape, "element_dtype": like.dtype}


def ragged_range(starts: tf.Tensor, limits: tf.Tensor) -> tf.Tensor:
    """The numbers from each start up to its limit, one range after the other: int64."""
    return tf.raw_ops.RaggedRange(
        starts=starts,
        limits=limits,
        deltas=tf.constant(1, tf.int64),
        Tsplits=tf.int64,
    ).rt_dense_values


def index_shuffle(
    index: tf.Tensor, seed: tf.Tensor, max_index: int, rounds: int
) -> tf.Tensor:
    """Places of indices in a permutation of 0 to max_index, which the seed decides.

    index: int64 [B]; seed: int64 [B, 3].
    """
    return tf.raw_ops.RandomIndexShuffle(
        index=index,
        seed=seed,
        max_index=tf.constant(max_index, tf.int64),
        rounds=rounds,
    )


def save(prefix: str, tensors: dict) -> None:
    """Writes a checkpoint of whole tensors by name.

    Args:
        prefix: path of its files, without their endings.
        tensors: {name: tensor or variable of any shape and type}.

    Raises:
        tf.errors.OpError: it cannot be written.
    """
    tf.raw_ops.SaveV2(
        prefix=prefix,
        tensor_names=list(tensors),
        shape_and_slices=[""] * len(tensors),
        tensors=list(tensors.values()),
    )

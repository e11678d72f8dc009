"""Data sets of a config's examples, and how many these are."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np
import tensorflow as tf
from note_seq.protobuf.music_pb2 import NoteSequence

from music_vae_tf.data import records, tfds
from music_vae_tf.magenta_api.converters import BaseNoteSequenceConverter


def convert_to_tensors_op(item_scalar, converter: BaseNoteSequenceConverter):
    """All examples of a serialized NoteSequence, as an operation of TensorFlow.

    Returns inputs `[N, T, D_in]`, outputs `[N, T, D_out]` and controls `[N, T, D_c]`,
    padded to the longest, and lengths `[N]` or `[N, S]`.
    """
    rows = [
        (converter.input_dtype, converter.input_depth),
        (converter.output_dtype, converter.output_depth),
        (converter.control_dtype, converter.control_depth),
    ]

    def convert(serialized):
        *arrays, lengths = converter.to_tensors(
            converter.str_to_item_fn(serialized.numpy())
        )
        lengths = np.array(lengths, np.int32).reshape(-1, *converter.length_shape)
        return [*map(_padded, arrays, *zip(*rows)), lengths]

    dtypes = [*(dtype for dtype, _ in rows), tf.int32]
    tensors = tf.py_function(convert, [item_scalar], dtypes)
    for tensor, (_, depth) in zip(tensors, rows):
        tensor.set_shape([None, None, depth])
    tensors[-1].set_shape([None, *converter.length_shape])
    return tuple(tensors)


def _padded(arrays, dtype, depth: int) -> np.ndarray:
    """Arrays `[T, depth]` of many lengths -> one with zeros, `[N, T, depth]`."""
    longest = max(map(len, arrays), default=0)
    padded = np.zeros([len(arrays), longest, depth], dtype)
    for rows, array in zip(padded, arrays):
        rows[: len(array)] = array
    return padded


def count_examples(
    examples_path: str | None,
    tfds_name: str | None,
    data_converter: BaseNoteSequenceConverter,
    file_reader: Callable[[str], Iterable[bytes]] = records.read_records,
) -> int:
    """How many examples a converter makes of TFRecord files, or of the validation split
    of a TensorFlow Dataset."""
    if tfds_name:
        sequences = tfds.read_note_sequences(tfds_name, "validation")
    else:
        sequences = (
            data_converter.str_to_item_fn(serialized)
            for file in records.matching_files(examples_path)
            for serialized in file_reader(file)
        )
    return sum(len(data_converter.to_tensors(item).inputs) for item in sequences)


def get_dataset(
    config,
    tf_file_reader=tf.data.TFRecordDataset,
    is_training: bool = False,
    cache_dataset: bool = True,
):
    """Batches of a config's examples: inputs, outputs, controls, lengths.

    For notebooks that look at them or train by themselves; `music_vae_train` has a
    pipeline of its own, in `data.pipeline`. Training's goes on without end.

    Raises:
        ValueError: the config names no data, or no file that there is.
    """
    converter = config.data_converter
    converter.set_mode("train" if is_training else "eval")
    dataset = _serialized_sequences(config, tf_file_reader, is_training)
    if is_training and config.note_sequence_augmenter is not None:
        dataset = _mapped(dataset, config.note_sequence_augmenter.tf_augment)
    dataset = _mapped(dataset, lambda item: convert_to_tensors_op(item, converter))
    # Not `unbatch`, which in TensorFlow 2.21 dies of arrays with no columns.
    dataset = dataset.flat_map(lambda *rows: tf.data.Dataset.from_tensor_slices(rows))
    dataset = _mapped(dataset, _without_padding)
    if cache_dataset:
        dataset = dataset.cache()
    batch_size = config.hparams.batch_size
    if is_training:
        dataset = dataset.shuffle(10 * batch_size).repeat()
    shapes = tf.compat.v1.data.get_output_shapes(dataset)
    batches = dataset.padded_batch(batch_size, shapes, drop_remainder=True)
    return batches.prefetch(tf.data.AUTOTUNE)


def _mapped(dataset, function):
    function = tf.autograph.experimental.do_not_convert(function)
    return dataset.map(function, num_parallel_calls=tf.data.AUTOTUNE)


def _without_padding(*tensors):
    """An example without the padding it got from others; segments keep theirs."""
    *arrays, length = tensors
    if length.shape.rank == 0:
        arrays = [array[:length] for array in arrays]
    return *arrays, length


def _serialized_sequences(config, tf_file_reader, is_training: bool):
    path = config.train_examples_path if is_training else config.eval_examples_path
    if path:
        # TensorFlow 1's, which notebooks also walk with a `make_one_shot_iterator`.
        if not tf.compat.v1.gfile.Glob(path):
            raise ValueError(f"No files were found matching examples path: {path}")
        files = tf.compat.v1.data.Dataset.list_files(path, shuffle=is_training)
        return files.interleave(
            tf_file_reader,
            num_parallel_calls=tf.data.AUTOTUNE,
            deterministic=not is_training,
        )
    if not config.tfds_name:
        raise ValueError("The config has neither an examples path nor a tfds_name.")
    split = "train" if is_training else "validation"
    return tf.data.Dataset.from_generator(
        lambda: map(
            NoteSequence.SerializeToString,
            tfds.read_note_sequences(config.tfds_name, split),
        ),
        output_signature=tf.TensorSpec([], tf.string),
    )

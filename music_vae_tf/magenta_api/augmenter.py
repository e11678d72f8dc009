"""Augmentation of NoteSequences as Magenta's `data` has it."""

from __future__ import annotations

import numpy as np
import tensorflow as tf
from note_seq.protobuf.music_pb2 import NoteSequence

from music_vae_tf.data.augment import Augmenter


class NoteSequenceAugmenter:
    """Transposes and stretches NoteSequences by what NumPy's global generator draws."""

    def __init__(self, transpose_range=None, stretch_range=None):
        self.augmenter = Augmenter(transpose_range, stretch_range)

    def augment(self, note_sequence):
        """A NoteSequence made of this one."""
        return self.augmenter.augment(note_sequence, np.random)

    def tf_augment(self, note_sequence_scalar):
        """The same of a serialized one, as an operation of TensorFlow."""

        def augment(serialized):
            sequence = NoteSequence.FromString(serialized.numpy())
            return self.augment(sequence).SerializeToString()

        augmented = tf.py_function(augment, [note_sequence_scalar], tf.string)
        augmented.set_shape([])
        return augmented

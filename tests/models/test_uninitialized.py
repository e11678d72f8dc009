"""Models made for a checkpoint: the same, but for their weights, which nobody draws."""

import keras
import numpy as np
import tensorflow as tf

from music_vae_tf.models.uninitialized import uninitialized_weights


class Layer(keras.Layer):
    """Three weights, one of which is not trained, and a network of Keras's own."""

    def build(self):
        eagerly = []

        def noted(shape, dtype):
            eagerly.append(tf.executing_eagerly())
            return tf.random.normal(shape, dtype=dtype)

        self.drawn = self.add_weight(shape=(3, 2), initializer=noted, name="drawn")
        self.orthogonal = self.add_weight(shape=(4, 4), initializer="orthogonal")
        self.fixed = self.add_weight(
            shape=(2,), initializer="ones", trainable=False, name="fixed"
        )
        self.dense = keras.layers.Dense(5, name="dense")
        self.dense.build((None, 7))
        self.was_drawn = any(eagerly)


def made():
    layer = Layer()
    layer.build()
    return layer


def kinds(layer):
    return [(w.path.split("/", 1)[1], w.shape, w.dtype) for w in layer.weights[:]]


def test_weights_are_of_the_same_kind_and_not_drawn():
    drawn = made()
    with uninitialized_weights():
        blank = made()
    assert drawn.was_drawn and not blank.was_drawn
    assert [kind[1:] for kind in kinds(blank)] == [kind[1:] for kind in kinds(drawn)]
    assert len(blank.trainable_weights) == len(drawn.trainable_weights) == 4


def test_what_is_not_trained_has_its_value():
    with uninitialized_weights():
        blank = made()
    np.testing.assert_array_equal(blank.fixed, [1, 1])


def test_they_take_what_they_are_assigned():
    with uninitialized_weights():
        blank = made()
    values = [np.full(weight.shape, 3.0) for weight in blank.trainable_weights]
    for weight, value in zip(blank.trainable_weights, values):
        weight.assign(value)
        np.testing.assert_array_equal(weight, value)


def test_afterwards_weights_are_drawn_again():
    with uninitialized_weights():
        pass
    assert made().was_drawn

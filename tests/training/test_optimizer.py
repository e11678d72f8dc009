"""Adam: TensorFlow 1's numbers, through Keras's documented interface."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from music_vae_tf.training.optimizer import Adam, LearningRate


def variables(seed=0):
    rng = np.random.default_rng(seed)
    shapes = ([3, 2], [4], [])
    return [
        keras.Variable(rng.standard_normal(shape), dtype="float32") for shape in shapes
    ]


def gradients(step):
    rng = np.random.default_rng(100 + step)
    return [rng.standard_normal(s).astype(np.float32) for s in ([3, 2], [4], [])]


def stepped(value, m, v, gradient, step, rate):
    """Algorithm 1 of Kingma and Ba 2015 in the order of its section 2: epsilon is added
    before the bias correction."""
    m = 0.9 * m + 0.1 * gradient
    v = 0.999 * v + 0.001 * gradient**2
    rate = rate * np.sqrt(1 - 0.999**step) / (1 - 0.9**step)
    return value - rate * m / (np.sqrt(v) + 1e-8), m, v


@pytest.mark.parametrize("in_graph", [False, True])
def test_steps_are_those_of_the_paper(in_graph):
    trained = variables()
    optimizer = Adam(LearningRate(lambda step: 0.1 / (1.0 + tf.cast(step, tf.float32))))
    optimizer.build(trained)
    apply = lambda grads: optimizer.apply(grads, trained)
    apply = tf.function(apply, autograph=False) if in_graph else apply
    expected = [(variable.numpy(), 0.0, 0.0) for variable in trained]
    for step in range(1, 6):
        apply([tf.constant(gradient) for gradient in gradients(step)])
        expected = [
            stepped(*state, gradient, step, 0.1 / step)
            for state, gradient in zip(expected, gradients(step))
        ]
    moments = optimizer.first_moments, optimizer.second_moments
    for ours, twin in zip(zip(trained, *moments), expected):
        for tensor, value in zip(ours, twin):
            np.testing.assert_allclose(tensor, value, rtol=2e-5, atol=1e-7)
    assert int(optimizer.iterations.numpy()) == 5


def test_keras_own_interface_takes_the_same_step():
    one, twin = variables(), variables()
    first, second = Adam(0.01), Adam(0.01)
    for optimizer, trained in ((first, one), (second, twin)):
        optimizer.build(trained)
    grads = [tf.constant(gradient) for gradient in gradients(1)]
    first.apply(grads)
    for gradient, variable in zip(grads, twin):
        second.update_step(gradient, variable, tf.constant(0.01))
    for variable, same in zip(one, twin):
        np.testing.assert_array_equal(variable, same)


def test_an_optimizer_is_made_again_from_its_config():
    again = Adam.from_config(Adam(0.01, beta_1=0.8, epsilon=1e-6).get_config())
    assert (again.beta_1, again.beta_2, again.epsilon) == (0.8, 0.999, 1e-6)
    assert float(again.learning_rate) == pytest.approx(0.01)


@pytest.mark.parametrize(
    "option",
    [
        {"amsgrad": True},
        {"weight_decay": 0.1},
        {"clipnorm": 1.0},
        {"clipvalue": 1.0},
        {"global_clipnorm": 1.0},
        {"use_ema": True},
        {"loss_scale_factor": 2.0},
        {"gradient_accumulation_steps": 2},
    ],
    ids=str,
)
def test_options_that_would_do_nothing_are_refused(option):
    (name,) = option
    with pytest.raises(ValueError, match=f"does not honour {name}="):
        Adam(**option)


def test_an_unknown_option_is_refused():
    with pytest.raises(ValueError, match="no option 'momentum'"):
        Adam(momentum=0.9)

"""Adam with the numbers of TensorFlow 1, which Magenta trains with."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import keras
import tensorflow as tf

from music_vae_tf import raw_ops

# Epsilon is added before the bias correction, as Keras adds it too. The decay rates are
# the usual ones.
BETA_1, BETA_2, EPSILON = 0.9, 0.999, 1e-8
# Options of every Keras optimizer, and the value that leaves each of them out.
NOT_HONOURED = {
    "amsgrad": False,
    "weight_decay": None,
    "clipnorm": None,
    "clipvalue": None,
    "global_clipnorm": None,
    "use_ema": False,
    "ema_momentum": 0.99,
    "ema_overwrite_frequency": None,
    "loss_scale_factor": None,
    "gradient_accumulation_steps": None,
}


class LearningRate(keras.optimizers.schedules.LearningRateSchedule):
    """A function of the step as a Keras schedule."""

    def __init__(self, of_step: Callable[[tf.Tensor], tf.Tensor]):
        self.of_step = of_step

    def __call__(self, step: tf.Tensor) -> tf.Tensor:
        return self.of_step(step)


class Adam(keras.optimizers.Optimizer):
    """Adam in one operation a variable, which is TensorFlow 1's and so Magenta's. With
    Keras's arithmetic it would be forty operations.

    All replicas must have agreed on the gradients: each replica updates its own copy.

    Attributes:
        first_moments, second_moments: variables, in the order of those it was built on.
    """

    def __init__(
        self,
        learning_rate: float | keras.optimizers.schedules.LearningRateSchedule = 1e-3,
        beta_1: float = BETA_1,
        beta_2: float = BETA_2,
        epsilon: float = EPSILON,
        name: str = "adam",
        **options: Any,
    ):
        """
        Args:
            learning_rate: a number or a Keras schedule.
            options: those of `NOT_HONOURED`, as Keras writes them into a config.

        Raises:
            ValueError: one of them asks for something. The step here is the plain one;
                the model's objective limits the gradients.
        """
        _refuse(options)
        super().__init__(learning_rate=learning_rate, name=name)
        self.beta_1, self.beta_2, self.epsilon = beta_1, beta_2, epsilon

    def build(self, variables: Sequence[keras.Variable]) -> None:
        """Makes both moments, zeros, for these variables."""
        if self.built:
            return
        super().build(variables)
        self.first_moments, self.second_moments = (
            [self.add_variable_from_reference(v, name=name) for v in variables]
            for name in ("momentum", "velocity")
        )
        rows = zip(variables, self.first_moments, self.second_moments)
        self._rows_of = {row[0].path: row for row in rows}

    def apply(
        self,
        grads: Sequence[tf.Tensor],
        trainable_variables: Sequence[keras.Variable] | None = None,
    ) -> None:
        """Takes a step: gradients, and their variables, by default all it was built on.

        Keras's own would sum the gradients over all replicas, which is done already.
        """
        if trainable_variables is None:
            trainable_variables = [variable for variable, *_ in self._rows_of.values()]
        constants = self._constants()
        for gradient, variable in zip(grads, trainable_variables):
            self._update(gradient, variable, constants)
        self.iterations.assign_add(1)

    def update_step(
        self, gradient: tf.Tensor, variable: keras.Variable, learning_rate: Any
    ) -> None:
        """Updates one variable, as Keras's interface has it."""
        self._update(gradient, variable, {**self._constants(), "lr": learning_rate})

    def _constants(self) -> dict[str, tf.Tensor]:
        """What all variables share; otherwise each would have constants of its own."""
        step = tf.cast(self.iterations + 1, tf.float32)
        constants = {
            "lr": self.learning_rate,
            "beta1": self.beta_1,
            "beta2": self.beta_2,
            "beta1_power": tf.pow(self.beta_1, step),
            "beta2_power": tf.pow(self.beta_2, step),
            "epsilon": self.epsilon,
        }
        return {name: tf.convert_to_tensor(value) for name, value in constants.items()}

    def _update(self, gradient, variable, constants):
        weight, first, second = (each.value for each in self._rows_of[variable.path])
        raw_ops.apply_adam(weight, first, second, gradient, **constants)

    def get_config(self) -> dict:
        """What makes the same optimizer again."""
        numbers = {"beta_1": self.beta_1, "beta_2": self.beta_2}
        return {**super().get_config(), **numbers, "epsilon": self.epsilon}


def _refuse(options: dict):
    for name, value in options.items():
        if name not in NOT_HONOURED:
            raise ValueError(
                f"Adam has no option {name!r}; there are learning_rate, beta_1, "
                "beta_2, epsilon and name"
            )
        if value != NOT_HONOURED[name]:
            raise ValueError(
                f"Adam here does not honour {name}={value!r}: leave it out, or compile "
                "the model with keras.optimizers.Adam. The config's clip_mode and "
                "grad_clip limit gradients"
            )

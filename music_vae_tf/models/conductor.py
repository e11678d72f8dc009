"""A conductor: one level of a hierarchical decoder above the steps.

Shapes: L segments below, B examples, E columns of an embedding.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
import tensorflow as tf

from music_vae_tf.models.cell import State
from music_vae_tf.models.lstm import FLOAT32, LSTMStack
from music_vae_tf.models.prng import PRNGKey


@keras.saving.register_keras_serializable("music_vae_tf")
class Conductor(keras.Layer):
    """An embedding -> one embedding for each segment below it.

    A conductor without a context from the level below reads the same input at each
    step: a zero as in Magenta, or a learned vector. Without an embedding size of its
    own, the output of its LSTMs is the embedding, as in Magenta.
    """

    def __init__(
        self,
        sizes: Sequence[int],
        keep_probability: float = 1.0,
        residual: bool = False,
        cell_dtype: Any = FLOAT32,
        learned_input_size: int | None = None,
        embedding_size: int | None = None,
        **kwargs: Any,
    ):
        super().__init__(**kwargs)
        self.stack = LSTMStack(
            sizes, keep_probability, residual, cell_dtype, name="stack"
        )
        self.learned_input_size = learned_input_size
        self.embedding_size = embedding_size or sizes[-1]
        self.projection = None
        if embedding_size:
            self.projection = keras.layers.Dense(embedding_size, name="projection")

    def build(self, context_size: int | None, z_size: int) -> None:
        """context_size: columns of the context; None for a conductor without one."""
        if context_size is None and self.learned_input_size:
            # It is the same at each step, so it shifts the gates as their bias does.
            self.learned_input = self.add_weight(
                name="input",
                shape=(self.learned_input_size,),
                initializer=keras.initializers.RandomNormal(stddev=1.0),
            )
        input_size = self.learned_input_size or 1
        if context_size is not None:
            input_size = context_size + z_size  # the context, then the embedding
        self.stack.build(input_size, z_size)
        if self.projection is not None:
            self.projection.build((None, self.stack.sizes[-1]))

    def constant_input(self, batch_size: Any) -> tf.Tensor:
        """What a conductor without a context reads at each step, [B, D]."""
        if not self.learned_input_size:
            return tf.zeros([batch_size, 1])
        learned = tf.convert_to_tensor(self.learned_input)[None]  # [1, D]
        return tf.repeat(learned, batch_size, axis=0)

    def embeddings(
        self, embedding: tf.Tensor, length: int, dropout: PRNGKey | None
    ) -> tf.Tensor:
        """All embeddings of a conductor without a context: [B, E] -> [L, B, E']."""
        inputs = self.constant_input(tf.shape(embedding)[0])  # [B, D]
        outputs, _ = self.stack.sequence(  # [L, B, U]
            [tf.repeat(inputs[None], length, axis=0)],  # [L, B, D]
            self.stack.states_from(embedding),
            dropout,
        )
        return self._projected(outputs)

    def step(
        self,
        inputs: tf.Tensor,
        states: Sequence[State],
        dropout: PRNGKey | None,
    ) -> tuple[tf.Tensor, list[State]]:
        """One step: inputs [B, D] -> embedding [B, E], and the states after it."""
        factors = self.stack.dropout_factors(1, tf.shape(inputs)[0], dropout)
        # [1, B, D] -> [B, D]
        factors = [None if factor is None else factor[0] for factor in factors]
        output, steps = self.stack.step(inputs, states, factors)  # [B, U]
        return self._projected(output), [step.state for step in steps]

    def _projected(self, output):
        """Outputs of the LSTMs -> embeddings, [..., U] -> [..., E]."""
        return output if self.projection is None else self.projection(output)


def conductors(
    level_lengths: Sequence[int],
    sizes: Sequence[int],
    keep_probability: float,
    residual: bool,
    cell_dtype: Any,
    **options: Any,
) -> list[Conductor]:
    """The conductors of all levels above the core, named level_0, level_1, ..."""
    return [
        Conductor(
            sizes, keep_probability, residual, cell_dtype, name=f"level_{i}", **options
        )
        for i in range(len(level_lengths) - 1)
    ]

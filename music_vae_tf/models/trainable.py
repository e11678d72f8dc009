"""What the training loop needs of a model: one training step, and evaluation."""

from __future__ import annotations

import abc
from typing import Any, ClassVar

import keras
import tensorflow as tf

from music_vae_tf.batch import Batch
from music_vae_tf.models.metrics import WeightedMean
from music_vae_tf.models.prng import PRNGKey


class Trainable(keras.Model, abc.ABC):
    """A model with a training loss and evaluation metrics.

    Optimizer, gradients, their limits and the random numbers of each step are the same
    for all models, for Keras's `fit` and for the training commands.
    """

    # Keras's `evaluate` shows these: {name there: name among the metrics}.
    shown_in_keras: ClassVar[dict[str, str]] = {"loss": "loss"}

    def __init__(self, **kwargs: Any):
        super().__init__(**kwargs)
        self.means = {name: keras.metrics.Mean(name) for name in self.shown_in_keras}

    @abc.abstractmethod
    def training_loss(
        self, batch: Batch, rng: PRNGKey, step: Any
    ) -> tuple[tf.Tensor, dict[str, Any]]:
        """The loss that a step minimises, with dropout.

        step: integer scalar, the steps taken before this one. Returns the loss, a
        scalar, and other scalars for TensorBoard, {tag: scalar}.
        """

    @abc.abstractmethod
    def evaluation_metrics(
        self, batch: Batch, rng: PRNGKey, step: Any
    ) -> dict[str, WeightedMean]:
        """All metrics of a batch in evaluation, by tag; `loss` is one of them.

        step: integer scalar, the step of the weights.
        """

    @abc.abstractmethod
    def endpoints(self) -> dict[str, tuple]:
        """What a SavedModel of the model computes: {name: (function, its signature)}.

        One is called `serve`, which is Keras's default.
        """

    def export(
        self,
        filepath: Any,
        format: str = "tf_saved_model",
        verbose: bool | None = None,
        input_signature: Any = None,
        **options: Any,
    ) -> None:
        """Writes a SavedModel with all endpoints, for TensorFlow without this package.

        Another format, or a signature of your own, goes to Keras's `Model.export`.
        """
        if format != "tf_saved_model" or input_signature is not None:
            super().export(filepath, format, verbose, input_signature, **options)
            return
        archive = keras.export.ExportArchive()
        archive.track(self)
        for name, (function, signature) in self.endpoints().items():
            archive.add_endpoint(name, function, input_signature=signature)
        # A SavedModel is for inference: the custom gradients are left out.
        options = tf.saved_model.SaveOptions(experimental_custom_gradients=False)
        archive.write_out(filepath, options, verbose is not False)

    @property
    def named_variables(self) -> dict[str, keras.Variable]:
        """Weights by name: `decoder/layer_0/kernel`.

        A name is the variable's path without the model's own name and without those of
        stacks, which only group layers.
        """
        return {
            variable.path.removeprefix(f"{self.name}/").replace(
                "/stack/", "/"
            ): variable
            for variable in self.trainable_variables
        }

    @property
    def steps_taken(self) -> int:
        """Training steps since the weights were initialised."""
        return int(keras.ops.convert_to_numpy(self.optimizer.iterations))

    def compile(
        self,
        optimizer: Any,
        objective: Any,
        gradient_limits: Any,
        seed: int = 0,
        **options: Any,
    ) -> None:
        """
        Args:
            optimizer: a Keras optimizer; its iterations are the training step.
            objective: the section `objective` of a config, which the loss reads.
            gradient_limits: the section `training` of a config, or an object with its
                `clip_mode`, `grad_clip` and `grad_norm_clip_to_zero`.
            seed: of dropout and of all other random numbers, together with the step.
        """
        super().compile(optimizer=optimizer, **options)
        self.objective = objective
        self.gradient_limits = gradient_limits
        self.noise_seed = seed

    def get_compile_config(self) -> None:
        """None: schedules are functions, which no file can hold. Compile again."""

    def train_step(self, batch: Batch) -> dict[str, tf.Tensor]:
        """One step of the optimizer; returns its scalars for TensorBoard, by tag.

        Each replica gets its shard of the batch. All take the step that one replica
        would take on the whole batch.
        """
        replicas = tf.distribute.get_replica_context()
        reduced = self._loss_and_gradients(batch, replicas)
        if replicas.num_replicas_in_sync > 1:
            reduced = replicas.all_reduce(tf.distribute.ReduceOp.MEAN, reduced)
        logs, gradients = reduced
        gradients, logs["global_norm"] = self._clip(gradients)
        logs["learning_rate"] = tf.convert_to_tensor(self.optimizer.learning_rate)
        self.optimizer.apply(gradients, self.trainable_variables)
        return logs

    def _loss_and_gradients(self, batch, replicas):
        """Scalars, the loss included, and gradients, of this replica's shard."""
        step = self.optimizer.iterations
        rng = PRNGKey(self.noise_seed).fold_in("training").fold_in(step)
        shard = replicas.replica_id_in_sync_group, replicas.num_replicas_in_sync

        def compute(*batch):
            with tf.GradientTape() as tape:
                loss, logs = self.training_loss(Batch(*batch), rng.shard(*shard), step)
            return {"loss": loss, **logs}, tape.gradient(loss, self.trainable_variables)

        if tf.config.list_physical_devices("GPU"):
            compute = tf.function(compute, autograph=False, jit_compile=True)
        return compute(*batch)

    def evaluate_batch(self, batch: Batch, number: Any) -> dict[str, WeightedMean]:
        """Metrics of one batch of an evaluation, by tag.

        number: of the batch. The random numbers depend on it, not on the weights.
        """
        rng = PRNGKey(self.noise_seed).fold_in("evaluation").fold_in(number)
        return self.evaluation_metrics(Batch(*batch), rng, self.optimizer.iterations)

    def test_step(self, batch: Batch) -> dict[str, tf.Tensor]:
        """Means over the evaluation so far."""
        metrics = self.evaluate_batch(batch, 0)
        for name, mean in self.means.items():
            mean.update_state(metrics[self.shown_in_keras[name]].value)
        return {name: mean.result() for name, mean in self.means.items()}

    def _clip(self, gradients):
        """Clipped gradients, and the global norm before clipping."""
        limits = self.gradient_limits
        global_norm = tf.linalg.global_norm(gradients)
        if limits.clip_mode == "value":
            limit = limits.grad_clip
            return [tf.clip_by_value(g, -limit, limit) for g in gradients], global_norm
        # tf.clip_by_global_norm and the clipping to zero, in one product per gradient.
        limit = tf.constant(limits.grad_clip, tf.float32)
        factor = limit * tf.minimum(1 / global_norm, 1 / limit)
        # A norm that is too large or not a number yields zeros: Adam's momentum alone
        # moves the weights.
        usable = global_norm < limits.grad_norm_clip_to_zero
        factor = tf.where(usable, factor, 0.0)
        return [tf.math.multiply_no_nan(g, factor) for g in gradients], global_norm

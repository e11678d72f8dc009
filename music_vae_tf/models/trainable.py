"""What the training loop asks of a model: one step of it, and its evaluation."""

from __future__ import annotations

import abc
from typing import ClassVar

import keras
import tensorflow as tf

from music_vae_tf.batch import Batch
from music_vae_tf.models.lstm import LSTMLayer
from music_vae_tf.models.noise import Noise
from music_vae_tf.models.tally import Tally


class Trainable(keras.Model, abc.ABC):
    """A model that says what it minimises and what it reports.

    Optimizer, gradients, their limits and the noise of each step are the same for all
    models, for Keras's `fit` and for the training commands alike.
    """

    # Keras's `evaluate` shows these: {name there: name among the tallies}.
    shown_in_keras: ClassVar[dict[str, str]] = {"loss": "loss"}

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.means = {name: keras.metrics.Mean(name) for name in self.shown_in_keras}

    @abc.abstractmethod
    def training_loss(self, batch: Batch, noise: Noise, step):
        """What a step minimises, with dropout and all that belongs to training.

        step: integer scalar, the steps taken before this one. Returns the loss, a
        scalar, and what else TensorBoard shows of it: {tag: scalar}.
        """

    @abc.abstractmethod
    def evaluation_tallies(self, batch: Batch, noise: Noise, step) -> dict[str, Tally]:
        """All that is reported of a batch in evaluation, `loss` among it, by tag.

        step: integer scalar, the step of the weights.
        """

    @abc.abstractmethod
    def endpoints(self) -> dict[str, tuple]:
        """What a SavedModel of the model computes: {name: (function, its signature)}.

        One is called `serve`, which is Keras's default.
        """

    def export(
        self,
        filepath,
        format="tf_saved_model",
        verbose=None,
        input_signature=None,
        **options,
    ):
        """Writes a SavedModel with all endpoints, for TensorFlow without this package.

        Another format, or a signature of your own, is for Keras's `Model.export`.
        """
        if format != "tf_saved_model" or input_signature is not None:
            super().export(filepath, format, verbose, input_signature, **options)
            return
        archive = keras.export.ExportArchive()
        archive.track(self)
        for name, (function, signature) in self.endpoints().items():
            archive.add_endpoint(name, function, input_signature=signature)
        # A SavedModel is for inference: the written-out gradients stay behind.
        options = tf.saved_model.SaveOptions(experimental_custom_gradients=False)
        archive.write_out(filepath, options, verbose is not False)

    @property
    def named_variables(self) -> dict[str, keras.Variable]:
        """Weights by name: `decoder/layer_0/kernel`.

        Their paths, without the model's own name and without the stacks', which only
        group layers.
        """
        return {
            variable.path.removeprefix(f"{self.name}/").replace(
                "/stack/", "/"
            ): variable
            for variable in self.trainable_variables
        }

    @property
    def steps_taken(self) -> int:
        """Training steps, since the weights were new."""
        return int(keras.ops.convert_to_numpy(self.optimizer.iterations))

    def compile(self, optimizer, objective, seed=0, **options):
        """
        Args:
            optimizer: a Keras optimizer; its iterations are the training step.
            objective: has `descent`, which limits gradients (`build.Descent`), and
                what the model's loss needs, as `build.objective` makes it.
            seed: with the step, all that dropout and other noise depend on.
        """
        super().compile(optimizer=optimizer, **options)
        self.objective = objective
        self.noise_seed = seed

    def get_compile_config(self):
        """None: schedules are functions, which no file holds. Compile anew."""

    def mix_precision(self):
        """Multiplies matrices of recurrent layers in bfloat16 from now on; weights,
        states and losses stay float32."""
        for layer in self._flatten_layers():
            if isinstance(layer, LSTMLayer):
                layer.dtype_policy = "mixed_bfloat16"

    def train_step(self, batch: Batch) -> dict[str, tf.Tensor]:
        """One step of the optimizer; returns what TensorBoard shows of it, by tag.

        On several replicas, each is given its part of the batch, and all take the step
        that one would take on the whole.
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
        """Logs, the loss among them, and gradients; of this replica's part."""
        step = self.optimizer.iterations
        noise = Noise(self.noise_seed).fold("training").fold(step)
        part = replicas.replica_id_in_sync_group, replicas.num_replicas_in_sync

        def compute(*batch):
            with tf.GradientTape() as tape:
                loss, logs = self.training_loss(
                    Batch(*batch), noise.of_part(*part), step
                )
            return {"loss": loss, **logs}, tape.gradient(loss, self.trainable_variables)

        if tf.config.list_physical_devices("GPU"):
            compute = tf.function(compute, autograph=False, jit_compile=True)
        return compute(*batch)

    def evaluate_batch(self, batch: Batch, number) -> dict[str, Tally]:
        """Tallies of an evaluation's batch of this number, by tag.

        The same number brings the same noise, whatever the weights.
        """
        noise = Noise(self.noise_seed).fold("evaluation").fold(number)
        return self.evaluation_tallies(Batch(*batch), noise, self.optimizer.iterations)

    def test_step(self, batch: Batch) -> dict[str, tf.Tensor]:
        """Means over the evaluation so far, with the weights as they are."""
        tallies = self.evaluate_batch(batch, 0)
        for name, mean in self.means.items():
            mean.update_state(tallies[self.shown_in_keras[name]].value)
        return {name: mean.result() for name, mean in self.means.items()}

    def _clip(self, gradients):
        """Gradients within the objective's limits, and their norm before."""
        descent = self.objective.descent
        global_norm = tf.linalg.global_norm(gradients)
        if descent.clip_mode == "value":
            limit = descent.grad_clip
            return [tf.clip_by_value(g, -limit, limit) for g in gradients], global_norm
        # As tf.clip_by_global_norm has it, and zeros, in one product a gradient.
        limit = tf.constant(descent.grad_clip, tf.float32)
        factor = limit * tf.minimum(1 / global_norm, 1 / limit)
        # Too long, or not a number: the step is taken with zeros, and Adam's momentum.
        usable = global_norm < descent.grad_norm_clip_to_zero
        factor = tf.where(usable, factor, 0.0)
        return [tf.math.multiply_no_nan(g, factor) for g in gradients], global_norm

"""Magenta's graph for training a model, open at its latent vectors and its losses."""

import copy
import os
import shutil

import numpy as np
import tensorflow.compat.v1 as tf
from magenta.models.music_vae import lstm_models

BATCH_SIZE = 4


def leaves(decoder):
    """The decoders that have an output of their own, in order."""
    if hasattr(decoder, "_core_decoders"):
        return [leaf for core in decoder._core_decoders for leaf in leaves(core)]
    if hasattr(decoder, "_core_decoder"):
        return leaves(decoder._core_decoder)
    return [decoder]


class Recorder:
    """Keeps the losses and outputs of a decoder's leaves while a graph is built.

    `calls` holds, for each leaf, a (loss of each step, output of each step) per
    segment. The steps of all examples follow each other, without their padding.
    """

    def __init__(self, decoder, by_argmax):
        self._leaves, self._by_argmax = leaves(decoder), by_argmax
        self.calls = [[] for _ in self._leaves]

    def __enter__(self):
        for leaf, calls in zip(self._leaves, self.calls):
            leaf._flat_reconstruction_loss = self._recorded(leaf, calls)
            if self._by_argmax and isinstance(leaf, lstm_models.CategoricalLstmDecoder):
                leaf._sample = lambda outputs: tf.one_hot(
                    tf.argmax(outputs, axis=-1), outputs.shape[-1]
                )
        return self

    def __exit__(self, *_):
        for leaf in self._leaves:
            leaf.__dict__.pop("_flat_reconstruction_loss")
            leaf.__dict__.pop("_sample", None)

    @staticmethod
    def _recorded(leaf, calls):
        def loss(targets, outputs):
            result = type(leaf)._flat_reconstruction_loss(leaf, targets, outputs)
            calls.append((result[0], outputs))
            return result

        return loss


class Graph:
    """Magenta's graph for training a model, its latent vectors fed."""

    def __init__(self, config, sampling_rate=0.0):
        self.config = copy.deepcopy(config)  # building a model writes into it
        self.converter = self.config.data_converter
        hparams = self.config.hparams
        hparams.sampling_rate = sampling_rate
        length_shape = [BATCH_SIZE] + list(self.converter.length_shape)
        self.graph = tf.Graph()
        with self.graph.as_default():
            rows = lambda depth: tf.placeholder(tf.float32, [BATCH_SIZE, None, depth])
            self.feeds = {
                "input_sequence": rows(self.converter.input_depth),
                "output_sequence": rows(self.converter.output_depth),
                "sequence_length": tf.placeholder(tf.int32, length_shape),
                "control_sequence": None,
            }
            if self.converter.control_depth:
                self.feeds["control_sequence"] = rows(self.converter.control_depth)
            self._build(hparams, sampling_rate > 0)
            # Small graphs run once: to optimise them takes longer than to run them.
            options = tf.ConfigProto(intra_op_parallelism_threads=1)
            options.graph_options.rewrite_options.disable_meta_optimizer = True
            self.session = tf.Session(config=options)

    def _build(self, hparams, by_argmax):
        model = self.config.model
        model.build(hparams, self.converter.output_depth, is_training=True)
        self.eps = tf.placeholder_with_default(
            np.zeros([BATCH_SIZE, hparams.z_size], np.float32),
            [BATCH_SIZE, hparams.z_size],
        )
        encode, compute = model.encode, model._compute_model_loss

        def recorded_encode(*arguments):
            posterior = encode(*arguments)
            self.mu, self.sigma = posterior.loc, posterior.scale.diag
            self.z = self.mu + self.sigma * self.eps
            posterior.sample = lambda: self.z
            return posterior

        def recorded_compute(*arguments):
            self.metrics, self.scalars = compute(*arguments)
            return self.metrics, self.scalars

        model.encode, model._compute_model_loss = recorded_encode, recorded_compute
        try:
            with Recorder(model.decoder, by_argmax) as recorder:
                self.optimizer = model.train(**self.feeds)
        finally:
            del model.encode, model._compute_model_loss
        self.calls, self.loss, self.step = recorder.calls, model.loss, model.global_step
        self.variables = tf.trainable_variables()

    def feed(self, batch, z=None, eps=None):
        fed = {
            placeholder: batch[name]
            for name, placeholder in self.feeds.items()
            if placeholder is not None
        }
        if z is not None:
            fed[self.z] = z
        if eps is not None:
            fed[self.eps] = eps
        return fed

    def assign(self, weights, step):
        with self.graph.as_default():
            self.session.run(tf.global_variables_initializer())
            for variable in self.variables:
                variable.load(weights[variable.op.name], self.session)
        self.set_step(step)

    def set_step(self, step):
        with self.graph.as_default():
            self.step.load(step, self.session)

    def save(self, folder, step, is_training=False):
        """Writes a checkpoint as Magenta's trainer does.

        Without `is_training` it holds no slots of the optimizer, as Magenta's published
        checkpoints.
        """
        shutil.rmtree(folder, ignore_errors=True)
        os.makedirs(folder)
        prefix = os.path.join(folder, "model.ckpt")
        variables = None if is_training else self.variables + [self.step]
        with self.graph.as_default():
            saver = tf.train.Saver(variables, save_relative_paths=True)
            saver.save(self.session, prefix, step, write_meta_graph=False)

    def add_train_op(self):
        """The update of Magenta's music_vae_train, which is inside its main loop."""
        hparams = self.config.hparams
        with self.graph.as_default():
            gradients, variables = zip(*self.optimizer.compute_gradients(self.loss))
            self.global_norm = tf.global_norm(gradients)
            assert hparams.clip_mode == "global_norm"
            clipped = tf.cond(
                self.global_norm < hparams.grad_norm_clip_to_zero,
                lambda: tf.clip_by_global_norm(
                    gradients, hparams.grad_clip, use_norm=self.global_norm
                )[0],
                lambda: [tf.zeros(tf.shape(gradient)) for gradient in gradients],
            )
            self.train_op = self.optimizer.apply_gradients(
                list(zip(clipped, variables)), global_step=self.step
            )

    def numbers(self, batch, z):
        """{name: array} of a batch, the decoder given `z`; counts its metrics, too."""
        names = {"r_loss": "r_loss", "kl_bits": "kl_bits", "kl_cost": "kl_loss"}
        fetched = {ours: self.scalars["losses/" + name] for ours, name in names.items()}
        fetched.update(mu=self.mu, sigma=self.sigma, calls=self.calls)
        fetched["updates"] = {name: pair[1] for name, pair in self.metrics.items()}
        with self.graph.as_default():
            self.session.run(tf.local_variables_initializer())
        found = self.session.run(fetched, self.feed(batch, z))
        del found["updates"]
        found["kl_div"] = found.pop("kl_bits") * np.float32(np.log(2))
        lengths, calls = batch["sequence_length"], found.pop("calls")
        # Losses are summed over the leaves, outputs are concatenated.
        found["step_loss"] = np.sum(self._placed(calls, lengths, 0), axis=0)[..., 0]
        found["logits"] = np.concatenate(self._placed(calls, lengths, 1), axis=-1)
        return found

    def measured(self):
        """{metric: value} of the last batch."""
        values = self.session.run(
            {name: pair[0] for name, pair in self.metrics.items()}
        )
        return {name: float(value) for name, value in values.items()}

    def _placed(self, calls, lengths, part):
        """[batch, time, depth] of each leaf: part 0 losses, 1 outputs."""
        total = self.config.hparams.max_seq_len
        leaves_of_part = [[call[part] for call in calls_of] for calls_of in calls]
        return [placed(segments, lengths, total) for segments in leaves_of_part]


def placed(segments, lengths, total):
    """Steps without padding, per segment, as [batch, total, depth]."""
    count = len(segments)
    if lengths.ndim == 1:
        lengths = np.tile(lengths[:, np.newaxis] // count, [1, count])
    size = total // count
    steps = [array.reshape([len(array), -1]) for array in segments]
    out = np.zeros([BATCH_SIZE, total, steps[0].shape[-1]], np.float32)
    for number, rows in enumerate(steps):
        start = 0
        for i, length in enumerate(lengths[:, number]):
            end = start + length
            first = number * size
            out[i, first : first + length] = rows[start:end]
            start = end
    return out

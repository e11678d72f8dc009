"""Generation with a trained model: encode, decode, sample, interpolate."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import tensorflow as tf

from music_vae_tf import build, checkpoint, pretrained
from music_vae_tf import config as configs
from music_vae_tf.batch import Batch
from music_vae_tf.errors import UserFacingError
from music_vae_tf.generation.compiling import compiled
from music_vae_tf.generation.decodable import (
    check_states,
    check_temperature,
    rows_of,
)
from music_vae_tf.generation.examples import only_example
from music_vae_tf.generation.interpolation import slerp
from music_vae_tf.models.decoder import Samples
from music_vae_tf.models.prng import PRNGKey
from music_vae_tf.run_directory import RunDirectory

if TYPE_CHECKING:
    from note_seq.protobuf.music_pb2 import NoteSequence

    from music_vae_tf.generation.transform import Transformed

log = logging.getLogger("music_vae_tf")

DEFAULT_BATCH_SIZE = 8


class EagerExecutionIsOff(UserFacingError, RuntimeError):
    """TensorFlow was set to build graphs, as notebooks for TensorFlow 1 do."""


class TrainedModel:
    """A model of a config with the weights of a checkpoint.

    Works in batches of a fixed size, so that each of its functions is compiled once.
    """

    def __init__(
        self,
        config: configs.Config | str,
        batch_size: int = DEFAULT_BATCH_SIZE,
        checkpoint_dir_or_path: str | os.PathLike | None = None,
        var_name_substitutions: Iterable[tuple[str, str]] | None = None,
        *,
        seed: int | None = None,
        end_token: int | Callable | None = None,
        grammar: bool = True,
        given_hits: bool | None = None,
    ):
        """
        Args:
            config: a config, its name, or the path of a YAML file. A name stands for
                the config as it was trained, where the checkpoint is a run_dir.
            batch_size: how many sequences go through the model at a time.
            checkpoint_dir_or_path: run_dir, train directory, prefix, file or tar.
                Without it, a name or path as `config` takes the pretrained model of
                that config; a `Config` object gives an untrained model.
            var_name_substitutions: pairs of a regular expression and its replacement,
                from this model's variable names (Magenta's) to the checkpoint's.
            seed: makes every draw repeatable, in the order of the calls.
            end_token: class that ends a sequence, or for rows that are not one-hot a
                predicate on `[B, D_out]` (Magenta's `end_fn`). Decoding ends when all
                sequences of a batch have ended.
            grammar: whether samples of tokens obey their grammar.
            given_hits: see `decoder.SampleOptions`; by default true for pretrained
                models, and false, as Magenta, for all others.

        Raises:
            checkpoint.CheckpointError: missing, damaged, or of another config.
            pretrained.PretrainedError: the config has no pretrained model.
            EagerExecutionIsOff: after `tf.disable_v2_behavior()`.
        """
        if not tf.executing_eagerly():
            raise EagerExecutionIsOff(
                "TensorFlow's eager execution is off, and a trained model needs it. "
                "Remove tf.disable_v2_behavior() or tf.disable_eager_execution(), and "
                "restart the notebook."
            )
        if isinstance(config, str):
            config = configs.load(config, "music_vae")
            if checkpoint_dir_or_path is None:
                checkpoint_dir_or_path = pretrained.weights_path(config.name)
                pretrained.check(config)
            else:
                config = _as_trained(config, checkpoint_dir_or_path)
        self.config = config
        self.batch_size = batch_size
        self.converter = build.converter(self.config).for_inference()
        is_trained = checkpoint_dir_or_path is not None
        make = build.uninitialized_model if is_trained else build.model
        self.model = make(self.config, self.converter)
        self.end_token = end_token
        if given_hits is None:
            given_hits = pretrained.is_weights(checkpoint_dir_or_path)
        self._given_hits = given_hits
        self._grammar = self.converter.grammar if grammar else None
        if is_trained:
            if (vocabulary := self.converter.token_vocabulary) is not None:
                checkpoint.check_vocabulary(checkpoint_dir_or_path, vocabulary)
            checkpoint.restore(
                self.model.named_variables,
                checkpoint_dir_or_path,
                var_name_substitutions,
            )
        self._rng = np.random.default_rng(seed)
        self._decode_batch = compiled(self._decode_step)
        self._encode_batch = compiled(self._encode_step)

    @property
    def z_size(self) -> int:
        return self.config.model.z_size

    def sample(
        self,
        n: int | None = None,
        length: int | None = None,
        temperature: float = 1.0,
        same_z: bool = False,
        c_input: np.ndarray | None = None,
    ) -> list[NoteSequence]:
        """New NoteSequences from the prior.

        Args:
            n: how many; a full batch by default.
            length: steps at most. Configs with an end token may leave it out; it is
                then the config's `max_seq_len`. (Magenta continues without end.)
            temperature: below 1 what is probable becomes more probable.
            same_z: one latent vector for all of them.
            c_input: controls [T, D_c] for all of them, in configs that have controls.

        Raises:
            NotDecodable: numbers are not finite, or far too large.
            ValueError: `length` is missing, or controls are, or one of the arguments
                makes no sense for this model.
        """
        z = self.draw(n or self.batch_size, same_z)
        return self._to_sequences(
            self._decode(z, length, temperature, c_input), c_input
        )

    def draw(self, n: int, same_z: bool = False) -> np.ndarray:
        """Latent vectors from the prior [N, Z]; with `same_z`, one of them N times."""
        draws = 1 if same_z else n
        z = self._rng.standard_normal([draws, self.z_size]).astype(np.float32)
        return np.repeat(z, n, axis=0) if same_z else z

    def reseed(self, seed: int | None) -> None:
        """Begins the draws anew: what follows is as after a start with this seed."""
        self._rng = np.random.default_rng(seed)

    def encode(
        self, note_sequences: Iterable, assert_same_length: bool = False
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """NoteSequences, each one example long -> z, mu, sigma: [N, Z] each.

        z is a draw from the posterior, mu its mean.

        Raises:
            RuntimeError: the model has no encoder.
            NoExtractedExamplesError, MultipleExtractedExamplesError: one of them is not
                what the converter makes exactly one example of.
            AssertionError: lengths differ, and `assert_same_length`.
        """
        self._check_conditional("encode")
        examples = [
            only_example(self.converter, s, s.filename or f"NoteSequence {i}")
            for i, s in enumerate(note_sequences)
        ]
        inputs = [np.asarray(example.inputs) for example in examples]
        for i, one in enumerate(inputs):
            if assert_same_length and len(one) != len(inputs[0]):
                raise AssertionError(
                    f"Sequences 0 and {i} have different lengths: "
                    f"{len(inputs[0])} vs {len(one)}"
                )
        return self.encode_tensors(
            inputs,
            [example.length for example in examples],
            [example.controls for example in examples],
        )

    def encode_tensors(
        self,
        input_tensors: Sequence[np.ndarray],
        lengths: Any,
        control_tensors: Sequence[np.ndarray] | None = None,
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Dense encoder inputs -> z, mu, sigma: [N, Z] each.

        Args:
            input_tensors: N arrays [T, D_in].
            lengths: N lengths, or arrays [S] of them.
            control_tensors: N arrays [T, D_c].

        Raises:
            RuntimeError: the model has no encoder.
        """
        self._check_conditional("encode")
        count = len(input_tensors)
        padding = -count % self.batch_size
        inputs = _padded(input_tensors, padding, self.converter.inputs.depth)
        control_depth = self.model.control_depth
        controls = np.zeros([*inputs.shape[:2], control_depth], np.float32)
        if control_tensors is not None and control_depth:
            given = _padded(control_tensors, padding, control_depth)
            controls[:, : given.shape[1]] = given
        lengths = np.asarray(lengths, np.int32)
        lengths = np.pad(lengths, [(0, padding)] + [(0, 0)] * (lengths.ndim - 1))
        results = [
            self._encode_batch(
                inputs[rows], lengths[rows], controls[rows], self._next_seed()
            )
            for rows in self._batches(len(inputs))
        ]
        z, mu, sigma = (np.concatenate(column)[:count] for column in zip(*results))
        return z, mu, sigma

    def decode(
        self,
        z: np.ndarray,
        length: int | None = None,
        temperature: float = 1.0,
        c_input: np.ndarray | None = None,
    ) -> list[NoteSequence]:
        """Latent vectors [N, Z] -> N NoteSequences; arguments as in `sample`.

        Raises:
            RuntimeError: the model has no latent vector.
        """
        self._check_conditional("decode")
        return self._to_sequences(
            self._decode(z, length, temperature, c_input), c_input
        )

    def decode_to_tensors(
        self,
        z: np.ndarray,
        length: int | None = None,
        temperature: float = 1.0,
        c_input: np.ndarray | None = None,
        return_full_results: bool = False,
    ) -> list[np.ndarray] | list[Samples]:
        """Latent vectors [N, Z] -> N arrays [T, D_out]; arguments as in `sample`.

        Args:
            return_full_results: gives N `Samples` of arrays instead. These are the
                rows, how many of them are before an end token, and the decoder's final
                states. (In Magenta these are of whole batches, cut off after N fields.)

        Raises:
            RuntimeError: the model has no latent vector.
        """
        self._check_conditional("decode")
        samples = self._decode(z, length, temperature, c_input)
        return samples if return_full_results else [one.rows for one in samples]

    def interpolate(
        self,
        start_sequence: Any,
        end_sequence: Any,
        num_steps: int,
        length: int | None = None,
        temperature: float = 1.0,
        assert_same_length: bool = True,
        c_input: np.ndarray | None = None,
    ) -> list[NoteSequence]:
        """`num_steps` NoteSequences from one to another, both reconstructed as well."""
        z = self.between(start_sequence, end_sequence, num_steps, assert_same_length)
        return self.decode(z, length, temperature, c_input)

    def between(
        self,
        start_sequence: Any,
        end_sequence: Any,
        num_steps: int,
        assert_same_length: bool = True,
    ) -> np.ndarray:
        """Latent vectors [N, Z] along the arc from one NoteSequence to another."""
        _, mu, _ = self.encode([start_sequence, end_sequence], assert_same_length)
        start, end = mu
        return np.stack([slerp(start, end, t) for t in np.linspace(0, 1, num_steps)])

    def transform(self, music: Any, **options: Any) -> list[Transformed]:
        """A song's drums as this model plays them; see `transform.transform`."""
        from music_vae_tf.generation import transform

        return transform.transform(self, music, **options)

    def shift(self, amounts: Any, path: Any = None, **options: Any) -> np.ndarray:
        """What attributes add to a latent vector [Z]; see `attributes.shift`."""
        from music_vae_tf.generation import attributes

        return attributes.shift(self, amounts, path, **options)

    def _check_conditional(self, verb):
        if not self.z_size:
            raise RuntimeError(f"Cannot {verb} with a non-conditional model.")

    def _decode(self, z, length, temperature, c_input) -> list[Samples]:
        """Samples of arrays for each of the latent vectors."""
        z = rows_of("z", z, self.z_size)
        controls = self._controls(c_input)
        check_temperature(temperature)
        length, end_token = self._end(length)
        padded = np.pad(z, [(0, -len(z) % self.batch_size), (0, 0)])
        samples = []
        for rows in self._batches(len(padded)):
            batch = self._decode_batch(
                padded[rows],
                tf.constant(length),
                tf.constant(temperature, tf.float32),
                controls,
                self._next_seed(),
                end_token,
            )
            samples += _one_by_one(batch)
        check_states([one.states for one in samples])
        return samples[: len(z)]

    def _controls(self, c_input):
        depth = self.model.control_depth
        if depth and c_input is None:
            raise ValueError(
                f"config {self.config.name} is conditioned: c_input [T, {depth}] is "
                "missing"
            )
        if not depth and c_input is not None:
            raise ValueError(
                f"config {self.config.name} is not conditioned: leave out c_input"
            )
        return rows_of("c_input", c_input, depth) if depth else None

    def _end(self, length):
        """How long at most, and the end token to heed."""
        if length:
            return length, self.end_token
        end_token = (
            self.converter.end_token if self.end_token is None else self.end_token
        )
        if end_token is None:
            raise ValueError(
                "A length must be specified when the end token is not used."
            )
        return self.config.model.max_seq_len, end_token

    def _batches(self, count):
        return [slice(i, i + self.batch_size) for i in range(0, count, self.batch_size)]

    def _next_seed(self):
        return tf.constant(self._rng.integers(2**31, size=2), tf.int32)

    def _decode_step(self, z, length, temperature, controls, seed, end_token):
        options = {"end_token": end_token, "grammar": self._grammar}
        options["given_hits"] = self._given_hits
        rng = PRNGKey(seed)
        return self.model.sample(z, length, controls, temperature, rng, **options)

    def _encode_step(self, inputs, lengths, controls, seed):
        batch = Batch(inputs, None, controls, lengths)
        mu, sigma = self.model.posterior(batch, needs_gradient=False)
        return mu + sigma * PRNGKey(seed).normal(tf.shape(mu)), mu, sigma

    def _to_sequences(self, samples, c_input):
        controls = self._controls(c_input)
        return [self.converter.to_sequence(one.rows, controls) for one in samples]


def _as_trained(config, path):
    """The config with the hyperparameters that a run directory keeps."""
    directory = RunDirectory.at(os.fspath(path))
    return directory.as_trained(config) if directory.path.is_dir() else config


def _one_by_one(batch: Samples) -> list[Samples]:
    """Samples of a batch -> those of each sequence, as arrays."""
    arrays = tf.nest.map_structure(lambda tensor: tensor.numpy(), batch)
    return [
        tf.nest.map_structure(lambda array, i=i: array[i], arrays)
        for i in range(len(arrays.rows))
    ]


def _padded(tensors, extra, depth):
    """Arrays [T, D] of many lengths, and `extra` empty ones -> float32 [N, T, D]."""
    longest = max(len(tensor) for tensor in tensors)
    padded = np.zeros([len(tensors) + extra, longest, depth], np.float32)
    for row, tensor in zip(padded, tensors):
        row[: len(tensor)] = tensor
    return padded

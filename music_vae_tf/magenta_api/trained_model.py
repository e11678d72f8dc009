"""`TrainedModel` with Magenta's constructor, on a config in Magenta's form."""

from __future__ import annotations

import copy
from collections.abc import Callable

import numpy as np

from music_vae_tf import generation
from music_vae_tf.generation import (
    MultipleExtractedExamplesError,
    NoExtractedExamplesError,
)
from music_vae_tf.magenta_api.configs import Config, to_ours

__all__ = ["MultipleExtractedExamplesError", "NoExtractedExamplesError", "TrainedModel"]


class TrainedModel:
    """A model of a config with the weights of a checkpoint.

    Methods are those of `generation.TrainedModel`, where they are explained.
    """

    def __init__(
        self,
        config: Config,
        batch_size: int,
        checkpoint_dir_or_path=None,
        var_name_substitutions=None,
        session_target="",
        *,
        end_fn: int | Callable | None = None,
    ):
        """
        Args:
            config: copied; later changes to it have no effect.
            session_target: has no effect, there are no sessions.
            end_fn: with which a sequence is over: a class, or for decoders that are not
                categorical a function from rows `[B, D_out]` to bool `[B]`.

        Draws depend on the state of NumPy's global generator now.
        """
        self._config = copy.deepcopy(config)
        self._config.data_converter.set_mode("infer")
        self._config.hparams.batch_size = batch_size
        self._model = generation.TrainedModel(
            to_ours(self._config),
            batch_size,
            checkpoint_dir_or_path,
            var_name_substitutions,
            seed=int(np.random.randint(2**31)),
            end_token=end_fn,
            given_hits=False,  # as Magenta, whatever the checkpoint is
        )

    def sample(
        self, n=None, length=None, temperature=1.0, same_z=False, c_input=None
    ) -> list:
        return self._model.sample(n, length, temperature, same_z, c_input)

    def encode(self, note_sequences, assert_same_length=False):
        self._heed_changes()
        return self._model.encode(note_sequences, assert_same_length)

    def encode_tensors(self, input_tensors, lengths, control_tensors=None):
        return self._model.encode_tensors(input_tensors, lengths, control_tensors)

    def decode(self, z, length=None, temperature=1.0, c_input=None) -> list:
        return self._model.decode(z, length, temperature, c_input)

    def decode_to_tensors(
        self,
        z,
        length=None,
        temperature=1.0,
        c_input=None,
        return_full_results=False,
    ) -> list:
        return self._model.decode_to_tensors(
            z, length, temperature, c_input, return_full_results
        )

    def interpolate(
        self,
        start_sequence,
        end_sequence,
        num_steps,
        length=None,
        temperature=1.0,
        assert_same_length=True,
    ) -> list:
        self._heed_changes()
        return self._model.interpolate(
            start_sequence,
            end_sequence,
            num_steps,
            length,
            temperature,
            assert_same_length,
        )

    def _heed_changes(self):
        """Notebooks set `model._config.data_converter._max_tensors_per_input`."""
        self._model.converter = self._config.data_converter.converter

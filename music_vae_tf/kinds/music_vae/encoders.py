"""The words of a config for encoders."""

from __future__ import annotations

from dataclasses import dataclass

from music_vae_tf.config.blueprints import blueprint
from music_vae_tf.config.schema import Kind
from music_vae_tf.kinds.music_vae import MusicVAEConfig
from music_vae_tf.models import encoders


def encoder(kind: Kind, model: MusicVAEConfig, name: str):
    """The encoder that a config names, with the sizes of its section `model`."""
    return blueprint(ENCODERS, kind, f"model > {name}").make(model, name)


@dataclass(frozen=True)
class _Lstm:
    def make(self, model, name):
        return encoders.LstmEncoder(*_encoder_cells(model), name=name)


@dataclass(frozen=True)
class _BidirectionalLstm:
    def make(self, model, name):
        return encoders.BidirectionalLstmEncoder(*_encoder_cells(model), name=name)


@dataclass(frozen=True)
class _HierarchicalEncoder:
    level_lengths: tuple[int, ...]
    core: str

    def make(self, model, name):
        levels = [
            encoder(Kind(self.core, {}), model, f"level_{i}")
            for i in range(len(self.level_lengths))
        ]
        return encoders.HierarchicalEncoder(levels, self.level_lengths, name=name)


ENCODERS = {
    "lstm": _Lstm,
    "bidirectional_lstm": _BidirectionalLstm,
    "hierarchical": _HierarchicalEncoder,
}


def _encoder_cells(model: MusicVAEConfig):
    return model.enc_rnn_size, model.dropout_keep_prob, model.residual_encoder

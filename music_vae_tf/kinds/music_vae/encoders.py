"""The words of a config for encoders."""

from __future__ import annotations

from dataclasses import dataclass

from music_vae_tf.config.blueprints import blueprint
from music_vae_tf.config.schema import Kind
from music_vae_tf.kinds.music_vae import Plan
from music_vae_tf.models import encoders


def encoder(kind: Kind, plan: Plan, name: str) -> encoders.Encoder:
    """The encoder that a config names, with cells as planned."""
    return blueprint(ENCODERS, kind, f"model > {name}").make(plan, name)


@dataclass(frozen=True)
class _Lstm:
    def make(self, plan, name):
        return encoders.LstmEncoder(*plan.encoder_cells, name=name)


@dataclass(frozen=True)
class _BidirectionalLstm:
    def make(self, plan, name):
        return encoders.BidirectionalLstmEncoder(*plan.encoder_cells, name=name)


@dataclass(frozen=True)
class _HierarchicalEncoder:
    level_lengths: tuple[int, ...]
    core: str

    def make(self, plan, name):
        levels = [
            encoder(Kind(self.core, {}), plan, f"level_{i}")
            for i in range(len(self.level_lengths))
        ]
        return encoders.HierarchicalEncoder(levels, self.level_lengths, name=name)


ENCODERS = {
    "lstm": _Lstm,
    "bidirectional_lstm": _BidirectionalLstm,
    "hierarchical": _HierarchicalEncoder,
}

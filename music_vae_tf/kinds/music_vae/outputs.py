"""The words of a config for output distributions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from music_vae_tf.config.schema import ConfigError, Count, Several
from music_vae_tf.models import groove_mixture, groove_outputs, outputs


@dataclass(frozen=True)
class _Categorical:
    def make(self, model, depth):
        return outputs.Categorical(depth, name="output")


@dataclass(frozen=True)
class _Bernoulli:
    def make(self, model, depth):
        return outputs.Bernoulli(depth, name="output")


@dataclass(frozen=True)
class _Groove:
    reconstruction_loss: Literal["groove", "bce"] = "groove"

    def make(self, model, depth):
        is_bce = self.reconstruction_loss == "bce"
        cls = groove_outputs.GrooveBernoulli if is_bce else groove_outputs.Groove
        _check_groove(depth)
        return cls(depth, name="output")


def _check_groove(depth):
    if depth % 3:
        raise ConfigError(
            f"model: an output of grooves has a hit, a velocity and an offset of each "
            f"drum; its rows have {depth} columns, not a multiple of 3"
        )


@dataclass(frozen=True)
class _GrooveMixture:
    num_components: Count
    lookback: Several | None = None  # the row of 1 step before is read in any case

    def make(self, model, depth):
        _check_groove(depth)
        return groove_mixture.GrooveMixture(
            depth, self.num_components, self.lookback, name="output"
        )


@dataclass(frozen=True)
class _Nade:
    def make(self, model, depth):
        if model.nade_num_hidden is None:
            raise ConfigError("model: output nade needs nade_num_hidden")
        return outputs.Nade(depth, model.nade_num_hidden, name="output")


@dataclass(frozen=True)
class _Concatenated:
    depths: tuple[int, ...]

    def make(self, model, depth):
        check_depths(self.depths, depth, "output")
        return outputs.Concatenated(self.depths, name="output")


OUTPUTS = {
    "categorical": _Categorical,
    "bernoulli": _Bernoulli,
    "groove": _Groove,
    "groove_mixture": _GrooveMixture,
    "nade": _Nade,
    "concatenated": _Concatenated,
}


def check_depths(depths: Sequence[int], depth: int, name: str) -> None:
    """Refuses parts of a row that do not add up to the row."""
    if sum(depths) != depth:
        raise ConfigError(
            f"model > {name} > depths: {list(depths)} add up to {sum(depths)}; the "
            f"converter's rows have {depth} columns"
        )

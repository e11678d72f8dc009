"""The words of a config for decoders."""

from __future__ import annotations

from dataclasses import dataclass

from music_vae_tf.config.blueprints import blueprint
from music_vae_tf.config.schema import ConfigError, Count, Kind
from music_vae_tf.kinds.music_vae import Plan
from music_vae_tf.kinds.music_vae.outputs import OUTPUTS, check_depths
from music_vae_tf.models import decoders
from music_vae_tf.models.autoregressive_decoder import AutoregressiveHierarchicalDecoder
from music_vae_tf.models.decoder import Decoder
from music_vae_tf.models.lstm_decoder import LstmDecoder
from music_vae_tf.models.parallel_decoder import ParallelHierarchicalDecoder


def decoder(kind: Kind, plan: Plan, depth: int, name: str) -> Decoder:
    """The decoder that a config names, for rows of `depth` columns."""
    return blueprint(DECODERS, kind, f"model > {name}").make(plan, depth, name)


@dataclass(frozen=True)
class _LstmDecoder:
    output: Kind

    def make(self, plan, depth, name):
        output = blueprint(OUTPUTS, self.output, f"model > {name} > output")
        return LstmDecoder(
            output.make(plan.section, depth), *plan.decoder_cells, name=name
        )


@dataclass(frozen=True)
class _ControlPreprocessingDecoder:
    core: Kind

    def make(self, plan, depth, name):
        return decoders.ControlPreprocessingDecoder(
            decoder(self.core, plan, depth, "conditioned"),
            plan.section.control_preprocessing_rnn_size,
            *plan.decoder_cells[1:],
            name=name,
        )


@dataclass(frozen=True)
class _SplitDecoder:
    depths: tuple[int, ...]
    cores: tuple[Kind, ...]

    def make(self, plan, depth, name):
        check_depths(self.depths, depth, name)
        if len(self.cores) != len(self.depths):
            raise ConfigError(
                f"model > {name}: {len(self.cores)} cores for {len(self.depths)} depths"
            )
        parts = [
            decoder(core, plan, part_depth, f"part_{i}")
            for i, (core, part_depth) in enumerate(zip(self.cores, self.depths))
        ]
        return decoders.SplitDecoder(parts, name=name)


@dataclass(frozen=True)
class _HierarchicalDecoder:
    level_lengths: tuple[int, ...]
    core: Kind
    disable_autoregression: bool | tuple[int, ...] = False
    reencode: bool = False
    learned_input_size: Count | None = None
    embedding_size: Count | None = None
    carry_last_row: bool = True

    def make(self, plan, depth, name):
        if self.learned_input_size and self.disable_autoregression is not True:
            raise ConfigError(
                f"model > {name} > learned_input_size: only a conductor that reads "
                "no context has a learned input; add disable_autoregression: true"
            )
        core = decoder(self.core, plan, depth, "core")
        if core.has_memory:
            raise ConfigError(
                f"model > {name} > core: the core of a hierarchy begins anew with each "
                "segment; leave the lookback of its output out"
            )
        options = {
            "embedding_size": self.embedding_size,
            "carry_last_row": self.carry_last_row,
            "name": name,
        }
        cells = plan.decoder_cells
        parallel = self._parallel_levels()
        if len(parallel) == len(self.level_lengths) - 1:
            return ParallelHierarchicalDecoder(
                core,
                self.level_lengths,
                *cells,
                learned_input_size=self.learned_input_size,
                **options,
            )
        return AutoregressiveHierarchicalDecoder(
            core,
            self.level_lengths,
            *cells,
            parallel_levels=parallel,
            reencode=self.reencode,
            **options,
        )

    def _parallel_levels(self) -> list[int]:
        """Numbers of the conductors that read nothing of the level below."""
        conductors = range(len(self.level_lengths) - 1)
        disabled = self.disable_autoregression
        if isinstance(disabled, bool):
            return list(conductors) if disabled else []
        return [i for i in conductors if i in disabled]


DECODERS = {
    "lstm": _LstmDecoder,
    "control_preprocessing": _ControlPreprocessingDecoder,
    "split": _SplitDecoder,
    "hierarchical": _HierarchicalDecoder,
}

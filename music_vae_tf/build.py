"""Config -> objects: the only place that knows which word stands for which class.

A `kind` of a config is read into a blueprint, a dataclass of its arguments, whose
`make` gives the object; so arguments are checked as strictly as the rest of a config.
"""

from __future__ import annotations

import music_vae_tf.models  # noqa: F401  first: TensorFlow starts quietly there

# isort: split

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, NamedTuple

import tensorflow as tf

from music_vae_tf import schedules
from music_vae_tf.config import (
    ClefLSTMObjectiveConfig,
    ClstmDecoderObjectiveConfig,
    Config,
    ConfigError,
    ConvCvaeObjectiveConfig,
    Count,
    Kind,
    MusicVAEConfig,
    MusicVAEObjectiveConfig,
    construct,
)
from music_vae_tf.data.converters.base import Converter
from music_vae_tf.models import decoders, encoders, outputs
from music_vae_tf.models.autoregressive_decoder import AutoregressiveHierarchicalDecoder
from music_vae_tf.models.clef_lstm import ClefLSTM, StaffSizes
from music_vae_tf.models.lstm_decoder import LstmDecoder
from music_vae_tf.models.music_vae import MusicVAE
from music_vae_tf.models.parallel_decoder import ParallelHierarchicalDecoder
from music_vae_tf.models.piano_roll_vae import ClstmDecoder, ConvCvae
from music_vae_tf.models.trainable import Trainable
from music_vae_tf.models.uninitialized import uninitialized_weights

# A converter is imported when it is asked for: each drags in its own libraries.
CONVERTERS = {
    "clefs": "ClefsConverter",
    "drums": "DrumsConverter",
    "groove": "GrooveConverter",
    "melody": "MelodyConverter",
    "multitrack": "MultitrackConverter",
    "piano_roll": "PianoRollConverter",
    "tokens": "TokensConverter",
    "trio": "TrioConverter",
}


def converter(config: Config) -> Converter:
    """The converter of a config, for training and evaluation."""
    kind = config.converter
    _check_kind(CONVERTERS, kind, f"config {config.name} > converter")
    module = importlib.import_module(f"music_vae_tf.data.converters.{kind.kind}")
    cls = getattr(module, CONVERTERS[kind.kind])
    return construct(cls, kind.arguments, f"config {config.name} > converter")


def augmenter(config: Config):
    """How training varies its NoteSequences: a `data.augment.Augmenter`, or None."""
    dataset = config.dataset
    if dataset.transpose_range is None and dataset.stretch_range is None:
        return None
    from music_vae_tf.data.augment import Augmenter

    return Augmenter(dataset.transpose_range, dataset.stretch_range)


def model(config: Config, converter: Converter) -> Trainable:
    """The untrained model of a config, as wide as the converter's rows."""
    return _MODELS[config.kind].model(config, converter)


def uninitialized_model(config: Config, converter: Converter) -> Trainable:
    """The same, with nothing in its weights yet, for a checkpoint to fill."""
    with uninitialized_weights():
        return model(config, converter)


@dataclass(frozen=True)
class OptimizerConfig:
    """The learning rate as a function of the step, and the limits of the gradient."""

    learning_rate: Callable[[tf.Tensor], tf.Tensor]
    clip_mode: str
    grad_clip: float
    grad_norm_clip_to_zero: float


def objective(config: Config):
    """What the model of a config minimises: an object with a `optimizer`, and with all
    that the model's loss needs."""
    training = config.training
    optimizer = OptimizerConfig(
        learning_rate=lambda step: schedules.learning_rate(
            step,
            training.learning_rate,
            training.decay_rate,
            training.min_learning_rate,
        ),
        clip_mode=training.clip_mode,
        grad_clip=training.grad_clip,
        grad_norm_clip_to_zero=training.grad_norm_clip_to_zero,
    )
    return _MODELS[config.kind].objective(config.objective, optimizer)


# MusicVAE.


def _music_vae_of(config: Config, converter: Converter) -> MusicVAE:
    return music_vae(
        config.model,
        converter.inputs.depth,
        converter.targets.depth,
        converter.controls.depth if converter.controls else 0,
    )


def music_vae(
    section: MusicVAEConfig, input_depth: int, output_depth: int, control_depth: int
) -> MusicVAE:
    """The untrained model of a config's section `model`, for rows of these depths."""
    return MusicVAE(
        _encoder(section.encoder, section, "encoder"),
        _decoder(section.decoder, section, output_depth, "decoder"),
        input_depth=input_depth,
        control_depth=control_depth,
        z_size=section.z_size,
        max_seq_len=section.max_seq_len,
        name="music_vae",
    )


@dataclass(frozen=True)
class MusicVAEObjective:
    """The (negative) evidence lower bound, with schedules of the step and free bits."""

    optimizer: OptimizerConfig
    beta: Callable[[tf.Tensor], tf.Tensor]
    sampling_probability: Callable[[tf.Tensor], tf.Tensor | float]
    evaluation_sampling_probability: float
    free_bits: float


def _music_vae_objective(
    section: MusicVAEObjectiveConfig, optimizer: OptimizerConfig
) -> MusicVAEObjective:
    sampling = (section.sampling_schedule, section.sampling_rate)
    in_evaluation = schedules.evaluation_sampling_probability(*sampling)
    return MusicVAEObjective(
        optimizer,
        beta=lambda step: schedules.beta(step, section.max_beta, section.beta_rate),
        # A Python number tells the decoder to build no sampler.
        sampling_probability=(
            lambda step: (
                schedules.sampling_probability(step, *sampling)
                if in_evaluation
                else 0.0
            )
        ),
        evaluation_sampling_probability=in_evaluation,
        free_bits=section.free_bits,
    )


# The VAE of class rolls, and the decoder that continues them.


def _conv_cvae_of(config: Config, converter: Converter) -> ConvCvae:
    section = config.model
    return ConvCvae(
        converter.roll_steps, section.z_size, section.filters, name="conv_cvae"
    )


@dataclass(frozen=True)
class ConvCvaeObjective:
    """The (negative) evidence lower bound, with weighted cells."""

    optimizer: OptimizerConfig
    positive_weight: float
    beta: Callable[[tf.Tensor], tf.Tensor]
    free_bits: float


def _conv_cvae_objective(
    section: ConvCvaeObjectiveConfig, optimizer: OptimizerConfig
) -> ConvCvaeObjective:
    return ConvCvaeObjective(
        optimizer,
        section.positive_weight,
        beta=lambda step: schedules.beta(step, section.max_beta, section.beta_rate),
        free_bits=section.free_bits,
    )


def _clstm_decoder_of(config: Config, converter: Converter) -> ClstmDecoder:
    section = config.model
    if converter.roll_steps % section.latent_windows:
        raise ConfigError(
            f"config {config.name} > model > latent_windows: {converter.roll_steps} "
            f"steps cannot be cut into {section.latent_windows} equal windows"
        )
    return ClstmDecoder(
        converter.continuation_steps,
        section.z_size,
        section.latent_windows,
        section.lstm_size,
        section.filters,
        name="clstm_decoder",
    )


@dataclass(frozen=True)
class ClstmDecoderObjective:
    """Cross-entropy with weighted cells."""

    optimizer: OptimizerConfig
    positive_weight: float


def _clstm_decoder_objective(
    section: ClstmDecoderObjectiveConfig, optimizer: OptimizerConfig
) -> ClstmDecoderObjective:
    return ClstmDecoderObjective(optimizer, section.positive_weight)


# The clef-split LSTM.


def _clef_lstm_of(config: Config, windows) -> ClefLSTM:
    """As wide as `data.clefs.windows.Windows` are."""
    section = config.model
    return ClefLSTM(
        *(StaffSizes(*sizes) for sizes in windows.staff_sizes),
        lstm_sizes=section.lstm_sizes,
        keep_probability=section.dropout_keep_prob,
        outer_keep_probability=section.outer_keep_prob,
        dense_size=section.dense_size,
        note_input=section.note_input,
        factored_logits=section.factored_logits,
        shared_clock=section.shared_clock,
        name="clef_lstm",
    )


@dataclass(frozen=True)
class ClefLSTMObjective:
    """Cross-entropy of every event of a window, or of the last."""

    optimizer: OptimizerConfig
    loss_on: str


def _clef_lstm_objective(
    section: ClefLSTMObjectiveConfig, optimizer: OptimizerConfig
) -> ClefLSTMObjective:
    return ClefLSTMObjective(optimizer, section.loss_on)


class _Makers(NamedTuple):
    """What makes the objects of a kind of model."""

    model: Callable[[Config, Converter], Trainable]
    objective: Callable[[object, OptimizerConfig], object]


_MODELS = {
    "music_vae": _Makers(_music_vae_of, _music_vae_objective),
    "conv_cvae": _Makers(_conv_cvae_of, _conv_cvae_objective),
    "clstm_decoder": _Makers(_clstm_decoder_of, _clstm_decoder_objective),
    "clef_lstm": _Makers(_clef_lstm_of, _clef_lstm_objective),
}


def _check_kind(table, kind: Kind, where: str):
    if kind.kind not in table:
        raise ConfigError(
            f"{where} > kind: {kind.kind!r} is none of {', '.join(sorted(table))}"
        )


def _blueprint(table, kind: Kind, where: str):
    _check_kind(table, kind, where)
    return construct(table[kind.kind], kind.arguments, where)


# Encoders.


def _encoder(kind: Kind, model: MusicVAEConfig, name: str):
    return _blueprint(_ENCODERS, kind, f"model > {name}").make(model, name)


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
            _encoder(Kind(self.core, {}), model, f"level_{i}")
            for i in range(len(self.level_lengths))
        ]
        return encoders.HierarchicalEncoder(levels, self.level_lengths, name=name)


_ENCODERS = {
    "lstm": _Lstm,
    "bidirectional_lstm": _BidirectionalLstm,
    "hierarchical": _HierarchicalEncoder,
}


def _encoder_cells(model: MusicVAEConfig):
    return model.enc_rnn_size, model.dropout_keep_prob, model.residual_encoder


# Decoders.


def _decoder(kind: Kind, model: MusicVAEConfig, depth: int, name: str):
    return _blueprint(_DECODERS, kind, f"model > {name}").make(model, depth, name)


@dataclass(frozen=True)
class _LstmDecoder:
    output: Kind

    def make(self, model, depth, name):
        output = _blueprint(_OUTPUTS, self.output, f"model > {name} > output")
        return LstmDecoder(output.make(model, depth), *_decoder_cells(model), name=name)


@dataclass(frozen=True)
class _ControlPreprocessingDecoder:
    core: Kind

    def make(self, model, depth, name):
        return decoders.ControlPreprocessingDecoder(
            _decoder(self.core, model, depth, "conditioned"),
            model.control_preprocessing_rnn_size,
            model.dropout_keep_prob,
            model.residual_decoder,
            name=name,
        )


@dataclass(frozen=True)
class _SplitDecoder:
    depths: tuple[int, ...]
    cores: tuple[Kind, ...]

    def make(self, model, depth, name):
        _check_depths(self.depths, depth, name)
        if len(self.cores) != len(self.depths):
            raise ConfigError(
                f"model > {name}: {len(self.cores)} cores for {len(self.depths)} depths"
            )
        parts = [
            _decoder(core, model, part_depth, f"part_{i}")
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

    def make(self, model, depth, name):
        if self.learned_input_size and self.disable_autoregression is not True:
            raise ConfigError(
                f"model > {name} > learned_input_size: only a conductor that reads "
                "no context has a learned input; add disable_autoregression: true"
            )
        core = _decoder(self.core, model, depth, "core")
        options = {
            "embedding_size": self.embedding_size,
            "carry_last_row": self.carry_last_row,
            "name": name,
        }
        cells = _decoder_cells(model)
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


_DECODERS = {
    "lstm": _LstmDecoder,
    "control_preprocessing": _ControlPreprocessingDecoder,
    "split": _SplitDecoder,
    "hierarchical": _HierarchicalDecoder,
}


def _decoder_cells(model: MusicVAEConfig):
    return model.dec_rnn_size, model.dropout_keep_prob, model.residual_decoder


# Outputs.


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
        cls = outputs.GrooveBernoulli if is_bce else outputs.Groove
        return cls(depth, name="output")


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
        _check_depths(self.depths, depth, "output")
        return outputs.Concatenated(self.depths, name="output")


_OUTPUTS = {
    "categorical": _Categorical,
    "bernoulli": _Bernoulli,
    "groove": _Groove,
    "nade": _Nade,
    "concatenated": _Concatenated,
}


def _check_depths(depths, depth, name):
    if sum(depths) != depth:
        raise ConfigError(
            f"model > {name} > depths: {list(depths)} add up to {sum(depths)}; the "
            f"converter's rows have {depth} columns"
        )

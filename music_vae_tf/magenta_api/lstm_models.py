"""Encoders and decoders by Magenta's names, as this package's configs describe them."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from music_vae_tf.config import Kind
from music_vae_tf.magenta_api.training import HParams

# Encoders.


def LstmEncoder() -> Kind:
    """A stack of LSTMs."""
    return Kind("lstm", {})


def BidirectionalLstmEncoder() -> Kind:
    """A stack of LSTMs, each along the sequence and against it."""
    return Kind("bidirectional_lstm", {})


def HierarchicalLstmEncoder(
    core_encoder_cls: Callable[[], Kind], level_lengths: Sequence[int]
) -> Kind:
    """Segments first, then sequences of what was said of them.

    Args:
        core_encoder_cls: `LstmEncoder` or `BidirectionalLstmEncoder`, of all levels.
        level_lengths: how many items each level reads, from the steps upwards.
    """
    core = core_encoder_cls().kind
    return Kind("hierarchical", {"level_lengths": tuple(level_lengths), "core": core})


# Decoders.


def BooleanLstmDecoder() -> Kind:
    """Columns that are on or off."""
    return _lstm("bernoulli")


def CategoricalLstmDecoder() -> Kind:
    """One class a step."""
    return _lstm("categorical")


def MultiOutCategoricalLstmDecoder(output_depths: Sequence[int]) -> Kind:
    """Several classes a step, from one stack of LSTMs."""
    return _lstm("concatenated", depths=tuple(output_depths))


def MultiLabelRnnNadeDecoder() -> Kind:
    """Columns that are on or off, each given those before it."""
    return _lstm("nade")


def GrooveLstmDecoder() -> Kind:
    """Drum hits with velocities and offsets."""
    return _lstm("groove")


def SplitMultiOutLstmDecoder(
    core_decoders: Sequence[Kind], output_depths: Sequence[int]
) -> Kind:
    """A decoder for each group of columns."""
    return Kind(
        "split", {"depths": tuple(output_depths), "cores": tuple(core_decoders)}
    )


def BidirectionalLstmControlPreprocessingDecoder(core_decoder: Kind) -> Kind:
    """A decoder that reads its controls through a bidirectional LSTM."""
    return Kind("control_preprocessing", {"core": core_decoder})


def HierarchicalLstmDecoder(
    core_decoder: Kind,
    level_lengths: Sequence[int],
    disable_autoregression: bool | Sequence[int] = False,
    hierarchical_encoder: Kind | None = None,
) -> Kind:
    """Conductors over a core decoder.

    Args:
        level_lengths: steps of each conductor, then of a segment of the core.
        disable_autoregression: of all levels, or the numbers of some.
        hierarchical_encoder: the model's encoder, to encode each segment again.
    """
    if not isinstance(disable_autoregression, bool):
        disable_autoregression = tuple(disable_autoregression)
    arguments = {
        "level_lengths": tuple(level_lengths),
        "core": core_decoder,
        "disable_autoregression": disable_autoregression,
    }
    if hierarchical_encoder is not None:
        arguments["reencode"] = True
    return Kind("hierarchical", arguments)


def _lstm(output: str, **arguments) -> Kind:
    return Kind("lstm", {"output": Kind(output, arguments)})


def get_default_hparams() -> HParams:
    """What Magenta's configs start from."""
    return HParams(
        max_seq_len=32,
        z_size=32,
        free_bits=0.0,
        max_beta=1.0,
        beta_rate=0.0,
        batch_size=512,
        grad_clip=1.0,
        clip_mode="global_norm",
        grad_norm_clip_to_zero=10000.0,
        learning_rate=0.001,
        decay_rate=0.9999,
        min_learning_rate=0.00001,
        conditional=True,
        dec_rnn_size=[512],
        enc_rnn_size=[256],
        dropout_keep_prob=1.0,
        sampling_schedule="constant",
        sampling_rate=0.0,
        use_cudnn=False,
        residual_encoder=False,
        residual_decoder=False,
        control_preprocessing_rnn_size=[256],
    )

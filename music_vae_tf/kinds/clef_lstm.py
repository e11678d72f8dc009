"""The clef-split LSTM: a network for each staff of piano music."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Literal

from music_vae_tf.config.schema import Count, PositiveRate, Sizes
from music_vae_tf.kinds import ModelKind

if TYPE_CHECKING:
    from music_vae_tf.config import Config
    from music_vae_tf.data.clefs.windows import Windows
    from music_vae_tf.models.clef_lstm import ClefLSTM


@dataclasses.dataclass(frozen=True)
class ClefLSTMConfig:
    """Two networks, one for each staff of piano music."""

    lstm_sizes: Sizes  # units per layer, of either network
    dropout_keep_prob: PositiveRate  # between LSTMs
    outer_keep_prob: PositiveRate  # before the first and after the last
    dense_size: Count  # before the two heads
    note_input: Literal["multi_hot", "label", "scalar"]  # how a chord is read
    factored_logits: bool  # a chord's logit is its own plus those of its notes
    shared_clock: bool  # both read the time in the bar, and the bass the treble


@dataclasses.dataclass(frozen=True)
class ClefLSTMObjectiveConfig:
    """What is minimised: cross-entropy of the next notes and durations."""

    loss_on: Literal["all", "last"]  # all events of a window, or its last one


def _build(config: Config, windows: Windows, layer_dtype: str) -> ClefLSTM:
    """As wide as the windows of the training data are."""
    from music_vae_tf.models.clef_lstm import ClefLSTM, StaffSizes

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
        cell_dtype=layer_dtype,
        name="clef_lstm",
    )


KIND = ModelKind(
    model=ClefLSTMConfig,
    objective=ClefLSTMObjectiveConfig,
    build=_build,
    data="music_vae_tf.training.clef_pieces:ClefPieceData",
    load="music_vae_tf.training.clef_pieces:load_trained",
    command="clef_lstm_train",
    free_keys=("dropout_keep_prob", "outer_keep_prob"),
)

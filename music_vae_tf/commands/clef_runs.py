"""What the commands of the clef-split LSTM share: a training's model."""

from __future__ import annotations

import os
from pathlib import Path

from music_vae_tf.commands.command import UserError


def trained_clef_lstm(run_dir: str):
    """The TrainedClefLSTM of a run directory's newest checkpoint.

    Raises:
        UserError: no clef-split LSTM was trained there.
    """
    from music_vae_tf.generation.clef_lstm import TrainedClefLSTM
    from music_vae_tf.run_directory import RunDirectory
    from music_vae_tf.training.clef_pieces import labels_of_run

    directory = RunDirectory(Path(os.path.expanduser(run_dir)))
    record = directory.record()
    if record is None:
        raise UserError(
            f"--run_dir={run_dir}: no training is recorded there; the --run_dir of a "
            "clef_lstm_train is expected"
        )
    if record.config.kind != "clef_lstm":
        raise UserError(
            f"--run_dir={run_dir} holds a training of config {record.config.name}, "
            f"which is a {record.config.kind}; one of a clef_lstm is expected"
        )
    labels = labels_of_run(directory.path)
    return TrainedClefLSTM(record.config, labels, directory.to_generate_from())

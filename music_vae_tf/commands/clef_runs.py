"""What the commands of the clef-split LSTM share: a training's labels and its model."""

from __future__ import annotations

import os
from pathlib import Path

from music_vae_tf.commands.command import UserError

LABELS_FILE = "train/labels.json"


def labels_of_run(run_dir: Path):
    """The labels of the training in a run directory, {staff: Labels}; None without.

    Labels that a start left behind which never came to train are none.
    """
    from music_vae_tf.data.clefs import labels
    from music_vae_tf.run_directory import RunDirectory

    if RunDirectory(run_dir).record() is None:
        return None
    path = run_dir / LABELS_FILE
    try:
        return labels.from_json(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise UserError(
            f"{path} is missing: the labels belong to the model, which means nothing "
            "without them"
        ) from error
    except labels.BadLabels as error:
        raise UserError(f"{path}: {error}") from error


def trained_clef_lstm(run_dir: str):
    """The TrainedClefLSTM of a run directory's newest checkpoint.

    Raises:
        UserError: no clef-split LSTM was trained there.
    """
    from music_vae_tf.generation.clef_lstm import TrainedClefLSTM
    from music_vae_tf.run_directory import RunDirectory

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

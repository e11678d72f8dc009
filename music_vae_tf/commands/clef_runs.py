"""What the commands of the clef-split LSTM share: a training's model."""

from __future__ import annotations


def trained_clef_lstm(run_dir: str):
    """The TrainedClefLSTM of a run directory's newest checkpoint.

    Raises:
        OptionError: no clef-split LSTM was trained there.
    """
    from music_vae_tf.generation.clef_lstm import TrainedClefLSTM
    from music_vae_tf.run_directory import RunDirectory
    from music_vae_tf.training.clef_pieces import labels_of_run
    from music_vae_tf.training.request import config_of_run

    config = config_of_run("run_dir", run_dir, "clef_lstm", "clef_lstm_train")
    directory = RunDirectory.at(run_dir)
    labels = labels_of_run(directory.path)
    return TrainedClefLSTM(config, labels, directory.to_generate_from())

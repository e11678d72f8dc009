"""What the commands of the clef-split LSTM share: a trained model."""

from __future__ import annotations

from music_vae_tf.commands.trained import labels_of, named_model

KIND = "clef_lstm"


def trained_clef_lstm(flags):
    """The TrainedClefLSTM that the flags of `add_checkpoint_flags` name; where they
    name none, the pretrained one.

    Raises:
        UserError: no clef-split LSTM was trained there, or two models are named.
    """
    from music_vae_tf import pretrained
    from music_vae_tf.generation.clef_lstm import TrainedClefLSTM

    if not (flags.config or flags.run_dir or flags.checkpoint_file):
        flags["config"].value = pretrained.of_kind(KIND)
    config, path = named_model(flags, (KIND,))
    return TrainedClefLSTM(config, labels_of(path), path)

"""What a training leaves: its figures, its checkpoints, the trained model."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from music_vae_tf.config import Config
from music_vae_tf.run_directory import RunDirectory


@dataclass(frozen=True)
class TrainingResult:
    """What `train` returns."""

    config: Config  # as trained
    run_dir: Path
    seed: int
    state: str  # "finished" or "stopped early"
    steps: int  # in all, those of earlier starts included
    steps_taken: int  # by this call
    was_complete: bool  # all steps were taken before this call
    metrics: dict[str, float]  # of the last step, by TensorBoard tag: "loss" and others
    validation_losses: list[tuple[int, float]]  # (step, loss)
    checkpoint: str  # of the last step
    best_checkpoint: str  # of the lowest validation loss; without any, `checkpoint`

    @property
    def loss(self) -> float | None:
        """The training loss of the last step; None where no step was taken."""
        return self.metrics.get("loss")

    @property
    def validation_loss(self) -> float | None:
        """The lowest validation loss; None without validation."""
        return min((loss for _, loss in self.validation_losses), default=None)

    def load(self, batch_size: int = 4, *, best: bool = True, seed: int | None = None):
        """The trained model, ready to generate.

        Args:
            batch_size: how many sequences go through a MusicVAE at a time.
            best: take `best_checkpoint`, otherwise the last one.
            seed: makes every draw repeatable.

        Returns:
            A `TrainedModel` for a MusicVAE, a `TrainedRollVae` for a conv_cvae, a
            `TrainedClefLSTM` for a clef_lstm.

        Raises:
            CheckpointError: the checkpoint is gone.
            ValueError: a clstm_decoder is of use only with its conv_cvae.
        """
        path = self.best_checkpoint if best else self.checkpoint
        return _LOADERS[self.config.kind](self, path, batch_size, seed)


def _load_music_vae(result, path, batch_size, seed):
    from music_vae_tf.generation import TrainedModel

    return TrainedModel(result.config, batch_size, path, seed=seed)


def _load_clef_lstm(result, path, batch_size, seed):
    from music_vae_tf.generation.clef_lstm import TrainedClefLSTM
    from music_vae_tf.training.clef_pieces import labels_of_run

    return TrainedClefLSTM(result.config, labels_of_run(result.run_dir), path)


def _load_conv_cvae(result, path, batch_size, seed):
    from music_vae_tf import build, checkpoint
    from music_vae_tf.generation.piano_roll import TrainedRollVae

    model = build.uninitialized_model(result.config, build.converter(result.config))
    checkpoint.restore(model.named_variables, path)
    return TrainedRollVae(model, None, seed)


def _load_clstm_decoder(result, path, batch_size, seed):
    raise ValueError(
        "a clstm_decoder continues the rolls of a conv_cvae and generates nothing "
        f"alone: piano_roll_vae_generate --clstm_run_dir={result.run_dir} "
        "--run_dir=... uses both"
    )


_LOADERS = {
    "music_vae": _load_music_vae,
    "clef_lstm": _load_clef_lstm,
    "conv_cvae": _load_conv_cvae,
    "clstm_decoder": _load_clstm_decoder,
}


def best_checkpoint(directory: RunDirectory) -> str | None:
    """That of the lowest validation loss, or without validation the newest one."""
    return directory.best() or directory.checkpoint()

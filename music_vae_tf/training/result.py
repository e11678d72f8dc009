"""What a training leaves: its figures, its checkpoints, the trained model."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from music_vae_tf import kinds
from music_vae_tf.config import Config
from music_vae_tf.run_directory import RunDirectory

if TYPE_CHECKING:
    from music_vae_tf.generation import TrainedModel
    from music_vae_tf.generation.clef_lstm import TrainedClefLSTM
    from music_vae_tf.generation.piano_roll import TrainedRollVae


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
    checkpoint: str | None  # of the last step; None where another worker keeps it
    best_checkpoint: str | None  # of the lowest validation loss, or the last step

    @property
    def loss(self) -> float | None:
        """The training loss of the last step; None where no step was taken."""
        return self.metrics.get("loss")

    @property
    def validation_loss(self) -> float | None:
        """The lowest validation loss; None without validation."""
        return min((loss for _, loss in self.validation_losses), default=None)

    def load(
        self, batch_size: int = 4, *, best: bool = True, seed: int | None = None
    ) -> TrainedModel | TrainedRollVae | TrainedClefLSTM:
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
        load = kinds.imported(kinds.find(self.config.kind).load)
        return load(self, path, batch_size, seed)


def best_checkpoint(directory: RunDirectory) -> str | None:
    """That of the lowest validation loss, or without validation the newest one."""
    return directory.best() or directory.checkpoint()

"""The folder of one training: what it trains, its checkpoints, its summaries.

run_dir/train/config.yaml        the config as trained, the package that wrote it
run_dir/train/model.ckpt-N.*     checkpoints, as Magenta's
run_dir/train/checkpoint         which of them there are
run_dir/train/events.*           TensorBoard summaries of the training
run_dir/eval<suffix>/events.*    and of an evaluation
"""

from __future__ import annotations

import dataclasses
import os
import re
from pathlib import Path

from music_vae_tf import __version__, checkpoint, config
from music_vae_tf.config import Config

HEAD = "# Trained by music_vae_tf {version}: config {name}, seed {seed}\n"
# What a later start of the same training may change; the others make another model.
FREE_SECTIONS = ("objective", "training", "dataset")


class RunMismatch(ValueError):
    """A run directory that was used for something else."""

    for_the_user = True


@dataclasses.dataclass(frozen=True)
class Record:
    """What a run directory says of its training."""

    config: Config
    seed: int
    version: str


@dataclasses.dataclass(frozen=True)
class RunDirectory:
    """Paths in a run directory, and the record kept there."""

    path: Path

    @classmethod
    def at(cls, path: str) -> RunDirectory:
        return cls(Path(os.path.expanduser(path)))

    @property
    def train_dir(self) -> Path:
        return self.path / "train"

    def eval_dir(self, suffix: str) -> Path:
        return self.path / f"eval{suffix}"

    @property
    def record_file(self) -> Path:
        return self.train_dir / "config.yaml"

    def record(self) -> Record | None:
        """What was trained here; None for a directory of Magenta's, or a new one."""
        if not self.record_file.exists():
            return None
        text = self.record_file.read_text(encoding="utf-8")
        head = re.match(
            HEAD.format(version=r"(\S+)", name=r"(.+)", seed=r"(-?\d+)"), text
        )
        if head is None:
            raise RunMismatch(
                f"{self.record_file}: its first line does not say what was trained; "
                "remove the file if the directory is to be used all the same"
            )
        version, name, seed = head.groups()
        return Record(config.parse(text, name), int(seed), version)

    def write_record(self, trained: Config, seed: int) -> None:
        """Remembers what is trained here, replacing what was remembered before."""
        self.train_dir.mkdir(parents=True, exist_ok=True)
        head = HEAD.format(version=__version__, name=trained.name, seed=seed)
        unfinished = self.record_file.with_suffix(".unfinished")
        unfinished.write_text(head + config.dump(trained), encoding="utf-8")
        os.replace(unfinished, self.record_file)

    def check(self, asked: Config) -> Record | None:
        """The record of this directory, if `asked` goes on with the model in it.

        Raises:
            RunMismatch: names what differs: the config, the converter, the model.
        """
        record = self.record()
        if record is None:
            return None
        differences = _differences(record.config, asked)
        if record.config.name == asked.name and not differences:
            return record
        raise RunMismatch(
            f"{self.path} holds a training of config {record.config.name}, and "
            f"{asked.name} was asked for"
            + "".join(f"\n  {line}" for line in differences)
            + "\nUse another --run_dir, or ask for what is there."
        )

    def checkpoint(self) -> str | None:
        """The newest checkpoint, None if there is none."""
        return checkpoint.latest(self.train_dir)


def _differences(there: Config, asked: Config) -> list[str]:
    """`model > z_size: 256 there, 512 asked for`, for all that makes another model."""
    lines = []
    for section in dataclasses.fields(Config):
        if section.name in ("name", *FREE_SECTIONS):
            continue
        trained, wanted = (_flat(getattr(c, section.name)) for c in (there, asked))
        lines += [
            f"{section.name} > {key}: {trained.get(key)} there, {wanted.get(key)} wanted"
            for key in sorted({*trained, *wanted})
            if trained.get(key) != wanted.get(key)
        ]
    return lines


def _flat(section) -> dict:
    if isinstance(section, config.Kind):
        return {"kind": section.kind, **section.arguments}
    return {f.name: getattr(section, f.name) for f in dataclasses.fields(section)}

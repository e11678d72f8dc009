"""The directory of one training: its config, checkpoints and summaries.

run_dir/train/config.yaml        the config as trained, and the package's version
run_dir/train/flags.json         path of the examples, number of steps, ...
run_dir/train/state.json         whether training runs or how it ended, and the step
run_dir/train/lock.json          who trains there at the moment, as `run_lock` has it
run_dir/train/model.ckpt-N.*     checkpoints, as Magenta's
run_dir/train/best/              the checkpoint of the lowest validation loss
run_dir/train/validation.json    all validation losses: [[step, loss], ...]
run_dir/train/checkpoint         the list of checkpoints
run_dir/train/vocabulary.json    the tokens, for music that is made of tokens
run_dir/train/events.*           TensorBoard summaries of training
run_dir/eval<suffix>/events.*    TensorBoard summaries of an evaluation
"""

from __future__ import annotations

import dataclasses
import json
import os
import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from music_vae_tf import __version__, checkpoint, config, kinds
from music_vae_tf.config import Config, ConfigError
from music_vae_tf.data.whole_file import whole_file
from music_vae_tf.errors import UserFacingError
from music_vae_tf.json_files import BadJson, read_json, read_text

HEAD = "# Trained by music_vae_tf {version}: config {name}, seed {seed}\n"
# Sections that define the model. Only other sections, and the `free_keys` of the kind
# of model, may change when a training is resumed.
BOUND_SECTIONS = ("converter", "model")
LARGEST_SEED = 2**63 - 1

FINISHED, STOPPED_EARLY = "finished", "stopped early"
INTERRUPTED, FAILED = "interrupted", "failed"
# Of flags.json, what is used without passing through the options of a training.
FLAGS_READ_HERE = {"num_steps": int, "holdout_seed": int, "in_memory": list}
ENDED = (FINISHED, STOPPED_EARLY, INTERRUPTED, FAILED)


class RunDirectoryError(UserFacingError, ValueError):
    """A run directory that is unusable, or belongs to another training."""


@dataclasses.dataclass(frozen=True)
class RunMetadata:
    """The config, seed and package version of a training."""

    config: Config
    seed: int
    version: str

    def changes(self, asked: Config, seed: int) -> list[str]:
        """What changes if the training is resumed so, a line for each."""
        lines = differences(self.config, asked, bound=False)
        for what, then, now in (
            ("seed", self.seed, seed),
            ("music_vae_tf", self.version, __version__),
        ):
            if then != now:
                lines.append(f"{what}: {then} before, {now} now")
        return lines


@dataclasses.dataclass(frozen=True)
class RunDirectory:
    """Paths in a run directory, and the metadata stored there."""

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

    def record(self) -> RunMetadata | None:
        """The metadata of the training; None for a new directory, or one of Magenta's.

        Raises:
            RunDirectoryError: the metadata cannot be read.
        """
        try:
            return _read_record(read_text(self.record_file))
        except (FileNotFoundError, NotADirectoryError):
            return None
        except (ConfigError, BadJson) as error:
            raise RunDirectoryError(
                f"{self.record_file} cannot be read as the config of its training: "
                f"{error}\nCorrect it, or remove it and give --config and --hparams as "
                "the training had them."
            ) from error

    def write_record(self, trained: Config, seed: int) -> None:
        """Writes the metadata, replacing what was there."""
        head = HEAD.format(version=__version__, name=trained.name, seed=seed)
        with whole_file(self.record_file, durable=True) as file:
            file.write((head + config.dump(trained)).encode())

    def flags(self) -> dict[str, Any]:
        """The stored flags of the training; empty if there are none.

        Raises:
            RunDirectoryError: they cannot be read, or make no sense.
        """
        flags = self._json("flags.json") or {}
        for name, expected in FLAGS_READ_HERE.items():
            value = flags.get(name)
            if value is not None and not isinstance(value, expected):
                raise RunDirectoryError(
                    f"{self.train_dir / 'flags.json'}: {name} is of type "
                    f"{type(value).__name__}, where {expected.__name__} is expected. "
                    "Remove the file, and give the flags again."
                )
        return flags

    def write_flags(self, flags: dict[str, object]) -> None:
        """Stores the flags of the training, replacing earlier ones."""
        self._write_json("flags.json", flags)

    def state(self) -> str | None:
        """`training`, or how it ended; None if nothing is stored, as by Magenta."""
        state = (self._json("state.json") or {}).get("state")
        return state if isinstance(state, str) else None

    def write_state(self, state: str, step: int) -> None:
        """Stores `training`, or how it ended: one of `ENDED`."""
        self._write_json("state.json", {"state": state, "step": step})

    def _json(self, name: str):
        path = self.train_dir / name
        try:
            return read_json(path)
        except (FileNotFoundError, NotADirectoryError):
            return None
        except BadJson as error:
            raise RunDirectoryError(
                f"{error}. Remove it, and give the flags again."
            ) from error

    def _write_json(self, name: str, value) -> None:
        with whole_file(self.train_dir / name, durable=True) as file:
            file.write((json.dumps(value, indent=1) + "\n").encode())

    def best(self) -> str | None:
        """The checkpoint of the lowest validation loss; None without validation."""
        return checkpoint.latest(self.train_dir / "best")

    def to_generate_from(self) -> str:
        """The checkpoint to use: the best one, if the training was to stop early.

        Otherwise it is the directory, which stands for its newest checkpoint.
        """
        asked = self.state() == FINISHED and self.flags().get("early_stop")
        best = self.best() if asked or self.state() == STOPPED_EARLY else None
        return best or str(self.path)

    def as_trained(self, asked: Config) -> Config:
        """`asked` with the hyperparameters of the training here, if it is of that
        config; otherwise unchanged."""
        record = self.record()
        same = record is not None and record.config.name == asked.name
        return record.config if same else asked

    def check(self, asked: Config) -> None:
        """Checks that `asked` has the model and data of the training here, if any.

        Raises:
            RunDirectoryError: names the differences of config, converter and model.
        """
        record = self.record()
        if record is None:
            return
        different = differences(record.config, asked, bound=True)
        if record.config.name == asked.name and not different:
            return
        raise RunDirectoryError(
            f"{self.path} belongs to a training of config {record.config.name}; "
            f"{asked.name} was given"
            + "".join(f"\n  {line}" for line in different)
            + "\nUse another --run_dir, or the config of this one."
        )

    def checkpoint(self) -> str | None:
        """The newest checkpoint, None if there is none."""
        return checkpoint.latest(self.train_dir)

    def checkpoints(
        self,
        last_step: int | None,
        interval_s: float,
        waiting: Callable[[str | None], None] = lambda seen: None,
    ) -> Iterator[str]:
        """Yields each new checkpoint, until the training has ended.

        It has ended when its last step is saved, or when `state.json` says that it
        finished, stopped early, was interrupted or failed.

        Args:
            last_step: 0 has no last step; None takes the training's own.
            interval_s: seconds between two checks.
            waiting: called with the newest checkpoint before each wait.
        """
        seen = None
        while True:
            # Read the state first: a training saves its last checkpoint, then ends.
            ended = self.state() in ENDED
            newest = self.checkpoint()
            if newest not in (None, seen):
                seen = newest
                yield newest
                continue
            last = self.flags().get("num_steps") if last_step is None else last_step
            last = last or 0
            if ended or (seen and 0 < last <= checkpoint.step_of(seen)):
                return
            waiting(seen)
            time.sleep(interval_s)


def _read_record(text: str) -> RunMetadata:
    pattern = HEAD.format(version=r"(\S+)", name=r"(.+)", seed=r"(\d{1,19})")
    head = re.match(pattern, text)
    if head is None:
        raise ConfigError("its first line should name version, config and seed")
    version, name, seed = head.groups()
    if int(seed) > LARGEST_SEED:
        raise ConfigError(f"its seed is larger than {LARGEST_SEED}")
    return RunMetadata(config.parse(text, name), int(seed), version)


def differences(trained: Config, asked: Config, bound: bool) -> list[str]:
    """Lines such as `model > z_size: 256 before, 512 now`.

    bound: differences that define another model; otherwise those that may change.
    """
    lines, free_keys = [], kinds.find(trained.kind).free_keys
    for field in dataclasses.fields(Config)[2:]:  # all but name and kind
        then, now = (_flat(getattr(c, field.name)) for c in (trained, asked))
        for key in sorted({*then, *now}):
            is_bound = field.name in BOUND_SECTIONS and key not in free_keys
            if is_bound == bound and then.get(key) != now.get(key):
                lines.append(
                    f"{field.name} > {key}: {_shown(then, key)} before, "
                    f"{_shown(now, key)} now"
                )
    return lines


def _flat(section) -> dict:
    if isinstance(section, config.Kind):
        return {"kind": section.kind, **section.arguments}
    return {f.name: getattr(section, f.name) for f in dataclasses.fields(section)}


def _shown(values: dict, key: str) -> str:
    """The value as in a config file."""
    if key not in values:
        return "not given"
    return json.dumps(values[key], default=vars)

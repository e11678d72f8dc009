"""The folder of one training: what it trains, its checkpoints, its summaries.

run_dir/train/config.yaml        the config as trained, the package that wrote it
run_dir/train/flags.json         where its examples are, how many steps it takes, ...
run_dir/train/state.json         whether it goes on, or how it ended, and at which step
run_dir/train/model.ckpt-N.*     checkpoints, as Magenta's
run_dir/train/best/              the one of the lowest validation loss
run_dir/train/validation.json    all validation losses: [[step, loss], ...]
run_dir/train/checkpoint         which of them there are
run_dir/train/vocabulary.json    what the tokens are, where the music is made of tokens
run_dir/train/events.*           TensorBoard summaries of the training
run_dir/eval<suffix>/events.*    and of an evaluation
"""

from __future__ import annotations

import dataclasses
import json
import os
import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from music_vae_tf import __version__, checkpoint, config
from music_vae_tf.config import Config, ConfigError

HEAD = "# Trained by music_vae_tf {version}: config {name}, seed {seed}\n"
# What makes another model, and what of that does not. All else may change from one
# start of a training to the next.
BOUND_SECTIONS = ("converter", "model")
FREE_KEYS = ("dropout_keep_prob", "outer_keep_prob", "conditional", "use_cudnn")


FINISHED, STOPPED_EARLY = "finished", "stopped early"
INTERRUPTED, FAILED = "interrupted", "failed"
ENDED = (FINISHED, STOPPED_EARLY, INTERRUPTED, FAILED)


class RunDirectoryError(ValueError):
    """A run directory that cannot be used, or was used for something else."""

    for_the_user = True


@dataclasses.dataclass(frozen=True)
class Record:
    """What a run directory says of its training."""

    config: Config
    seed: int
    version: str

    def changes(self, asked: Config, seed: int) -> list[str]:
        """What is otherwise when the training goes on so, a line for each."""
        lines = differences(self.config, asked, bound=False)
        for what, then, now in (
            ("seed", self.seed, seed),
            ("music_vae_tf", self.version, __version__),
        ):
            if then != now:
                lines.append(f"{what}: {then} there, {now} now")
        return lines


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
        """What was trained here; None for a directory of Magenta's, or a new one.

        Raises:
            RunDirectoryError: there is a record, and it cannot be read.
        """
        try:
            return _read_record(self.record_file.read_text(encoding="utf-8"))
        except (FileNotFoundError, NotADirectoryError):
            return None
        except (ConfigError, UnicodeDecodeError) as error:
            raise RunDirectoryError(
                f"{self.record_file} does not say any more what was trained there: "
                f"{error}\nPut it right, or remove it and give --config and --hparams "
                "as the training began with."
            ) from error

    def write_record(self, trained: Config, seed: int) -> None:
        """Remembers what is trained here, replacing what was remembered before."""
        head = HEAD.format(version=__version__, name=trained.name, seed=seed)
        unfinished = self.record_file.with_suffix(".unfinished")
        unfinished.write_text(head + config.dump(trained), encoding="utf-8")
        os.replace(unfinished, self.record_file)

    def flags(self) -> dict[str, object]:
        """What the command line of the training said; empty where nothing is kept."""
        return self._json("flags.json") or {}

    def write_flags(self, flags: dict[str, object]) -> None:
        """Remembers the flags of the training, replacing those from before."""
        self._write_json("flags.json", flags)

    def state(self) -> str | None:
        """`training`, or how it ended; None where nothing is kept, as by Magenta."""
        return (self._json("state.json") or {}).get("state")

    def write_state(self, state: str, step: int) -> None:
        """Remembers that the training goes on, or how it ended: one of `ENDED`."""
        self._write_json("state.json", {"state": state, "step": step})

    def _json(self, name: str):
        path = self.train_dir / name
        try:
            return json.loads(path.read_text(encoding="utf-8"))
        except (FileNotFoundError, NotADirectoryError):
            return None
        except ValueError as error:
            raise RunDirectoryError(
                f"{path} cannot be read: {error}. Remove it, and give the flags again."
            ) from error

    def _write_json(self, name: str, value) -> None:
        path = self.train_dir / name
        unfinished = path.with_suffix(".unfinished")
        unfinished.write_text(json.dumps(value, indent=1) + "\n", encoding="utf-8")
        os.replace(unfinished, path)

    def best(self) -> str | None:
        """The checkpoint of the lowest validation loss; None without validation."""
        return checkpoint.latest(self.train_dir / "best")

    def to_generate_from(self) -> str:
        """What a trained model is read from: the best checkpoint, where validation
        ended the training, otherwise the directory, whose newest one counts."""
        best = self.best() if self.state() == STOPPED_EARLY else None
        return best or str(self.path)

    def check(self, asked: Config) -> None:
        """Sees that `asked` goes on with the model that is trained here, if one is.

        Raises:
            RunDirectoryError: names what differs: the config, the converter, the model.
        """
        record = self.record()
        if record is None:
            return
        different = differences(record.config, asked, bound=True)
        if record.config.name == asked.name and not different:
            return
        raise RunDirectoryError(
            f"{self.path} holds a training of config {record.config.name}, and "
            f"{asked.name} was asked for"
            + "".join(f"\n  {line}" for line in different)
            + "\nUse another --run_dir, or ask for what is there."
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
        """Each newest checkpoint as it comes, until the training has ended.

        It has when its last step is there, or when `state.json` says so: a training
        that finished, stopped early, was interrupted or failed.

        Args:
            last_step: 0 has no last step; None is that of the training's flags.
            interval_s: seconds between two looks.
            waiting: called with the newest checkpoint before each wait.
        """
        seen = None
        while True:
            ended = self.state() in ENDED  # before the look: it saves, then ends
            newest = self.checkpoint()
            if newest not in (None, seen):
                seen = newest
                yield newest
                continue
            last = self.flags().get("num_steps", 0) if last_step is None else last_step
            if ended or (seen and 0 < last <= checkpoint.step_of(seen)):
                return
            waiting(seen)
            time.sleep(interval_s)


def _read_record(text: str) -> Record:
    pattern = HEAD.format(version=r"(\S+)", name=r"(.+)", seed=r"(\d+)")
    head = re.match(pattern, text)
    if head is None:
        raise ConfigError("its first line should name version, config and seed")
    version, name, seed = head.groups()
    return Record(config.parse(text, name), int(seed), version)


def differences(there: Config, asked: Config, bound: bool) -> list[str]:
    """`model > z_size: 256 there, 512 now`, for all that differs.

    bound: of what makes another model; else of what may change.
    """
    lines = []
    for field in dataclasses.fields(Config)[1:]:  # all but the name
        then, now = (_flat(getattr(c, field.name)) for c in (there, asked))
        for key in sorted({*then, *now}):
            is_bound = field.name in BOUND_SECTIONS and key not in FREE_KEYS
            if is_bound == bound and then.get(key) != now.get(key):
                lines.append(
                    f"{field.name} > {key}: {_shown(then, key)} there, "
                    f"{_shown(now, key)} now"
                )
    return lines


def _flat(section) -> dict:
    if isinstance(section, config.Kind):
        return {"kind": section.kind, **section.arguments}
    return {f.name: getattr(section, f.name) for f in dataclasses.fields(section)}


def _shown(values: dict, key: str) -> str:
    """The value as a config file has it."""
    if key not in values:
        return "not given"
    return json.dumps(values[key], default=vars)

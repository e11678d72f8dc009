"""A trained model as one tar archive, which Magenta loads as well.

model.ckpt-N.index, .data-00000-of-00001   the weights, as Magenta's
config.yaml                                the config that was trained
README.md                                  the model card, if there is one
vocabulary.json                            the tokens, for models of tokens
SHA256SUMS                                 of all these files, for `sha256sum --check`

The same weights give the same bytes: members have no owner, and no time of their own.
"""

from __future__ import annotations

import hashlib
import tarfile
import tempfile
from collections.abc import Mapping
from pathlib import Path

from music_vae_tf import checkpoint
from music_vae_tf import config as configs
from music_vae_tf.checkpoint.archive import CONFIG, SUMS
from music_vae_tf.export.compact import titled
from music_vae_tf.models.trainable import Trainable


def export(
    config: configs.Config,
    model: Trainable,
    step: int,
    texts: Mapping[str, str],
    path: Path,
) -> None:
    """Writes the archive.

    Args:
        config: of the model.
        model: with its trained weights.
        step: of the training.
        texts: {name: text} of the model card and of what belongs to the model.
        path: of the archive.
    """
    with tempfile.TemporaryDirectory() as directory:
        folder = Path(directory)
        weights = {**model.named_variables, "step": step}
        checkpoint.write(folder / f"model.ckpt-{step}", weights)
        (folder / CONFIG).write_text(titled(config), encoding="utf-8")
        for name, text in texts.items():
            (folder / name).write_text(text, encoding="utf-8")
        _write_sums(folder)
        with tarfile.open(path, "w", format=tarfile.USTAR_FORMAT) as tar:
            for file in sorted(folder.iterdir()):
                _add(tar, file)


def _write_sums(folder):
    digest = lambda file: hashlib.sha256(file.read_bytes()).hexdigest()
    lines = [f"{digest(file)}  {file.name}\n" for file in sorted(folder.iterdir())]
    (folder / SUMS).write_text("".join(lines), encoding="utf-8")


def _add(tar, file):
    member = tarfile.TarInfo(file.name)
    member.size = file.stat().st_size
    with file.open("rb") as content:
        tar.addfile(member, content)

"""Files that belong to a checkpoint: what its columns mean."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from music_vae_tf.checkpoint import archive, compact
from music_vae_tf.checkpoint.finding import CheckpointError, find, is_whole
from music_vae_tf.json_files import BadJson, read_text

VOCABULARY = "vocabulary.json"  # of models of tokens
LABELS = "labels.json"  # of the clef LSTM
NAMES = (VOCABULARY, LABELS)


def companions(path: Any) -> dict[str, str]:
    """{name: text} of the files that belong to a checkpoint.

    They lie beside it, or in the .safetensors file or the archive that holds it. The
    checkpoint of the lowest validation loss, in `best`, shares those of its training.

    Args:
        path: in any form that `find` understands.

    Raises:
        CheckpointError: there is no checkpoint, or it is damaged.
    """
    found = find(path)
    if found.endswith(compact.SUFFIX):
        files = compact.metadata(found).files
        return {name: str(files[name]) for name in NAMES if name in files}
    if not is_whole(found):
        return archive.texts(found, NAMES)
    folder = Path(os.path.dirname(found) or ".")
    folders = [folder.parent, folder] if folder.name == "best" else [folder]
    return {
        name: _text(folder / name)
        for folder in folders
        for name in NAMES
        if (folder / name).is_file()
    }


def _text(file):
    try:
        return read_text(file)
    except BadJson as error:
        raise CheckpointError(str(error)) from error

"""--output_json: the figures of an evaluation as a file."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Sequence

from music_vae_tf.commands.command import UserError, writable_directory

log = logging.getLogger("music_vae_tf")


def check(path: str | None) -> None:
    """
    Raises:
        UserError: there is a path, and no file can be written there.
    """
    if not path:
        return
    writable_directory("output_json", os.path.dirname(path) or ".")
    if os.path.isdir(os.path.expanduser(path)):
        raise UserError(
            f"--output_json={path}: a folder; a name for a file is expected"
        )


def write(path: str | None, rows: Sequence) -> None:
    """Writes `groove_report.Row`s, where there is a path."""
    from music_vae_tf.data.whole_file import whole_file

    if not path:
        return
    text = json.dumps([row.as_json() for row in rows], indent=1)
    with whole_file(os.path.expanduser(path)) as file:
        file.write(f"{text}\n".encode())
    log.info("Wrote %d rows: %s", len(rows), path)

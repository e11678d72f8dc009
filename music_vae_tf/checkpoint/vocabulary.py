"""The vocabulary beside a checkpoint: what the columns of its rows mean."""

from __future__ import annotations

import itertools
import json
import logging
import os
from typing import Any

from music_vae_tf.checkpoint.companions import VOCABULARY, companions
from music_vae_tf.checkpoint.finding import CheckpointError, find
from music_vae_tf.data.whole_file import whole_file
from music_vae_tf.json_files import MAX_BYTES, BadJson, parse_json

log = logging.getLogger("music_vae_tf")


def keep_vocabulary(directory: str | os.PathLike, vocabulary: Any) -> None:
    """Writes what a training's tokens are into the directory of its checkpoints, once.

    Args:
        vocabulary: has `name`, `made_by` and `tokens`, as a converter's.

    Raises:
        CheckpointError: another vocabulary lies there, or none that can be read.
    """
    path = os.path.join(directory, VOCABULARY)
    if os.path.exists(path):
        _compare(path, _text_of(path), vocabulary)
        return
    with whole_file(path, durable=True) as file:
        file.write(json.dumps(vocabulary._asdict(), indent=1).encode())


def check_vocabulary(path: str | os.PathLike, vocabulary: Any) -> None:
    """Checks that a checkpoint was trained with a vocabulary; warns if it is unknown.

    Args:
        path: in any form that `find` understands.

    Raises:
        CheckpointError: there is no checkpoint, or it was trained with another one.
    """
    text, found = companions(path).get(VOCABULARY), find(path)
    where = os.path.join(os.path.dirname(found), VOCABULARY)
    where = found if os.path.isfile(found) else where
    if text is not None:
        _compare(where, text, vocabulary)
    else:
        log.warning(
            "%s is not there: nothing tells that the checkpoint's %d tokens are %s's",
            where,
            len(vocabulary.tokens),
            vocabulary.made_by,
        )


def _text_of(path) -> bytes:
    with open(path, "rb") as file:
        return file.read(MAX_BYTES + 1)


def _compare(path, text, vocabulary):
    name, made_by, tokens = _fields(path, text)
    if (name, tuple(tokens)) == (vocabulary.name, vocabulary.tokens):
        return
    pairs = itertools.zip_longest(tokens, vocabulary.tokens, fillvalue="none")
    where, (then, now) = next(
        ((i, pair) for i, pair in enumerate(pairs) if pair[0] != pair[1]),
        (0, (name, vocabulary.name)),
    )
    raise CheckpointError(
        f"the vocabulary differs from that of the checkpoint, {path}: {len(tokens)} "
        f"tokens of {name} by {made_by} there, {len(vocabulary.tokens)} of "
        f"{vocabulary.name} by {vocabulary.made_by} here; token {where} is {then} "
        f"there and {now} here. Give the config it was trained with, or install "
        f"{made_by}"
    )


def _fields(path, text) -> tuple[str, str, list[str]]:
    """Name, maker and tokens of a stored vocabulary."""
    try:
        stored = parse_json(text, path)
    except BadJson as error:
        raise _unreadable(path, error) from error
    name, made_by, tokens = (stored.get(k) for k in ("name", "made_by", "tokens"))
    if not (isinstance(name, str) and isinstance(made_by, str)):
        raise _unreadable(path, "`name` and `made_by` should be texts")
    if not isinstance(tokens, list) or not all(isinstance(t, str) for t in tokens):
        raise _unreadable(path, "`tokens` should be a list of texts")
    return name, made_by, tokens


def _unreadable(path, reason) -> CheckpointError:
    return CheckpointError(
        f"{path} does not say any more what the tokens of its checkpoints are: {reason}"
    )

"""Which files of a collection are held out: a share of them, by their names alone."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

from music_vae_tf.errors import UserFacingError


class NothingHeldOut(UserFacingError, ValueError):
    """Music that cannot be divided into a part to train on and a part held out."""


def rank(file: bytes, seed: int) -> bytes:
    """The rank of a file, by its name, in the order of a seed."""
    return hashlib.sha1(f"{seed} ".encode() + file).digest()


def held_out(ranks: Iterable[bytes], share: float, name: str) -> set[bytes]:
    """The ranks of the files that are held out: the lowest ones, one at least.

    More music moves few files from one part to the other.

    Args:
        name: of the collection, for the message.

    Raises:
        NothingHeldOut: there are fewer than two files.
    """
    ranks = sorted(set(ranks))
    if len(ranks) < 2:
        raise NothingHeldOut(
            f"{name}: holding out a part needs music from two files at least; there is "
            f"{len(ranks)}"
        )
    number = min(max(1, round(share * len(ranks))), len(ranks) - 1)
    return set(ranks[:number])

"""Arguments of a class that a config names by its `kind`, read as strictly as the rest.

A blueprint is a dataclass of the arguments; its `make` gives the object.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from music_vae_tf.config.reader import construct
from music_vae_tf.config.schema import ConfigError, Kind


def blueprint(table: Mapping[str, type], kind: Kind, where: str) -> Any:
    """The blueprint of a kind, with its arguments from the config.

    Args:
        table: kind -> dataclass.
        where: what is being read, `model > decoder`.

    Raises:
        ConfigError: there is no such kind, or an argument is wrong.
    """
    check_kind(table, kind, where)
    return construct(table[kind.kind], kind.arguments, where)


def check_kind(known: Iterable[str], kind: Kind, where: str) -> None:
    """Refuses a kind that is none of the known ones."""
    if kind.kind not in known:
        raise ConfigError(
            f"{where} > kind: {kind.kind!r} is none of {', '.join(sorted(known))}"
        )

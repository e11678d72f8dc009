"""Magenta's flat hparams: all numbers of a config, and changes to them."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping
from typing import NamedTuple

import yaml

from music_vae_tf import safe_yaml
from music_vae_tf.config.reader import construct, nearest, shown
from music_vae_tf.config.schema import HPARAMS_SECTIONS, Config, ConfigError, Kind
from music_vae_tf.config.yaml12 import Loader
from music_vae_tf.old_names import current_key, current_value


def hparams(config: Config) -> dict[str, object]:
    """All numbers of model, objective and training under Magenta's names.

    As Magenta's `hparams.values()`: lists for tuples, and `nade_num_hidden` only where
    there is one.
    """
    fields = {
        name: value
        for section in HPARAMS_SECTIONS
        for name, value in vars(getattr(config, section)).items()
    }
    return {
        name: list(value) if isinstance(value, tuple) else value
        for name, value in fields.items()
        if value is not None and not isinstance(value, Kind)
    }


def override(config: Config, assignments: str) -> Config:
    """The same configuration with some hparams changed.

    Args:
        assignments: as Magenta's `--hparams`, `batch_size=64,enc_rnn_size=[512]`;
            `dec_rnn_size[1]=128` changes one item (Magenta reads it, then refuses).

    Raises:
        ConfigError: an unknown name, a value of the wrong type, a name given twice.
    """
    changes = read_assignments(assignments, hparams(config))
    sections = {
        section: _replace(getattr(config, section), changes)
        for section in HPARAMS_SECTIONS
    }
    return dataclasses.replace(config, **sections)


def with_arguments(config: Config, kind: str, **arguments: object) -> Config:
    """The same configuration, with these arguments for each `kind` in its model.

    Raises:
        ConfigError: there is none in it.
    """
    found = []

    def changed(value):
        if isinstance(value, tuple):
            return tuple(map(changed, value))
        if not isinstance(value, Kind):
            return value
        inside = {key: changed(item) for key, item in value.arguments.items()}
        if value.kind != kind:
            return Kind(value.kind, inside)
        found.append(value)
        return Kind(kind, inside | arguments)

    parts = {name: changed(value) for name, value in vars(config.model).items()}
    if not found:
        raise ConfigError(f"config {config.name} has no {kind} in its model")
    return dataclasses.replace(config, model=type(config.model)(**parts))


class _Assignment(NamedTuple):
    name: str
    index: int | None
    text: str


_ASSIGNMENT = re.compile(
    r"(?P<name>[a-zA-Z][\w.]*) (\[\s*(?P<index>[0-9]{1,9})\s*\])? \s*=\s*"
    r"(?P<text>[^,\[]* | \[[^\]]*\]) \s*(?:,\s*|$)",
    re.VERBOSE,
)


def _assignments(text: str) -> list[_Assignment]:
    """`a=1,b[0]=2` -> ('a', None, '1'), ('b', 0, '2')."""
    found, position = [], 0
    while position < len(text):
        match = _ASSIGNMENT.match(text, position)
        if not match:
            raise ConfigError(
                f"hparams: cannot read {shown(text[position:])}; write name=value "
                "pairs with commas between, as in batch_size=64,enc_rnn_size=[512,512]"
            )
        index = None if match["index"] is None else int(match["index"])
        found.append(_Assignment(match["name"], index, match["text"].strip()))
        position = match.end()
    return found


def _check_once(assignments: list[_Assignment]) -> None:
    """Refuses a name, or an item of a list, that is given twice."""
    indices = {}
    for assignment in assignments:
        known = indices.setdefault(assignment.name, set())
        is_whole = None in known or (known and assignment.index is None)
        if is_whole or assignment.index in known:
            raise ConfigError(f"hparams > {assignment.name}: given more than once")
        known.add(assignment.index)


def read_assignments(text: str, current: Mapping[str, object]) -> dict[str, object]:
    """The new value of every hparam that a text assigns to, its type not yet checked.

    Args:
        text: `batch_size=64,enc_rnn_size=[512]`.
        current: the hparams that there are, with their values.

    Raises:
        ConfigError: an unknown name, or one given twice.
    """
    assignments = _assignments(text)
    _check_once(assignments)
    changes = {}
    for name, index, text in assignments:
        name = name if name in current else current_key(name)
        if name not in current:
            raise ConfigError(f"no hparam is called {name!r}{nearest(name, current)}")
        value = current_value(name, _from_flag(text, current[name]))
        if index is not None:
            value = _with_item(name, changes.get(name, current[name]), index, value)
        changes[name] = value
    return changes


def _from_flag(text: str, current: object):
    """The value in one assignment, in the words of flags: a list may lack its commas,
    a boolean may be 0 or 1, and text needs no quotes."""
    if text.startswith("["):
        return [_item(item, current) for item in re.findall(r"[^\s,]+", text[1:-1])]
    return _item(text, current)


def _item(text: str, current: object):
    if isinstance(current, str):
        return text
    try:
        value = safe_yaml.load(text, Loader)
    except yaml.YAMLError:
        return text
    return bool(value) if isinstance(current, bool) and type(value) is int else value


def _with_item(name: str, items: object, index: int, value: object) -> list:
    if not isinstance(items, list):
        raise ConfigError(
            f"hparams > {name}: {items!r} is not a list; leave out [{index}]"
        )
    if index >= len(items):
        raise ConfigError(
            f"hparams > {name}[{index}]: the list is {items}; its items are numbered "
            f"from 0 to {len(items) - 1}"
        )
    return [*items[:index], value, *items[index + 1 :]]


def _replace(section, changes: Mapping[str, object]):
    fields = vars(section)
    mine = {name: value for name, value in changes.items() if name in fields}
    return construct(type(section), {**fields, **mine}, "hparams")

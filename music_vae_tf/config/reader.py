"""The strict reader: values as YAML gives them to checked dataclasses."""

from __future__ import annotations

import dataclasses
import difflib
import math
import types
import typing
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Annotated, Any, Literal, TypeVar

from music_vae_tf.config.schema import ConfigError, Kind

LARGEST = 2**60  # so that four times as many, as of gates, are still 64 bits
LONGEST = 200  # characters of a value in an error
Section = TypeVar("Section")  # a dataclass


def construct(cls: type[Section], mapping: Mapping[str, object], where: str) -> Section:
    """A frozen dataclass from its fields' values as YAML gives them, all checked.

    Lists become the tuples that the class declares, whole numbers become floats where
    it says so. A ValueError of the class's own checks is reported with its place.

    Args:
        cls: a dataclass; its annotations say what each field takes.
        mapping: field name -> value.
        where: what is being read, `config groovae_4bar > converter`.

    Raises:
        ConfigError: names the place, what came, and what was expected.
    """
    check_keys(mapping, _arguments(cls), where)
    hints = typing.get_type_hints(cls, include_extras=True)
    values = {
        key: _read(value, hints[key], f"{where} > {key}")
        for key, value in mapping.items()
    }
    try:
        return cls(**values)
    except ValueError as error:
        raise ConfigError(f"{where}: {error}") from error


def _arguments(cls: type) -> list[dataclasses.Field]:
    return [field for field in dataclasses.fields(cls) if field.init]


def check_keys(mapping: Any, fields: Iterable[dataclasses.Field], where: str) -> None:
    """Refuses keys that are not fields, and fields without a default and a key."""
    known = {field.name: field for field in fields}
    if not isinstance(mapping, Mapping):
        raise ConfigError(
            f"{where}: expected the keys {', '.join(known)}; got {shown(mapping)}"
        )
    for key in mapping:
        if key not in known:
            raise ConfigError(f"{where}: no key {key!r} here{nearest(key, known)}")
    missing = [
        name
        for name, field in known.items()
        if name not in mapping
        and field.default is dataclasses.MISSING
        and field.default_factory is dataclasses.MISSING
    ]
    if missing:
        raise ConfigError(f"{where}: missing {', '.join(missing)}")


def _read(value, hint, where: str):
    """`value` as an object of the annotated type `hint`."""
    if typing.get_origin(hint) is Annotated:
        read = _read(value, hint.__origin__, where)
        if all(rule.holds(read) for rule in hint.__metadata__):
            return read
    elif hint is Any:
        return value
    elif hint is Kind:
        return read_kind(value, where)
    elif _is_union(hint):
        return _read_union(value, typing.get_args(hint), where)
    elif members := _item_hints(hint):
        if isinstance(value, list | tuple):
            return _read_items(value, members, where)
    elif typing.get_origin(hint) is Literal:
        if value in typing.get_args(hint):
            return value
    elif _is_section(hint) and isinstance(value, Mapping):
        return construct(hint, value, where)
    elif hint is float and type(value) is int:
        return float(_checked(value, where))
    elif isinstance(value, hint) and (hint is bool or not isinstance(value, bool)):
        return _checked(value, where)
    raise ConfigError(
        f"{where}: expected {_described(hint)}; got {shown(value)}"
        f"{_advice(value, hint)}"
    )


def _checked(value: Any, where: str) -> Any:
    """The value, unless it is a number that no model can have.

    Raises:
        ConfigError: it is not finite, or further from 0 than LARGEST.
    """
    if isinstance(value, float) and not math.isfinite(value):
        raise ConfigError(f"{where}: expected a finite number; got {value}")
    if isinstance(value, int) and abs(value) > LARGEST:
        raise ConfigError(
            f"{where}: expected a number of at most {LARGEST:,}; got {shown(value)}"
        )
    return value


def read_kind(value: object, where: str) -> Kind:
    """A mapping with `kind` in it, and all such mappings inside it."""
    if isinstance(value, Kind):
        return value
    if not isinstance(value, Mapping) or not isinstance(value.get("kind"), str):
        raise ConfigError(
            f"{where}: expected a mapping with `kind: ...` in it; got {shown(value)}"
        )
    arguments = {
        key: _read_argument(item, f"{where} > {key}")
        for key, item in value.items()
        if key != "kind"
    }
    return Kind(value["kind"], arguments)


def _read_argument(value, where: str):
    if isinstance(value, Mapping):
        return read_kind(value, where)
    if isinstance(value, list):
        return tuple(_read_argument(item, where) for item in value)
    return value


def _read_union(value, members, where: str):
    errors = []
    for member in members:
        try:
            return _read(value, member, where)
        except ConfigError as error:
            errors.append(error)
    raise ConfigError(
        f"{where}: expected {' or '.join(map(_described, members))}; "
        f"got {shown(value)}{_advice(value, members[0])}"
    ) from errors[0]


def _item_hints(hint) -> tuple:
    """What a list consists of: (int, ...) of `tuple[int, ...]` or `Sequence[int]`."""
    origin, members = typing.get_origin(hint), typing.get_args(hint)
    if origin in (Collection, Sequence):
        return (*members, ...)
    return members if origin is tuple else ()


def _read_items(value, members, where: str) -> tuple:
    if members[-1] is Ellipsis:
        members = members[:1] * len(value)
    if len(members) != len(value):
        raise ConfigError(
            f"{where}: expected {_described(tuple[members])}; got {len(value)} of them"
        )
    return tuple(
        _read(item, member, f"{where}[{i}]")
        for i, (item, member) in enumerate(zip(value, members))
    )


# The words of errors.

_NOUNS = {
    int: "a whole number",
    float: "a number",
    bool: "true or false",
    str: "a text",
    type(None): "null",
    Kind: "a mapping with `kind: ...` in it",
}


def _is_section(hint) -> bool:
    return dataclasses.is_dataclass(hint)


def _is_union(hint) -> bool:
    return typing.get_origin(hint) in (typing.Union, types.UnionType)


def _described(hint) -> str:
    if typing.get_origin(hint) is Annotated:
        rules = [rule.words for rule in hint.__metadata__]
        return " ".join([_described(hint.__origin__), *rules])
    if _is_union(hint):
        return " or ".join(map(_described, typing.get_args(hint)))
    if typing.get_origin(hint) is Literal:
        return f"one of {', '.join(typing.get_args(hint))}"
    if members := _item_hints(hint):
        if members[-1] is Ellipsis:
            return f"a list (items: {_described(members[0])})"
        return f"a list of {len(members)} ({', '.join(map(_described, members))})"
    return _NOUNS.get(hint, f"a {getattr(hint, '__name__', hint)}")


def shown(value) -> str:
    """The value as YAML writes it, as far as Python differs; its beginning if long."""
    if value is None:
        return "null"
    try:
        text = repr(value)
    except (ValueError, RecursionError):  # a number of thousands of digits
        return "one that is too long to be shown"
    text = text if len(text) <= LONGEST else f"{text[:LONGEST]}..."
    return text.lower() if isinstance(value, bool) else text


def _advice(value, hint) -> str:
    """What a slip of the pen that we recognise should have been."""
    if isinstance(value, str) and value.lower() in ("on", "off", "yes", "no"):
        return ", which is read as a string here"
    if isinstance(value, str) and value.lower() == "none":
        return "; nothing is written null"
    if _item_hints(hint) and not isinstance(value, list | tuple):
        item = value[:LONGEST] if isinstance(value, str) else shown(value)
        return f"; one item is written [{item}]"
    return ""


def nearest(name: str, known: Iterable[str]) -> str:
    """Words for an error: which known names are like this one, if any."""
    near = difflib.get_close_matches(str(name), list(known), n=3, cutoff=0.5)
    return f" (did you mean {' or '.join(near)}?)" if near else ""

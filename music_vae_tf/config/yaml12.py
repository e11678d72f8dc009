"""YAML as version 1.2 has it."""

from __future__ import annotations

import re
import typing

import yaml


class Loader(yaml.SafeLoader):
    """Reads 1e-3 as a number and off as a word, and takes no key twice."""

    yaml_implicit_resolvers: typing.ClassVar = {}

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict:
        known = set()
        for key, _ in node.value:
            if not isinstance(key, yaml.ScalarNode):
                continue  # which is refused by `super`
            if key.value in known:
                raise yaml.constructor.ConstructorError(
                    None, None, f"duplicate key {key.value!r}", key.start_mark
                )
            known.add(key.value)
        return super().construct_mapping(node, deep)


class Dumper(yaml.SafeDumper):
    """Writes what `Loader` reads, lists on one line."""

    yaml_implicit_resolvers: typing.ClassVar = {}

    def ignore_aliases(self, data: object) -> bool:
        return True

    def represent_list(self, data: list) -> yaml.Node:
        return self.represent_sequence("tag:yaml.org,2002:seq", data, flow_style=True)


Dumper.add_representer(list, Dumper.represent_list)

_SCALARS = {
    "null": r"~|null|Null|NULL|",
    "bool": r"true|True|TRUE|false|False|FALSE",
    "int": r"[-+]?(0|[1-9][0-9]*)",
    "float": r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?|[-+]?\.inf|\.nan",
}
for _class in (Loader, Dumper):
    for _tag, _pattern in _SCALARS.items():
        _class.add_implicit_resolver(
            f"tag:yaml.org,2002:{_tag}", re.compile(f"^(?:{_pattern})$"), None
        )

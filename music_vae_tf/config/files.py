"""The YAML files of configs: where they are, and how they are read and written."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from music_vae_tf import kinds, safe_yaml
from music_vae_tf.config.blueprints import check_kind
from music_vae_tf.config.reader import check_keys, construct, nearest, read_kind
from music_vae_tf.config.schema import Config, ConfigError, Kind
from music_vae_tf.config.yaml12 import Dumper, Loader
from music_vae_tf.old_names import current_key, current_value


def configs_folder() -> Path:
    """The folder with the YAML files of the named configurations.

    An installed package holds it. In a checkout it lies beside the package.

    Raises:
        ConfigError: neither is there.
    """
    package = Path(__file__).parent.parent
    for folder in (package / "configs", package.parent / "configs"):
        if (folder / "groovae_4bar.yaml").is_file():
            return folder
    raise ConfigError(
        f"the named configurations are missing: expected them in {package / 'configs'} "
        "or beside the package; install music_vae_tf again"
    )


def names(*kinds: str) -> list[str]:
    """The named configurations of these kinds of model, by default all there are."""
    folder = configs_folder()
    every = sorted(entry.stem for entry in folder.glob("*.yaml"))
    return [name for name in every if not kinds or _kind_in(folder, name) in kinds]


def _kind_in(folder, name: str) -> str:
    """The kind of model in a config's file."""
    text = (folder / f"{name}.yaml").read_text(encoding="utf-8")
    return yaml.load(text, Loader=Loader)["model"]["kind"]


def load(name_or_path: str, *kinds: str) -> Config:
    """The configuration of this name, or in this YAML file of the user's own.

    Args:
        kinds: of model, of which it must be one; without them any.

    Raises:
        ConfigError: there is none; it does not say what a config must say; or it is for
            another kind of model.
        OSError: the file cannot be read.
    """
    config = _load(name_or_path, kinds)
    if kinds and config.kind not in kinds:
        raise ConfigError(
            f"config {name_or_path} is for a model of kind {config.kind}; expected "
            f"one for {' or '.join(kinds)}: {', '.join(names(*kinds))}"
        )
    return config


def _load(name_or_path, kinds):
    path = Path(name_or_path)
    if path.suffix in (".yaml", ".yml"):
        try:
            return parse(safe_yaml.read_text(path), path.stem)
        except (ConfigError, yaml.YAMLError) as error:
            raise ConfigError(f"{path}: {error}") from error
    if name_or_path not in names():
        known = names(*kinds)
        listed = "`music_vae_generate --list_configs` lists them all"
        if len(known) < 10:
            listed = f"there are {', '.join(known)}"
        raise ConfigError(
            f"no config is called {name_or_path!r}{nearest(name_or_path, known)}; "
            f"{listed}, and a file of your own is given by its path, ending in .yaml"
        )
    file = configs_folder() / f"{name_or_path}.yaml"
    return parse(file.read_text(encoding="utf-8"), name_or_path)


def parse(text: str, name: str) -> Config:
    """The configuration in a YAML text, which `dump` writes.

    Raises:
        ConfigError: names the key, what came, and what was expected.
    """
    where = f"config {name}"
    try:
        document = safe_yaml.load(text, Loader)
    except yaml.YAMLError as error:
        raise ConfigError(f"{where} is not YAML: {error}") from error
    document = _with_current_names(document)
    fields = dataclasses.fields(Config)[2:]  # all but the name and the kind
    check_keys(document, fields, where)
    model = read_kind(document["model"], f"{where} > model")
    check_kind(kinds.names(), model, f"{where} > model")
    kind = kinds.find(model.kind)
    read = {
        section: construct(cls, document_section, f"{where} > {section}")
        for section, cls, document_section in (
            ("model", kind.model, model.arguments),
            ("objective", kind.objective, document["objective"]),
        )
    }
    identity = {"name": name, "kind": model.kind}
    return construct(Config, {**document, **identity, **read}, where)


def _with_current_names(value: Any) -> Any:
    """A document with the names that its keys and values have now."""
    if isinstance(value, list):
        return [_with_current_names(item) for item in value]
    if not isinstance(value, dict):
        return value
    document = {}
    for key, item in value.items():
        name = current_key(key) if isinstance(key, str) else key
        # The old and the new name together are a duplicate key.
        name = key if name in document or (name != key and name in value) else name
        document[name] = current_value(name, _with_current_names(item))
    return document


def dump(config: Config) -> str:
    """YAML text that `parse` reads back to an equal configuration."""
    document = _plain(config)
    del document["name"], document["kind"]
    document["model"] = {"kind": config.kind, **document["model"]}
    return yaml.dump(document, Dumper=Dumper, sort_keys=False)


def _plain(value: Any) -> Any:
    if isinstance(value, Kind):
        return {"kind": value.kind, **_plain(value.arguments)}
    if dataclasses.is_dataclass(value):
        return {
            field.name: _plain(getattr(value, field.name))
            for field in dataclasses.fields(value)
        }
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, tuple) else value

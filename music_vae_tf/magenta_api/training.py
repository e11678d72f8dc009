"""Hyperparameters by name, as those of `magenta.contrib.training`."""

from __future__ import annotations

import dataclasses
import json

from music_vae_tf.config import construct, read_assignments


class HParams:
    """Hyperparameters as attributes, each of the type that it was made with."""

    def __init__(self, **hparams):
        self._hints = {}
        for name, value in hparams.items():
            self.add_hparam(name, value)

    def add_hparam(self, name: str, value) -> None:
        """One more hyperparameter: a scalar, or a list of scalars that is not empty."""
        if hasattr(self, name):
            raise ValueError(f"Hyperparameter name is reserved: {name}")
        self._hints[name] = _hint(value)
        setattr(self, name, value)

    def set_hparam(self, name: str, value) -> None:
        """Changes a hyperparameter.

        Raises:
            ConfigError: there is none of this name, or it is of another type.
        """
        fields = [(name, hint, None) for name, hint in self._hints.items()]
        known = dataclasses.make_dataclass("HParams", fields)
        value = getattr(construct(known, {name: value}, "hparams"), name)
        setattr(self, name, list(value) if isinstance(value, tuple) else value)

    def del_hparam(self, name: str) -> None:
        """Forgets a hyperparameter, if it is known at all."""
        if self._hints.pop(name, None):
            delattr(self, name)

    def parse(self, values: str) -> HParams:
        """Changes those in a text like `z_size=8,enc_rnn_size=[12]`; returns itself.

        Raises:
            ConfigError: the text cannot be read, or `set_hparam` refuses.
        """
        return self.override_from_dict(read_assignments(values, self.values()))

    def override_from_dict(self, values: dict) -> HParams:
        """Changes those in a dictionary; returns itself."""
        for name, value in values.items():
            self.set_hparam(name, value)
        return self

    def parse_json(self, values: str) -> HParams:
        """Changes those in a JSON object; returns itself."""
        return self.override_from_dict(json.loads(values))

    def to_json(self, **options) -> str:
        """A JSON object of all; `options` are those of `json.dumps`."""
        return json.dumps(self.values(), **options)

    def values(self) -> dict:
        """All values by name."""
        return {name: getattr(self, name) for name in self._hints}

    def get(self, key: str, default=None):
        """A value, or the default where there is no such name."""
        return self.values().get(key, default)

    def __contains__(self, key):
        return key in self._hints

    def __repr__(self):
        return f"HParams({sorted(self.values().items())})"


def merge_hparams(hparams_1: HParams, hparams_2: HParams) -> HParams:
    """Those of both; the second decide where both have one."""
    return HParams(**{**hparams_1.values(), **hparams_2.values()})


def _hint(value):
    """The annotation of what may take a value's place."""
    if isinstance(value, list | tuple):
        return tuple[type(value[0]), ...]
    return object if value is None else type(value)

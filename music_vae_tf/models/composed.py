"""Keras's `get_config` and `from_config` for layers that are made of layers.

Layers here have `build(sizes)` and methods with names instead of `call`. They are Keras
layers for the sake of saving, summaries and variable names.
"""

from __future__ import annotations

import inspect
from typing import Any

import keras


class Composed:
    """A layer whose config is the arguments of its constructor, layers included.

    Keras does this itself if all arguments are numbers and strings.
    """

    _constructor_arguments: dict[str, Any]

    def __new__(cls, *args: Any, **kwargs: Any):
        layer = super().__new__(cls, *args, **kwargs)
        named = inspect.signature(cls.__init__).bind(layer, *args, **kwargs).arguments
        named.update(named.pop("kwargs", {}))
        for key in ("self", "name"):
            named.pop(key, None)
        # Bypass Keras, which would track the layers among them a second time.
        object.__setattr__(layer, "_constructor_arguments", named)
        return layer

    def get_config(self) -> dict[str, Any]:
        arguments = {
            name: _unbuilt(keras.saving.serialize_keras_object(value))
            for name, value in self._constructor_arguments.items()
        }
        return {**super().get_config(), **arguments}  # pyright: ignore (of Keras)

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Any:
        arguments = {
            name: keras.saving.deserialize_keras_object(value)
            for name, value in config.items()
        }
        return cls(**arguments)


def _unbuilt(serialized):
    """Removes the mark that a layer was built: its owner builds it."""
    if isinstance(serialized, list):
        return [_unbuilt(item) for item in serialized]
    if isinstance(serialized, dict):
        return {key: v for key, v in serialized.items() if key != "build_config"}
    return serialized

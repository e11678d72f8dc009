"""Keras's `get_config` and `from_config` for layers that are made of layers."""

from __future__ import annotations

import inspect

import keras


class Composed:
    """A layer whose config is the arguments of its constructor, layers among them.

    Keras itself does this where all arguments are numbers and texts.
    """

    def __new__(cls, *args, **kwargs):
        layer = super().__new__(cls, *args, **kwargs)
        named = inspect.signature(cls.__init__).bind(layer, *args, **kwargs).arguments
        named.update(named.pop("kwargs", {}))
        for key in ("self", "name"):
            named.pop(key, None)
        # Past Keras, which would take these for layers of this one, twice over.
        object.__setattr__(layer, "_constructor_arguments", named)
        return layer

    def get_config(self):
        arguments = {
            name: _unbuilt(keras.saving.serialize_keras_object(value))
            for name, value in self._constructor_arguments.items()
        }
        return {**super().get_config(), **arguments}

    @classmethod
    def from_config(cls, config):
        arguments = {
            name: keras.saving.deserialize_keras_object(value)
            for name, value in config.items()
        }
        return cls(**arguments)


def _unbuilt(serialized):
    """Without the note that a layer was built: what holds it builds it."""
    if isinstance(serialized, list):
        return [_unbuilt(item) for item in serialized]
    if isinstance(serialized, dict):
        return {key: v for key, v in serialized.items() if key != "build_config"}
    return serialized

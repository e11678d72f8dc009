"""MusicVAE and GrooVAE: a latent space of music to sample, interpolate, perform in."""

import importlib

__version__ = "0.1.0"

# Imported when they are first used: the package itself imports nothing heavy.
_PUBLIC = {
    "TrainedModel": "generation",
    "evaluate": "training",
    "list_configs": "config",
    "load_config": "config",
    "play": "notebook",
    "plot": "notebook",
    "read_midi": "data.midi",
    "synthesize": "rendering.audio",
    "train": "training",
    "write_midi": "data.midi_writer",
}
_NAMES_THERE = {"list_configs": "names", "load_config": "load"}

__all__ = [
    "TrainedModel",
    "__version__",
    "evaluate",
    "list_configs",
    "load_config",
    "play",
    "plot",
    "read_midi",
    "synthesize",
    "train",
    "write_midi",
]


def __getattr__(name):
    if name not in _PUBLIC:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module = importlib.import_module(f"{__name__}.{_PUBLIC[name]}")
    return getattr(module, _NAMES_THERE.get(name, name))


def __dir__():
    return sorted({*globals(), *_PUBLIC})

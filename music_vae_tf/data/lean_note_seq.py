"""note_seq without its plots and sounds, until somebody asks for them.

The package's own `__init__` brings bokeh, IPython, librosa, pandas and SciPy, which
takes seconds, and nothing here needs any of them. Where this is imported before
`note_seq`, its modules can be imported one by one. The `__init__` runs at the first
access to a name that none of them has, like `note_seq.plot_sequence`.
"""

import importlib
import importlib.util
import sys


def _postponed(spec):
    """The package of a spec; its `__init__` runs at the first need."""
    package = importlib.util.module_from_spec(spec)

    def ask(name):
        if name.startswith("__") and name not in ("__version__", "__all__"):
            raise AttributeError(name)  # asked by inspections, of every module there is
        if importlib.util.find_spec(f"{spec.name}.{name}"):
            return importlib.import_module(f"{spec.name}.{name}")
        if package.__dict__.pop("__getattr__", None):
            spec.loader.exec_module(package)
        return package.__getattribute__(name)

    package.__getattr__ = ask
    return package


if "note_seq" not in sys.modules:
    sys.modules["note_seq"] = _postponed(importlib.util.find_spec("note_seq"))

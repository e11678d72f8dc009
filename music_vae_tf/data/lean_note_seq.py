"""note_seq without its plots and sounds, for processes that only read music files.

To be imported before `note_seq`. The package's own `__init__` brings bokeh, IPython,
pandas and SciPy, which takes 3 s; its parsers need none of them and load in 0.4 s. A
process where this was imported can import note_seq's modules, but has no `note_seq.x`
from its `__init__`; so it must be a process of our own.
"""

import importlib.util
import sys

if "note_seq" not in sys.modules:
    spec = importlib.util.find_spec("note_seq")
    sys.modules["note_seq"] = importlib.util.module_from_spec(spec)

"""How much memory this process may have."""

from __future__ import annotations

import contextlib
import math
import os
from pathlib import Path

MEMORY_LIMITS = (  # of a container, as Linux has them
    "/sys/fs/cgroup/memory.max",
    "/sys/fs/cgroup/memory/memory.limit_in_bytes",
)


def memory_bytes() -> float:
    """The memory that this process may have at most; infinity where nothing says it."""
    found = [math.inf]
    with contextlib.suppress(AttributeError, OSError, ValueError):  # not on Windows
        found.append(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))
    for path in MEMORY_LIMITS:
        with contextlib.suppress(OSError, ValueError):  # ValueError: it says "max"
            found.append(int(Path(path).read_text()))
    return min(found)

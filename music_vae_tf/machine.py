"""How much of its machine this process may have: memory and cores."""

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


def usable_cores() -> int:
    """How many cores this process may use."""
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # not on macOS or Windows
        return os.cpu_count() or 1

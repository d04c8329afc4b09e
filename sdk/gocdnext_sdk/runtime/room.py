"""How many runs of a tool fit on this machine at the same time."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

_LIMITS = ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes")
"""The container's limit, of control groups version 2 and version 1."""


def at_once(size: int) -> int:
    """Return how many may run at once: one a processor, as far as the memory goes, and at least one.

    Args:
        size: the bytes that one of them is taken to need.
    """
    return max(1, min(len(os.sched_getaffinity(0)), min(_limits(), default=size) // size))


def _limits() -> Iterator[int]:
    for path in _LIMITS:
        try:
            yield int(Path(path).read_text())
        except (OSError, ValueError):  # the other version, or "max"
            continue
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
    except OSError:
        return
    yield from (int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable:"))

"""How many scans fit on this machine at the same time."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

SCAN_BYTES = 512 * 1024 * 1024
"""What one scan is taken to need; the database is mapped once for all of them."""

_LIMITS = ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes")
"""The container's limit, of control groups version 2 and version 1."""


def scans_at_once() -> int:
    """Return how many scans may run at once: one a processor, as far as the memory goes, and at least one."""
    return max(1, min(len(os.sched_getaffinity(0)), _memory() // SCAN_BYTES))


def _memory() -> int:
    """Return the bytes that the job may use."""
    return min(_limits(), default=SCAN_BYTES)


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

"""Waiting until the files of a checkout change."""

from __future__ import annotations

import os
import time
from collections.abc import Collection, Mapping
from pathlib import Path

from gocdnext_sdk.host.harness.snapshot import paths

PERIOD = 0.5
"""Seconds between two looks."""


def state(checkout: Path) -> dict[str, tuple[int, int]]:
    """Return what changes when a file does that jobs would get, by its path."""
    found = {}
    for path in paths(checkout):
        try:
            status = os.lstat(checkout / path)
        except OSError:  # it was deleted just now, or git lists what was deleted and is not yet committed
            continue
        found[path] = (status.st_size, status.st_mtime_ns)
    return found


def changed(
    before: Mapping[str, tuple[int, int]], now: Mapping[str, tuple[int, int]], but: Collection[str] = ()
) -> list[str]:
    """Return the paths that were added, changed or removed, but for those that jobs wrote."""
    return sorted(
        path for path in (before.keys() | now.keys()) - set(but) if before.get(path) != now.get(path)
    )


def wait_for_change(checkout: Path, before: Mapping[str, tuple[int, int]]) -> list[str]:
    """Return what has changed, once nothing more does; an editor writes several files, or one in pieces."""
    last = before
    while True:
        time.sleep(PERIOD)
        now = state(checkout)
        if (found := changed(before, now)) and now == last:
            return found
        last = now

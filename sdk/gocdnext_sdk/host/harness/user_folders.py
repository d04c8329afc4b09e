"""Where what outlives a run is kept for this user, by the XDG Base Directory Specification."""

from __future__ import annotations

import os
from pathlib import Path


def caches() -> Path:
    """Return the folder of what `cache:` keeps (`Caches`)."""
    return _cache() / "jobs"


def handover() -> Path:
    """Return the folder of what jobs leave for one another (`Handover`)."""
    return _cache() / "left"


def brought_back() -> Path:
    """Return the folder of notes about what runs wrote into checkouts (`BroughtBack`)."""
    return _state()


def runs() -> Path:
    """Return the folder of the runs themselves, for `gocdnext-plugin report`."""
    return _state() / "runs"


def _cache() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "gocdnext-plugin"


def _state() -> Path:
    return Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state") / "gocdnext-plugin"

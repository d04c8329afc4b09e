"""Asks git about a checkout."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

_SETTINGS = ("-c", "safe.directory=*", "-c", "core.fsmonitor=false")
"""The folder is the user's own word, so git need not doubt who owns it; `*` because the repository's root may
lie above. A monitor is a program that the checkout names."""

_ELSEWHERE = (
    "GIT_DIR",
    "GIT_WORK_TREE",
    "GIT_INDEX_FILE",
    "GIT_COMMON_DIR",
    "GIT_OBJECT_DIRECTORY",
    "GIT_PREFIX",
)
"""Variables that name another repository, as in a hook. Source: `git rev-parse --local-env-vars`."""


def run_git(folder: Path, *arguments: str) -> bytes | None:
    """Return git's output; None if git fails or is not installed.

    Args:
        folder: in the checkout.
        arguments: a command and its own.
    """
    command = ["git", *_SETTINGS, "-C", os.fspath(folder), *arguments]
    environ = {name: value for name, value in os.environ.items() if name not in _ELSEWHERE}
    try:
        return subprocess.run(command, check=True, capture_output=True, env=environ).stdout
    except (FileNotFoundError, subprocess.CalledProcessError):
        return None

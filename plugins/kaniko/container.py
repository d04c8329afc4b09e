"""What kaniko needs of its container: it unpacks images over the root file system, as root."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

HOME = Path("/kaniko")
"""Where the executor is in its image; elsewhere nothing is asked of the machine."""


def lacks(root: Path = Path("/")) -> Iterator[tuple[str, str]]:
    """Yield what the container does not have, and what to do about it."""
    if not HOME.is_dir():
        return
    if user := os.geteuid():
        what = f"kaniko unpacks images as root, and the container runs as user {user}"
        yield what, "leave the image its own user (runAsUser: 0), or build with buildx"
    elif not os.access(root, os.W_OK):
        what = "kaniko unpacks images over its root file system, which is read-only here"
        yield what, "let it be written to (readOnlyRootFilesystem: false), or build with buildx"

"""The container that kaniko runs in: it unpacks images over its root file system, as root."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

HOME = Path("/kaniko")
"""Where the executor is in its image; elsewhere nothing is asked of the machine."""

RUNTIME = "/gocdnext"
"""Where this program itself is in its image; kaniko is told to leave it alone, as it leaves /kaniko alone."""
SHELL = "/busybox"
"""What the image with a shell has besides (sdk/shell/Dockerfile), which is left alone likewise."""


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


def own_folders() -> tuple[str, ...]:
    """Return what this image holds beside kaniko, and what is no part of an image that it builds."""
    return (RUNTIME, SHELL) if Path(SHELL).is_dir() else (RUNTIME,)


def kept_out(workspace: Path) -> tuple[PurePosixPath, ...]:
    """Return the directories of which kaniko puts nothing into an image: it runs there, or from there."""
    return tuple(PurePosixPath(each) for each in (str(mount_of(workspace)), str(HOME), *own_folders()))


def mount_of(workspace: Path) -> Path:
    """Return the mount that holds the workspace; kaniko puts nothing from a mount into an image."""
    mounts = (folder for folder in (workspace, *workspace.parents[:-1]) if folder.is_mount())
    return next(mounts, workspace)

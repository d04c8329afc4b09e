"""Reads the local git checkout, for the built-ins that describe the revision."""

from __future__ import annotations

import os
from pathlib import Path

from gocdnext_sdk.host.pipeline.builtins import Revision
from gocdnext_sdk.host.pipeline.git import run_git


def workspace_of(file: Path) -> Path:
    """Return the checkout a pipeline file belongs to: the directory that contains its ``.gocdnext``."""
    # The file itself may be a link; its place is what counts.
    folder = file.parent.resolve()
    return folder.parent if folder.name == ".gocdnext" else Path.cwd()


def read(folder: Path) -> Revision:
    """Return the commit and branch that are checked out in a directory.

    Both are empty where there is no git, no repository or no commit yet; the branch also on a
    detached head.
    """
    return Revision(
        sha=_git(folder, "rev-parse", "--verify", "--quiet", "HEAD"),
        branch=_git(folder, "symbolic-ref", "--quiet", "--short", "HEAD"),
    )


def tag(folder: Path) -> str:
    """Return the tag that points at the checked-out commit; empty without one. Of several, git's pick."""
    return _git(folder, "describe", "--tags", "--exact-match", "HEAD")


def changed(folder: Path) -> tuple[str, ...]:
    """Return the paths that differ from the checked-out commit, or are in none and are not ignored."""
    tracked = _git(folder, "diff", "--name-only", "--relative", "-z", "HEAD")
    others = _git(folder, "ls-files", "-z", "--others", "--exclude-standard")
    return tuple(each for found in (tracked, others) for each in found.split("\0") if each)


def _git(folder: Path, *arguments: str) -> str:
    return os.fsdecode(run_git(folder, *arguments) or b"").strip()

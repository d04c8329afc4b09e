"""Reads the local git checkout, for the built-ins that describe the revision."""

from __future__ import annotations

import subprocess
from pathlib import Path

from gocdnext_sdk.host.pipeline.builtins import Revision


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
    # A program that the checkout's own configuration names is not started.
    tracked = _git(folder, "-c", "core.fsmonitor=", "diff", "--name-only", "--relative", "-z", "HEAD")
    others = _git(folder, "-c", "core.fsmonitor=", "ls-files", "-z", "--others", "--exclude-standard")
    return tuple(each for found in (tracked, others) for each in found.split("\0") if each)


def _git(folder: Path, *arguments: str) -> str:
    # The folder is the user's own word, so git need not doubt who owns it; `*` because the
    # repository's root may lie above.
    command = ["git", "-c", "safe.directory=*", "-C", str(folder), *arguments]
    try:
        done = subprocess.run(command, capture_output=True, text=True, errors="surrogateescape", check=False)
    except FileNotFoundError:
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""

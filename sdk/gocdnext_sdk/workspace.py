"""The checkout: which paths are in it, and how a file of it is read.

What is checked out may be anything: links that lead out of it, pipes that never end, files of any size.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from gocdnext_sdk.errors import Invalid, quoted

if TYPE_CHECKING:
    from pydantic import ValidationInfo

_NOT_CHECKED_OUT = frozenset({".git", ".gocdnext", ".cache"})
"""Directories of a workspace that say nothing of whether the files of the repository are there."""

_MAX_FILE = 4 * 1024 * 1024
"""Bytes."""

_promised: ContextVar[tuple[Path, ...]] = ContextVar("_promised", default=())
"""What another job will have put here; only a plan knows of any."""


def workspace_path(text: str, workspace: Path | None = Path()) -> str:
    """Return `text`, a path that stays in the workspace, links followed.

    Args:
        text: absolute, or relative to the workspace.
        workspace: the checkout; None where it is on another machine, as it is for lint: then the path is
            judged by its text alone.

    Raises:
        ValueError: it leaves the workspace, or is longer than a path may be.
    """
    if workspace is not None and _is_too_long(workspace / text):
        # Not quoted: a line of the log is for people.
        raise Invalid("is longer than a path may be", "give a path inside the checkout")
    if not (_may_be_in_workspace(text) if workspace is None else is_in_workspace(text, workspace)):
        raise Invalid(f"{quoted(text)} is outside the workspace", "give a path inside the checkout")
    return text


def read_text(path: str | Path) -> str:
    """Return the text of a file that came with the checkout, and may be anything.

    Raises:
        OSError: it is not there, no regular file (a pipe may never end), or larger than 4 MiB.
        UnicodeDecodeError: it is no text.
    """
    return read_bytes(path).decode()


def read_bytes(path: str | Path) -> bytes:
    """Return the content of a file that came with the checkout, as `read_text` does.

    Raises:
        OSError: it is not there, no regular file, or larger than 4 MiB.
    """
    with open(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as stream:  # noqa: PTH123
        if not stat.S_ISREG(os.fstat(stream.fileno()).st_mode):
            raise OSError(errno.EINVAL, "is not a regular file", str(path))
        content = stream.read(_MAX_FILE + 1)
    if len(content) > _MAX_FILE:
        raise OSError(errno.EFBIG, "is too large", str(path))
    return content


def is_in_workspace(path: str | Path, workspace: Path = Path()) -> bool:
    """Tell whether `path`, absolute or relative to the workspace, stays in it, links followed."""
    try:
        return (workspace / path).resolve().is_relative_to(workspace.resolve())
    except (OSError, RuntimeError, ValueError):  # cycles of links, which lead nowhere
        return False


def holds_no_files(path: Path) -> bool:
    """Tell whether a directory holds nothing that was checked out: no file but of git and of caches."""
    for folder, names, files in os.walk(path):
        if files or any(Path(folder, name).is_symlink() for name in names):
            return False
        if Path(folder) == path:
            names[:] = [name for name in names if name not in _NOT_CHECKED_OUT]
    return True


def is_file(path: str | Path) -> bool:
    """Tell whether there is a file, links followed. What is too long for a path, or is none, is no file.

    `Path.is_file` raises an error for these, before Python 3.14; so do the others.
    """
    return os.path.isfile(path) or is_promised(path)  # noqa: PTH113


def is_directory(path: str | Path) -> bool:
    """Tell whether there is a directory, as `is_file` does of a file."""
    return os.path.isdir(path) or is_promised(path)  # noqa: PTH112


def exists(path: str | Path) -> bool:
    """Tell whether there is anything, as `is_file` does of a file."""
    return os.path.exists(path) or is_promised(path)  # noqa: PTH110


@contextmanager
def promising(paths: Iterable[Path]) -> Iterator[None]:
    """Take what another job is to hand on for there, in the block: files and directories, with all below.

    Args:
        paths: absolute.
    """
    token = _promised.set(tuple(paths))
    try:
        yield
    finally:
        _promised.reset(token)


def is_promised(path: str | Path) -> bool:
    """Tell whether another job is to hand on `path`, which is not here yet."""
    promised = _promised.get()
    if not promised or os.path.lexists(path):
        return False
    wanted = Path(os.path.abspath(path))  # noqa: PTH100 - it is not there
    return any(wanted.is_relative_to(each) for each in promised)


def is_link(path: str | Path) -> bool:
    """Tell whether there is a symbolic link, as `is_file` does of a file."""
    return os.path.islink(path)  # noqa: PTH114


def _is_too_long(path: Path) -> bool:
    try:
        path.lstat()
    except (OSError, ValueError) as error:
        return getattr(error, "errno", None) == errno.ENAMETOOLONG
    return False


def workspace_of(info: ValidationInfo) -> Path | None:
    """Return the checkout that inputs are read for, None if it is on another machine.

    Args:
        info: what pydantic hands to a validator; where its context names no checkout, it is the current
            directory.
    """
    workspace: Path | None = (info.context or {}).get("workspace", Path())
    return workspace


def _may_be_in_workspace(text: str) -> bool:
    """Tell whether a path can be in a workspace that is not here; an absolute one can."""
    depth = 0
    for part in PurePosixPath(text).parts:
        depth += -1 if part == ".." else 1
        if depth < 0:
            return False
    return True

"""The checkout: which paths are in it, and how a file of it is read.

What is checked out may be anything: links that lead out of it, pipes that never end, files of any size.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path, PurePosixPath

from gocdnext_sdk.errors import Invalid

_MAX_FILE = 4 * 1024 * 1024
"""Bytes."""


_ELSEWHERE: ContextVar[bool] = ContextVar("_ELSEWHERE", default=False)


@contextmanager
def elsewhere() -> Iterator[None]:
    """Read inputs while the block runs as if the checkout were on another machine, which it is for lint.

    A path is judged by its text alone, and no file is looked at.
    """
    token = _ELSEWHERE.set(True)
    try:
        yield
    finally:
        _ELSEWHERE.reset(token)


def is_elsewhere() -> bool:
    """Tell whether the checkout is on another machine."""
    return _ELSEWHERE.get()


def workspace_path(text: str) -> str:
    """Return `text`, a path that stays in the workspace, links followed.

    Raises:
        ValueError: it leaves the workspace.
    """
    if not (_may_be_in_workspace(text) if is_elsewhere() else is_in_workspace(text)):
        raise Invalid(f'"{text}" is outside the workspace', "give a path inside the checkout")
    return text


def read_text(path: str | Path) -> str:
    """Return the text of a file that came with the checkout, and may be anything.

    Raises:
        OSError: it is not there, no regular file (a pipe may never end), or larger than 4 MiB.
        UnicodeDecodeError: it is no text.
    """
    with open(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as stream:  # noqa: PTH123
        if not stat.S_ISREG(os.fstat(stream.fileno()).st_mode):
            raise OSError(errno.EINVAL, "is no regular file", str(path))
        content = stream.read(_MAX_FILE + 1)
    if len(content) > _MAX_FILE:
        raise OSError(errno.EFBIG, "is too large", str(path))
    return content.decode()


def is_in_workspace(path: str | Path) -> bool:
    """Tell whether `path` stays in the workspace, links followed."""
    try:
        return Path(path).resolve().is_relative_to(Path.cwd().resolve())
    except (OSError, RuntimeError, ValueError):  # links that go in circles, which lead nowhere
        return False


def _may_be_in_workspace(text: str) -> bool:
    """Tell whether a path can be in a workspace that is not here; an absolute one can."""
    depth = 0
    for part in PurePosixPath(text).parts:
        depth += -1 if part == ".." else 1
        if depth < 0:
            return False
    return True

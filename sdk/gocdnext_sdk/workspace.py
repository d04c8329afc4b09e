"""The checkout: which paths are in it, and how a file of it is read.

What is checked out may be anything: links that lead out of it, pipes that never end, files of any size.
"""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

from gocdnext_sdk.errors import Invalid

_MAX_FILE = 4 * 1024 * 1024
"""Bytes."""


def workspace_path(text: str) -> str:
    """Return `text`, a path that stays in the workspace, links followed.

    Raises:
        ValueError: it leaves the workspace.
    """
    if not is_in_workspace(text):
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

"""What a job leaves for people to read: files in the checkout, and tables.

Public through `Job.report` and `Job.summary`.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Sequence
from pathlib import Path

from gocdnext_sdk.errors import OutputError, quoted
from gocdnext_sdk.workspace import is_in_workspace

_QUOTED = str.maketrans(
    {"&": "&amp;", "<": "&lt;", ">": "&gt;", "|": "&#124;", "`": "&#96;", "\r": " ", "\n": "<br>"}
)


def write_report(workspace: Path, path: str | Path, content: bytes) -> None:
    """Write a file into the checkout.

    Args:
        workspace: the checkout.
        path: relative to it.
        content: of the file.

    Raises:
        OutputError: the path leaves the checkout, or cannot be written.
    """
    if not is_in_workspace(path, workspace):
        raise OutputError(f"{quoted(path)} is outside the workspace and not written")
    target = workspace / path
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        # What is checked out may be a pipe of that name, which nobody reads.
        flags = os.O_WRONLY | os.O_CREAT | os.O_NONBLOCK | os.O_CLOEXEC
        with open(os.open(target, flags, 0o644), "wb") as stream:  # noqa: PTH123
            if not stat.S_ISREG(os.fstat(stream.fileno()).st_mode):
                raise OutputError(f"{quoted(path)} is not a regular file and not written")
            stream.truncate()
            stream.write(content)
    except OSError as error:
        raise OutputError(f"{quoted(path)} cannot be written: {error.strerror}") from None


def as_markdown(rows: Sequence[Sequence[str]]) -> str:
    """Return a table in Markdown.

    Args:
        rows: of Markdown; the first is the header.
    """
    header, *body = rows
    return "\n" + "".join(f"| {' | '.join(row)} |\n" for row in (header, ["---"] * len(header), *body))


def code(text: str) -> str:
    """Return Markdown that shows a text as it is."""
    return f"<code>{text.translate(_QUOTED)}</code>" if text else ""


def as_text(rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """Yield the lines of a table with aligned columns.

    Args:
        rows: the first is the header.
    """
    cells = [[" ".join(cell.split()) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    for row in cells:
        yield "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()

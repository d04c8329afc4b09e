"""The files that a job may write for the harness: the platform's output file, and others read after its end.

They are where the platform puts the output file, and never come back into the user's tree.
"""

from __future__ import annotations

import os
import tarfile
import time
from collections.abc import Iterable, Iterator
from io import BytesIO

from gocdnext_sdk.contract import outputs
from gocdnext_sdk.host.harness.archive import BROKEN, as_file

DIRECTORY = outputs.DIRECTORY
"""Their directory below the workspace (docs/contract.md §8)."""

LIMIT = 16 * 1024 * 1024
"""Bytes that are read of one; the smaller limit of the platform is enforced by the parser of outputs."""


def empty_files(names: Iterable[str], directory: int = 0o700, file: int = 0o600) -> Iterator[bytes]:
    """Yield a tar with empty files, owned by the user of this process.

    Args:
        names: theirs.
        directory: permissions of their directory.
        file: permissions of each.
    """
    buffer = BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        tar.addfile(_member(DIRECTORY.partition("/")[0], tarfile.DIRTYPE, directory | 0o055))
        tar.addfile(_member(DIRECTORY, tarfile.DIRTYPE, directory))
        for name in names:
            tar.addfile(_member(f"{DIRECTORY}/{name}", tarfile.REGTYPE, file))
    yield buffer.getvalue()


def read_file(tar: Iterable[bytes]) -> bytes:
    """Return the content of the one regular file in `tar`, at most `LIMIT` bytes; empty if there is none."""
    try:
        with tarfile.open(fileobj=as_file(tar), mode="r|") as archive:
            member = archive.next()
            content = archive.extractfile(member) if member is not None and member.isreg() else None
            return content.read(LIMIT) if content is not None else b""
    except BROKEN:
        return b""


def _member(name: str, type_: bytes, mode: int) -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.type, member.mode, member.mtime = type_, mode, int(time.time())
    member.uid, member.gid = os.getuid(), os.getgid()
    return member

"""Tar archives as engines send them: read as a file, and re-rooted from one workspace to another."""

from __future__ import annotations

import posixpath
import tarfile
from collections.abc import Iterable, Iterator
from io import BufferedReader, RawIOBase
from typing import IO

_BUFFER = 1 << 20

LIMIT = 64 << 30
"""Bytes that are taken from one job, or of one path. A sparse file of terabytes costs its job nothing, but
the engine sends all of it."""

ZEROS = bytes(_BUFFER)
"""What a hole is read as; where it is written, it stays one."""

END = bytes(2 * tarfile.BLOCKSIZE)
"""The end of a tar."""


def as_file(chunks: Iterable[bytes]) -> BufferedReader:
    """Return a file that reads `chunks` as they come."""
    return BufferedReader(_Chunks(chunks), _BUFFER)


BROKEN = (tarfile.TarError, ValueError, OverflowError, EOFError)
"""What `tarfile` raises for a broken archive; the last three for numbers in it that do not parse."""


class _Chunks(RawIOBase):
    def __init__(self, chunks: Iterable[bytes]) -> None:
        self._chunks = iter(chunks)
        self._rest = memoryview(b"")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: object) -> int:
        view = memoryview(buffer)  # type: ignore[arg-type]
        while not self._rest:
            chunk = next(self._chunks, None)
            if chunk is None:
                return 0
            self._rest = memoryview(chunk)
        count = min(len(view), len(self._rest))
        view[:count] = self._rest[:count]
        self._rest = self._rest[count:]
        return count


class TooLarge(Exception):
    """More than `LIMIT`; the message says so."""


def store(file: IO[bytes], chunks: Iterable[bytes]) -> int:
    """Write a stream to a file, holes as holes, and return how many bytes came.

    Raises:
        TooLarge: there are more than `LIMIT`.
    """
    size = 0
    for chunk in chunks:
        size += len(chunk)
        if size > LIMIT:
            raise TooLarge(f"it has more than {LIMIT >> 30} GiB")
        if chunk == ZEROS[: len(chunk)]:
            file.seek(len(chunk), 1)
        else:
            file.write(chunk)
    file.truncate()
    return size


class Escapes(ValueError):
    """A member of a tar would leave the folder in which it is unpacked; the message says how."""


def rerooted(archive: tarfile.TarFile, path: str, dest: str) -> Iterator[bytes]:
    """Yield the members of what an engine packed as those of a tar without an end, for another workspace.

    Pipes and devices are left out, as the platform's agent does.

    Args:
        archive: a file or a directory, from its last name on.
        path: its name in the workspace.
        dest: the directory below which it goes.

    Raises:
        Escapes: a member would leave that directory.
    """
    root = posixpath.normpath(posixpath.join(dest, path))
    for member in archive:
        yield from _rerooted(member, root, posixpath.normpath(dest), archive)


def _rerooted(member: tarfile.TarInfo, root: str, dest: str, archive: tarfile.TarFile) -> Iterator[bytes]:
    content = archive.extractfile(member) if member.isreg() else None
    if not (content or member.isdir() or member.issym() or member.islnk()):
        return
    name = _renamed(member.name, root)
    if member.issym() and not member.linkname.startswith("/"):
        target = posixpath.normpath(posixpath.join(posixpath.dirname(name), member.linkname))
        if not _is_below(target, dest):
            raise Escapes(f"{name} links to {member.linkname}, outside {dest}")
    if member.islnk():
        member.linkname = _renamed(member.linkname, root)
    member.name, member.pax_headers = name, {}
    yield member.tobuf(tarfile.PAX_FORMAT, errors="surrogateescape")
    if content:
        while chunk := content.read(_BUFFER):
            yield chunk
        yield bytes(-member.size % tarfile.BLOCKSIZE)


def _renamed(name: str, root: str) -> str:
    inner = name.partition("/")[2]  # below the path's last name
    renamed = posixpath.normpath(posixpath.join(root, inner))
    if not _is_below(renamed, root):
        raise Escapes(f"{name} is outside {root}")
    return renamed


def _is_below(path: str, folder: str) -> bool:
    """Return whether a normal path is in a normal folder, or that folder itself."""
    if folder == ".":
        return path != ".." and not path.startswith(("../", "/"))
    return path == folder or path.startswith(f"{folder}/")

"""A tar archive that arrives in chunks, read as a file."""

from __future__ import annotations

import tarfile
from collections.abc import Iterable
from io import BufferedReader, RawIOBase

_BUFFER = 1 << 20


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

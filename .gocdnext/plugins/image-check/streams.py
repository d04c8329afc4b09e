"""Chunks of bytes as a file to read from."""

from __future__ import annotations

from collections.abc import Iterable
from io import RawIOBase


class Chunks(RawIOBase):
    """A file whose content arrives in pieces."""

    def __init__(self, chunks: Iterable[bytes]) -> None:
        super().__init__()
        self._chunks = iter(chunks)
        self._left = b""

    def readable(self) -> bool:
        """Say that it can be read."""
        return True

    def readinto(self, buffer) -> int:  # type: ignore[no-untyped-def]
        """Fill a buffer with what is left of a piece, or with the next one."""
        self._left = self._left or next((chunk for chunk in self._chunks if chunk), b"")
        piece, self._left = self._left[: len(buffer)], self._left[len(buffer) :]
        buffer[: len(piece)] = piece
        return len(piece)

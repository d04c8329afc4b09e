"""The objects of a git repository, read without git: commits, tags, and the trees of files.

Sources: git's documentation, gitformat-pack(5) for packs and their index (version 2), gitrepository-layout(5)
for the rest.
"""

from __future__ import annotations

import mmap
import re
import struct
import zlib
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import Literal

from gocdnext_sdk.workspace import read_text

OBJECT_ID = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?")
"""SHA-1, or SHA-256."""

Kind = Literal["commit", "tree", "blob", "tag"]

_MAX_OBJECT = 4 * 1024 * 1024
"""Bytes of a commit, a tag or a tree."""

_KINDS: dict[int, Kind] = {1: "commit", 2: "tree", 3: "blob", 4: "tag"}
_BY_NAME: dict[str, Kind] = {kind: kind for kind in _KINDS.values()}
_OFS_DELTA, _REF_DELTA = 6, 7
_MAX_CHAIN = 4095
"""Deltas in a row; git's own limit."""


class DamagedObject(Exception):
    """An object is there, and cannot be read."""


class Objects:
    """The objects of a repository, and those that it borrows.

    Args:
        folder: `.git/objects`.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def read(self, name: str) -> tuple[Kind, bytes] | None:
        """Return the kind and the content of an object; None if it is not there, as in a shallow checkout.

        Args:
            name: its id, in hexadecimal.

        Raises:
            DamagedObject: it cannot be read.
        """
        try:
            return self._loose(name) or self._in_pack(bytes.fromhex(name))
        except (OSError, ValueError, IndexError, KeyError, zlib.error, struct.error) as error:
            raise DamagedObject(f"{name}: {error}") from None

    @cached_property
    def _folders(self) -> tuple[Path, ...]:
        try:
            borrowed = read_text(self._folder / "info/alternates").splitlines()
        except (OSError, ValueError):
            borrowed = []
        return (
            self._folder,
            *(self._folder / line for line in borrowed if line and not line.startswith("#")),
        )

    @cached_property
    def _indexes(self) -> tuple[Path, ...]:
        return tuple(
            index for folder in self._folders for index in sorted((folder / "pack").glob("pack-*.idx"))
        )

    def _loose(self, name: str) -> tuple[Kind, bytes] | None:
        for folder in self._folders:
            loose = folder / name[:2] / name[2:]
            if loose.is_file():
                header, _, content = _inflate(loose.read_bytes()).partition(b"\0")
                kind = header.partition(b" ")[0].decode()
                return _BY_NAME[kind], content
        return None

    def _in_pack(self, name: bytes) -> tuple[Kind, bytes] | None:
        for index in self._indexes:
            if (offset := _offset(index, name)) is not None:
                kind, content = _packed(index, offset, len(name))
                return _KINDS[kind], content
        return None


def _inflate(data: bytes) -> bytes:
    return zlib.decompressobj().decompress(data, _MAX_OBJECT)


def _offset(index: Path, name: bytes) -> int | None:
    """Return where the pack of an index (version 2) has an object."""
    with index.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        if data[:8] != b"\xfftOc\0\0\0\2":
            return None
        fanout = struct.unpack(">256I", data[8 : 8 + 1024])
        names, total, size = 8 + 1024, fanout[255], len(name)
        low, high = (fanout[name[0] - 1] if name[0] else 0), fanout[name[0]]
        while low < high:
            middle = (low + high) // 2
            there = data[names + middle * size : names + (middle + 1) * size]
            if there == name:
                offsets = names + total * (size + 4)
                (offset,) = struct.unpack_from(">I", data, offsets + middle * 4)
                if offset & 0x80000000:
                    wide = offsets + total * 4 + (offset & 0x7FFFFFFF) * 8
                    (offset,) = struct.unpack_from(">Q", data, wide)
                return int(offset)
            low, high = (middle + 1, high) if there < name else (low, middle)
    return None


def _packed(index: Path, offset: int, size: int) -> tuple[int, bytes]:
    """Return the type and the content of an object in a pack, deltas applied.

    Args:
        index: of the pack.
        offset: of the object.
        size: of a name, in bytes.
    """
    deltas: list[bytes] = []
    with (
        index.with_suffix(".pack").open("rb") as file,
        mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data,
    ):
        while True:
            start, position = offset, offset
            kind = data[position] >> 4 & 7
            while data[position] & 0x80:
                position += 1
            position += 1
            if kind == _OFS_DELTA:
                back = data[position] & 0x7F
                while data[position] & 0x80:
                    position += 1
                    back = (back + 1) << 7 | data[position] & 0x7F
                offset = start - back
                position += 1
            elif kind == _REF_DELTA:
                base = _offset(index, data[position : position + size])
                if base is None:
                    raise ValueError("a pack refers to an object that it does not hold")
                offset = base
                position += size
            content = _inflate(data[position : position + _MAX_OBJECT])
            if kind not in (_OFS_DELTA, _REF_DELTA):
                break
            if offset == start or len(deltas) > _MAX_CHAIN:
                raise ValueError("a pack refers to itself")
            deltas.append(content)
    for delta in reversed(deltas):
        content = b"".join(_patched(content, delta))
    return kind, content


def _patched(base: bytes, delta: bytes) -> Iterator[bytes]:
    """Yield the pieces of which a delta makes an object."""
    position = 0
    for _ in range(2):  # the sizes of both
        while delta[position] & 0x80:
            position += 1
        position += 1
    while position < len(delta):
        opcode = delta[position]
        position += 1
        if opcode & 0x80:
            values = []
            for bits, width in ((opcode & 0x0F, 4), (opcode >> 4 & 0x07, 3)):
                value = 0
                for each in range(width):
                    if bits & 1 << each:
                        value |= delta[position] << 8 * each
                        position += 1
                values.append(value)
            start, length = values
            length = length or 0x10000
            yield base[start : start + length]
        else:
            yield delta[position : position + opcode]
            position += opcode

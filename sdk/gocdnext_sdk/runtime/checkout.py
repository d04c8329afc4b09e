"""What a git checkout says of itself, read without git, which no plugin's image has.

Sources: git's documentation, gitformat-pack(5) for packs and their index, gitrepository-layout(5) for the
rest. What is not found, or not understood, is None: a checkout is an optional source of facts.
"""

from __future__ import annotations

import mmap
import re
import struct
import zlib
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path

from gocdnext_sdk.workspace import read_text

_ID = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?")
_COMMITTER = re.compile(rb"^committer .*> (\d{1,12}) [+-]\d{4}$", re.MULTILINE)
_LINKS = 5
"""How many symbolic references lead to one another; git's own limit."""
_MAX_OBJECT = 4 * 1024 * 1024
"""Bytes of a commit."""
_COMMIT, _OFS_DELTA, _REF_DELTA = 1, 6, 7


class Checkout:
    """A checkout, or a directory that is none.

    Args:
        folder: where `.git` is.
    """

    def __init__(self, folder: Path) -> None:
        self._git = folder / ".git"
        if self._git.is_file():  # a worktree or a submodule
            self._git = folder / (_text(self._git) or "").removeprefix("gitdir:").strip()
        common = _text(self._git / "commondir")
        self._common = self._git / common.strip() if common else self._git

    @property
    def commit(self) -> str | None:
        """The commit that is checked out."""
        return self._resolve("HEAD")

    @property
    def default_branch(self) -> str | None:
        """The remote's default branch, as `git clone` notes it."""
        text = _text(self._common / "refs/remotes/origin/HEAD") or ""
        return text.strip().removeprefix("ref: refs/remotes/origin/") if text.startswith("ref: ") else None

    @property
    def remote(self) -> str | None:
        """The URL of the remote `origin` as it is written, which may hold credentials."""
        section = ""
        for line in (_text(self._common / "config") or "").splitlines():
            line = line.strip()
            if line.startswith("["):
                section = line.partition("]")[0] + "]"
            elif section == '[remote "origin"]' and (found := re.fullmatch(r"url\s*=\s*(.+)", line)):
                return found[1].strip('"')
        return None

    def committed(self, commit: str) -> datetime | None:
        """Return when a commit was made, as its committer says, in UTC."""
        content = None
        if _ID.fullmatch(commit):
            # Whatever stands in a damaged object: there is no date then.
            with suppress(OSError, ValueError, IndexError, zlib.error, struct.error):
                content = self._read(bytes.fromhex(commit))
        found = _COMMITTER.search(content.partition(b"\n\n")[0]) if content else None
        return datetime.fromtimestamp(int(found[1]), UTC) if found else None

    def _resolve(self, name: str) -> str | None:
        for _ in range(_LINKS):
            text = _text(self._git / name) or _text(self._common / name)
            text = text.strip() if text else self._packed_refs.get(name, "")
            if not text.startswith("ref: refs/"):
                return text if _ID.fullmatch(text) else None
            name = text.removeprefix("ref: ")
            if ".." in name:  # no reference is called so
                return None
        return None

    @cached_property
    def _packed_refs(self) -> dict[str, str]:
        lines = (_text(self._common / "packed-refs") or "").splitlines()
        pairs = (line.split(" ", 1) for line in lines if line[:1] not in ("#", "^", ""))
        return {pair[1]: pair[0] for pair in pairs if len(pair) == 2}

    @cached_property
    def _objects(self) -> tuple[Path, ...]:
        """Where objects are: the checkout's own, and those it borrows."""
        own = self._common / "objects"
        borrowed = (_text(own / "info/alternates") or "").splitlines()
        return (own, *(own / line for line in borrowed if line and not line.startswith("#")))

    def _read(self, name: bytes) -> bytes | None:
        """Return the content of a commit."""
        text = name.hex()
        for folder in self._objects:
            loose = folder / text[:2] / text[2:]
            if loose.is_file():
                header, _, content = _inflate(loose.read_bytes()).partition(b"\0")
                return content if header.startswith(b"commit ") else None
        for folder in self._objects:
            for index in sorted((folder / "pack").glob("pack-*.idx")):
                if (offset := _offset(index, name)) is not None:
                    kind, packed = _packed(index, offset, len(name))
                    return packed if kind == _COMMIT else None
        return None


def _text(path: Path) -> str | None:
    try:
        return read_text(path)
    except (OSError, ValueError):
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
            if offset == start or len(deltas) > 4095:  # git's own limit of a chain
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

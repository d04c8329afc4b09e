"""What a build must know of an ELF file: which loader it asks for and which libraries it needs.

The file may be for a machine that this one cannot run, so that nothing is asked of the loader. 64-bit and
little-endian, as amd64 and arm64 are. Source: the generic ELF specification, chapters "ELF header", "Program
header" and "Dynamic section".
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

PT_LOAD, PT_DYNAMIC, PT_INTERP = 1, 2, 3
DT_NULL, DT_NEEDED, DT_STRTAB = 0, 1, 5


@dataclass(frozen=True)
class Segment:
    """One program header: its type, and where it is in the file and in memory, in bytes."""

    kind: int
    offset: int
    address: int
    size: int


@dataclass(frozen=True)
class Elf:
    """One ELF file."""

    data: bytes

    @classmethod
    def read(cls, path: Path) -> Elf:
        """Read a file.

        Raises:
            SystemExit: it is no ELF file of 64 bits.
        """
        data = path.read_bytes()
        if data[:6] != b"\x7fELF\x02\x01":
            raise SystemExit(f"{path} is no 64-bit little-endian ELF file")
        return cls(data)

    @property
    def loader(self) -> Path | None:
        """The dynamic loader it asks for; None for a library or a static program."""
        for each in self._segments():
            if each.kind == PT_INTERP:
                return Path(self._text(each.offset))
        return None

    @property
    def needed(self) -> list[str]:
        """The names of the libraries it needs, in order."""
        entries = list(self._dynamic())
        names = [value for tag, value in entries if tag == DT_NEEDED]
        if not names:
            return []
        table = self._offset(next(value for tag, value in entries if tag == DT_STRTAB))
        return [self._text(table + name) for name in names]

    def _segments(self) -> Iterator[Segment]:
        (start,) = struct.unpack_from("<Q", self.data, 32)
        size, count = struct.unpack_from("<HH", self.data, 54)
        for number in range(count):
            kind, _, offset, address, _, length = struct.unpack_from(
                "<IIQQQQ", self.data, start + number * size
            )
            yield Segment(kind, offset, address, length)

    def _dynamic(self) -> Iterator[tuple[int, int]]:
        for each in self._segments():
            if each.kind == PT_DYNAMIC:
                for tag, value in struct.iter_unpack("<qQ", self.data[each.offset : each.offset + each.size]):
                    if tag == DT_NULL:
                        return
                    yield tag, value

    def _offset(self, address: int) -> int:
        """Return where in the file what is at an address in memory comes from."""
        for each in self._segments():
            if each.kind == PT_LOAD and each.address <= address < each.address + each.size:
                return each.offset + address - each.address
        raise SystemExit(f"no segment holds the address {address:#x}")

    def _text(self, offset: int) -> str:
        return self.data[offset : self.data.index(b"\0", offset)].decode()

"""For which processor the programs in a file system are."""

from __future__ import annotations

import struct
import tarfile
from collections import Counter
from collections.abc import Iterator
from typing import IO

MACHINES = {
    0x3E: "amd64",
    0xB7: "arm64",
    0x28: "arm",
    0x03: "386",
    0x15: "ppc64le",
    0x16: "s390x",
    0xF3: "riscv64",
}
"""`e_machine` of an ELF header, to what an image's configuration calls it (GOARCH)."""

HEADER = 20


def programs(stream: IO[bytes]) -> Iterator[tuple[str, str]]:
    """Yield path and architecture of every ELF file in a tar stream; the number, of an unknown machine."""
    with tarfile.open(fileobj=stream, mode="r|*") as archive:
        for member in archive:
            content = archive.extractfile(member) if member.isreg() else None
            header = content.read(HEADER) if content else b""
            if len(header) == HEADER and header.startswith(b"\x7fELF"):
                (machine,) = struct.unpack("<H" if header[5] == 1 else ">H", header[18:])
                yield member.name, MACHINES.get(machine, f"machine {machine:#x}")


def foreign(found: Iterator[tuple[str, str]], expected: str) -> tuple[int, list[str]]:
    """Return how many programs there are, and those that are for another processor."""
    counted: Counter[bool] = Counter()
    wrong = []
    for path, architecture in found:
        counted[architecture == expected] += 1
        if architecture != expected:
            wrong.append(f"{path} is for {architecture}")
    return counted.total(), wrong

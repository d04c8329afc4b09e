"""How the release pipeline tells for which processor a program is, without any program."""

from __future__ import annotations

import io
import struct
import sys
import tarfile
from pathlib import Path
from types import ModuleType

import pytest

from gocdnext_sdk.host.manifest.load import load_plugin

FOLDER = Path(__file__).parents[2] / ".gocdnext/plugins/image-check"
PACKAGE = load_plugin(FOLDER).__module__.rpartition(".")[0]


def module(name: str) -> ModuleType:
    return sys.modules[f"{PACKAGE}.{name}"]


def elf(machine: int, order: str = "<") -> bytes:
    """Return the head of an ELF file, as the specification's chapter "ELF header" has it."""
    return (
        b"\x7fELF" + bytes([2, 1 if order == "<" else 2]) + bytes(10) + struct.pack(f"{order}HH", 2, machine)
    )


def system(**files: bytes) -> io.BytesIO:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    buffer.seek(0)
    return buffer


@pytest.mark.parametrize(
    ("head", "expected"),
    [
        (elf(0x3E), "amd64"),
        (elf(0xB7), "arm64"),
        (elf(0x16, ">"), "s390x"),
        (elf(0x1234), "machine 0x1234"),
    ],
)
def test_a_program_says_for_which_processor_it_is(head: bytes, expected: str) -> None:
    assert list(module("architecture").programs(system(tool=head + b"more"))) == [("tool", expected)]


@pytest.mark.parametrize("content", [b"", b"#!/bin/sh\n", b"\x7fELF", elf(0x3E)[:19]])
def test_what_is_no_program_is_passed_over(content: bytes) -> None:
    assert list(module("architecture").programs(system(file=content))) == []


@pytest.mark.parametrize("size", [1, 7, 512, 100_000])
def test_however_the_daemon_cuts_the_stream(size: int) -> None:
    files = {f"file{number}": bytes(3000) for number in range(5)} | {"tool": elf(0xB7), "other": elf(0x3E)}
    data = system(**files).getvalue()
    pieces = [data[start : start + size] for start in range(0, len(data), size)]
    count, wrong = module("architecture").foreign(
        module("architecture").programs(module("streams").Chunks(pieces)), "amd64"
    )
    assert (count, wrong) == (2, ["tool is for arm64"])

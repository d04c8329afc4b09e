"""What comes out of a container may be anything: nothing lands outside the tree, and all is bounded."""

from __future__ import annotations

import io
import itertools
import os
import re
import tarfile
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gocdnext_sdk.errors import DaemonError
from gocdnext_sdk.host.harness import writeback
from gocdnext_sdk.host.harness.job_files import LIMIT, read_file
from gocdnext_sdk.host.harness.snapshot import Snapshot
from gocdnext_sdk.host.harness.writeback import Changes, WriteBack

STEPS = [
    "a",
    "b",
    "link",
    "dir",
    "..",
    ".",
    "",
    ".git",
    ".GIT",
    "git~1",
    ".git ",
    "\u200c.git",
    ".gocdnext",
    "x" * 300,
]
NAMES = (
    st.sampled_from(["link/a", "link/secret", ".git/config", "../a", "dir/a", "dir"])
    | st.lists(st.sampled_from(STEPS), min_size=1, max_size=4).map("/".join)
    | st.text("a/.\\\n\u200c\u00e9\udcff", max_size=8)
)
TYPES = [
    getattr(tarfile, f"{name}TYPE")
    for name in ("REG", "AREG", "LNK", "SYM", "DIR", "FIFO", "CHR", "BLK", "CONT")
]
PAX = st.dictionaries(
    st.sampled_from(["size", "path", "linkpath", "mtime", "uid", "GNU.sparse.major", "GNU.sparse.realsize"]),
    st.sampled_from(["0", "1", "-1", "99999999999999999999", "nan", "inf", "../../x", "/etc/x", "a\0b"]),
    max_size=2,
)


@st.composite
def members(draw: Any) -> bytes:
    """Return one member of a tar, of any kind, with any name."""
    member = tarfile.TarInfo(draw(st.sampled_from(["workspace/", "/", "../", ""])) + draw(NAMES))
    member.type = draw(st.sampled_from(TYPES))
    member.linkname = draw(st.sampled_from(["", "/", "../", "workspace/", "../" * 5])) + draw(NAMES)
    member.mode, member.mtime = draw(st.integers(0, 0o7777)), int(time.time()) + 3600
    content = draw(st.binary(max_size=20)) if member.isreg() else b""
    member.size = len(content)
    member.pax_headers = draw(PAX)
    block = member.tobuf(tarfile.PAX_FORMAT, errors="surrogateescape")
    return bytes(block) + content + bytes(-len(content) % 512)


def pieces(data: bytes, size: int) -> Iterator[bytes]:
    return (data[at : at + size] for at in range(0, len(data), size))


def seen(folder: Path) -> dict[str, Any]:
    """Return all that is in `folder`, links not followed."""
    found: dict[str, Any] = {}
    for path in folder.rglob("*"):
        status = path.lstat()
        content = path.readlink() if path.is_symlink() else path.read_bytes() if path.is_file() else None
        found[str(path.relative_to(folder))] = (status.st_mode, content)
    return found


def beside(folder: Path) -> dict[str, Any]:
    """Return all that is outside the tree."""
    return {name: what for name, what in seen(folder).items() if not name.startswith("outer/project/")}


@given(st.lists(members(), max_size=6), st.integers(0, 1024), st.integers(1, 1500))
def test_nothing_lands_outside_the_tree(archive: list[bytes], cut: int, size: int) -> None:
    with tempfile.TemporaryDirectory() as folder, ExitStack() as open_:
        outside = Path(folder)
        root = outside / "outer" / "project"
        (root / ".git").mkdir(parents=True)
        (root / ".git" / "config").write_text("[core]\n")
        (root / "dir").mkdir()
        (root / "dir" / "a").write_text("mine")
        (outside / "outer" / "secret").write_text("secret")
        (root / "link").symlink_to("..")  # the user's own, which leads out
        before = beside(outside)
        history = seen(root / ".git")
        tar = b"".join(archive) + bytes(1024)
        snapshot = open_.enter_context(Snapshot(root))
        try:
            changes = WriteBack(snapshot).absorb("job", pieces(tar[: len(tar) - cut], size))
        except DaemonError:
            changes = Changes()
        assert beside(outside) == before
        assert seen(root / ".git") == history
        inside = {path.relative_to(root).as_posix(): path for path in root.rglob("*")}
        for name, path in inside.items():
            assert path.parent.resolve().is_relative_to(root.resolve())
            assert path.is_symlink() or path.is_file() or path.is_dir()  # no pipe and no device
            assert not path.lstat().st_mode & 0o7000
            if path.is_symlink() and name != "link":
                assert Path(os.path.realpath(path)).is_relative_to(root.resolve())  # a loop is no error there
            assert path.is_symlink() or path.is_dir() or path.lstat().st_size <= len(tar)
            assert not re.search(r"\.[0-9a-f]{8}$", name)  # half a file
        assert all(name in inside for name in changes.written)


def endless(header: tarfile.TarInfo) -> Iterator[bytes]:
    yield header.tobuf(tarfile.GNU_FORMAT)
    yield from itertools.repeat(bytes(1 << 20))


def test_a_hole_of_terabytes_ends_it(tmp_path: Path) -> None:
    """`truncate -s 8T big` costs a job nothing; the engine would send all of it."""
    huge = tarfile.TarInfo("workspace/big")
    huge.size, huge.mtime = 8 << 40, int(time.time()) + 3600
    with Snapshot(tmp_path) as snapshot:
        changes = WriteBack(snapshot).absorb("job", endless(huge))
    assert changes.written == []
    assert "64 GiB" in changes.notices[0]
    assert list(tmp_path.iterdir()) == []


def test_a_hole_stays_one(tmp_path: Path) -> None:
    member = tarfile.TarInfo("workspace/disk.img")
    member.size, member.mtime = 64 << 20, int(time.time()) + 3600
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        archive.addfile(member, io.BytesIO(b"head" + bytes(member.size - 4)))
    with Snapshot(tmp_path) as snapshot:
        changes = WriteBack(snapshot).absorb("job", iter([buffer.getvalue()]))
    assert changes.written == ["disk.img"]
    status = (tmp_path / "disk.img").stat()
    assert status.st_size == member.size
    assert status.st_blocks * 512 < 4 << 20
    with (tmp_path / "disk.img").open("rb") as stream:
        assert stream.read(6) == b"head\0\0"


def test_the_sum_of_files_is_bounded_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writeback, "LIMIT", 10)
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name in "abc":
            member = tarfile.TarInfo(f"workspace/{name}")
            member.size, member.mtime = 4, int(time.time()) + 3600
            archive.addfile(member, io.BytesIO(b"1234"))
    with Snapshot(tmp_path) as snapshot:
        changes = WriteBack(snapshot).absorb("job", iter([buffer.getvalue()]))
    assert changes.written == ["a", "b"]
    assert len(changes.notices) == 1


@given(st.lists(members(), max_size=2), st.integers(0, 600))
def test_an_output_file_that_is_anything_is_read_or_empty(archive: list[bytes], cut: int) -> None:
    tar = b"".join(archive) + bytes(1024)
    assert len(read_file(pieces(tar[: len(tar) - cut], 700))) <= 20


def test_of_an_output_file_without_end_only_so_much_is_read() -> None:
    huge = tarfile.TarInfo("out.env")
    huge.size = 1 << 40
    assert len(read_file(endless(huge))) == LIMIT

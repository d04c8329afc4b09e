"""Whatever a container's tar holds, nothing outside the tree and nothing of its ``.git`` changes."""

from __future__ import annotations

import io
import os
import shutil
import tarfile
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from gocdnext_sdk.host.harness.snapshot import Snapshot
from gocdnext_sdk.host.harness.writeback import WriteBack

LATER = int(time.time()) + 3600
STEPS = st.sampled_from(
    [
        "..",
        ".",
        "",
        "a",
        "b",
        "link",
        "source",
        ".git",
        ".GIT",
        "git~1",
        ".git.",
        "config",
        "\u200c.git",
        "outside",
        "é",
    ]
)
NAMES = st.lists(STEPS, min_size=1, max_size=4).map("/".join)
TARGETS = (
    NAMES
    | NAMES.map("/".join)
    | st.sampled_from(["/", "/etc/passwd", "../outside", "..", ".", ".git/config"])
)
KINDS = st.sampled_from(
    [tarfile.REGTYPE, tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.DIRTYPE, tarfile.FIFOTYPE, tarfile.CHRTYPE]
)


@dataclass(frozen=True)
class Member:
    kind: bytes
    name: str
    target: str
    mode: int


MEMBERS = st.builds(Member, KINDS, NAMES, TARGETS, st.sampled_from([0, 0o644, 0o777, 0o7777]))


def tar(members: list[Member]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for member in members:
            info = tarfile.TarInfo(f"workspace/{member.name}")
            info.type, info.mode, info.mtime = member.kind, member.mode, LATER
            prefix = "workspace/" if member.kind == tarfile.LNKTYPE else ""
            info.linkname = prefix + member.target
            data = b"written by the job"
            info.size = len(data) if member.kind == tarfile.REGTYPE else 0
            archive.addfile(info, io.BytesIO(data) if member.kind == tarfile.REGTYPE else None)
    return buffer.getvalue()


def state(folder: Path) -> dict[str, tuple[int, bytes | str]]:
    """Return all that is in a folder, links not followed."""
    found: dict[str, tuple[int, bytes | str]] = {}
    for path in sorted(folder.rglob("*")):
        status = path.lstat()
        content = str(path.readlink()) if path.is_symlink() else path.read_bytes() if path.is_file() else b""
        found[str(path.relative_to(folder))] = (status.st_mode, content)
    return found


@given(st.lists(MEMBERS, max_size=6))
def test_nothing_outside_the_tree_and_nothing_of_git_changes(members: list[Member]) -> None:
    base = Path(tempfile.mkdtemp(prefix="writeback-"))
    try:
        (base / "outside").mkdir()
        (base / "outside" / "precious").write_text("precious")
        tree = base / "tree"
        (tree / ".git").mkdir(parents=True)
        (tree / ".git" / "config").write_text("[core]\n")
        (tree / "source").write_text("source")
        (tree / "link").symlink_to("../outside")  # the user's own, which leads out
        outside, history = state(base / "outside"), state(tree / ".git")
        with Snapshot(tree) as snapshot:
            changes = WriteBack(snapshot).absorb("job", iter([tar(members)]))
        assert state(base / "outside") == outside
        assert state(tree / ".git") == history
        assert {path.name for path in base.iterdir()} == {"outside", "tree"}
        assert not [path for path in changes.written if ".." in Path(path).parts or path.startswith("/")]
        for path in tree.rglob("*"):
            status = path.lstat()
            assert not status.st_mode & 0o7000, path  # no setuid, setgid or sticky file
            if path.is_symlink() and path != tree / "link":
                assert Path(os.path.normpath(path.parent / path.readlink())).is_relative_to(tree), path
            assert path.is_symlink() or path.is_file() or path.is_dir(), path  # no pipe and no device
    finally:
        shutil.rmtree(base)

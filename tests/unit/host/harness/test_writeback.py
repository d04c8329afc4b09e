"""What a job wrote comes back into the tree, and nothing else."""

from __future__ import annotations

import io
import os
import tarfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from gocdnext_sdk.host.harness.snapshot import Snapshot
from gocdnext_sdk.host.harness.writeback import WriteBack

LATER = int(time.time()) + 3600


def workspace(*members: tuple[str, str] | tarfile.TarInfo, mtime: int = LATER) -> Iterator[bytes]:
    """A job's workspace as the engine streams it."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for each in members:
            if isinstance(each, tarfile.TarInfo):
                tar.addfile(each)
                continue
            member = tarfile.TarInfo(f"workspace/{each[0]}")
            member.size, member.mode, member.mtime = len(each[1]), 0o644, mtime
            tar.addfile(member, io.BytesIO(each[1].encode()))
    data = buffer.getvalue()
    # In odd pieces, as a socket gives them.
    return (data[at : at + 700] for at in range(0, len(data), 700))


def link(name: str, target: str, kind: bytes = tarfile.SYMTYPE) -> tarfile.TarInfo:
    member = tarfile.TarInfo(f"workspace/{name}")
    member.type, member.linkname, member.mtime = kind, target, LATER
    return member


def test_new_and_changed_files_come_back(clone: Path) -> None:
    with Snapshot(clone) as snapshot:
        changes = WriteBack(snapshot).absorb(
            "job", workspace(("tracked.txt", "changed"), ("deep/er/new.txt", "new"))
        )
    assert changes.written == ["tracked.txt", "deep/er/new.txt"]
    assert (clone / "tracked.txt").read_text() == "changed"
    assert (clone / "deep/er/new.txt").read_text() == "new"


@pytest.mark.parametrize(("numbers", "told"), [((0, 0), 0), ((1, 3), 1)])
def test_what_stands_for_a_deletion_in_a_layer_is_no_device(
    clone: Path, numbers: tuple[int, int], told: int
) -> None:
    device = link("tracked.txt", "", tarfile.CHRTYPE)
    device.devmajor, device.devminor = numbers
    with Snapshot(clone) as snapshot:
        changes = WriteBack(snapshot).absorb("job", workspace(device))
    assert (changes.written, len(changes.notices)) == ([], told)
    assert (clone / "tracked.txt").read_text() == "tracked"


def test_what_the_job_left_alone_or_wrote_alike_is_not_touched(clone: Path) -> None:
    old = int(time.time()) - 3600
    os.utime(clone / "tracked.txt", (old, old))
    inode = (clone / "tracked.txt").stat().st_ino
    with Snapshot(clone) as snapshot:
        back = WriteBack(snapshot)
        # Same size and time: not even read. New time, same content: read, and found equal.
        assert back.absorb("one", workspace(("tracked.txt", "-------"), mtime=old)).written == []
        assert back.absorb("two", workspace(("tracked.txt", "tracked"))).written == []
    assert (clone / "tracked.txt").read_text() == "tracked"
    assert (clone / "tracked.txt").stat().st_ino == inode


def test_what_a_job_left_alone_does_not_undo_what_an_earlier_one_wrote(clone: Path) -> None:
    """In a file as young as the snapshot, size and time do not show that."""
    with Snapshot(clone) as snapshot:
        back = WriteBack(snapshot)
        back.absorb("one", workspace(("tracked.txt", "changed")))
        young = snapshot.entries["tracked.txt"].mtime
        assert back.absorb("two", workspace(("tracked.txt", "tracked"), mtime=young)).written == []
    assert (clone / "tracked.txt").read_text() == "changed"


def test_nothing_comes_back_into_git_or_from_the_outputs_or_the_secrets_file(clone: Path) -> None:
    (clone / "secrets.env").write_text("TOKEN=1")
    with Snapshot(clone, [clone / "secrets.env"]) as snapshot:
        changes = WriteBack(snapshot).absorb(
            "job",
            workspace(
                (".git/hooks/post-checkout", "evil"),
                ("sub/.git/config", "evil"),
                (".gocdnext/outputs/0.env", "A=b"),
                ("secrets.env", "TOKEN=evil"),
            ),
        )
    assert changes.written == []
    assert not (clone / ".git/hooks/post-checkout").exists()
    assert not (clone / ".gocdnext").exists()
    assert (clone / "secrets.env").read_text() == "TOKEN=1"


@pytest.mark.parametrize("named", ["real.env", "link.env", "twin.env", "../outside.env"])
def test_no_name_of_the_secrets_file_is_replaced(clone: Path, named: str) -> None:
    (clone / "real.env").write_text("TOKEN=hunter2")
    (clone / "link.env").symlink_to("real.env")
    os.link(clone / "real.env", clone / "twin.env")
    (clone.parent / "outside.env").symlink_to(clone / "link.env")
    with Snapshot(clone, [clone / named]) as snapshot:
        back = WriteBack(snapshot)
        files = workspace(*((name, "TOKEN=evil") for name in ("real.env", "link.env", "twin.env")))
        assert back.absorb("job", files).written == []


def test_an_ignored_link_to_the_secrets_file_is_not_replaced(clone: Path) -> None:
    (clone.parent / "vault.env").write_text("TOKEN=hunter2")
    (clone / "ignored").mkdir()
    (clone / "ignored" / "link.env").symlink_to("../../vault.env")
    with Snapshot(clone, [clone / "ignored" / "link.env"]) as snapshot:
        changes = WriteBack(snapshot).absorb("job", workspace(("ignored/link.env", "TOKEN=evil")))
    assert changes.written == []


def test_no_path_leads_out_of_the_tree(clone: Path, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "file").write_text("mine")
    (clone / "door").symlink_to(outside)
    (clone / "window").symlink_to(outside / "file")
    with Snapshot(clone) as snapshot:
        changes = WriteBack(snapshot).absorb(
            "job",
            workspace(
                ("../outside/file", "evil"),
                ("a/../../outside/file", "evil"),
                ("door/file", "evil"),
                ("window", "a file now"),
                link("abs", "/etc/passwd"),
                link("up", "../outside"),
                link("sub/up", "inner/../../../outside"),
                link("git", ".git/config"),
                link("fine", "sub/../tracked.txt"),
                link("sub/fine", "../tracked.txt"),
            ),
        )
    assert (outside / "file").read_text() == "mine"
    assert list(outside.iterdir()) == [outside / "file"]
    # A link of the user's own is replaced, never written through.
    assert (clone / "window").read_text() == "a file now"
    assert changes.written == ["window", "sub/fine"]
    assert len(changes.notices) == 8
    assert not list(clone.rglob(".*.????????"))


def test_no_link_leads_out_through_a_link_of_the_users_own(clone: Path, tmp_path: Path) -> None:
    (clone / "door").symlink_to(tmp_path)
    (clone / "history").symlink_to(".git")
    (clone / "inside").symlink_to("tracked.txt")
    links = link("out", "door/file"), link("config", "history/config"), link("fine", "inside")
    with Snapshot(clone) as snapshot:
        changes = WriteBack(snapshot).absorb("job", workspace(*links))
    assert changes.written == ["fine"]
    assert len(changes.notices) == 2


def test_a_link_made_by_one_member_is_not_followed_by_the_next(clone: Path, tmp_path: Path) -> None:
    with Snapshot(clone) as snapshot:
        WriteBack(snapshot).absorb("job", workspace(link("door", ".."), ("door/file", "evil")))
    assert not (tmp_path / "file").exists()


def test_a_hard_link_comes_back_as_a_copy(clone: Path) -> None:
    with Snapshot(clone) as snapshot:
        changes = WriteBack(snapshot).absorb(
            "job", workspace(("one", "content"), link("two", "workspace/one", tarfile.LNKTYPE))
        )
    assert changes.written == ["one", "two"]
    assert (clone / "two").read_text() == "content"


def test_a_hard_link_does_not_copy_what_jobs_must_not_see(clone: Path) -> None:
    secrets = clone / "secrets.env"
    secrets.write_text("TOKEN=mine")
    bait = workspace(
        ("secrets.env", "made by the job"),
        link("copy", "workspace/secrets.env", tarfile.LNKTYPE),
        link("history", "workspace/.git/config", tarfile.LNKTYPE),
        link("up", "workspace/../outside", tarfile.LNKTYPE),
    )
    with Snapshot(clone, exclude=[secrets]) as snapshot:
        changes = WriteBack(snapshot).absorb("job", bait)
    assert changes.written == []
    assert [notice.partition(": it is a link to ")[0] for notice in changes.notices] == [
        "copy: not brought back",
        "history: not brought back",
        "up: not brought back",
    ]


@pytest.mark.parametrize("name", [".git", ".GIT", ".Git", ".g\u200cit", "git~1"])
def test_no_spelling_of_the_history_is_written(clone: Path, name: str) -> None:
    """Some file systems take these names for one and the same."""
    members = (f"{name}/hooks/pre-commit", "evil"), (f"sub/{name}/config", "evil"), link("out", f"{name}/x")
    with Snapshot(clone) as snapshot:
        changes = WriteBack(snapshot).absorb("job", workspace(*members))
    assert changes.written == []


def test_what_the_user_edited_meanwhile_is_kept(clone: Path) -> None:
    with Snapshot(clone) as snapshot:
        (clone / "tracked.txt").write_text("edited by hand")
        changes = WriteBack(snapshot).absorb("job", workspace(("tracked.txt", "written by the job")))
    assert (clone / "tracked.txt").read_text() == "edited by hand"
    assert changes.notices == ["tracked.txt: not brought back: it was edited during the run"]


def test_special_bits_and_devices_do_not_come_back(clone: Path) -> None:
    setuid = tarfile.TarInfo("workspace/tool")
    setuid.mode, setuid.mtime = 0o4755, LATER
    fifo = tarfile.TarInfo("workspace/pipe")
    fifo.type, fifo.mtime = tarfile.FIFOTYPE, LATER
    with Snapshot(clone) as snapshot:
        changes = WriteBack(snapshot).absorb("job", workspace(setuid, fifo))
    assert (clone / "tool").stat().st_mode & 0o7777 == 0o755
    assert not (clone / "pipe").exists()
    assert "neither a file nor a link" in changes.notices[0]

"""The snapshot that jobs start from."""

from __future__ import annotations

import io
import os
import subprocess
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from gocdnext_sdk.host.harness.snapshot import Snapshot

Git = Callable[..., None]


def names(snapshot: Snapshot) -> set[str]:
    with tarfile.open(fileobj=io.BytesIO(b"".join(snapshot.stream()))) as tar:
        return {name for name in tar.getnames() if not name.startswith(".git/")}


def test_a_clone_gives_what_is_tracked_or_new_and_its_history(clone: Path) -> None:
    (clone / "new.txt").write_text("new")
    (clone / "ignored").mkdir()
    (clone / "ignored" / "cache").write_text("big")
    (clone / "link").symlink_to("tracked.txt")
    with Snapshot(clone) as snapshot:
        assert names(snapshot) == {".", "tracked.txt", ".gitignore", "new.txt", "link"}
        with tarfile.open(fileobj=io.BytesIO(b"".join(snapshot.stream()))) as tar:
            assert ".git/HEAD" in tar.getnames()
            assert {member.uid for member in tar} == {os.getuid()}


def test_nothing_that_the_clone_is_configured_to_run_is_run(git: Git, clone: Path) -> None:
    """Git itself would refuse to read somebody else's clone for this reason."""
    program = clone / "monitor"
    program.write_text("#!/bin/sh\ntouch ran\n")
    program.chmod(0o755)
    git(clone, "config", "core.fsmonitor", str(program))
    with Snapshot(clone) as snapshot:
        assert "monitor" in names(snapshot)
    assert not (clone / "ran").exists()


def test_the_index_of_another_repository_does_not_count(
    git: Git, clone: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """As in a hook of that one, which runs what is pushed there."""
    (clone / "ignored").mkdir()
    (clone / "ignored" / "tracked").touch()
    git(clone, "add", "--force", "ignored/tracked")
    monkeypatch.setenv("GIT_INDEX_FILE", str(tmp_path / "index"))
    with Snapshot(clone) as snapshot:
        assert "ignored/tracked" in names(snapshot)


def test_a_tracked_file_that_was_deleted_is_simply_not_there(clone: Path) -> None:
    (clone / "tracked.txt").unlink()
    with Snapshot(clone) as snapshot:
        assert "tracked.txt" not in names(snapshot)


def test_the_secrets_file_stays_out(clone: Path) -> None:
    (clone / "secrets.env").write_text("TOKEN=hunter2")
    with Snapshot(clone, [clone / "secrets.env"]) as snapshot:
        assert b"hunter2" not in b"".join(snapshot.stream())
        assert snapshot.notices == []


@pytest.mark.parametrize("named", ["real.env", "link.env", "twin.env", "../outside.env"])
def test_the_secrets_file_stays_out_by_every_name_it_has(clone: Path, named: str) -> None:
    (clone / "real.env").write_text("TOKEN=hunter2")
    (clone / "link.env").symlink_to("real.env")
    os.link(clone / "real.env", clone / "twin.env")
    (clone.parent / "outside.env").symlink_to(clone / "link.env")
    with Snapshot(clone, [clone / named]) as snapshot:
        assert names(snapshot) == {".", "tracked.txt", ".gitignore"}


def test_a_secrets_file_in_the_history_is_told(git: Git, clone: Path) -> None:
    (clone / "secrets.env").write_text("TOKEN=hunter2")
    git(clone, "add", "secrets.env")
    with Snapshot(clone, [clone / "secrets.env"]) as snapshot:
        assert "secrets.env" not in names(snapshot)
        (notice,) = snapshot.notices
        assert notice.startswith(
            "secrets.env: jobs do not get the file, but git tracks it and they get .git;"
        )


def test_a_folder_without_git_is_taken_whole(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "b.txt").write_text("b")
    with Snapshot(tmp_path) as snapshot:
        assert names(snapshot) == {".", "a/b.txt"}


def test_below_the_top_of_a_clone_files_come_without_git_and_that_is_told(clone: Path) -> None:
    (clone / "app").mkdir()
    (clone / "app" / "main.py").write_text("")
    with Snapshot(clone / "app") as snapshot:
        assert names(snapshot) == {".", "main.py"}
        assert "without .git" in snapshot.notices[0]


def test_hard_links_and_links_to_folders_arrive_as_a_checkout_has_them(clone: Path) -> None:
    os.link(clone / "tracked.txt", clone / "twin.txt")
    (clone / "folder").mkdir()
    (clone / "folder" / "file").write_text("f")
    (clone / "alias").symlink_to("folder")
    with (
        Snapshot(clone) as snapshot,
        tarfile.open(fileobj=io.BytesIO(b"".join(snapshot.stream()))) as tar,
    ):
        twins = [tar.extractfile(name) for name in ("tracked.txt", "twin.txt")]
        assert [twin.read() for twin in twins if twin] == [b"tracked", b"tracked"]
        assert tar.getmember("alias").linkname == "folder"
        assert tar.getmember("folder/file").isreg()


def test_a_worktree_arrives_with_its_history(git: Git, clone: Path, tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    git(clone, "worktree", "add", "-q", "-b", "topic", str(tree))
    (tree / "tracked.txt").write_text("changed here")
    arrived = tmp_path / "arrived"
    with (
        Snapshot(tree) as snapshot,
        tarfile.open(fileobj=io.BytesIO(b"".join(snapshot.stream()))) as tar,
    ):
        tar.extractall(arrived, filter="tar")
    told = subprocess.run(
        ["git", "-c", "safe.directory=*", "-C", arrived, "status", "--short", "--branch"],
        check=True,
        capture_output=True,
        text=True,
    )
    assert told.stdout.split() == ["##", "topic...origin/topic", "M", "tracked.txt"]


def test_the_snapshot_does_not_change_with_the_tree(clone: Path) -> None:
    with Snapshot(clone) as snapshot:
        (clone / "tracked.txt").write_text("edited meanwhile")
        assert b"edited meanwhile" not in b"".join(snapshot.stream())


@pytest.mark.parametrize("kind", ["submodule", "clone"])
def test_a_repository_inside_gives_what_it_does_not_ignore_and_its_history(
    git: Git, clone: Path, tmp_path: Path, kind: str
) -> None:
    library = tmp_path / "library"
    library.mkdir()
    (library / "lib.c").touch()
    (library / ".gitignore").write_text(".env\n")
    git(library, "init", "-q")
    git(library, "add", "-A")
    git(library, "commit", "-qm", "x")
    command = ("clone",) if kind == "clone" else ("-c", "protocol.file.allow=always", "submodule", "add")
    git(clone, *command, str(library), "sub")
    (clone / "sub/.env").write_text("TOKEN=1")
    (clone / "sub/new.c").touch()
    with Snapshot(clone) as snapshot:
        inside = {each for each in names(snapshot) if each.startswith("sub/")}
        told = [each for each in snapshot.notices if "submodules" in each]
    history = {each for each in inside if each.startswith("sub/.git/") or each == "sub/.git"}
    assert inside - history == {"sub/lib.c", "sub/.gitignore", "sub/new.c"}
    assert history
    assert told == (
        ["the platform's clone has no submodules; there, jobs find nothing in sub"]
        if kind == "submodule"
        else []
    )


def test_a_submodule_that_was_not_fetched_is_empty(git: Git, clone: Path) -> None:
    git(clone, "update-index", "--add", "--cacheinfo", f"160000,{'1' * 40},sub")
    (clone / "sub").mkdir()
    with Snapshot(clone) as snapshot:
        assert not any(each.startswith("sub") for each in names(snapshot))

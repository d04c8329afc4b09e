from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from gocdnext_sdk.host.pipeline import Revision, revision


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE"):
        monkeypatch.delenv(name, raising=False)
    git(tmp_path, "init", "--quiet", "--initial-branch=main")
    return tmp_path


def git(folder: Path, *arguments: str) -> str:
    identity = ["-c", "user.name=t", "-c", "user.email=t@example.invalid"]
    done = subprocess.run(
        ["git", *identity, "-C", str(folder), *arguments], capture_output=True, text=True, check=True
    )
    return done.stdout.strip()


def commit(folder: Path) -> str:
    git(folder, "commit", "--quiet", "--allow-empty", "-m", "work")
    return git(folder, "rev-parse", "HEAD")


def test_commit_and_branch(repository: Path) -> None:
    sha = commit(repository)
    (repository / "sub").mkdir()
    assert revision.read(repository) == Revision(sha, "main")
    assert revision.read(repository / "sub") == Revision(sha, "main")


def test_a_detached_head_has_no_branch(repository: Path) -> None:
    sha = commit(repository)
    git(repository, "checkout", "--quiet", "--detach")
    assert revision.read(repository) == Revision(sha, "")


def test_a_repository_without_a_commit(repository: Path) -> None:
    assert revision.read(repository).sha == ""


def test_a_folder_that_is_no_repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    assert revision.read(tmp_path) == Revision()


def test_the_repository_of_a_hook_is_not_the_one(
    repository: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Git names its own to a hook, and to all that it runs."""
    sha = commit(repository)
    other = tmp_path_factory.mktemp("other")
    git(other, "init", "--quiet", "--initial-branch=hook")
    commit(other)
    monkeypatch.setenv("GIT_DIR", str(other / ".git"))
    monkeypatch.setenv("GIT_INDEX_FILE", str(other / ".git" / "index"))
    assert revision.read(repository) == Revision(sha, "main")


def test_a_host_without_git(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    commit(repository)
    monkeypatch.setenv("PATH", str(repository))
    assert revision.read(repository) == Revision()


def test_the_tag_at_the_commit(repository: Path) -> None:
    commit(repository)
    assert revision.tag(repository) == ""
    git(repository, "tag", "v1.0.0")
    assert revision.tag(repository) == "v1.0.0"


def test_changed_names_may_be_any_bytes(repository: Path) -> None:
    commit(repository)
    name = os.fsdecode(b"caf\xe9")
    (repository / name).touch()
    assert revision.changed(repository) == (name,)


def test_the_checkout_of_a_pipeline_that_is_a_link(tmp_path: Path) -> None:
    for folder in (".gocdnext", "ci"):
        (tmp_path / folder).mkdir()
    (tmp_path / "ci/real.yaml").touch()
    link = tmp_path / ".gocdnext/release.yaml"
    link.symlink_to("../ci/real.yaml")
    assert revision.workspace_of(link) == tmp_path

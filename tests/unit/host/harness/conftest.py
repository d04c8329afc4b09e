"""What every test of the harness has: an engine without containers, a checkout, and a clone."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from gocdnext_sdk.host.harness.engine.memory import MemoryEngine


@pytest.fixture
def engine() -> MemoryEngine:
    return MemoryEngine()


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A checkout that is no git repository, with one source file."""
    (tmp_path / "project" / ".gocdnext").mkdir(parents=True)
    (tmp_path / "project" / "source.txt").write_text("source\n")
    return tmp_path / "project"


@pytest.fixture
def git() -> Callable[..., None]:
    """Run git in a folder: ``git(folder, "add", "-A")``."""

    def run(folder: Path, *arguments: str) -> None:
        identity = ["-c", "user.name=a", "-c", "user.email=a@example.com", "-c", "safe.directory=*"]
        subprocess.run(["git", *identity, "-C", folder, *arguments], check=True, capture_output=True)

    return run


@pytest.fixture
def clone(tmp_path: Path, git: Callable[..., None]) -> Path:
    """A git repository with a tracked file and an ignored folder."""
    folder = tmp_path / "clone"
    folder.mkdir()
    git(folder, "init", "-q", "-b", "main")
    (folder / "tracked.txt").write_text("tracked")
    (folder / ".gitignore").write_text("ignored/\n")
    git(folder, "add", "-A")
    git(folder, "commit", "-qm", "first")
    return folder

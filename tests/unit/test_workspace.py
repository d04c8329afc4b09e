"""What input types make of files in the workspace."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from gocdnext_sdk import workspace
from gocdnext_sdk.errors import Invalid
from gocdnext_sdk.workspace import read_text, workspace_path


@pytest.fixture
def odd(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A checkout of files that never end, or take all memory."""
    monkeypatch.setattr(workspace, "_MAX_FILE", 10)
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "zero").symlink_to("/dev/zero")
    (tmp_path / "large").write_text("12345678901")
    (tmp_path / "binary").write_bytes(b"\xff")
    (tmp_path / "text").write_text("1234567890")
    return tmp_path


@pytest.mark.parametrize("name", ["pipe", "zero", "large", "missing", "."])
def test_only_a_regular_file_of_a_sensible_size_is_read(odd: Path, name: str) -> None:
    with pytest.raises(OSError, match=r"not a regular file|too large|No such file|directory"):
        read_text(odd / name)


def test_a_text_is_read_and_what_is_none_is_told(odd: Path) -> None:
    assert read_text(odd / "text") == "1234567890"
    with pytest.raises(UnicodeDecodeError):
        read_text(odd / "binary")


@pytest.mark.parametrize("path", ["missing/file", "/workspace/file", "a/../b", "link/etc/passwd"])
def test_elsewhere_a_path_is_judged_by_its_text(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("link").symlink_to("/")
    assert workspace_path(path, None) == path


@pytest.mark.parametrize("path", ["..", "a/../../b", "/../x/../../etc"])
def test_elsewhere_too_a_path_must_not_lead_out(path: str) -> None:
    with pytest.raises(Invalid, match="outside the workspace"):
        workspace_path(path, None)


def test_what_another_job_is_to_hand_on_counts_as_there(tmp_path: Path) -> None:
    (tmp_path / "here").touch()
    inside, beside = tmp_path / "dist" / "app.tar", tmp_path / "distance"
    with workspace.promising([tmp_path / "dist", tmp_path / "here"]):
        assert all(each(inside) for each in (workspace.exists, workspace.is_file, workspace.is_directory))
        assert not workspace.exists(beside)
        assert (workspace.is_file(tmp_path / "here"), workspace.is_directory(tmp_path / "here")) == (
            True,
            False,
        )
    assert not workspace.exists(inside)

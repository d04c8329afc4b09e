"""Temporary files go where the job says, or nowhere; never into the checkout."""

from __future__ import annotations

from pathlib import Path

import pytest

from gocdnext_sdk import ContainerError
from gocdnext_sdk.runtime.secret_files import SecretFiles
from gocdnext_sdk.runtime.temporary import temporary


def test_it_is_tmpdir_and_else_tmp(tmp_path: Path) -> None:
    assert temporary({"TMPDIR": str(tmp_path)}) == tmp_path
    assert temporary({}) == temporary({"TMPDIR": ""}) == Path("/tmp")


def test_where_nothing_can_be_written_that_is_said(tmp_path: Path) -> None:
    with pytest.raises(ContainerError, match="no temporary file can be made") as caught:
        temporary({"TMPDIR": str(tmp_path / "not-there")})
    assert "writable /tmp" in caught.value.advice


def test_no_secret_goes_into_the_checkout_for_want_of_another_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TMPDIR", str(tmp_path / "not-there"))
    monkeypatch.setattr(Path, "is_dir", lambda path: path == tmp_path)  # no /dev/shm either
    with SecretFiles() as files, pytest.raises(ContainerError, match="no temporary file can be made"):
        files.directory()
    assert list(tmp_path.iterdir()) == []

"""What is made once for all clones comes whole, and nothing of a try that died stays."""

from __future__ import annotations

from pathlib import Path

import pytest
from testbed.cache import arriving


def test_a_folder_comes_whole_or_not_at_all(tmp_path: Path) -> None:
    target = tmp_path / "tool-1.0"
    with pytest.raises(FileNotFoundError), arriving(target) as scratch:
        (scratch / "no such" / "folder").mkdir()
    assert not any(tmp_path.iterdir())
    with arriving(target) as scratch:
        (scratch / "whole").touch()
        assert not target.exists()
    assert [file.name for file in target.iterdir()] == ["whole"]
    assert list(tmp_path.iterdir()) == [target]


def test_what_a_killed_process_left_goes_with_the_next_try(tmp_path: Path) -> None:
    left, other = tmp_path / ".tool-1.0.abcdefgh", tmp_path / ".tool-1.0-arm64.abcdefgh"
    for folder in (left, other):
        folder.mkdir()
        (folder / "half").touch()
    with arriving(tmp_path / "tool-1.0"):
        pass
    assert not left.exists()
    assert other.exists(), "that may be of a process that makes it now, under a lock of its own"

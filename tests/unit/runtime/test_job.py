"""What a job gives a plugin, beyond what its tools, outputs and secrets have tests of their own for."""

from __future__ import annotations

from pathlib import Path

import pytest

from gocdnext_sdk import ToolError
from gocdnext_sdk.runtime.job import digest_left_by_tool


@pytest.mark.parametrize("content", [None, "", "latest", f"sha256:{'0' * 63}"])
def test_a_tool_that_left_no_digest_is_told_of(tmp_path: Path, content: str | None) -> None:
    file = tmp_path / "digest"
    if content is not None:
        file.write_text(content)
    with pytest.raises(ToolError, match=r"app:1$"):
        digest_left_by_tool("app:1", file.read_text)


def test_the_digest_that_a_tool_left() -> None:
    assert digest_left_by_tool("app:1", lambda: f"sha256:{'0' * 64}") == f"sha256:{'0' * 64}"

"""What a job gives a plugin, beyond what its tools, outputs and secrets have tests of their own for."""

from __future__ import annotations

from pathlib import Path

import pytest

from gocdnext_sdk import Job, ToolError


@pytest.fixture
def job(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Job:
    monkeypatch.chdir(tmp_path)
    return Job.__new__(Job)  # a digest is looked for without anything of a run


@pytest.mark.parametrize("content", [None, "", "latest", f"sha256:{'0' * 63}"])
def test_a_tool_that_left_no_digest_is_told_of(job: Job, content: str | None) -> None:
    file = Path("digest")
    if content is not None:
        file.write_text(content)
    with pytest.raises(ToolError, match=r"^the tool has ended well and left no digest of app:1$"):
        job.digest("app:1", file.read_text)


def test_the_digest_that_a_tool_left(job: Job) -> None:
    assert job.digest("app:1", lambda: f"sha256:{'0' * 64}") == f"sha256:{'0' * 64}"

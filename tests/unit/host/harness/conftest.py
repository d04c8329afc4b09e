"""What every test of the harness has: an engine without containers, and a checkout."""

from __future__ import annotations

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

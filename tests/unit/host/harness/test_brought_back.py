"""A pipeline that fails on a fresh clone fails on its second run here too."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from gocdnext_sdk.host.harness import RunOptions, RunReport, Session, run_pipeline
from gocdnext_sdk.host.harness.engine.memory import MemoryEngine

PIPELINE = """
stages: [a]
jobs:
  make: {stage: a, uses: "one/make@v1"}
"""


@pytest.fixture
def got(engine: MemoryEngine, clone: Path) -> list[set[str]]:
    """The files that each run started from."""
    found: list[set[str]] = []

    def make(box: object) -> None:
        files: dict[str, bytes] = box.files  # type: ignore[attr-defined]
        found.append({name for name in files if not name.startswith(".git/")})
        files |= {"dist/app": b"app", "report.txt": b"report", "tracked.txt": b"changed by the job"}

    engine.behaviours["one/make:v1"] = make
    (clone / ".gocdnext").mkdir()
    (clone / ".gocdnext" / "test.yaml").write_text(PIPELINE)
    return found


def run(engine: MemoryEngine, clone: Path, notes: Path | None) -> RunReport:
    with Session(engine) as session:
        return run_pipeline(
            clone / ".gocdnext" / "test.yaml", RunOptions(brought_back=notes), session=session
        )


def test_what_a_run_left_does_not_reach_the_next(
    engine: MemoryEngine, clone: Path, tmp_path: Path, got: list[set[str]]
) -> None:
    for _ in range(3):
        assert run(engine, clone, tmp_path / "notes").passed
    assert got[0] == got[1] == got[2]
    assert (clone / "dist" / "app").read_bytes() == b"app"


def test_without_notes_it_is_taken_for_the_users_own(
    engine: MemoryEngine, clone: Path, got: list[set[str]]
) -> None:
    for _ in range(2):
        run(engine, clone, None)
    assert got[1] - got[0] == {"dist/app", "report.txt"}


def touch(file: Path, git: Callable[..., None], clone: Path) -> None:
    os.utime(file, ns=(1, 1))


def track(file: Path, git: Callable[..., None], clone: Path) -> None:
    git(clone, "add", "report.txt")


@pytest.mark.parametrize("make_ones_own", [touch, track])
def test_what_the_user_took_over_reaches_jobs(
    engine: MemoryEngine,
    clone: Path,
    tmp_path: Path,
    got: list[set[str]],
    git: Callable[..., None],
    make_ones_own: Callable[..., None],
) -> None:
    run(engine, clone, tmp_path / "notes")
    make_ones_own(clone / "report.txt", git, clone)
    run(engine, clone, tmp_path / "notes")
    assert got[1] - got[0] == {"report.txt"}


def test_broken_notes_are_none(
    engine: MemoryEngine, clone: Path, tmp_path: Path, got: list[set[str]]
) -> None:
    run(engine, clone, tmp_path / "notes")
    for note in (tmp_path / "notes").iterdir():
        note.write_text("[1")
    assert run(engine, clone, tmp_path / "notes").passed
    assert "dist/app" in got[1]

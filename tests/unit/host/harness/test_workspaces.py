"""A large checkout is unpacked once, and each job changes a layer of its own."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from gocdnext_sdk.errors import DaemonError
from gocdnext_sdk.host.harness import NullListener, RunOptions, RunReport, Session, run_pipeline
from gocdnext_sdk.host.harness.engine.memory import MemoryContainer, MemoryEngine

TWO = """
stages: [a, b]
jobs:
  first: {stage: a, uses: one/first@v1}
  second: {stage: b, uses: one/second@v1}
"""


class Told(NullListener):
    def __init__(self) -> None:
        self.notices: list[str] = []

    def notice(self, text: str, job: str = "") -> None:
        self.notices.append(text)


def run(engine: MemoryEngine, project: Path, layered_from: int | None) -> tuple[RunReport, list[str]]:
    file = project / ".gocdnext" / "test.yaml"
    file.write_text(TWO)
    told = Told()
    with Session(engine) as session:
        options = RunOptions(layered_from=layered_from)
        return run_pipeline(file, options, session=session, listener=told), told.notices


def test_jobs_see_the_checkout_and_nothing_of_each_other(engine: MemoryEngine, project: Path) -> None:
    found: list[Mapping[str, bytes]] = []

    def first(box: MemoryContainer) -> None:
        box.files["source.txt"] = b"changed"
        box.files["out/made.txt"] = b"made"

    engine.behaviours["one/first:v1"] = first
    engine.behaviours["one/second:v1"] = lambda box: found.append(dict(box.files))
    report, _ = run(engine, project, 0)
    assert report.passed
    assert found[0]["source.txt"] == b"source\n"
    assert "out/made.txt" not in found[0]
    assert (project / "source.txt").read_bytes() == b"changed"
    assert (project / "out/made.txt").read_bytes() == b"made"
    assert set(report["first"].written) == {"source.txt", "out/made.txt"}
    assert report["second"].written == ()


def checkouts(engine: MemoryEngine) -> int:
    """Return how often the checkout was unpacked."""
    return sum("source.txt" in files for files in map(_own, engine.volumes.values()))


def _own(files: Any) -> Any:
    return files.maps[0] if hasattr(files, "maps") else files


@pytest.mark.parametrize(("layered_from", "times"), [(0, 1), (1000, 2), (None, 2)])
def test_a_large_checkout_is_unpacked_once(
    engine: MemoryEngine, project: Path, layered_from: int | None, times: int
) -> None:
    assert run(engine, project, layered_from)[0].passed
    assert checkouts(engine) == times


def test_an_engine_without_layers_is_told_of_and_copies(
    engine: MemoryEngine, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*args: object, **options: object) -> None:
        raise DaemonError("no overlay here")

    monkeypatch.setattr(engine, "create_overlay", refuse)
    report, notices = run(engine, project, 0)
    assert report.passed
    assert checkouts(engine) == 2
    assert [each for each in notices if "no overlay here" in each]


def test_the_checkout_is_the_clone_with_what_is_not_ignored(
    engine: MemoryEngine, clone: Path, git: Callable[..., None]
) -> None:
    (clone / ".gocdnext").mkdir()
    (clone / "ignored").mkdir()
    (clone / "ignored" / "file").write_text("ignored")
    seen: list[set[str]] = []
    engine.behaviours["one/second:v1"] = lambda box: seen.append(set(box.files))
    assert run(engine, clone, 0)[0].passed
    assert {"tracked.txt", ".git/HEAD"} <= seen[0]
    assert "ignored/file" not in seen[0]

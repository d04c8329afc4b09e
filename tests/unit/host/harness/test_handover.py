"""One job again, with what the others left: outputs and artifacts of earlier runs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from gocdnext_sdk.errors import UsageError
from gocdnext_sdk.host.harness import RunOptions, RunReport, Session, run_pipeline
from gocdnext_sdk.host.harness.engine.memory import MemoryContainer, MemoryEngine
from gocdnext_sdk.host.harness.handover import entries

PIPELINE = """
stages: [build, ship]
jobs:
  build:
    stage: build
    uses: one/build@v1
    secrets: [TOKEN]
    outputs: {digest: DIGEST, note: NOTE}
    artifacts: {paths: [dist]}
  ship:
    stage: ship
    uses: one/ship@v1
    needs: [build]
    needs_artifacts: [{from_job: build}]
    with: {digest: "${{ needs.build.outputs.digest }}"}
"""
DIGEST = "sha256:0123456789abcdef"


def build(note: str = "plain") -> Any:
    def behave(box: MemoryContainer) -> None:
        box.files["dist/app"] = b"the application"
        box.set_outputs(f"DIGEST={DIGEST}\nNOTE={note}\n")

    return behave


@pytest.fixture
def left(tmp_path: Path) -> Path:
    return tmp_path / "left"


def run(engine: MemoryEngine, project: Path, left: Path, **options: Any) -> RunReport:
    file = project / ".gocdnext" / "test.yaml"
    file.write_text(PIPELINE)
    given = {"secrets": {"TOKEN": "a secret of the job"}, "handover": left, **options}
    with Session(engine) as session:
        return run_pipeline(file, RunOptions(**given), session=session)


def test_a_job_is_redone_with_what_the_last_run_left(engine: Any, project: Path, left: Path) -> None:
    engine.behaviours["one/build:v1"] = build()
    engine.behaviours["one/ship:v1"] = lambda box: 1
    assert run(engine, project, left).exit_code == 1
    again = MemoryEngine()
    found: list[MemoryContainer] = []
    again.behaviours["one/ship:v1"] = found.append
    (project / "dist/app").unlink()
    report = run(again, project, left, jobs=["ship"], reuse=True, secrets={})
    assert report.passed
    assert again.order == ["one/ship:v1"]
    assert found[0].env["PLUGIN_DIGEST"] == DIGEST
    assert found[0].files["dist/app"] == b"the application"


@pytest.mark.parametrize(
    ("behaviour", "said"),
    [(None, "has not run"), (lambda box: 1, "did not pass"), (build("a secret of the job"), "note")],
    ids=["not yet", "failed", "masked"],
)
def test_what_is_not_there_is_said_before_anything_starts(
    engine: Any, project: Path, left: Path, behaviour: Any, said: str
) -> None:
    if behaviour:
        engine.behaviours["one/build:v1"] = behaviour
        run(engine, project, left)
    again = MemoryEngine()
    with pytest.raises(UsageError, match=said):
        run(again, project, left, jobs=["ship"], reuse=True)
    assert again.order == []


def test_no_file_keeps_a_secret(engine: Any, project: Path, left: Path) -> None:
    engine.behaviours["one/build:v1"] = build("a secret of the job")
    run(engine, project, left)
    assert not [f for f in left.rglob("*") if f.is_file() and b"a secret of the job" in f.read_bytes()]


def test_reuse_needs_a_job(engine: Any, project: Path, left: Path) -> None:
    with pytest.raises(UsageError, match="--job"):
        run(engine, project, left, reuse=True)


def test_what_jobs_left_is_listed_and_removed(engine: Any, project: Path, left: Path) -> None:
    engine.behaviours["one/build:v1"] = build()
    run(engine, project, left)
    first, second = entries(left)
    assert (first.job, [each.path for each in first.artifacts], second.job) == ("build", ["dist"], "ship")
    first.remove()
    assert [each.job for each in entries(left)] == ["ship"]


@pytest.mark.parametrize(("show", "line"), [(False, "***"), (True, DIGEST)])
def test_outputs_are_shown_on_demand_and_secrets_never(
    engine: Any, project: Path, left: Path, show: bool, line: str
) -> None:
    def ship(box: MemoryContainer) -> None:
        box.print(f"{box.env['PLUGIN_DIGEST']}\na secret of the job\n")

    engine.behaviours["one/build:v1"] = build("a secret of the job")
    engine.behaviours["one/ship:v1"] = ship
    report = run(engine, project, left, show_outputs=show)
    assert [each.text for each in report["ship"].log[-2:]] == [line, "***"]

"""A run that is asked to stop stops, whenever that is; what had worked by then has worked."""

from __future__ import annotations

import signal
from collections.abc import Iterable
from pathlib import Path

from gocdnext_sdk.errors import DaemonError
from gocdnext_sdk.host.harness import RunOptions, RunReport, Session, run_pipeline
from gocdnext_sdk.host.harness.engine.memory import MemoryContainer, MemoryEngine

ONE = "stages: [a]\njobs:\n  x: {stage: a, uses: one/x@v1}\n"
TWO = "stages: [a, b]\njobs:\n  x: {stage: a, uses: one/x@v1}\n  y: {stage: b, uses: one/y@v1}\n"


def run(session: Session, project: Path, text: str) -> RunReport:
    file = project / ".gocdnext" / "test.yaml"
    file.write_text(text)
    with session:
        return run_pipeline(file, RunOptions(), session=session)


def test_a_signal_that_a_young_container_did_not_hear_comes_again(project: Path) -> None:
    engine = MemoryEngine()
    session = Session(engine)

    def deaf(container: MemoryContainer) -> int:
        """As PID 1 is before it has a handler."""
        session.stop.request(signal.SIGTERM)
        for _ in range(2):
            assert container.signalled.wait(10)
            container.signalled.clear()
        return 143

    engine.behaviours["one/x:v1"] = deaf
    report = run(session, project, ONE)
    assert (report.exit_code, report["x"].status, report["x"].exit_code) == (143, "canceled", 143)
    (container,) = engine.containers.values()
    assert container.signals == ["SIGTERM", "SIGTERM"]


def test_a_signal_that_the_engine_did_not_take_comes_again(project: Path) -> None:
    class Busy(MemoryEngine):
        refused = 0

        def signal(self, container: str, signal: str) -> None:  # type: ignore[override]
            if not self.refused:
                self.refused += 1
                raise DaemonError("busy")
            super().signal(container, signal)  # type: ignore[arg-type]

    engine = Busy()
    session = Session(engine)

    def obedient(container: MemoryContainer) -> int:
        session.stop.request(signal.SIGINT)
        assert container.signalled.wait(10)
        return 130

    engine.behaviours["one/x:v1"] = obedient
    assert run(session, project, ONE).exit_code == 130
    assert engine.refused == 1


def test_nothing_starts_after_a_stop(project: Path) -> None:
    class Slow(MemoryEngine):
        def put(self, container: str, path: str, tar: Iterable[bytes]) -> None:
            super().put(container, path, tar)
            session.stop.request(signal.SIGTERM)

    engine = Slow()
    session = Session(engine)
    report = run(session, project, TWO)
    assert engine.order == []
    assert engine.labels == {}
    assert {job.name: job.status for job in report.jobs} == {"x": "canceled", "y": "canceled"}
    assert report.exit_code == 143


def test_a_job_that_ended_well_has_passed_whatever_was_pressed(project: Path) -> None:
    engine = MemoryEngine()
    session = Session(engine)

    def finish(container: MemoryContainer) -> int:
        container.files["made.txt"] = b"made"
        session.stop.request(signal.SIGTERM)
        assert container.signalled.wait(10)
        return 0

    engine.behaviours["one/x:v1"] = finish
    report = run(session, project, TWO)
    assert {job.name: job.status for job in report.jobs} == {"x": "passed", "y": "canceled"}
    assert (project / "made.txt").read_text() == "made"
    assert report.exit_code == 143  # something was left to do


def test_where_nothing_was_left_to_do_the_run_has_passed(project: Path) -> None:
    engine = MemoryEngine()
    session = Session(engine)

    def finish(container: MemoryContainer) -> int:
        session.stop.request(signal.SIGTERM)
        assert container.signalled.wait(10)
        return 0

    engine.behaviours["one/x:v1"] = finish
    report = run(session, project, ONE)
    assert (report.exit_code, report["x"].status) == (0, "passed")


def test_an_older_container_is_told_once(project: Path, monkeypatch) -> None:
    """Many programs take a second signal for impatience."""
    monkeypatch.setattr("gocdnext_sdk.host.harness.stopping._YOUNG", 0.0)
    engine = MemoryEngine()
    session = Session(engine)

    def wind_up(container: MemoryContainer) -> int:
        session.stop.request(signal.SIGTERM)
        assert container.signalled.wait(10)
        container.signalled.clear()
        container.signalled.wait(1.2)
        return 143

    engine.behaviours["one/x:v1"] = wind_up
    run(session, project, ONE)
    (container,) = engine.containers.values()
    assert container.signals == ["SIGTERM"]

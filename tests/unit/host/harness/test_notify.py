"""What stands around jobs: notifications after a run, and gates in it."""

from __future__ import annotations

import io
import os
import signal
import threading
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from gocdnext_sdk.host.harness import NullListener, RunOptions, RunReport, Session, run_pipeline
from gocdnext_sdk.host.harness.engine.memory import MemoryContainer, MemoryEngine
from gocdnext_sdk.host.harness.report.console import ConsoleListener
from gocdnext_sdk.host.pipeline import PipelineError
from gocdnext_sdk.host.pipeline.model import Approval

PIPELINE = """
stages: [a]
jobs: {it: {stage: a, uses: one/it@v1}}
notifications:
  - {on: failure, uses: one/slack@v1, secrets: [HOOK], with: {url: "${{ HOOK }}", text: "${CI_JOB_NAME}!"}}
  - {on: success, uses: one/mail@v1, with: {to: me}}
  - {on: always, uses: one/log@v1}
  - {on: canceled, uses: one/stop@v1}
"""
SECRET = {"HOOK": "https://hooks.example.com/T0/B0/xyz"}


class Heard(NullListener):
    def __init__(self) -> None:
        self.notices: list[tuple[str, str]] = []

    def notice(self, text: str, job: str = "") -> None:
        self.notices.append((job, text))


def run(
    engine: MemoryEngine, project: Path, text: str, code: int = 0, **options: Any
) -> tuple[RunReport, Heard]:
    engine.behaviours.setdefault("one/it:v1", lambda box: code)
    heard = Heard()
    file = project / ".gocdnext" / "test.yaml"
    file.write_text(text)
    with Session(engine) as session:
        return run_pipeline(file, RunOptions(**options), session=session, listener=heard), heard


def test_without_a_word_they_are_shown_and_not_sent(engine: MemoryEngine, project: Path) -> None:
    _, heard = run(engine, project, PIPELINE, code=1)
    assert engine.order == ["one/it:v1"]
    said = dict(heard.notices)
    assert set(said) == {"_notify_0", "_notify_2"}
    assert "slack" in said["_notify_0"]
    assert "url: <secret HOOK>" in said["_notify_0"]
    assert "text: _notify_0!" in said["_notify_0"]


def test_a_secret_that_is_known_is_not_shown(engine: MemoryEngine, project: Path) -> None:
    _, heard = run(engine, project, PIPELINE, code=1, secrets=SECRET)
    assert "url: ***" in dict(heard.notices)["_notify_0"]


@pytest.mark.parametrize(("code", "sent"), [(1, ["slack", "log"]), (0, ["mail", "log"])])
def test_with_a_word_those_run_that_fit_and_decide_nothing(
    engine: MemoryEngine, project: Path, code: int, sent: list[str]
) -> None:
    for name in ("slack", "mail"):
        engine.behaviours[f"one/{name}:v1"] = lambda box: 1
    report, _ = run(engine, project, PIPELINE, code=code, notify=True, secrets=SECRET)
    assert engine.order == ["one/it:v1", *(f"one/{name}:v1" for name in sent)]
    assert report.exit_code == code
    assert [job.name for job in report.jobs] == ["it"]
    boxes = [box for box in engine.containers.values() if box.spec.image == "one/slack:v1"]
    assert [box.env["PLUGIN_URL"] for box in boxes] == [SECRET["HOOK"]] * (code == 1)


def test_a_secret_that_one_needs_is_asked_for_before_anything_starts(
    engine: MemoryEngine, project: Path
) -> None:
    with pytest.raises(PipelineError, match="HOOK"):
        run(engine, project, PIPELINE, notify=True)
    assert not engine.order


def test_after_a_stop_nothing_is_sent(engine: MemoryEngine, project: Path) -> None:
    session = Session(engine)

    def it(box: MemoryContainer) -> int:
        session.stop.request(signal.SIGINT)
        box.signalled.wait(10)
        return 130

    engine.behaviours["one/it:v1"] = it
    heard = Heard()
    file = project / ".gocdnext" / "test.yaml"
    file.write_text(PIPELINE)
    with session:
        run_pipeline(file, RunOptions(notify=True, secrets=SECRET), session=session, listener=heard)
    assert engine.order == ["one/it:v1"]
    assert {job for job, _ in heard.notices if job} == {"_notify_2", "_notify_3"}


GATE = """
stages: [a, b]
jobs:
  gate: {stage: a, approval: {description: "to production", required: 2}}
  other: {stage: a, uses: one/other@v1}
  it: {stage: b, uses: one/it@v1}
"""


@pytest.mark.parametrize("answer", [True, False])
def test_a_gate_asks_while_others_run(engine: MemoryEngine, project: Path, answer: bool) -> None:
    other = threading.Event()
    engine.behaviours["one/other:v1"] = lambda box: other.set()
    asked: list[str] = []

    def approve(name: str, gate: Approval) -> bool:
        assert other.wait(10)
        asked.append(f"{name}: {gate.description}")
        return answer

    report, heard = run(engine, project, GATE, approve=approve)
    assert asked == ["gate: to production"]
    assert report["gate"].status == ("passed" if answer else "failed")
    assert report["it"].status == ("passed" if answer else "canceled")
    assert not heard.notices


def test_without_being_asked_it_passes_and_that_is_said(engine: MemoryEngine, project: Path) -> None:
    report, heard = run(engine, project, GATE)
    assert report.passed
    assert [job for job, _ in heard.notices] == ["gate"]


@pytest.mark.parametrize(("typed", "said"), [("y\n", True), ("yes\n", True), ("\n", False), ("no\n", False)])
def test_the_terminal_takes_a_yes(monkeypatch: pytest.MonkeyPatch, typed: str, said: bool) -> None:
    reader, writer = os.pipe()
    with os.fdopen(reader) as stdin, os.fdopen(writer, "w") as hand:
        monkeypatch.setattr("sys.stdin", stdin)
        hand.write(typed)
        hand.flush()
        listener = ConsoleListener(Console(file=io.StringIO()))
        assert listener.ask("approve?", lambda: False) is said
        assert listener.ask("approve?", lambda: True) is False

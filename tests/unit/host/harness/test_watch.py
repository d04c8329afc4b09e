"""What counts as a change, and when it is over."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest

from gocdnext_sdk.errors import UsageError
from gocdnext_sdk.host.cli import watch as command
from gocdnext_sdk.host.harness import JobReport, RunReport, Status
from gocdnext_sdk.host.harness.watch import changed, state, wait_for_change


def test_files_that_jobs_would_get_count_and_no_others(clone: Path) -> None:
    (clone / "ignored").mkdir()
    before = state(clone)
    (clone / "ignored" / "x").write_text("")
    assert changed(before, state(clone)) == []
    (clone / "new.txt").write_text("new")
    (clone / "tracked.txt").write_text("longer than before")
    assert changed(before, state(clone)) == ["new.txt", "tracked.txt"]
    assert changed(before, state(clone), but=["new.txt"]) == ["tracked.txt"]
    (clone / "tracked.txt").unlink()
    assert "tracked.txt" in changed(before, state(clone))


def test_the_wait_ends_once_nothing_more_changes(clone: Path) -> None:
    before = state(clone)

    def write() -> None:
        for number in range(4):
            (clone / f"{number}.txt").write_text("")
            time.sleep(0.3)

    threading.Thread(target=write).start()
    assert wait_for_change(clone, before) == ["0.txt", "1.txt", "2.txt", "3.txt"]


def ended(status: Status, *written: str, stopped: int = 0) -> RunReport:
    job = JobReport(name="j", stage="s", status=status, written=written)
    return RunReport(pipeline="p", jobs=(job,), seconds=1.0, stopped_by=stopped)


def test_it_runs_after_each_change_but_not_for_what_jobs_wrote(
    clone: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    waited: list[list[str]] = []

    def interrupt(checkout: Path, before: object) -> list[str]:
        waited.append(runs[:])
        raise KeyboardInterrupt

    monkeypatch.setattr(command, "wait_for_change", interrupt)
    runs: list[str] = []

    def once() -> RunReport:
        runs.append("run")
        (clone / "made.txt").write_text("x" * len(runs))
        if len(runs) == 1:  # the user edits while the jobs run
            (clone / "tracked.txt").write_text("edited in between")
        return ended(Status.FAILED, "made.txt")

    assert command.watched(once, clone) == 1
    assert waited == [["run", "run"]]


@pytest.mark.parametrize(
    ("outcome", "code"),
    [(ended(Status.PASSED), 130), (UsageError("wrong"), 2), (ended(Status.CANCELED, stopped=2), 130)],
)
def test_after_a_pass_or_a_mistake_it_waits_and_a_stop_ends(
    clone: Path, monkeypatch: pytest.MonkeyPatch, outcome: UsageError | RunReport, code: int
) -> None:
    def interrupt(checkout: Path, before: object) -> list[str]:
        raise KeyboardInterrupt

    def once() -> RunReport:
        if isinstance(outcome, UsageError):
            raise outcome
        return outcome

    monkeypatch.setattr(command, "wait_for_change", interrupt)
    assert command.watched(once, clone) == code

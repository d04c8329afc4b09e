"""What a run looks like where there is no terminal."""

from __future__ import annotations

import io
import json
import os
import re
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from gocdnext_sdk.errors import UsageError
from gocdnext_sdk.host.harness.report.console import ConsoleListener, open_console
from gocdnext_sdk.host.harness.report.interface import JobReport, LogLine, RunReport, Status
from gocdnext_sdk.host.harness.report.json import write
from gocdnext_sdk.host.harness.report.text import details

BUILD = JobReport(
    name="build",
    stage="make",
    status=Status.PASSED,
    exit_code=0,
    seconds=1.25,
    outputs={"digest": "sha256:1", "token": "hunter2"},
    masked_outputs=frozenset({"token"}),
)
SIGN = JobReport(name="sign", stage="ship", status=Status.FAILED, exit_code=2, reason="exited with 2")


def told() -> str:
    file = io.StringIO()
    listener = ConsoleListener(Console(file=file, width=120), "everything")
    listener.run_started("release", [("make", "build"), ("ship", "sign")])
    listener.job_started("build")
    listener.line(
        "build", LogLine("stdout", "plain [bold]text[/bold] \x1b[31mred\x1b[0m \x1b[2J" + "x" * 200)
    )
    listener.notice("cache: not stored", "build")
    listener.job_finished(BUILD)
    listener.job_finished(SIGN)
    listener.run_finished(RunReport("release", (BUILD, SIGN), 2.0))
    listener.close()
    return file.getvalue()


def test_every_line_stands_behind_its_job_whole_and_without_escape_sequences() -> None:
    text = told()
    assert "build │ plain [bold]text[/bold] red " in text
    assert "x" * 200 + "\n" in text
    assert "\x1b" not in text


def test_a_long_output_takes_a_few_lines_of_the_table() -> None:
    job = replace(BUILD, outputs={"previous": "reference=sha256:1," * 100})
    assert 0 < details(job).index("… (1900 characters)") < 200


@pytest.mark.parametrize(
    "sequence",
    [
        *(
            "\x1bc",
            "\x1b#8",
            "\x1b[2J",
            "\x1b[?1049h",
            "\x1b[1;1H",
            "\x1b(0",
            "\x1b",
            "\x1b[31",
            "\x9b2J",
            "\x9dx\x9c",
        ),
        *(
            "\x1b]0;title\x07",
            "\x1b]52;c;aGk=\x1b\\",
            "\x1b]8;;https://evil.example\x1b\\",
            "\x1bPq\x1b\\",
            "\b",
            "\a",
        ),
    ],
)
def test_no_job_drives_the_terminal(sequence: str) -> None:
    """By what it prints, or by the names of its files, or by its outputs."""
    file = io.StringIO()
    listener = ConsoleListener(
        Console(file=file, width=120, force_terminal=True, no_color=True), "everything"
    )
    job = JobReport(
        name="job",
        stage="s",
        status=Status.FAILED,
        reason=f"reason{sequence}",
        outputs={"a": f"value{sequence}"},
    )
    listener.line("job", LogLine("stdout", f"line{sequence}"))
    listener.notice(f"{sequence}file: not brought back", "job")
    listener.job_finished(job)
    listener.run_finished(RunReport("p", (job, replace(job, status=Status.PASSED, reason="")), 1.0))
    listener.close()
    said = re.sub(r"\x1b\[[0-9;]*m", "", file.getvalue())
    assert sequence[0] not in said.replace("\x1b[?25h", "")


def test_the_table_says_how_each_job_ended_and_hides_masked_outputs() -> None:
    *_, header, build, sign, verdict = told().splitlines()
    assert header.split() == ["STAGE", "JOB", "RESULT", "EXIT", "TIME", "DETAILS"]
    assert build.split() == ["make", "build", "passed", "0", "1.2", "s", "digest=sha256:1", "token=***"]
    assert sign.split() == ["ship", "sign", "failed", "2", "exited", "with", "2"]
    assert verdict == "release failed: 1 of 2 jobs passed, 1 failed, 2.0 s"


def test_exit_codes_follow_the_worst_job() -> None:
    def code(*statuses: Status, stopped_by: int = 0) -> int:
        jobs = tuple(JobReport(name=str(at), stage="s", status=each) for at, each in enumerate(statuses))
        return RunReport("p", jobs, 0.0, stopped_by).exit_code

    assert code(Status.PASSED, Status.PASSED) == 0
    assert code(Status.PASSED, Status.FAILED, Status.CANCELED) == 1
    assert code(Status.FAILED, Status.ERROR) == 3
    assert code(Status.CANCELED, stopped_by=2) == 130


def test_for_other_programs_it_is_json_without_what_is_masked(tmp_path: Path) -> None:
    write(RunReport("release", (BUILD, SIGN), 2.0), tmp_path / "report.json")
    told = json.loads((tmp_path / "report.json").read_text())
    assert (told["pipeline"], told["passed"], told["exit_code"]) == ("release", False, 1)
    assert [job["outputs"] for job in told["jobs"]] == [{"digest": "sha256:1", "token": "***"}, {}]


def test_a_file_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot be written"):
        write(RunReport("release", (BUILD,), 2.0), tmp_path / "nowhere" / "report.json")


def shown(*texts: str, status: Status = Status.PASSED, **console: Any) -> str:
    """Return what is shown of a job that prints these lines."""
    file = io.StringIO()
    listener = ConsoleListener(Console(file=file, **{"width": 60, **console}))
    listener.run_started("release", [("make", "build")])
    listener.job_started("build")
    log = tuple(LogLine("stdout", text) for text in texts)
    for line in log:
        listener.line("build", line)
    reason = "1 HIGH, 1 MEDIUM" if status is Status.FAILED else ""
    listener.job_finished(replace(BUILD, status=status, reason=reason, log=log))
    listener.close()
    return file.getvalue()


def test_a_good_job_is_its_steps_and_its_result() -> None:
    text = shown("noise", "==> pushed", "more noise")
    assert text.splitlines()[1:] == ["build │ ==> pushed", "build │ passed in 1.2 s"]


def test_of_a_failed_job_the_end_is_shown_in_full_and_then_why() -> None:
    many = [f"line {number}" for number in range(100)]
    _, more, *end, why = shown(*many, status=Status.FAILED).splitlines()
    assert "40 lines before" in more
    assert end == [f"build │ {line}" for line in many[40:]]
    assert why == "build │ failed in 1.2 s: 1 HIGH, 1 MEDIUM"


def test_on_a_terminal_a_long_line_goes_on_behind_its_jobs_name() -> None:
    text = shown("==> " + "word " * 40, force_terminal=True, no_color=True)
    lines = [line for line in text.splitlines() if "word" in line]
    assert len(lines) > 3
    assert all(
        "build │ " in line and len(re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", line).rstrip()) <= 60
        for line in lines
    )


def test_a_terminal_has_a_line_for_each_running_job_and_counts_them() -> None:
    file = io.StringIO()
    listener = ConsoleListener(Console(file=file, width=60, force_terminal=True, no_color=True))
    listener.run_started("release", [("make", "build"), ("make", "test"), ("ship", "sign")])
    listener.job_started("build")
    listener.job_started("test")
    listener.line("test", LogLine("stdout", "collecting " + "x" * 100))
    listener.job_finished(BUILD)
    table = Console(file=io.StringIO(), width=60, record=True)
    table.print(listener._now_running())
    test, count = table.export_text().splitlines()
    assert " test " in test
    assert "collecting xxx" in test
    assert "…" in test
    assert "1 of 3" in count
    listener.close()


def test_a_second_run_counts_anew_and_beats_again() -> None:
    file = io.StringIO()
    listener = ConsoleListener(Console(file=file, width=60), heartbeat=0.05)
    for _ in range(2):
        listener.run_started("release", [("make", "build"), ("ship", "sign")])
        listener.job_finished(BUILD)
        listener.run_finished(RunReport("release", (BUILD,), 2.0))
    file.truncate(0)
    listener.run_started("release", [("make", "build"), ("ship", "sign")])
    listener.job_finished(BUILD)
    listener.job_started("sign")
    table = Console(file=io.StringIO(), width=60, record=True)
    table.print(listener._now_running())
    assert "1 of 2 jobs" in table.export_text()
    deadline = time.monotonic() + 5
    while "still running" not in file.getvalue() and time.monotonic() < deadline:
        time.sleep(0.01)
    listener.close()
    assert "sign  │ still running" in file.getvalue()


def test_where_there_is_no_terminal_a_silent_job_is_said_to_run() -> None:
    file = io.StringIO()
    listener = ConsoleListener(Console(file=file, width=60), heartbeat=0.05)
    listener.run_started("release", [("make", "build")])
    listener.job_started("build")
    listener.line("build", LogLine("stdout", "step 3\x1b[2K"))
    deadline = time.monotonic() + 5
    while "still running" not in file.getvalue() and time.monotonic() < deadline:
        time.sleep(0.01)
    listener.close()
    assert "build │ still running, 0 s: step 3\n" in file.getvalue()
    assert "\x1b" not in file.getvalue()


def test_a_run_goes_on_when_nobody_reads_it_any_more(monkeypatch: pytest.MonkeyPatch) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "w") as stdout:
        monkeypatch.setattr("sys.stdout", stdout)
        listener = ConsoleListener(open_console(), "everything")
        listener.run_started("release", [("s", "a")])
        for _ in range(2):
            listener.line("a", LogLine("stdout", "x" * 100_000))
        listener.close()

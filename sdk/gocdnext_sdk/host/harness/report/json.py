"""A run as JSON, for other programs and for later: `SCHEMA` describes it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

from gocdnext_sdk.errors import UsageError
from gocdnext_sdk.host.harness.report.interface import JobReport, Notice, RunReport, Status, Step
from gocdnext_sdk.host.harness.results.coverage import Coverage
from gocdnext_sdk.host.harness.results.junit import TestResults

SCHEMA: Final = Path(__file__).with_name("run.schema.json")
"""The JSON Schema of a run (docs/reports.md)."""

VERSION = 1
"""Of the form. A key may be added without a new version; none changes its meaning."""


def as_dict(report: RunReport) -> dict[str, Any]:
    """Return the report without logs; masked outputs are ``***``."""
    return {
        "version": VERSION,
        "id": report.id,
        "pipeline": report.pipeline,
        "passed": report.passed,
        "exit_code": report.exit_code,
        "stopped_by": report.stopped_by,
        "began": report.began,
        "seconds": round(report.seconds, 3),
        "commit": report.commit,
        "branch": report.branch,
        "cause": report.cause,
        "notices": [{"text": each.text, "job": each.job} for each in report.notices],
        "jobs": [_job(job) for job in report.jobs],
    }


def render(report: RunReport) -> str:
    """Return the run as a JSON document."""
    return json.dumps(as_dict(report), indent=2, ensure_ascii=False) + "\n"


def write(report: RunReport, file: Path) -> None:
    """Write it to `file`.

    Raises:
        UsageError: the file cannot be written.
    """
    write_text(file, render(report))


def write_text(file: Path, text: str) -> None:
    """Write one form of a report.

    Raises:
        UsageError: the file cannot be written.
    """
    try:
        file.write_text(text, encoding="utf-8", errors="replace")
    except OSError as error:
        raise UsageError(f"{file}: cannot be written: {error.strerror}") from None


def from_dict(found: Mapping[str, Any]) -> RunReport:
    """Return the report that `as_dict` described; logs are not in it.

    Raises:
        KeyError: something is missing.
        ValueError: it is of a later form, or a status is unknown.
        TypeError: it is not of this form.
    """
    if found["version"] != VERSION:
        raise ValueError("it was written by another version")
    return RunReport(
        id=found["id"],
        pipeline=found["pipeline"],
        jobs=tuple(map(_report, found["jobs"])),
        seconds=found["seconds"],
        stopped_by=found["stopped_by"],
        began=found["began"],
        commit=found["commit"],
        branch=found["branch"],
        cause=found["cause"],
        notices=tuple(Notice(each["text"], each["job"]) for each in found["notices"]),
    )


def _job(job: JobReport) -> dict[str, Any]:
    return {
        "name": job.name,
        "stage": job.stage,
        "image": job.image,
        "status": job.status.value,
        "exit_code": job.exit_code,
        "reason": job.reason,
        "result": job.result,
        "began": round(job.began, 3),
        "seconds": round(job.seconds, 3),
        "inputs": dict(job.inputs),
        "outputs": job.shown_outputs,
        "steps": [{"title": each.title, "at": round(each.at, 3), "line": each.line} for each in job.steps],
        "tests": asdict(job.tests) if job.tests else None,
        "coverage": asdict(job.coverage) if job.coverage else None,
        "written": list(job.written),
    }


def _report(job: Mapping[str, Any]) -> JobReport:
    outputs, tests = dict(job["outputs"]), job["tests"]
    return JobReport(
        name=job["name"],
        stage=job["stage"],
        image=job["image"],
        status=Status(job["status"]),
        exit_code=job["exit_code"],
        reason=job["reason"],
        result=job["result"],
        began=job["began"],
        seconds=job["seconds"],
        inputs=dict(job["inputs"]),
        outputs=outputs,
        steps=tuple(Step(each["title"], each["at"], each["line"]) for each in job["steps"]),
        tests=TestResults(**{**tests, "failures": tuple(tests["failures"])}) if tests else None,
        coverage=Coverage(**job["coverage"]) if job["coverage"] else None,
        written=tuple(job["written"]),
    )

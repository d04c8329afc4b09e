"""A run as JSON, for other programs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from gocdnext_sdk.errors import UsageError
from gocdnext_sdk.host.harness.report.interface import JobReport, RunReport


def as_dict(report: RunReport) -> dict[str, Any]:
    """Return the report without logs; masked outputs are ``***``."""
    return {
        "pipeline": report.pipeline,
        "passed": report.passed,
        "exit_code": report.exit_code,
        "seconds": round(report.seconds, 3),
        "jobs": [_job(job) for job in report.jobs],
    }


def write(report: RunReport, file: Path) -> None:
    """Write it to `file`.

    Raises:
        UsageError: the file cannot be written.
    """
    try:
        file.write_text(json.dumps(as_dict(report), indent=2) + "\n")
    except OSError as error:
        raise UsageError(f"{file}: cannot be written: {error.strerror}") from None


def _job(job: JobReport) -> dict[str, Any]:
    return {
        "name": job.name,
        "stage": job.stage,
        "status": job.status.value,
        "exit_code": job.exit_code,
        "reason": job.reason,
        "seconds": round(job.seconds, 3),
        "outputs": job.shown_outputs,
        "written": list(job.written),
    }

"""Texts of jobs for display: without what would drive a terminal, and short."""

from __future__ import annotations

import re
from collections.abc import Sequence

from gocdnext_sdk.host.harness.report.interface import JobReport, LogLine

CONTROL = re.compile(
    r"""(?x) (?P<colour> \x1b\[[0-9;:]*m)
    | \x1b\[[0-?]*[ -/]*[@-~]? | \x1b[\]PX^_].*?(?:\x07|\x1b\\|$) | \x1b[ -/]*[0-~]?
    | [\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]
    """
)
"""Escape sequences and control characters, as ECMA-48 has them; not the tab, nor a progress bar's return."""

_TAIL = 40
"""Lines of a failed job that a summary shows."""

_ROOM = 160
"""Characters of one output in a table."""


def plain(text: str) -> str:
    """Return a text without escape sequences and control characters; of a progress bar, its last state."""
    return CONTROL.sub("", text).rstrip("\r").rpartition("\r")[2]


def tail(log: Sequence[LogLine], count: int = _TAIL) -> list[str]:
    """Return the last lines of a log, plain."""
    return [plain(line.text) for line in log[-count:]]


def details(job: JobReport) -> str:
    """Return in one line why a job did not pass, or what it gave to others and says of its result."""
    reason = job.reason.splitlines()[0] if job.reason else ""
    outputs = " ".join(f"{alias}={_shortened(value)}" for alias, value in job.shown_outputs.items())
    return plain("; ".join(filter(None, (reason or outputs or job.result, job.measured))))


def _shortened(value: str) -> str:
    """Return a value as a table has room for; the reports hold it whole."""
    return value if len(value) <= _ROOM else f"{value[:_ROOM]}… ({len(value)} characters)"

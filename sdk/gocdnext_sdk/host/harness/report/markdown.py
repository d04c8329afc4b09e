"""A run as Markdown, for a pull request or a job's summary."""

from __future__ import annotations

import re
from collections.abc import Iterator

from gocdnext_sdk.host.harness.report.interface import JobReport, RunReport, Status
from gocdnext_sdk.host.harness.report.text import details, plain, tail

_MARKS = {
    Status.PASSED: "✅",
    Status.FAILED: "❌",
    Status.ERROR: "❌",
    Status.CANCELED: "⏭️",
}
_SPECIAL = re.compile(r"([\\`*_{}\[\]()<>#+\-!|~@:&])")


def render(report: RunReport) -> str:
    """Return the run as GitHub's Markdown: a table of jobs, and the end of each failed job's log."""
    return "\n".join(_lines(report)) + "\n"


def _lines(report: RunReport) -> Iterator[str]:
    passed = report.count(Status.PASSED)
    yield f"### {_text(report.pipeline)}: {report.verdict}"
    yield ""
    about = [f"{passed} of {len(report.jobs)} jobs passed in {report.seconds:.1f} s"]
    if report.commit:
        about.append(f"commit {_code(report.commit[:8])}")
    if report.branch:
        about.append(f"branch {_code(report.branch)}")
    yield ", ".join(about) + "."
    yield ""
    yield "| | job | stage | time | |"
    yield "| --- | --- | --- | ---: | --- |"
    for job in report.jobs:
        seconds = f"{job.seconds:.1f} s" if job.seconds else ""
        cells = (_MARKS[job.status], _text(job.name), _text(job.stage), seconds, _text(details(job)))
        yield f"| {' | '.join(cells)} |"
    for job in report.jobs:
        if job.status in {Status.FAILED, Status.ERROR} and job.log:
            yield from _log(job)


def _log(job: JobReport) -> Iterator[str]:
    lines = tail(job.log)
    longest = max((len(each) for each in re.findall("`+", "\n".join(lines))), default=0)
    fence = "`" * max(3, longest + 1)
    yield ""
    yield f"<details><summary>the end of {_html(job.name)}</summary>"
    yield ""
    yield f"{fence}text"
    yield from lines
    yield fence
    yield ""
    yield "</details>"


def _text(text: str) -> str:
    """Return a text that is nothing but text: no markup, no mention, no link."""
    return _SPECIAL.sub(lambda match: f"&#{ord(match[1])};", " ".join(plain(text).splitlines()))


def _code(text: str) -> str:
    return f"<code>{_text(text)}</code>"


def _html(text: str) -> str:
    from html import escape

    return escape(plain(text))

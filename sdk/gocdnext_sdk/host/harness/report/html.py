"""A run as one HTML file that needs nothing else: no script, no font, no request.

Everything in it that is not markup is a stranger's text: escaped, and without control characters. A policy in
the head keeps a browser from loading or running anything, should an escape ever be missed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from html import escape
from importlib.resources import files

from gocdnext_sdk.host.harness.report.interface import JobReport, LogLine, RunReport, Status, Step
from gocdnext_sdk.host.harness.report.text import plain

_POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"

_KEPT = 20_000
"""Lines of a job's log, at its end: a browser must still open the file."""

_OPEN = 200
"""Lines of a step that are shown without being asked for, in a job that failed."""


def render(report: RunReport) -> str:
    """Return the run as an HTML document."""
    return "\n".join(_document(report)) + "\n"


def _document(report: RunReport) -> Iterator[str]:
    title = f"{report.pipeline}: {report.verdict}"
    yield '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">'
    yield f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">'
    yield '<meta name="viewport" content="width=device-width, initial-scale=1">'
    yield '<meta name="referrer" content="no-referrer">'
    yield f"<title>{_text(title)}</title>"
    style = files(__package__).joinpath("html.css").read_text(encoding="utf-8")
    yield f"<style>\n{style}</style>\n</head>\n<body>"
    yield from _head(report)
    yield from _timeline(report)
    yield "<main>"
    for number, job in enumerate(report.jobs):
        yield from _job(job, number)
    yield "</main>"
    if report.notices:
        yield "<h2>Notes</h2>\n<ul>"
        for notice in report.notices:
            yield f"<li>{_text(f'{notice.job}: ' if notice.job else '')}{_text(notice.text)}</li>"
        yield "</ul>"
    yield "</body>\n</html>"


def _head(report: RunReport) -> Iterator[str]:
    passed = report.count(Status.PASSED)
    state = "passed" if report.passed else "canceled" if report.stopped_by else "failed"
    yield f'<header class="{state}">'
    yield f'<h1>{_text(report.pipeline)} <span class="state">{_text(report.verdict)}</span></h1>'
    yield f"<p>{passed} of {len(report.jobs)} jobs passed in {report.seconds:.1f} s</p>"
    about = {"began": report.began, "commit": report.commit, "branch": report.branch, "cause": report.cause}
    said = " · ".join(f"{key} <code>{_text(value)}</code>" for key, value in about.items() if value)
    yield f'<p class="soft">{said}</p>\n</header>'


def _timeline(report: RunReport) -> Iterator[str]:
    whole = max([report.seconds, *(job.began + job.seconds for job in report.jobs)], default=0) or 1
    yield '<h2>Timeline</h2>\n<nav class="time">'
    for number, job in enumerate(report.jobs):
        left, width = 100 * job.began / whole, 100 * job.seconds / whole
        bar = f'<i style="left:{left:.2f}%;width:{width:.2f}%"></i>' if job.seconds else ""
        marks = "".join(
            f'<b title="{_text(step.title)}" style="left:{100 * (job.began + step.at) / whole:.2f}%"></b>'
            for step in job.steps
        )
        seconds = f"{job.seconds:.1f} s" if job.seconds else job.status.value
        yield f'<a href="#job-{number}">{_text(job.name)}</a>'
        yield f'<div class="track {job.status.value}">{bar}{marks}</div><span>{seconds}</span>'
    yield "</nav>"


def _job(job: JobReport, number: int) -> Iterator[str]:
    yield f'<article id="job-{number}" class="{job.status.value}">'
    facts = [job.stage, f"{job.seconds:.1f} s" if job.seconds else "", job.image]
    if job.exit_code:
        facts.insert(2, f"exit code {job.exit_code}")
    soft = "".join(f'<span class="soft">{_text(each)}</span>' for each in facts if each)
    yield f'<h3>{_text(job.name)} <span class="state">{job.status.value}</span>{soft}</h3>'
    if why := job.reason or job.result:
        yield f'<p class="why">{_text(why)}</p>'
    if job.measured:
        failed = f" ({', '.join(job.tests.failures)})" if job.tests and job.tests.failures else ""
        yield f'<p class="why">{_text(job.measured + failed)}</p>'
    yield from _table("outputs", job.shown_outputs, is_open=True)
    yield from _table("inputs", job.inputs, is_open=False)
    if job.written:
        yield f"<details><summary>{len(job.written)} files written</summary>\n<ul>"
        yield from (f"<li><code>{_text(each)}</code></li>" for each in job.written)
        yield "</ul></details>"
    if job.log:
        yield from _log(job)
    yield "</article>"


def _table(title: str, values: Mapping[str, str], *, is_open: bool) -> Iterator[str]:
    if not values:
        return
    yield f"<details{' open' if is_open else ''}><summary>{title}</summary>\n<table>"
    for name, value in values.items():
        yield f"<tr><th>{_text(name)}</th><td>{_text(value)}</td></tr>"
    yield "</table></details>"


def _log(job: JobReport) -> Iterator[str]:
    """Yield the log, folded by step; of a failed job the last step is open."""
    failed = job.status in {Status.FAILED, Status.ERROR}
    first = max(0, len(job.log) - _KEPT)
    cut = f", the last {_KEPT} shown" if first else ""
    yield f"<details{' open' if failed else ''}><summary>log ({len(job.log)} lines{cut})</summary>"
    starts = [step for step in job.steps if first < step.line < len(job.log)]
    bounds = [Step("start", 0.0, first), *starts]
    ends = [*(step.line for step in starts), len(job.log)]
    for step, end in zip(bounds, ends, strict=True):
        lines = job.log[step.line : end]
        if not lines:
            continue
        last = failed and end == len(job.log)
        yield f"<details{' open' if last and len(lines) <= _OPEN else ''}>"
        yield f'<summary>{_text(step.title)} <span class="soft">{step.at:.1f} s</span></summary>'
        yield _lines(lines)
        yield "</details>"
    yield "</details>"


def _lines(lines: Sequence[LogLine]) -> str:
    texts = (
        f'<span class="stderr">{_text(line.text)}</span>' if line.stream == "stderr" else _text(line.text)
        for line in lines
    )
    joined = "\n".join(texts)
    return f"<pre>{joined}</pre>"


def _text(text: str) -> str:
    # A lone surrogate or a line separator has no place in a document.
    return escape("\n".join(map(plain, text.split("\n"))).encode("utf-8", "replace").decode())
